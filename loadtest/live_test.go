package loadtest

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"infer/internal/term"
	"infer/loadtest/sample"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func liveViews() map[string]LiveView {
	rates, p99s := make([]float64, 12), make([]float64, 12)
	for i := range rates {
		rates[i], p99s[i] = 500, 0.012
	}
	rates[7], p99s[7] = 120, 0.09
	p99s[0] = math.NaN()
	return map[string]LiveView{
		"load": {Phase: "load", Elapsed: 12 * time.Second, Total: time.Minute, Offered: 500, Answered: 499.4, InFlight: 4,
			P50: 6100 * time.Microsecond, P99: 18400 * time.Microsecond, Limit: 20 * time.Millisecond, Rates: rates, P99s: p99s},
		"failing": {Phase: "step 3 of a search, 740 /s", Elapsed: 2600 * time.Millisecond, Total: 30 * time.Second, Offered: 740, Answered: 611,
			InFlight: 228, P50: 80 * time.Millisecond, P99: 412 * time.Millisecond, Limit: 20 * time.Millisecond,
			Errors: map[string]int64{"timed_out": 3, "refused": 120, "broken": 3}, Rates: rates, P99s: p99s},
		"closed":  {Phase: "warm-up", Elapsed: time.Second, Answered: 43210, InFlight: 16, P50: 310 * time.Microsecond, P99: 1200 * time.Microsecond, Rates: []float64{43210}, P99s: []float64{0.0012}},
		"short":   {Phase: "floor", Elapsed: 700 * time.Millisecond, Total: 1400 * time.Millisecond, Offered: 500, Answered: 498, P99: time.Millisecond},
		"waiting": {Phase: "waiting for the last answers", Elapsed: 2 * time.Second, Offered: 500, InFlight: 1234, Rates: []float64{480, 0}, Errors: map[string]int64{"refused": 1}},
		"nothing": {Phase: "load", Total: time.Minute, Offered: 500},
	}
}

// The frames of a live view in the widths of terminals, and the line where there is none.
func TestLiveGolden(t *testing.T) {
	mark := func(l string) func(string) string {
		return func(s string) string { return "<" + l + ">" + s + "</" + l + ">" }
	}
	styles := LiveStyle{Bold: mark("b"), Dim: mark("d"), Good: mark("g"), Bad: mark("r"), Accent: mark("a")}
	spark := func(ascii bool) func([]float64, int) string {
		return func(v []float64, n int) string { return term.Sparkline(v, n, ascii) }
	}
	styles.Sparkline = spark(false)
	var b strings.Builder
	for _, name := range []string{"load", "failing", "closed", "short", "waiting", "nothing"} {
		v := liveViews()[name]
		b.WriteString("== " + name + "\n" + LiveLine(v) + "\n")
		for _, width := range []int{120, 80, 60} {
			lines := LiveLines(v, width, LiveStyle{Sparkline: spark(false)})
			b.WriteString(strings.Join(lines, "\n") + "\n")
			for _, l := range lines {
				if n := utf8.RuneCountInString(l); n > width {
					t.Errorf("%s at %d columns: %d in %q", name, width, n, l)
				}
			}
		}
		b.WriteString(strings.Join(LiveLines(v, 80, LiveStyle{Sparkline: spark(true), ASCII: true}), "\n") + "\n")
		b.WriteString(strings.Join(LiveLines(v, 80, styles), "\n") + "\n")
	}
	path := filepath.Join("testdata", "live.txt")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("%s differs (rewrite with -update after looking):\n%s", path, b.String())
	}
}

// A long list of errors is left to be cut; nothing panics on figures that make no sense.
func TestLiveOdd(t *testing.T) {
	v := LiveView{Phase: strings.Repeat("long ", 40), Elapsed: -time.Second, Total: time.Nanosecond, Offered: math.Inf(1), Answered: math.NaN(), P99: 1, Errors: map[string]int64{"": -1}}
	for _, width := range []int{-1, 0, 1, 53, 61, 1000} {
		if n := len(LiveLines(v, width, LiveStyle{})); n != 4 {
			t.Errorf("%d lines at %d columns", n, width)
		}
	}
	if s := LiveLine(v); !strings.Contains(s, "answered") {
		t.Errorf("line %q", s)
	}
}

// A viewer tells warm-up, window and the wait for the last answers apart, and begins with rates that are some.
func TestViewerParts(t *testing.T) {
	var got []LiveView
	show := func(v LiveView) { got = append(got, v) }
	f := sample.NewFold(sample.FoldOptions{From: 2 * time.Second, To: 12 * time.Second})
	f.Add([]sample.Sample{{Done: 100 * time.Millisecond, Queue: sample.Untold, Compute: sample.Untold}})
	v := viewer{phase: "load", from: 2 * time.Second, to: 12 * time.Second, show: show}
	trial := v
	trial.phase = "trial 3, 740 /s"
	for _, at := range []time.Duration{500 * time.Millisecond, 2 * time.Second, 11 * time.Second, 13 * time.Second} {
		v.look(at, f)
		trial.look(at, f)
	}
	want := []string{
		"warm-up 0.5 s of 2.0 s", "trial 3, 740 /s, warm-up 0.5 s of 2.0 s", "load 0 s of 10 s", "trial 3, 740 /s 0 s of 10 s",
		"load 9 s of 10 s", "trial 3, 740 /s 9 s of 10 s", "waiting for the last answers 1 s", "trial 3, 740 /s, waiting for the last answers 1 s",
	}
	for i, v := range got {
		if text := v.Phase + " " + v.times(); text != want[i] {
			t.Errorf("frame %d: %q, want %q", i, text, want[i])
		}
	}
	if got[0].Answered != 2 {
		t.Errorf("%g /s answered in the first half second, want 2", got[0].Answered)
	}
}
