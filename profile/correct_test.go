package profile

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"infer/internal/stats"
	"infer/model/measure"
	"infer/model/trace"
	"infer/report"
)

// made is a model of n nodes of known times that is traced at a known cost, with noise of each side its own.
func made(kernel []float64, floor, outside, framework, noise float64, blocks int) *alternated {
	r := rand.New(rand.NewPCG(1, 2))
	near := func(v float64) float64 { return v * math.Exp(noise*r.NormFloat64()) }
	const runs = 12
	a := &alternated{trace: &trace.Trace{Runs: blocks * (runs + 1), Whole: blocks * (runs + 1), Each: 1}}
	for i := range kernel {
		a.trace.Nodes = append(a.trace.Nodes, &trace.Node{Name: fmt.Sprint("n", i), Op: "Op", Calls: a.trace.Runs, Seconds: make([]float64, a.trace.Runs)})
	}
	for b := range blocks {
		a.starts = append(a.starts, b*(runs+1)+1)
		var plain, traced []float64
		for k := range runs + 1 {
			untraced, slow := near(framework), near(framework)
			for i, v := range kernel {
				untraced += near(v)
				t := near(v) + floor
				// The trace has whole microseconds.
				a.trace.Nodes[i].Seconds[b*(runs+1)+k] = math.Floor(t*1e6+r.Float64()) * 1e-6
				slow += t + outside
			}
			if k > 0 {
				plain, traced = append(plain, untraced), append(traced, slow)
			}
		}
		a.untraced, a.traced = append(a.untraced, plain), append(a.traced, traced)
	}
	return a
}

func known(v float64) stats.Estimate {
	return stats.Estimate{Value: v, Lo: v, Hi: v, N: 8, OK: true}
}

// TestCorrect: of times that were made of known kernels and a known cost of tracing, the kernels come back.
func TestCorrect(t *testing.T) {
	const floor, outside, framework = 4e-6, 2e-6, 20e-6
	var kernel []float64
	for range 40 {
		kernel = append(kernel, 2e-3)
	}
	for range 100 {
		kernel = append(kernel, 0.3e-6)
	}
	a := made(kernel, floor, outside, framework, 0.05, 8)
	times := a.nodeTimes()
	c := correct(times, a, &overhead{known(floor), known(floor + outside)})
	truth := 0.0
	for _, v := range kernel {
		truth += v
	}
	if got := c.Sum.Value; math.Abs(got/truth-1) > 0.01 {
		t.Errorf("the nodes sum to %g s, they took %g", got, truth)
	}
	if c.Below != 100 || c.Nodes != 140 || c.SharesOnly {
		t.Errorf("%d of %d below the resolution, shares only %v; want 100 of 140, false", c.Below, c.Nodes, c.SharesOnly)
	}
	if want := 100 * 0.3e-6; math.Abs(c.BelowTime-want) > 0.3*want {
		t.Errorf("those below took %g s together, want %g", c.BelowTime, want)
	}
	if got := mean(times[0].corrected).Value; math.Abs(got/2e-3-1) > 0.03 {
		t.Errorf("a node of 2 ms is told to take %g s", got)
	}
	if math.Abs(c.Residual-framework) > 0.01*truth || c.Scale > 1 {
		t.Errorf("residual %g s, scale %g; the framework took %g", c.Residual, c.Scale, framework)
	}
}

// TestCorrectInflated: where tracing slows the nodes beyond its own cost, their times are scaled to the untraced run and
// only shares are to be told.
func TestCorrectInflated(t *testing.T) {
	kernel := []float64{60e-6, 40e-6}
	a := made(kernel, 4e-6, 2e-6, 0, 0.01, 8)
	for _, n := range a.trace.Nodes {
		for i := range n.Seconds {
			n.Seconds[i] *= 2
		}
	}
	for b := range a.traced {
		for i := range a.traced[b] {
			a.traced[b][i] *= 2
		}
	}
	times := a.nodeTimes()
	c := correct(times, a, &overhead{known(4e-6), known(6e-6)})
	sum := mean(times[0].corrected).Value + mean(times[1].corrected).Value
	if c.Residual >= 0 || c.Scale >= 1 || math.Abs(sum/c.Untraced.Value-1) > 1e-6 || !c.SharesOnly {
		t.Errorf("residual %g s, scale %g, the nodes sum to %g s of %g, shares only %v", c.Residual, c.Scale, sum, c.Untraced.Value, c.SharesOnly)
	}
	if got := mean(times[0].corrected).Value / sum; math.Abs(got-0.6) > 0.02 {
		t.Errorf("the first node has %g of the time, want 0.6", got)
	}
}

// TestGroupingsAddUp: whatever the nodes are grouped by, the groups sum to the same, and none is negative.
func TestGroupingsAddUp(t *testing.T) {
	var kernel []float64
	for i := range 60 {
		kernel = append(kernel, []float64{0.1e-6, 0.4e-6, 30e-6}[i%3])
	}
	a := made(kernel, 4e-6, 2e-6, 5e-6, 0.5, 8)
	times := a.nodeTimes()
	correct(times, a, &overhead{known(4e-6), known(6e-6)})
	sum := func(key func(*nodeTime) string) (s float64) {
		for _, row := range table(times, key) {
			if row.Seconds < 0 {
				t.Errorf("%s took %g s", row.Name, row.Seconds)
			}
			s += row.Seconds
		}
		return s
	}
	nodes := sum(func(t *nodeTime) string { return t.Name })
	for _, n := range []int{1, 2, 7} {
		groups := sum(func(t *nodeTime) string { return fmt.Sprint(len(t.Name)%n, t.Name[len(t.Name)-1:]) })
		if math.Abs(groups/nodes-1) > 1e-9 {
			t.Errorf("the groups sum to %g s, the nodes to %g", groups, nodes)
		}
	}
	for _, x := range times {
		if mean(x.corrected).Value < 0 {
			t.Errorf("%s took %g s", x.Name, mean(x.corrected).Value)
		}
	}
}

// TestIntervalsHoldTheirMeans: rounding the ends moves none past the mean, of a node that took the same in all blocks too.
func TestIntervalsHoldTheirMeans(t *testing.T) {
	for _, seconds := range []float64{7.1234567e-6, 7.1234563e-6, 0, 1.0 / 3e6} {
		same := []float64{seconds, seconds, seconds}
		row := table([]nodeTime{{Node: &trace.Node{Name: "same"}, traced: same, corrected: same}}, func(t *nodeTime) string { return t.Name })[0]
		if row.Lo == nil || *row.Lo > row.Seconds || *row.Hi < row.Seconds {
			t.Errorf("%g s in every block: %g s from %v to %v", seconds, row.Seconds, *row.Lo, *row.Hi)
		}
	}
}

// TestNothingTold: a trace without a kept run tells nothing of nodes.
func TestNothingTold(t *testing.T) {
	a := made([]float64{1e-3}, 4e-6, 0, 0, 0, 2)
	if !a.told() {
		t.Error("a whole trace is not told from none")
	}
	warmUp, cut, none := *a, *a, *a
	warmUp.starts, cut.starts, none.trace = nil, []int{a.trace.Runs}, nil
	for what, a := range map[string]*alternated{"only the warm-up": &warmUp, "a trace that ends before": &cut, "no trace": &none} {
		if a.told() {
			t.Errorf("%s tells of nodes", what)
		}
	}
}

// TestEqualRuns: whole microseconds make runs equal, and their mean is rounded to beside of them.
func TestEqualRuns(t *testing.T) {
	for us := range 60 {
		for _, n := range []int{2, 3, 5, 7, 11} {
			seconds := slices.Repeat([]float64{float64(us+1) * 1e-6}, n)
			d := report.New("profile")
			if e := meanRun(&trace.Trace{RunSeconds: seconds}); e.Lo > e.Value || e.Hi < e.Value {
				t.Errorf("%d runs of %d µs: %+v", n, us+1, e)
			}
			addLatency(d, &measure.Series{Seconds: seconds}, 1, nil)
			if err := d.Validate(); err != nil {
				t.Fatalf("%d runs of %d µs: %v", n, us+1, err)
			}
		}
	}
}

// TestOriginTable: what is not named one by one is counted together.
func TestOriginTable(t *testing.T) {
	a := made(make([]float64, mostOrigins+30), 4e-6, 0, 0, 0, 2)
	rows := originTable(tracedTimes(a.trace))
	sum := 0.0
	for _, r := range rows {
		sum += r.Share
	}
	if last := rows[len(rows)-1]; len(rows) != mostOrigins+1 || last.Name != "(others)" || last.Count != 30 || math.Abs(sum-1) > 1e-9 {
		t.Errorf("%d rows, the last %+v, shares sum to %g", len(rows), last, sum)
	}
}

// TestCorrectLoop: a node that holds others has what their tracing costs outside of their own times in its own time.
func TestCorrectLoop(t *testing.T) {
	const floor, outside, calls = 4e-6, 2e-6, 50
	a := made([]float64{1e-3, 5e-3}, floor, outside, 0, 0.001, 8)
	loop, body := a.trace.Nodes[0], a.trace.Nodes[1]
	loop.Inside, body.Calls = calls*a.trace.Whole, calls*a.trace.Whole
	for i := range loop.Seconds {
		loop.Seconds[i] += calls * outside
		body.Seconds[i] += (calls - 1) * floor
	}
	times := a.nodeTimes()
	correct(times, a, &overhead{known(floor), known(floor + outside)})
	for i, want := range []float64{1e-3, 5e-3} {
		if got := mean(times[i].corrected).Value; math.Abs(got/want-1) > 0.01 {
			t.Errorf("node %d is told to take %g s, it took %g", i, got, want)
		}
	}
}

// TestCorrectTooMuch: where tracing cost less than at the chain, the nodes keep their shares and sum to the untraced run.
func TestCorrectTooMuch(t *testing.T) {
	a := made([]float64{3e-6, 1e-6}, 1e-6, 1e-6, 0, 0.001, 8)
	times := a.nodeTimes()
	c := correct(times, a, &overhead{known(20e-6), known(30e-6)})
	sum := mean(times[0].corrected).Value + mean(times[1].corrected).Value
	if math.Abs(sum/c.Untraced.Value-1) > 1e-6 {
		t.Errorf("the nodes sum to %g s, the run took %g", sum, c.Untraced.Value)
	}
	if got := mean(times[0].corrected).Value / sum; math.Abs(got-2./3) > 0.05 {
		t.Errorf("the first node has %g of the time, want two thirds: as traced", got)
	}
}

// TestCorrectWithoutCalibration: then times stay as traced.
func TestCorrectWithoutCalibration(t *testing.T) {
	a := made([]float64{5e-3}, 0, 0, 1e-3, 0.01, 4)
	times := a.nodeTimes()
	c := correct(times, a, nil)
	if c.Calibrated != "" || c.Below != 0 || math.Abs(mean(times[0].corrected).Value/5e-3-1) > 0.02 {
		t.Errorf("%+v, %g s", c, mean(times[0].corrected).Value)
	}
}

// TestChainOverhead: the chain tells the cost inside of a node and in all.
func TestChainOverhead(t *testing.T) {
	kernel := make([]float64, chainNodes)
	for i := range kernel {
		kernel[i] = 0.27e-6
	}
	a := made(kernel, 3e-6, 2e-6, 0, 0.02, 8)
	o := chainOverhead(a.nodeTimes(), middles(a.untraced), middles(a.traced))
	if math.Abs(o.floor.Value-3e-6) > 0.1e-6 || math.Abs(o.perNode.Value-5e-6) > 0.1e-6 || !o.floor.OK {
		t.Errorf("floor %+v, per node %+v; want 3 and 5 µs", o.floor, o.perNode)
	}
}

// TestMiddle: the middle half adds up, and what disturbed a run is not in it.
func TestMiddle(t *testing.T) {
	for _, c := range []struct {
		name string
		x    []float64
		want float64
	}{
		{"one", []float64{3}, 3},
		{"two", []float64{1, 3}, 2},
		{"a disturbed run", []float64{1, 2, 3, 1000}, 2.5},
		{"none", nil, 0},
	} {
		if got := middle(c.x); got != c.want {
			t.Errorf("%s: %g, want %g", c.name, got, c.want)
		}
	}
}
