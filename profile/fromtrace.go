package profile

import (
	"cmp"
	"math"
	"slices"

	"infer/internal/fault"
	"infer/internal/stats"
	"infer/model"
	"infer/model/measure"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/model/trace"
	"infer/profile/advice"
	"infer/profile/lineage"
	"infer/report"
)

// FromTrace fills d with what a trace tells alone: nothing is run, so node times are as traced. m is the model of the
// traced session, for names and costs; it may be nil. o.TracePath is the file that the trace was read from.
func FromTrace(t *trace.Trace, m *model.Model, o Options, d *report.Document) error {
	if t.Whole == 0 || len(t.Nodes) == 0 {
		return fault.New(fault.Usage, "trace a session that runs at least once, and close it: the runtime writes the trace then", "the trace holds no whole run of a node")
	}
	r := &runner{o: o, d: d, t: Target{Model: m}}
	traceWarnings(t, d)
	if t.Cut {
		d.Warn("the trace ends early: what its last run holds is left out")
	}
	times := tracedTimes(t)
	for i := range times {
		times[i].calls = float64(times[i].Calls) / float64(t.Whole)
	}
	names := newNames(&onnx.Model{Graph: &onnx.Graph{}}, nil)
	if m != nil {
		names = r.join(t, times)
	}
	r.tables(times, names)
	names.timeline(t)
	x := &r.details
	for i := range x.ByDType {
		x.ByDType[i].Name = cmp.Or(x.ByDType[i].Name, "not told")
	}
	for i := range x.ByProvider {
		x.ByProvider[i].Name = cmp.Or(x.ByProvider[i].Name, "not told")
	}
	x.By, x.Top, x.ProfiledRuns = o.By, o.Top, t.Whole
	x.Residual = outside(t)
	x.Trace = TraceInfo(t, o.TracePath)
	if t.PeakInUse > 0 {
		x.Memory = cmp.Or(x.Memory, &report.Memory{})
		x.Memory.Allocator = &report.Allocator{PeakInUse: t.PeakInUse, Held: t.ArenaHeld}
	}
	addTraced(d, t)
	if t.Format == trace.ONNXRuntime {
		f := &advice.Facts{Document: d, Details: x, Model: m}
		if m != nil {
			f.Path = r.operand()
		}
		x.Advice, x.Unjudged = advice.Check(f), advice.Unjudged(f)
	}
	return d.SetDetails(x)
}

// join adds what the model tells of the nodes of a trace: their names as written and what they cost, at the shapes that
// the trace saw.
func (r *runner) join(t *trace.Trace, times []nodeTime) names {
	m := r.t.Model
	r.graph = analyze(m, observed(m, t))
	r.graph.metrics(m, r.d)
	r.details.Memory = r.graph.peak()
	nodes := namedNodes(m.Proto.Graph)
	known, matched := newNames(m.Proto, nodes.derived(t.Nodes)), 0
	written := make([]*trace.Node, len(t.Nodes))
	for i, n := range t.Nodes {
		as := *n
		as.Name, as.Op = known.of(n), plainOp(n.Op)
		written[i] = &as
		if known.written[as.Name] {
			matched++
		}
	}
	costs := lineage.Costs(m.Proto, written)
	for i, n := range written {
		if of := nodes.byName[n.Name]; of != nil && of.OpType == n.Op { // else it computes something else than the node that it is called after
			times[i].cost = costs[n.Name]
		}
	}
	if matched == 0 && t.Format == trace.ONNXRuntime {
		r.d.Warn("no node of the trace is called as one of %q: is the trace of another model?", m.Path)
	}
	return known
}

// observed returns the shapes of the model's inputs as the trace saw them: those of the first input of a node that
// reads one first. What does not fit the declared shape is left out.
func observed(m *model.Model, t *trace.Trace) map[string]tensor.Shape {
	seen := map[string][]int64{}
	for _, n := range t.Nodes {
		if len(n.Inputs) > 0 {
			seen[n.Name] = n.Inputs[0].Shape
		}
	}
	shapes := map[string]tensor.Shape{}
	for _, p := range m.Inputs() {
		for _, n := range m.Proto.Graph.Nodes {
			if len(n.Inputs) == 0 || n.Inputs[0] != p.Name {
				continue
			}
			if s, ok := seen[n.Name]; ok && fits(p.Type.Dims, s) {
				shapes[p.Name] = s
				break
			}
		}
	}
	return shapes
}

// fits reports whether a shape is one of a declared shape.
func fits(declared []onnx.Dim, s []int64) bool {
	if len(declared) != len(s) {
		return false
	}
	for i, d := range declared {
		if d.Known && d.Size != s[i] {
			return false
		}
	}
	return true
}

// TraceInfo is what a trace says of itself. path may be "".
func TraceInfo(t *trace.Trace, path string) *report.TraceInfo {
	return &report.TraceInfo{
		Path: path, Format: t.Format, Events: t.Events, Runs: t.Whole, Skipped: t.Skipped, Repaired: t.Repaired, Capped: t.Capped,
		Cut: t.Cut, Run: report.IntervalOf(meanRun(t)), Notes: t.Notes, Fences: t.Fences, Parallel: t.Threads,
	}
}

// meanRun is the mean traced run.
func meanRun(t *trace.Trace) stats.Estimate {
	e := mean(t.RunSeconds)
	if e.OK {
		return e.AtLeast(slices.Min(t.RunSeconds))
	}
	return e
}

// outside returns the share of the runs outside of all nodes; nil where nodes ran beside each other, or where the runs
// are nothing but the sum of them.
func outside(t *trace.Trace) *float64 {
	if t.Threads || t.Format != trace.ONNXRuntime && t.Format != trace.PyTorch {
		return nil
	}
	var nodes, runs float64
	for _, n := range t.Nodes {
		for _, s := range n.Seconds {
			nodes += s
		}
	}
	for _, s := range t.RunSeconds {
		runs += s
	}
	if !(runs > 0) || nodes > runs {
		return nil
	}
	share := 1 - nodes/runs
	return &share
}

// addTraced adds the latency of the traced runs, labelled as such: tracing makes a run longer, so it is an upper bound
// of what an untraced one takes.
func addTraced(d *report.Document, t *trace.Trace) {
	if t.Each > 1 || t.Format == trace.Nsight || t.Format == trace.Chrome {
		return // means of several runs have other percentiles, and a whole file is no run
	}
	s := &measure.Series{Seconds: t.RunSeconds}
	labels := map[string]string{"traced": "true"}
	add := func(name, method string, e stats.Estimate) {
		m := report.NewMetric(name)
		m.N, m.Labels = len(s.Seconds), labels
		if e.OK && !math.IsNaN(e.Value) {
			m.Value, m.Lo, m.Hi, m.Confidence, m.Method = &e.Value, &e.Lo, &e.Hi, measure.Confidence, method
		}
		d.Add(m)
	}
	add("latency_mean", "t", meanRun(t))
	for _, q := range percentiles() {
		add(q.name, "order-statistic", s.Quantile(q.p))
	}
	m := report.NewMetric("latency_max")
	longest := slices.Max(t.RunSeconds)
	m.N, m.Labels, m.Value = len(s.Seconds), labels, &longest
	d.Add(m)
	d.Warn("latencies are those of traced runs, which take longer than others")
}
