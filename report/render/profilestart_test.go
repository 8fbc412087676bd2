package render

import (
	"strings"
	"testing"

	"infer/internal/stats"
	"infer/report"
)

// startDoc is a profile with stages, the steps of a start, and memory of every sort.
func startDoc(t *testing.T) *report.Document {
	t.Helper()
	p := report.ProfileDetails{
		Idle: &report.Idle{Share: 0.62, Spin: 0.04, CPU: 0.0248, Gap: 0.2, N: 5},
		Timeline: []report.Span{{Name: "start the process", End: 0.02}, {Name: "load the library", Begin: 0.02, End: 0.06},
			{Name: "create the session", Begin: 0.06, End: 0.0999}, {Name: "first run", Begin: 0.0999, End: 0.1}},
		Memory: &report.Memory{Initializers: 1_000_000, ActivationLowerBound: 2_000_000, BaseRSS: 60_000_000, PeakRSS: 90_000_000,
			Allocator: &report.Allocator{PeakInUse: 4_000_000, Held: 8_000_000}},
	}
	d := base(t, "profile", p)
	add := func(row report.StageRow, p50, lo, hi float64) {
		row.Latency = stats.NewHistogram()
		p.Stages = append(p.Stages, row)
		for _, name := range []string{"latency_p50", "latency_p90"} {
			m := metric(name, p50, lo, hi, 40)
			m.Labels = map[string]string{"stage": row.Stage}
			d.Add(m)
		}
	}
	add(report.StageRow{Stage: "pre", Command: "python3 " + hostile}, 0.0034, 0.0033, 0.0035)
	add(report.StageRow{Stage: "forward"}, 0.05, 0.04, 0.06)
	add(report.StageRow{Stage: "post", Command: "./post", Anew: true}, 0.01, 0.009, 0.011)
	add(report.StageRow{Stage: "pre pipelined", Command: "python3 " + hostile}, 0.034, 0.03, 0.04)
	add(report.StageRow{Stage: "forward pipelined"}, 0.05, 0.04, 0.06)
	add(report.StageRow{Stage: "post pipelined", Command: "./post", Anew: true}, 0.012, 0.01, 0.013)
	if err := d.SetDetails(p); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestStart: the stages against themselves alone, the steps in their place, and why the numbers of memory differ.
func TestStart(t *testing.T) {
	d := startDoc(t)
	text := render(t, d, "text", Options{Width: 100})
	for _, want := range []string{
		"pre pipelined      34.0 ms  [30.0, 40.0]   34.0 ms    40          10.0×",
		"forward            50.0 ms  [40.0, 60.0]   50.0 ms    40\n",
		"post is ./post, started anew for each run: its start is part of the time",
		"threads spin for 40 ms and use 62 % of one CPU: 24.8 ms of CPU time",
		"start the process       0 s    20 ms  ███▎\n",
		"first run           99.9 ms   100 µs                 ▏\n",
		"runtime's allocator    4 MB in use at its peak, of 8 MB taken from the system",
		"process at its peak    90 MB, 30 MB more",
		"they differ, since",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("text lacks %q:\n%s", want, text)
		}
	}
	if strings.Count(text, "latency_p50") > 0 {
		t.Errorf("the figures of stages are there twice:\n%s", text)
	}
	if html := render(t, d, "html", Options{}); !strings.Contains(html, `<rect x="99.9" width="0.5" height="8"/>`) || strings.Contains(html, "<script>alert") {
		t.Error("HTML lacks the place of the first run, or a command leaves its place")
	}
	if md := render(t, d, "markdown", Options{}); !strings.Contains(md, "\u00a0\u00a0████") {
		t.Errorf("Markdown lacks the bars:\n%s", md)
	}
	ascii := render(t, d, "text", Options{Width: 60, ASCII: true})
	for _, l := range strings.Split(ascii, "\n") {
		if columns(l) > 60 && !strings.Contains(l, "a|b") { // a word of that length does not break
			t.Errorf("%d columns: %s", columns(l), l)
		}
	}
	if none := startSections(d, report.ProfileDetails{Idle: &report.Idle{Gap: 0.2, N: 5}}); !none[0].empty() || !none[2].empty() || !strings.Contains(none[1].facts[0].value, "no thread spins") {
		t.Errorf("%+v", none)
	}
}
