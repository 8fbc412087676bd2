package compare

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"infer/report"
)

func TestSingleRun(t *testing.T) {
	for _, c := range []struct {
		ratio float64
		gate  string
		want  string
		code  int
	}{
		{1, "latency_p50<=+5%", report.GateInconclusive, 0},
		{1, "latency_p50<=+1000%", report.Pass, 0},
		{1, "latency_p50<=-99%", report.Fail, 3},
		{1.34, "latency_p50<=+5%", report.GateInconclusive, 0}, // 1.05 × 1.3 = 1.365
		{1.39, "latency_p50<=+5%", report.Fail, 3},
		{0.83, "latency_p50<=+5%", report.GateInconclusive, 0}, // 1.05 / 1.3 = 0.808
		{0.79, "latency_p50<=+5%", report.Pass, 0},
		{2, "latency_p50<=+1ms", report.Fail, 3}, // 2 ms to 4 ms
		{1, "latency_p50<=+1ms", report.Pass, 0}, // at most 0.6 ms
		{1, "latency_p50<=+0.5ms", report.GateInconclusive, 0},
		{1, "latency_p50<=-5ms", report.Fail, 3}, // of 2 ms
	} {
		d, x := compared(t, inputs(profiled(t, nil)), inputs(with(t, timed("latency_p50", 0.002*c.ratio, 0.00001))), gatesOf(t, c.gate))
		m := x.Metrics[0]
		if m.Verdict != c.want || d.Gates[0].Verdict != c.want || report.ExitCode(d, false) != c.code || m.Method != "single run" || m.Pairs != 1 {
			t.Errorf("%v %s: %s, %s", c.ratio, c.gate, m.Verdict, m.Reason)
		}
		if !strings.Contains(m.Reason, "spread of 10 %") || m.MDE != nil {
			t.Errorf("the assumption is not said: %s", m.Reason)
		}
	}
	_, x := compared(t, inputs(profiled(t, nil)), inputs(profiled(t, nil)), gatesOf(t, "latency_p50<=+5%"))
	if x.Next == nil || !strings.HasPrefix(x.Next.Command, "infer compare --a m.onnx --b m.onnx --gate 'latency_p50<=+5%'") {
		t.Errorf("next step %+v", x.Next)
	}
}

func TestMirror(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	near := func(a, b *float64) bool { return a != nil && b != nil && math.Abs(*a**b-1) < 1e-9 }
	for range 60 {
		var sides [2][]Input
		for i := range sides {
			values := make([]float64, 1+r.IntN(7))
			for j := range values {
				values[j] = 0.002 * math.Exp(0.2*r.NormFloat64())
			}
			sides[i] = runsOf(t, day, values...)
		}
		_, x := compared(t, sides[0], sides[1], gatesOf(t, "latency_p50<=+25%"))
		_, y := compared(t, sides[1], sides[0], gatesOf(t, "latency_p50>=-20%")) // 1/1.25
		m, n := x.Metrics[0], y.Metrics[0]
		if !near(m.Ratio, n.Ratio) || !near(m.RatioLo, n.RatioHi) || !near(m.RatioHi, n.RatioLo) || m.Method != n.Method || m.Significant != n.Significant {
			t.Fatalf("%d and %d runs: %s %v [%v %v], mirrored %s %v [%v %v]", len(sides[0]), len(sides[1]), m.Method, *m.Ratio, *m.RatioLo, *m.RatioHi, n.Method, *n.Ratio, *n.RatioLo, *n.RatioHi)
		}
		if !(*m.RatioLo <= *m.Ratio && *m.Ratio <= *m.RatioHi) {
			t.Errorf("%v is outside [%v, %v]", *m.Ratio, *m.RatioLo, *m.RatioHi)
		}
	}
}

func TestMethods(t *testing.T) {
	many := func(n int) []Input {
		var v []float64
		for i := range n {
			v = append(v, 0.002*(1+0.01*float64(i%5)))
		}
		return runsOf(t, day, v...)
	}
	for _, c := range []struct {
		base, head int
		alpha      float64
		want       string
	}{
		{1, 1, 0.05, "single run"}, {2, 1, 0.05, "few runs"}, {3, 3, 0.05, "few runs"}, {4, 4, 0.05, "permutation"}, {8, 8, 0.05, "permutation"},
		{5, 1, 0.05, "prediction"}, {1, 5, 0.05, "prediction"}, {10, 3, 0.05, "prediction"}, {4, 1, 0.05, "few runs"},
		{4, 4, 0.01, "few runs"}, {5, 5, 0.01, "permutation"}, // the least p-value of 4 and 4 is 1/70 a side, of 5 and 5 1/252
	} {
		o := gatesOf(t, "latency_p50<=+5%")
		o.Alpha = c.alpha
		_, x := compared(t, many(c.base), many(c.head), o)
		if m := x.Metrics[0]; m.Method != c.want || m.Pairs != min(c.base, c.head) {
			t.Errorf("%d and %d runs at %v: %s, want %s", c.base, c.head, c.alpha, m.Method, c.want)
		}
	}
	same := runsOf(t, day, 0.002, 0.002, 0.002, 0.002, 0.002)
	if _, x := compared(t, same, many(1), gatesOf(t, "latency_p50<=+5%")); x.Metrics[0].Method != "few runs" {
		t.Errorf("runs without any spread tell it by %s", x.Metrics[0].Method)
	}
}

func TestSeveralRuns(t *testing.T) {
	base := runsOf(t, day, 0.00200, 0.00201, 0.00199, 0.00202)
	d, x := compared(t, base, runsOf(t, day.Add(time.Hour), 0.00221, 0.00219, 0.00222, 0.00220), gatesOf(t, "latency_p50<=+5%"))
	m := x.Metrics[0]
	if d.Verdict != report.Regressed || *m.PValue > 1.0/70+1e-12 || *m.PAdjusted != *m.PValue || m.MDE == nil || *m.MDE <= 0.05 || *m.MDE > 0.08 {
		t.Errorf("%s, %+v: %s", d.Verdict, m, m.Reason)
	}
	if !strings.Contains(strings.Join(d.Warnings, "\n"), "before those of the other") || !strings.Contains(x.Method, "permutation test on the mean logarithms of 4 and 4 runs") {
		t.Errorf("method %q, warnings %q", x.Method, d.Warnings)
	}
	turns := runsOf(t, day.Add(30*time.Second), 0.00201, 0.00200, 0.00202, 0.00199)
	d, _ = compared(t, base, turns, gatesOf(t, "latency_p50<=+5%"))
	if d.Verdict != report.OK || strings.Contains(strings.Join(d.Warnings, "\n"), "before those of the other") {
		t.Errorf("%s, %q", d.Verdict, d.Warnings)
	}
	// Ten accepted runs with a spread of 1.5 % against one head: 10 % is told from it, 1 % passes a gate of 10 %.
	var history []float64
	r := rand.New(rand.NewPCG(2, 2))
	for range 10 {
		history = append(history, 0.002*math.Exp(0.015*r.NormFloat64()))
	}
	for ratio, want := range map[float64]report.Verdict{1.15: report.Regressed, 1.01: report.OK} {
		d, x := compared(t, runsOf(t, day, history...), runsOf(t, day, 0.002*ratio), gatesOf(t, "latency_p50<=+10%"))
		if d.Verdict != want {
			t.Errorf("%v: %s, %s", ratio, d.Verdict, x.Reason)
		}
	}
}

func TestNoiseOfRuns(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	draw := func(n int, ratio, sd float64) []Input {
		v := make([]float64, n)
		for i := range v {
			v[i] = 0.002 * ratio * math.Exp(sd*r.NormFloat64())
		}
		return runsOf(t, day, v...)
	}
	for _, c := range []struct {
		name       string
		base, head int
		sd         float64
		least      int // of 200 that a true +30 % fails
	}{
		{"single", 1, 1, 0.05, 40}, {"few", 3, 2, 0.05, 10}, {"permutation", 6, 6, 0.06, 180}, {"prediction", 10, 1, 0.06, 150},
	} {
		const trials = 200
		fails, caught := 0, 0
		for range trials {
			if d, _ := compared(t, draw(c.base, 1, c.sd), draw(c.head, 1, c.sd), gatesOf(t, "latency_p50<=+5%")); d.Verdict == report.Regressed {
				fails++
			}
			if d, _ := compared(t, draw(c.base, 1, c.sd), draw(c.head, 1.3, c.sd), gatesOf(t, "latency_p50<=+5%")); d.Verdict == report.Regressed {
				caught++
			}
		}
		// 2.5 % are 5 of 200; more than 11 come by chance once in a hundred times.
		if fails > 11 || caught < c.least {
			t.Errorf("%s: %d of %d alike fail, %d of a true +30 %%", c.name, fails, trials, caught)
		}
	}
}

func TestExact(t *testing.T) {
	bytes := func(v float64) *report.Document { return with(t, report.Exact("model_bytes", v)) }
	for _, c := range []struct {
		base, head float64
		gate       string
		want       string
	}{
		{100, 100, "model_bytes<=+0%", report.Pass}, {100, 101, "model_bytes<=+0%", report.Fail}, {100, 26, "model_bytes<=-70%", report.Pass},
		{100, 31, "model_bytes<=-70%", report.Fail}, {100, 110, "model_bytes<=+10%", report.Pass}, {100, 110, "model_bytes<+10%", report.Fail},
		{100, 103, "model_bytes<=+3B", report.Pass}, {0, 0, "model_bytes<=+5%", report.Pass}, {0, 1, "model_bytes<=+5%", report.Fail},
	} {
		_, x := compared(t, inputs(bytes(c.base)), inputs(bytes(c.head)), gatesOf(t, c.gate))
		if m := x.Metrics[0]; m.Verdict != c.want || m.Method != "exact" || m.PValue != nil {
			t.Errorf("%v to %v, %s: %s, %s", c.base, c.head, c.gate, m.Verdict, m.Reason)
		}
	}
	// Counts that differ between runs of a side have noise.
	dropped := func(v float64) *report.Document {
		m := report.NewMetric("dropped")
		m.Value, m.Method, m.N = &v, "count", 1000
		return loaded(t, func(d *report.Document, _ *report.LoadDetails) { d.Metrics = []report.Metric{m} })
	}
	_, x := compared(t, inputs(dropped(0), dropped(3)), inputs(dropped(1)), gatesOf(t, "dropped<=+0"))
	if m := x.Metrics[0]; m.Verdict != report.GateInconclusive || m.Method == "exact" {
		t.Errorf("%s by %s: %s", m.Verdict, m.Method, m.Reason)
	}
}

func TestSingleRunWithoutInterval(t *testing.T) {
	run := func(p99 float64) *report.Document {
		return with(t, timed("latency_p99", p99, 0), report.Exact("model_bytes", 5))
	}
	o := gatesOf(t, "latency_p99<=+5%", "model_bytes<=+0%")
	d, x := compared(t, inputs(run(0.010)), inputs(run(0.030)), o)
	if d.Verdict != report.Inconclusive || !strings.Contains(d.Gates[0].Reason, "several runs a side") || d.Gates[1].Verdict != report.Pass {
		t.Errorf("%s, %+v", d.Verdict, d.Gates)
	}
	if m := x.Metrics[0]; m.Significant || m.RatioLo != nil || m.MDE != nil || m.PValue != nil && *m.PValue < 0.05 {
		t.Errorf("%+v", m)
	}
	var base, head []*report.Document
	for i := range 4 {
		base, head = append(base, run(0.010+float64(i)/1e4)), append(head, run(0.030+float64(i)/1e4))
	}
	if d, _ := compared(t, inputs(base...), inputs(head...), o); d.Verdict != report.Regressed {
		t.Errorf("four runs a side: %s, %+v", d.Verdict, d.Gates)
	}
}

func TestFilesCatch(t *testing.T) {
	four, eight := []float64{0.00200, 0.00201, 0.00199, 0.00202}, []float64{0.00200, 0.00201, 0.00199, 0.00202, 0.00203, 0.00200, 0.00198, 0.00201}
	for _, c := range []struct {
		name       string
		base, head []float64
		gate       string
		from, to   float64 // mde
	}{
		{"permutation", four, four, "latency_p50<=+5%", 0.05, 0.08},
		{"prediction", eight, four[:1], "latency_p50<=+5%", 0.05, 0.08},
		{"in the unit", eight, four, "latency_p50<=+0.1ms", 0.0001, 0.00015},
		{"a smaller limit than the minimum effect", eight, eight, "latency_p50<=+0.1%", 0.01, 0.03},
		{"none on it", eight, four, "model_bytes<=+0%", 0, 0.02},
	} {
		_, x := compared(t, runsOf(t, day, c.base...), runsOf(t, day.Add(time.Hour), c.head...), gatesOf(t, c.gate))
		for _, m := range x.Metrics {
			if m.Name == "latency_p50" && (m.MDE == nil || *m.MDE <= c.from || *m.MDE > c.to) {
				t.Errorf("%s: want that more than %v would have been caught: %s", c.name, c.from, m.Reason)
			}
		}
	}
}

func TestImprovementMissed(t *testing.T) {
	values := []float64{0.0020, 0.00201, 0.00202, 0.00203, 0.00204}
	d, x := compared(t, runsOf(t, day, values...), runsOf(t, day, values...), gatesOf(t, "latency_p50<=-20%"))
	if m := x.Metrics[0]; d.Verdict != report.Regressed || !strings.HasSuffix(m.Reason, "not -20.0 %") || m.MDE != nil {
		t.Errorf("%s, %+v", d.Verdict, m)
	}
}

func TestZeroBase(t *testing.T) {
	queue := func(v, half float64) *report.Document {
		return with(t, timed("server_queue_mean", v, half))
	}
	d, _ := compared(t, inputs(queue(0, 1e-9)), inputs(queue(0.0001, 0.0002)), gatesOf(t, "server_queue_mean<=+5%"))
	if g := d.Gates[0]; g.Verdict != report.GateInconclusive || !strings.Contains(g.Reason, "the base is 0") {
		t.Errorf("%+v", g)
	}
	d, _ = compared(t, inputs(queue(0, 1e-9)), inputs(queue(0.001, 0.00001)), gatesOf(t, "server_queue_mean<=+5%"))
	if g := d.Gates[0]; g.Verdict != report.Fail {
		t.Errorf("%+v", g)
	}
	d, _ = compared(t, inputs(queue(0, 1e-9)), inputs(queue(0.0001, 0.00001)), gatesOf(t, "server_queue_mean<=+5ms"))
	if g := d.Gates[0]; g.Verdict != report.Pass {
		t.Errorf("%+v", g)
	}
}
