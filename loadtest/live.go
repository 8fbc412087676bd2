package loadtest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"infer/report"
)

// LiveView is what a load test shows of itself while it runs. Rates are requests a second.
type LiveView struct {
	Phase    string           // "floor", "warm-up", "load", "waiting for the last answers", "trial 3, 740 /s, warm-up"
	Elapsed  time.Duration    // of the phase
	Total    time.Duration    // of the phase; 0: not known
	Offered  float64          // over the last second; 0: closed loop
	Answered float64          // over the last second
	InFlight int64            //
	P50, P99 time.Duration    // latency over the last second; 0: nothing was answered
	Limit    time.Duration    // on p99, of an objective; 0: none
	Errors   map[string]int64 // of the phase, by the name of the outcome
	Rates    []float64        // Answered of the seconds so far, oldest first
	P99s     []float64        // P99 of the seconds so far, in seconds; NaN where nothing was answered
}

// LiveStyle is how the lines of a LiveView are set. A nil function is identity, a nil Sparkline draws nothing.
type LiveStyle struct {
	Bold, Dim, Good, Bad, Accent func(string) string
	Sparkline                    func(values []float64, width int) string
	ASCII                        bool // for terminals without UTF-8
}

// The columns of a live view: the names, and what the figures behind a graph take but for rare ones, which are cut.
const (
	liveName    = 11
	liveFigures = 36
	liveGraph   = 60 // at the most: what is older than a minute is no longer live
)

// LiveLines returns v as four lines for a terminal of width columns, styled by s. Longer lines are left to be cut.
func LiveLines(v LiveView, width int, s LiveStyle) []string {
	graph := min(width-liveName-liveFigures, liveGraph)
	if graph < 8 {
		graph = 0
	}
	lines := []string{v.head(graph, s), v.line("answered", v.Rates, graph, s, v.rates()), v.line("p99", v.P99s, graph, s, v.latency(s))}
	errors := styled(s.Dim, "none")
	if len(v.Errors) > 0 {
		errors = styled(s.Bad, v.errors())
	}
	lines = append(lines, pad("  errors", liveName)+errors)
	for i := range lines {
		if s.ASCII {
			lines[i] = strings.ReplaceAll(lines[i], "µ", "u")
		}
	}
	return lines
}

// head is the phase and how far it is.
func (v LiveView) head(graph int, s LiveStyle) string {
	phase := pad(v.Phase+" ", liveName-1)
	b := styled(s.Bold, phase) + " "
	room := graph - (utf8.RuneCountInString(phase) + 1 - liveName)
	if v.Total > 0 && room >= 8 {
		b += v.bar(room, s) + "  "
	}
	return b + v.times() + fmt.Sprintf(", %d in flight", v.InFlight)
}

func (v LiveView) bar(width int, s LiveStyle) string {
	full, empty := "━", "─"
	if s.ASCII {
		full, empty = "=", "-"
	}
	n := int(min(1, max(0, v.Elapsed.Seconds()/v.Total.Seconds())) * float64(width))
	return styled(s.Accent, strings.Repeat(full, n)) + styled(s.Dim, strings.Repeat(empty, width-n))
}

// line is a figure behind its history.
func (v LiveView) line(name string, history []float64, graph int, s LiveStyle, figures string) string {
	b := pad("  "+name, liveName)
	if graph > 0 && s.Sparkline != nil && len(history) > 0 {
		b += styled(s.Accent, pad(s.Sparkline(history, graph), graph)) + "  "
	}
	return b + figures
}

// LiveLine returns v as one plain line, for where there is no terminal:
// "12 s of 60 s: 500 /s offered, 499 /s answered, p50 6.10 ms, p99 18.4 ms, 0 errors".
func LiveLine(v LiveView) string {
	b := v.times() + ": "
	if v.Phase != "" && v.Phase != "load" {
		b = v.Phase + ", " + b
	}
	if v.Offered > 0 {
		b += rate(v.Offered) + " offered, "
	}
	b += rate(v.Answered) + " answered"
	if v.P99 > 0 {
		b += ", p50 " + duration(v.P50) + ", p99 " + duration(v.P99)
	}
	if len(v.Errors) == 0 {
		return b + ", 0 errors"
	}
	return b + ", errors: " + v.errors()
}

func (v LiveView) times() string {
	if v.Total <= 0 {
		return wholeSeconds(v.Elapsed)
	}
	if v.Total < 10*time.Second {
		return tenths(v.Elapsed) + " of " + tenths(v.Total)
	}
	return wholeSeconds(v.Elapsed) + " of " + wholeSeconds(v.Total)
}

func (v LiveView) rates() string {
	if v.Offered > 0 {
		return rate(v.Answered) + " of " + rate(v.Offered) + " offered"
	}
	return rate(v.Answered)
}

func (v LiveView) latency(s LiveStyle) string {
	if v.P99 <= 0 {
		text := "nothing answered yet"
		if slices.ContainsFunc(v.Rates, func(r float64) bool { return r > 0 }) {
			text = "no answers of late"
		}
		return styled(s.Dim, text)
	}
	b := duration(v.P99)
	switch {
	case v.Limit > 0 && v.P99 > v.Limit:
		b = styled(s.Bad, b+" > "+duration(v.Limit))
	case v.Limit > 0:
		b = styled(s.Good, b) + " of " + duration(v.Limit)
	}
	return b + ", p50 " + duration(v.P50)
}

// errors lists the outcomes that were none to wish for, most frequent first.
func (v LiveView) errors() string {
	names := slices.SortedFunc(maps.Keys(v.Errors), func(a, b string) int {
		return cmp.Or(cmp.Compare(v.Errors[b], v.Errors[a]), cmp.Compare(a, b))
	})
	var parts []string
	for _, n := range names {
		parts = append(parts, fmt.Sprintf("%d %s", v.Errors[n], strings.ReplaceAll(n, "_", " ")))
	}
	return strings.Join(parts, ", ")
}

func rate(perSecond float64) string       { return report.FormatValue(report.Rate, perSecond) }
func duration(d time.Duration) string     { return report.FormatValue(report.Time, d.Seconds()) }
func wholeSeconds(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()) }
func tenths(d time.Duration) string       { return fmt.Sprintf("%.1f s", d.Seconds()) }
func pad(s string, n int) string          { return s + strings.Repeat(" ", max(0, n-utf8.RuneCountInString(s))) }

func styled(f func(string) string, s string) string {
	if f == nil || s == "" {
		return s
	}
	return f(s)
}
