package render

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"infer/internal/stats"
	"infer/report"
)

// noBreak is the blank between the digits of a number, where no line breaks.
const noBreak = "\u00a0"

// late is from when on a request counts as sent late, in seconds.
const late = 1e-3

// load is a load test on its way to a page.
type load struct {
	report.LoadDetails
	d                *report.Document
	latency, service stats.Sketch     // of all sections
	outcomes         map[string]int64 // of all sections
	due, errors      int64            // errors: all outcomes but ok, wrong and dropped
	limits           []limit
}

// limit is an objective on latency.
type limit struct {
	expr  string
	value float64
}

// layLoad lays out a load test: whether to believe it, what users would wait, what it was measured with, and what it
// means.
func layLoad(d *report.Document, l report.LoadDetails, o Options) layout {
	v := newLoad(d, l)
	p := v.percentiles()
	out := layout{title: v.headline(), summary: v.summary(), subject: v.subject(), next: l.Next}
	if c := d.Validity; v.onlyWarmUp() {
		out.foldChecks = true // that nothing was measured is said, and is nobody's fault
	} else if len(c.Checks) > 0 {
		out.foldChecks = c.Verdict == report.Valid
		if d.Verdict != report.Invalid {
			out.badge = cell{text: "INVALID", tone: bad}
			if c.Verdict == report.Valid {
				out.badge = cell{text: "VALID", tone: good}
			}
		}
	}
	out.lead = []section{p, v.search(), v.curve()}
	out.sections = []section{v.overTime(), v.distribution(), v.tail(), v.conduct(), v.objectives(), v.faults(o), v.wrongAnswers(o), v.slowest(o)}
	reading := section{title: "Reading"}
	for _, s := range l.Reading {
		reading.lines = append(reading.lines, str(s))
	}
	out.last = []section{reading}
	out.metricsLast = p.table != nil || len(l.Points) > 0 || l.Search != nil || v.onlyWarmUp()
	for _, s := range l.SLO {
		if s.At == "" { // those of the points of a sweep are summed up in the gates
			out.judged = append(out.judged, s.Expr)
		}
	}
	return out
}

func newLoad(d *report.Document, l report.LoadDetails) *load {
	v := &load{LoadDetails: l, d: d, outcomes: map[string]int64{}}
	if l.Figures != nil {
		for _, s := range l.Figures.Sections {
			v.latency.Merge(s.Latency)
			v.service.Merge(s.Service)
			v.due += s.Due
			for o, n := range s.Outcomes {
				v.outcomes[o] += n
				if o != "ok" && o != "wrong" && o != "dropped" {
					v.errors += n
				}
			}
		}
	}
	exprs := []string{}
	for _, s := range l.SLO {
		exprs = append(exprs, s.Expr)
	}
	for _, g := range d.Gates {
		exprs = append(exprs, g.Expr)
	}
	for i, e := range exprs {
		g, err := report.ParseSLO(e)
		if err == nil && strings.HasPrefix(g.Metric, "latency_") && g.Op[0] == '<' && g.Limit > 0 && !slices.Contains(exprs[:i], e) {
			v.limits = append(v.limits, limit{e, g.Limit})
		}
	}
	return v
}

func (v *load) closed() bool { return v.Schedule.Loop == "closed" }

// sweep reports whether v is of several loads, none of which is the one. What another tool measured may have no figures
// and be of one.
func (v *load) sweep() bool {
	return v.Search == nil && v.Figures == nil && v.Schedule.Loop != "" && (!v.imported() || len(v.Points) > 0)
}

// imported reports whether another tool measured v: it may have left out what this program always tells, and it counts
// latency from sending.
func (v *load) imported() bool {
	_, ok := v.d.Manifest.Options["imported"]
	return ok
}

// onlyWarmUp reports whether v was interrupted before anything was due that counts.
func (v *load) onlyWarmUp() bool {
	return v.d.Verdict == report.Interrupted && v.Figures != nil && v.due == 0
}

// compared reports whether answers were compared with what is expected: only then any is known to be right.
func (v *load) compared() bool {
	return v.Correctness != nil && v.Correctness.Checked > 0 || v.Figures != nil && v.Figures.Checked > 0
}

// untrusted reports whether an objective stands on figures that a check speaks against: any check, or of a sweep one of
// the same point.
func (v *load) untrusted(s report.LoadSLO) bool {
	if s.At == "" {
		return v.d.Validity.Verdict == report.NotValid || v.d.Verdict == report.Invalid
	}
	return slices.ContainsFunc(v.d.Validity.Checks, func(c report.Check) bool {
		_, point, _ := strings.Cut(c.Name, "@")
		return !c.OK && point == s.At
	})
}

// headline says in one line what was sent and how that went, "" for a document that does not tell.
func (v *load) headline() string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch {
	case v.Search != nil:
		return v.searchHeadline()
	case v.sweep():
		return v.sweepHeadline()
	case v.Schedule.Loop == "":
		return ""
	}
	if s, ok := v.d.Manifest.Options["scenario"].(string); ok && s != "" && s != "server" {
		add("%s", s)
	}
	add("%s", v.rateText())
	if v.onlyWarmUp() {
		add("interrupted during the warm-up")
		return strings.Join(parts, ", ")
	}
	if v.Window.Seconds > 0 {
		add("%s", seconds(v.Window.Seconds))
	}
	if v.Schedule.Shard != "" {
		add("shard %s", v.Schedule.Shard)
	}
	if rows, ok := v.rowRate(); ok {
		add("%s", rowsOf(rows))
	}
	if v.Figures != nil {
		unsent := v.outcomes["dropped"] + v.outcomes["unreachable"]
		add("%s sent", whole(v.due-unsent))
		if v.Figures.Lag != nil && !v.closed() {
			add("%s late > %s", whole(v.Figures.Lag.Above(late)), seconds(late))
		}
		if unsent > 0 {
			add("%s not sent", whole(unsent))
		}
		if n := v.outcomes["wrong"]; n > 0 {
			add("%s wrong", whole(n))
		}
		add("%s", wholeOf(v.errors, "error"))
	}
	return strings.Join(parts, ", ")
}

// rowRate is what a closed loop of batches, or an offline run, is about: rows a second.
func (v *load) rowRate() (perSecond float64, ok bool) {
	m := v.d.Metric("row_throughput", nil)
	if m == nil && v.Target.Rows <= 1 && v.d.Manifest.Options["scenario"] == "offline" {
		m = v.d.Metric("throughput", nil)
	}
	if m == nil || m.Value == nil || !v.closed() {
		return 0, false
	}
	return *m.Value, true
}

// rateText is the load in a few words: "500 /s poisson", "16 requests at a time".
func (v *load) rateText() string {
	s := v.Schedule
	if v.closed() && s.Concurrency == 0 {
		return "closed loop" // of a tool that does not tell
	}
	if v.closed() {
		text := plural(s.Concurrency, "request") + " at a time"
		if v.Target.Rows > 1 {
			text += " of " + plural(v.Target.Rows, "row")
		}
		return text
	}
	if len(s.Stages) == 0 {
		return cmp.Or(s.Arrival, "open loop")
	}
	lo, hi := s.Stages[0].From, s.Stages[0].From
	for _, x := range s.Stages {
		lo, hi = min(lo, x.From, x.To), max(hi, x.From, x.To)
	}
	text := rateOf(hi)
	if lo < hi {
		text = rateOf(lo) + " to " + text
	}
	text += " " + s.Arrival
	if n := len(s.Stages); n > 1 {
		text += fmt.Sprintf(" in %d stages", n)
	}
	return strings.TrimSpace(text)
}

// summary says what stands in the way of believing the figures, and the answer of a search.
func (v *load) summary() string {
	var parts []string
	if v.onlyWarmUp() {
		return "Interrupted during the warm-up: nothing was measured."
	}
	if v.d.Validity.Verdict == report.NotValid || v.d.Verdict == report.Invalid {
		parts = append(parts, v.blame())
	}
	if v.d.Verdict == report.Interrupted {
		text := "Interrupted: the figures are of what was measured until then"
		if planned := v.planned(); planned > v.Window.Seconds && v.Window.Seconds > 0 {
			text += ", " + seconds(v.Window.Seconds) + " of " + seconds(planned)
		}
		if n := len(v.Points); v.PointsPlanned > n && v.sweep() {
			text = fmt.Sprintf("Interrupted: %d of %s were measured, the last one perhaps in part", n, plural(v.PointsPlanned, "point"))
		}
		parts = append(parts, text+".")
	}
	if s := v.Search; s != nil && s.Reason != "" {
		parts = append(parts, sentence(s.Reason))
	}
	return strings.Join(parts, " ")
}

// planned is the length of the window as it was to be, 0 where that is not known.
func (v *load) planned() (sum float64) {
	for _, s := range v.Schedule.Stages {
		sum += s.For
	}
	return sum
}

// blame says which checks failed and who is at fault; what they saw is in their table.
func (v *load) blame() string {
	var who, what []string
	for _, c := range v.d.Validity.Checks {
		name, _, _ := strings.Cut(c.Name, "@")
		if c.OK || slices.Contains(what, name) {
			continue
		}
		what = append(what, name)
		if f := atFault(name); f != "" && !slices.Contains(who, f) {
			who = append(who, f)
		}
	}
	text := "Do not trust these figures"
	if v.sweep() {
		text = "Do not trust all of these figures"
	}
	switch {
	case v.Figures != nil && v.due == 0:
		text += ": nothing was due in the window"
	case len(what) > 0:
		text += ": " + strings.Join(what, " and ") + " failed"
		if len(who) > 0 {
			text += "; at fault: " + strings.Join(who, " and ")
		}
	}
	return sentence(text)
}

// atFault says whose doing it is when a check does not hold, by what its name speaks of; "" where that is open.
func atFault(check string) string {
	for _, x := range []struct{ part, who string }{
		{"server", "the server"}, {"error", "the server"}, {"answer", "the server"},
		{"connection", "the limit of connections (--connections)"},
		{"throttl", "the CPU quota of this machine"}, {"steal", "this machine"}, {"pressure", "this machine"}, {"interference", "this machine"}, {"host", "this machine"},
		{"steady", "the length of the run"}, {"warm", "the length of the run"},
		{"lag", "the load generator"}, {"pacer", "the load generator"}, {"generator", "the load generator"}, {"cpu", "the load generator"},
		{"gc", "the load generator"}, {"floor", "the load generator"}, {"sent", "the load generator"}, {"schedule", "the load generator"}, {"rate", "the load generator"},
	} {
		if strings.Contains(check, x.part) {
			return x.who
		}
	}
	return ""
}

// subject says what was loaded, and how.
func (v *load) subject() []fact {
	var fs []fact
	add := func(name string, parts ...string) {
		if text := joined(parts...); text != "" {
			fs = append(fs, fact{name, text})
		}
	}
	t := v.Target
	version := ""
	if t.Model != "" {
		version = strings.TrimSpace("model " + t.Model + " " + t.Version)
	}
	add("target", t.URL, t.Protocol, t.Encoding, version, t.Server)
	if t.Payloads > 0 {
		add("payloads", append([]string{fmt.Sprintf("%d of %s", t.Payloads, plural(max(t.Rows, 1), "row")), sized(t.Bytes)}, t.Notes...)...)
	}
	add("load", v.loadText()...)
	w := v.Window
	if w.Seconds > 0 && !v.sweep() {
		parts := []string{seconds(w.Seconds)}
		if w.WarmUp > 0 {
			parts[0] += " after " + seconds(w.WarmUp) + " of warm-up"
			if w.Settle > 0 {
				parts[0] += ", and " + seconds(w.Settle) + " of single requests before that"
			}
		}
		if w.Steady != "" {
			parts = append(parts, "latency "+w.Steady)
		}
		if w.Drain > 0 {
			parts = append(parts, "last answer "+seconds(w.Drain)+" after its end")
		}
		add("window", parts...)
	}
	return fs
}

func (v *load) loadText() []string {
	s := v.Schedule
	var parts []string
	switch {
	case s.Loop == "":
		return nil
	case v.closed():
		parts = append(parts, "closed loop")
		if s.Concurrency > 0 {
			parts = append(parts, plural(s.Concurrency, "request")+" at a time")
		}
	default:
		parts = append(parts, s.Loop+" loop", s.Arrival)
	}
	for _, x := range s.Stages {
		text := rateOf(x.To)
		if x.From != x.To {
			text = rateOf(x.From) + " to " + text
		}
		if x.For > 0 {
			text += " for " + seconds(x.For)
		}
		parts = append(parts, text)
	}
	if !v.closed() && s.Arrival != "" && len(v.Runs) == 0 { // each of merged runs has its own
		parts = append(parts, "seed "+strconv.FormatUint(s.Seed, 10))
	}
	if len(s.SHA256) >= 12 {
		parts = append(parts, "schedule "+s.SHA256[:12])
	}
	if s.Shard != "" {
		parts = append(parts, "shard "+s.Shard)
	}
	if s.Merged > 1 {
		parts = append(parts, fmt.Sprintf("merged from %d shards", s.Merged))
	}
	if n := len(v.Runs); n > 0 {
		parts = append(parts, fmt.Sprintf("%d runs", n))
	}
	return parts
}

// joined joins the texts that are not empty.
func joined(parts ...string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(parts), func(s string) bool { return s == "" }), ", ")
}

// sentence ends s with a full stop.
func sentence(s string) string { return strings.TrimRight(s, ". ") + "." }

func sized(bytes int64) string {
	if bytes <= 0 {
		return ""
	}
	return bytesText(bytes) + " a request"
}

// rowsOf writes rows a second.
func rowsOf(perSecond float64) string {
	return strings.TrimSuffix(rateOf(perSecond), " /s") + " rows/s"
}

func rateOf(perSecond float64) string { return report.FormatValue(report.Rate, perSecond) }

// whole writes a count in full, its digits in groups of three from five digits on.
func whole(n int64) string {
	s := strconv.FormatInt(n, 10)
	if len(s) < 5 {
		return s
	}
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + noBreak + s[i:]
	}
	return s
}

func wholeOf(n int64, one string) string {
	if n != 1 {
		one += "s"
	}
	return whole(n) + " " + one
}
