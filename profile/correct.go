package profile

import (
	"math"
	"slices"

	"infer/internal/stats"
	"infer/model/measure"
	"infer/model/trace"
	"infer/profile/lineage"
	"infer/report"
)

// nodeTime is what a node took, block by block of the traced session, in seconds of self time a run.
type nodeTime struct {
	*trace.Node
	calls     float64   // a run
	inside    float64   // calls a run of the nodes that it holds, whose tracing is in its own time
	traced    []float64 // as the trace tells it
	corrected []float64 // without what tracing costs
	below     bool      // too short to be told from the tracing
	cost      lineage.Cost
}

// overhead is what tracing costs a node: inside of its time, and in a run. Seconds.
type overhead struct {
	floor, perNode stats.Estimate
}

// middle is the mean of the middle half of x: it adds up like a mean, and the runs that something disturbed are not in
// it.
func middle(x []float64) float64 {
	s := stats.Sorted(x)
	cut := len(s) / 4
	s = s[cut : len(s)-cut]
	sum := 0.0
	for _, v := range s {
		sum += v
	}
	return sum / float64(max(1, len(s)))
}

// middleRuns returns the places in the trace of the middle half of the runs of a block, by the sum of their nodes. All
// nodes are averaged over the same runs, so that their times add up to those of the runs.
func middleRuns(t *trace.Trace, start, n int) []int {
	sums := make(map[int]float64, n)
	var runs []int
	for i := start; i < min(start+n, t.Runs); i++ {
		runs = append(runs, i)
		for _, node := range t.Nodes {
			sums[i] += node.Seconds[i]
		}
	}
	slices.SortStableFunc(runs, func(a, b int) int {
		switch {
		case sums[a] < sums[b]:
			return -1
		case sums[a] > sums[b]:
			return 1
		}
		return 0
	})
	cut := len(runs) / 4
	return runs[cut : len(runs)-cut]
}

// nodeTimes averages the nodes of a trace over the middle runs of each block.
func (a *alternated) nodeTimes() []nodeTime {
	var blocks [][]int
	for i, start := range a.starts {
		if runs := middleRuns(a.trace, start, len(a.traced[i])); len(runs) > 0 {
			blocks = append(blocks, runs)
		}
	}
	times := make([]nodeTime, len(a.trace.Nodes))
	for i, n := range a.trace.Nodes {
		times[i] = nodeTime{Node: n, calls: perRun(n.Calls, 1, a.trace), inside: perRun(n.Inside, 0, a.trace)}
		for _, runs := range blocks {
			sum := 0.0
			for _, r := range runs {
				sum += n.Seconds[r]
			}
			times[i].traced = append(times[i].traced, sum/float64(len(runs)))
		}
	}
	return times
}

// tracedTimes takes the nodes of a trace as they are, run by run: nothing is known of what tracing cost.
func tracedTimes(t *trace.Trace) []nodeTime {
	times := make([]nodeTime, len(t.Nodes))
	for i, n := range t.Nodes {
		times[i] = nodeTime{Node: n, calls: perRun(n.Calls, 1, t), inside: perRun(n.Inside, 0, t), traced: n.Seconds, corrected: slices.Clone(n.Seconds)}
	}
	return times
}

// perRun turns a count over all runs of a trace into one a run; unknown stands for a count of none.
func perRun(count int, unknown float64, t *trace.Trace) float64 {
	if count == 0 || t.Whole == 0 {
		return unknown
	}
	return float64(count) / float64(t.Whole)
}

// sharesOnly is the inflation from which times of nodes say more of the tracing than of the nodes.
const sharesOnly = 1.5

// correct frees times of what tracing costs, o (nil: unknown, nothing is taken away), and says how their sum compares
// with the untraced runs.
//
// A node that is not clearly longer than the tracing is below the resolution. Those keep the time that they have
// together, split by what the trace tells of each: cutting each of them at zero would keep what is too much of one and
// drop what is too little of another, and make their sum too large.
func correct(times []nodeTime, a *alternated, o *overhead) *report.Correction {
	untraced, traced := middles(a.untraced), middles(a.traced)
	c := &report.Correction{Untraced: report.IntervalOf(mean(untraced)), Traced: report.IntervalOf(mean(traced)), Inflation: ratio(traced, untraced), Scale: 1}
	for _, t := range times {
		c.Nodes += int(math.Round(t.calls))
	}
	floor, outside := 0.0, 0.0
	if o != nil {
		o = o.here(untraced, traced, c.Nodes)
		floor, outside = max(0, o.floor.Value), max(0, o.perNode.Value-o.floor.Value)
		c.Floor, c.PerNode = report.IntervalOf(o.floor), report.IntervalOf(o.perNode)
		c.Calibrated = "a chain of tiny nodes and this graph, traced and untraced in turn"
	}
	c.Resolution = 3 * floor
	for i := range times {
		t := &times[i]
		cost := t.calls*floor + t.inside*outside
		t.below = o != nil && mean(t.traced).Value < 3*cost
		t.corrected = make([]float64, len(t.traced))
		for b, v := range t.traced {
			t.corrected[b] = v - cost
		}
		if t.below {
			c.Below += int(math.Round(t.calls))
		}
	}
	c.BelowTime = split(times)
	c.SharesOnly = c.Inflation.Value > sharesOnly
	reconcile(times, c, o)
	return c
}

// here joins what the chain tells with what this graph tells itself: traced runs are longer by a node's cost for each of
// its calls, of which the chain tells how much lies inside of the node. Each counts as much as it is sure: the graph of
// many short nodes tells more, the one of a few long nodes next to nothing.
func (o *overhead) here(untraced, traced []float64, calls int) *overhead {
	if !(o.perNode.Value > 0) || !o.floor.OK || calls == 0 {
		return o
	}
	inside := min(1, o.floor.Value/o.perNode.Value)
	var own []float64
	for b := range min(len(untraced), len(traced)) {
		own = append(own, (traced[b]-untraced[b])/float64(calls)*inside)
	}
	e := mean(own)
	halfChain, halfOwn := (o.floor.Hi-o.floor.Lo)/2, (e.Hi-e.Lo)/2
	if !e.OK || e.N < 3 || e.Value <= 0 || halfChain == 0 || halfOwn == 0 {
		return o
	}
	chain, graph := 1/(halfChain*halfChain), 1/(halfOwn*halfOwn)
	joined := *o
	joined.floor.Value = (chain*o.floor.Value + graph*e.Value) / (chain + graph)
	half := 1 / math.Sqrt(chain+graph)
	joined.floor.Lo, joined.floor.Hi = joined.floor.Value-half, joined.floor.Value+half
	scale := joined.floor.Value / o.floor.Value
	p := &joined.perNode
	p.Value, p.Lo, p.Hi = p.Value*scale, p.Lo*scale, p.Hi*scale
	return &joined
}

// split gives the nodes below the resolution their parts of the time that they have together, and returns its mean. The
// parts are the same in all blocks, so that none is negative and every grouping of nodes adds up to the same.
func split(times []nodeTime) float64 {
	var together []float64
	weights := 0.0
	for _, t := range times {
		if !t.below {
			continue
		}
		if together == nil {
			together = make([]float64, len(t.corrected))
		}
		for b, v := range t.corrected {
			together[b] += v
		}
		weights += mean(t.traced).Value
	}
	total := mean(together).Value
	if !(total > 0) || weights == 0 {
		together, total = make([]float64, len(together)), 0
	}
	for _, t := range times {
		for b := range t.corrected {
			if t.below {
				t.corrected[b] = together[b] * part(mean(t.traced).Value, weights)
			}
		}
	}
	return total
}

func part(v, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return v / whole
}

// reconcile compares the sum of the corrected times with an untraced run. Where it is longer, tracing slowed the nodes
// by more than it costs where nothing else runs (caches, spinning threads), and all of them are scaled down alike.
func reconcile(times []nodeTime, c *report.Correction, o *overhead) {
	if len(times) == 0 || len(times[0].corrected) == 0 {
		return
	}
	sums := make([]float64, len(times[0].corrected))
	for _, t := range times {
		for b, v := range t.corrected {
			sums[b] += v
		}
	}
	sum := mean(sums)
	if o != nil && o.floor.OK && sum.OK { // what is not known of the floor counts once a node
		half := math.Hypot((sum.Hi-sum.Lo)/2, float64(c.Nodes)*(o.floor.Hi-o.floor.Lo)/2)
		sum.Lo, sum.Hi = sum.Value-half, sum.Value+half
	}
	c.Sum = report.IntervalOf(sum)
	c.Residual = c.Untraced.Value - sum.Value
	switch {
	case sum.Value <= 0: // all are below the resolution: their shares are as traced, of the time that is left, which is the run
		for i := range times {
			times[i].corrected = slices.Clone(times[i].traced)
		}
		scale(times, c.Untraced.Value)
	case c.Residual < 0:
		c.Scale = scale(times, c.Untraced.Value)
		c.BelowTime *= c.Scale
	}
}

// scale multiplies the times so that they sum to total, and returns by what.
func scale(times []nodeTime, total float64) float64 {
	sum := 0.0
	for _, t := range times {
		sum += mean(t.corrected).Value
	}
	if sum <= 0 {
		return 1
	}
	by := total / sum
	for _, t := range times {
		for b := range t.corrected {
			t.corrected[b] *= by
		}
	}
	return by
}

func middles(blocks [][]float64) []float64 {
	out := make([]float64, len(blocks))
	for i, b := range blocks {
		out[i] = middle(b)
	}
	return out
}

func mean(x []float64) stats.Estimate {
	if len(x) == 1 { // a value without an interval is one all the same
		return stats.Estimate{Value: x[0], N: 1}
	}
	return stats.Mean(x, measure.Confidence)
}

// ratio is the mean ratio of pairs of blocks, on a logarithmic scale. Two pairs have no interval worth printing.
func ratio(a, b []float64) report.Interval {
	logs := make([]float64, 0, len(a))
	for i := range min(len(a), len(b)) {
		if a[i] > 0 && b[i] > 0 {
			logs = append(logs, math.Log(a[i]/b[i]))
		}
	}
	e := mean(logs)
	e.OK = e.OK && e.N > 2
	e.Value, e.Lo, e.Hi = math.Exp(e.Value), math.Exp(e.Lo), math.Exp(e.Hi)
	return report.IntervalOf(e)
}
