package loadtest

import (
	"testing"
	"time"

	"infer/internal/stats"
	"infer/loadtest/sample"
	"infer/loadtest/schedule"
	"infer/report"
)

// figures are those of n requests a section, slow of which take longer than the limit of 20 ms, failed of which fail.
func figures(sections int, n, slow, failed int64) *report.LoadFigures {
	f := &report.LoadFigures{Seconds: float64(sections), Lag: &stats.Sketch{}, ConnWait: &stats.Sketch{}}
	for range sections {
		s := report.LoadSection{Seconds: 1, Due: n, Outcomes: map[string]int64{"ok": n - failed, "failed": failed}, Latency: &stats.Sketch{}, Service: &stats.Sketch{}}
		for i := range n - failed {
			v := 0.010
			if i < slow {
				v = 0.030
			}
			s.Latency.Add(v)
			s.Service.Add(v)
		}
		f.Sections = append(f.Sections, s)
	}
	return f
}

func slo(t *testing.T, expr string) objective {
	t.Helper()
	g, err := report.ParseSLO(expr)
	if err != nil {
		t.Fatal(err)
	}
	o, ok := objectiveOf(g)
	if !ok {
		t.Fatalf("%s is no objective", expr)
	}
	return o
}

// TestJudgeObjective: failed requests count as late, and a verdict needs an interval that is on one side.
func TestJudgeObjective(t *testing.T) {
	for _, c := range []struct {
		name, expr string
		f          *report.LoadFigures
		want       string
		missed     int64
	}{
		{"none slow", "p99<20ms", figures(20, 100, 0, 0), report.Pass, 0},
		{"too few to tell", "p99<20ms", figures(10, 10, 0, 0), report.GateInconclusive, 0}, // 100 requests: at most 3.7 % are slow
		{"a tenth slow", "p99<20ms", figures(20, 100, 10, 0), report.Fail, 200},
		{"a tenth failed", "p99<20ms", figures(20, 100, 0, 10), report.Fail, 200},
		{"half slow, of p50 at the edge", "p50<20ms", figures(20, 100, 50, 0), report.GateInconclusive, 1000},
		{"a tenth failed, by error rate", "error_rate<20%", figures(20, 100, 0, 10), report.Pass, 200},
		{"the limit itself is kept", "p99<30ms", figures(20, 100, 10, 0), report.Pass, 0},
		{"the largest", "latency_max<20ms", figures(20, 100, 1, 0), report.Fail, 20},
		{"the largest, none", "latency_max<50ms", figures(20, 100, 1, 0), report.Pass, 0},
	} {
		got := slo(t, c.expr).judge(c.f)
		if got.Verdict != c.want || got.Missed != c.missed {
			t.Errorf("%s: %s with %d missed, want %s with %d: %s", c.name, got.Verdict, got.Missed, c.want, c.missed, got.Reason)
		}
	}
}

// TestClusteredMisses: misses that come together say less than as many that are spread.
func TestClusteredMisses(t *testing.T) {
	spread := slo(t, "p99<20ms").judge(figures(20, 1000, 5, 0)) // 0.5 % everywhere
	f := figures(20, 1000, 0, 0)
	f.Sections[3] = figures(1, 1000, 100, 0).Sections[0] // as many, all in one section
	together := slo(t, "p99<20ms").judge(f)
	if spread.Missed != together.Missed {
		t.Fatalf("%d and %d missed", spread.Missed, together.Missed)
	}
	if spread.Verdict != report.Pass || together.Verdict != report.GateInconclusive {
		t.Errorf("spread: %s, together: %s", spread.Verdict, together.Verdict)
	}
}

// TestSearchable: what no single request can be judged by is refused.
func TestSearchable(t *testing.T) {
	for expr, ok := range map[string]bool{"p99<20ms": true, "error_rate<0.1%": true, "latency_mean<5ms": false, "throughput>=10/s": false} {
		g, err := report.ParseSLO(expr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := searchable([]report.Gate{g}); (err == nil) != ok {
			t.Errorf("%s: %v", expr, err)
		}
	}
}

// TestTally: a request that has waited longer than the limit is a miss before it is answered.
func TestTally(t *testing.T) {
	s, err := schedule.New(schedule.Options{Arrival: "constant", Stages: []schedule.Stage{{From: 100, To: 100, For: 2 * time.Second}}})
	if err != nil {
		t.Fatal(err)
	}
	y := newTally([]objective{slo(t, "p99<20ms")}, s, time.Second, 2*time.Second, 10*time.Second)
	for i := range 50 { // due at 1.00 to 1.49 s, answered in 5 ms; before is warm-up
		due := time.Second + time.Duration(i)*10*time.Millisecond
		y.add([]sample.Sample{{Due: due, Sent: due, Done: due + 5*time.Millisecond}, {Due: due - time.Second, Done: due}})
	}
	e := y.evidence(1495 * time.Millisecond)
	if e.Due != 50 || e.Missed[0] != 0 || e.Outstanding != 0 {
		t.Errorf("while all goes well: %+v", e)
	}
	e = y.evidence(2500 * time.Millisecond) // nothing was answered since
	if e.Due != 100 || e.Missed[0] != 50 || e.Outstanding != 0 || e.Elapsed != time.Second {
		t.Errorf("after a standstill: due %d, missed %v, outstanding %d, elapsed %v", e.Due, e.Missed, e.Outstanding, e.Elapsed)
	}
	var due, missed int64
	for _, p := range e.Sections[0] {
		due, missed = due+p.Due, missed+p.Missed
	}
	if len(e.Sections[0]) != sectionsOf || due != e.Due || missed != e.Missed[0] {
		t.Errorf("%d sections with %d due and %d missed", len(e.Sections[0]), due, missed)
	}
	if first, last := e.Sections[0][0], e.Sections[0][sectionsOf-1]; first.Missed != 0 || last.Missed != last.Due {
		t.Errorf("first section %+v, last %+v", first, last)
	}
}

// TestNextSearches: a search is proposed by objectives only that it can judge.
func TestNextSearches(t *testing.T) {
	for _, c := range []struct {
		name string
		slow int64
		slos []string
		want string // the objective; "": there is no search
	}{
		{"none", 0, nil, "p99<13ms"}, // a p99 of 10 ms, and a third
		{"a percentile", 0, []string{"p99<20ms"}, "p99<20ms"},
		{"a mean before a percentile", 0, []string{"mean<20ms", "p99<20ms"}, "p99<20ms"},
		{"a mean alone", 0, []string{"mean<20ms"}, "p99<13ms"},
		{"a percentile that fails", 50, []string{"p99<20ms"}, "p99<20ms"},
		{"a mean that fails", 0, []string{"mean<5ms"}, ""},
		{"a rate that fails", 0, []string{"throughput>=300/s"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := report.New("loadtest")
			x := &report.LoadDetails{Target: report.LoadTarget{URL: "http://h", Protocol: "oip-http"}, Schedule: report.LoadSchedule{Loop: "open"}, Figures: figures(20, 100, c.slow, 0)}
			derive(d, x)
			var slos []report.Gate
			for _, e := range c.slos {
				g, err := report.ParseSLO(e)
				if err != nil {
					t.Fatal(err)
				}
				slos = append(slos, g)
			}
			if err := judge(d, x, slos, nil); err != nil {
				t.Fatal(err)
			}
			if got := x.Next; (got == nil) != (c.want == "") || got != nil && got.Command != "infer loadtest http://h --find-max-rps --slo '"+c.want+"'" {
				t.Errorf("%+v, want a search by %q", got, c.want)
			}
		})
	}
}

func TestSteady(t *testing.T) {
	course := func(at func(i int) float64) *report.LoadFigures {
		f := figures(20, 0, 0, 0)
		for i := range f.Sections {
			f.Sections[i].Latency.Add(at(i))
		}
		return f
	}
	for want, f := range map[string]*report.LoadFigures{
		level:   course(func(i int) float64 { return 0.01 + 0.001*float64(i%3) }),
		rising:  course(func(i int) float64 { return 0.01 * float64(i+1) }),
		falling: course(func(i int) float64 { return 0.01 * float64(20-i) }),
		unclear: figures(3, 10, 0, 0),
	} {
		if got := steady(f); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestPromise(t *testing.T) {
	for hi, want := range map[float64]string{0.0195: "25ms", 0.0816: "110ms", 0.00031: "390us", 1.2: "1.5s"} {
		if got := short(promise(hi)); got != want {
			t.Errorf("promise of %v: %s, want %s", hi, got, want)
		}
		if _, err := report.ParseSLO("p99<" + short(promise(hi))); err != nil {
			t.Error(err)
		}
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"http://h:80/x": "http://h:80/x", "p99<20ms": "'p99<20ms'", "it's": `'it'\''s'`, "": "''"} {
		if got := Quote(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	if got := command(report.LoadTarget{URL: "http://h", Options: "--protocol tfs"}); got != "infer loadtest http://h --protocol tfs" {
		t.Error(got)
	}
}
