package quantize

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"infer/internal/host"
	"infer/internal/stats"
	"infer/optimize/quantize/calibrate"
	"infer/optimize/quantize/emit"
	"infer/report"
)

// conclude writes the gates, the reason and the next step into the document.
func (q *quantizer) conclude(best *candidate) {
	near := q.nearest(best)
	if near == nil {
		q.nothing()
		return
	}
	q.details.Chosen = near.name
	if q.judge != nil {
		q.warnings(near)
	}
	accuracy := q.accuracyGate(near)
	speed := q.speedGate(near)
	q.doc.Gates = append(q.doc.Gates, accuracy...)
	q.doc.Gates = append(q.doc.Gates, speed...)
	switch {
	case q.replayed != "":
		q.details.Reason = q.replayed
	case best == nil:
		q.doc.Verdict = report.FailedGate
		q.details.Reason = "kept float because " + q.whyNone(near)
		q.details.Next = q.nextStep(near)
	case best.recipe.Form == formFloat:
		why := "there is nothing to quantize"
		if c := q.nearest(nil); c != nil {
			why = q.whyNone(c)
		}
		q.details.Reason = "kept float because " + why + "; --keep-best wrote the optimized float model"
	case len(q.candidates) > 1:
		q.details.Reason = "the fastest that keeps the accuracy budget"
		if q.budget == nil {
			q.details.Reason = "the fastest"
		}
	default:
		q.details.Reason = "asked for by name"
	}
}

// again is the command once more with another flag, so that it can be pasted.
func (q *quantizer) again(flag string) string {
	return cmp.Or(q.task.Command, "infer quantize …") + " " + flag
}

// nextStep is what may help where near was not good enough.
func (q *quantizer) nextStep(near *candidate) *report.NextStep {
	switch {
	case !near.within:
		return &report.NextStep{Command: q.again("--sensitivity groups.json"), Why: "it ranks the groups by their error; more calibration rows, or another budget, may help too"}
	case near.unsure:
		return &report.NextStep{Command: q.again("--race-time " + (3 * q.options.RaceTime).String()), Why: "the machine was too noisy to tell the speeds apart in the time there was"}
	}
	return &report.NextStep{Command: q.again("--allow-slower"), Why: "it takes a slower model for its size; --keep-best writes the best that is not slower, which may be the optimized float one"}
}

// warnings says what the figures of the written, or nearest, candidate cannot show.
func (q *quantizer) warnings(c *candidate) {
	v := c.verdict
	if v.Unknown > 0 {
		q.doc.Warn("%d elements of the original's outputs on the held-out rows are NaN: they are left out", v.Unknown)
	}
	if c.bytes >= q.original.bytes {
		q.doc.Warn("%s is not smaller than the original", c.name)
	}
	if v.Labelled == 0 {
		return
	}
	n := float64(v.Labelled)
	if chance := 2 / float64(q.judge.class); float64(v.Base)/n < chance {
		q.doc.Warn("the original itself is right on %d of %d rows only: are these the labels and the preprocessing of this model?", v.Base, v.Labelled)
	}
	if b := q.budget; b != nil && b.Kind == "top1" {
		if d := stats.PairedDifference(int(v.Lost), int(v.Gained), int(v.Labelled), 0.95); d.OK && d.Hi > b.Limit && v.Drop() <= b.Limit {
			q.doc.Warn("%d rows cannot show that the accuracy drops by %.2f points at most: the interval reaches %.2f", v.Labelled, 100*b.Limit, 100*d.Hi)
		}
	}
}

// nothing concludes where no candidate could be made.
func (q *quantizer) nothing() {
	why := "nothing in the graph can be quantized"
	for _, c := range q.candidates {
		if c.why != "" {
			why = strings.TrimPrefix(c.why, errNothing.Error()+": ")
			break
		}
	}
	q.doc.Verdict = report.FailedGate
	q.details.Reason = "kept float because there is nothing to quantize: " + why
	q.doc.Gates = append(q.doc.Gates, report.GateResult{Expr: "quantized_nodes>=1", Verdict: report.Fail, Reason: "nothing to quantize: " + why})
}

// whyNone says why no candidate was kept.
func (q *quantizer) whyNone(near *candidate) string {
	if !near.within {
		return fmt.Sprintf("the most accurate candidate (%s) is not accurate enough: %s", near.name, near.why)
	}
	if near.unsure {
		return fmt.Sprintf("the race was too short to tell whether the best candidate within the budget (%s) is slower than the original: %s", near.name, raceText(near))
	}
	if near.speedup != nil {
		return fmt.Sprintf("the fastest candidate within the budget (%s) runs at %.3f times the speed of the original", near.name, near.speedup.Value)
	}
	return "no candidate could be measured: " + near.why
}

// accuracyGate is the gate of the budget; without one, of NaN and infinite outputs, which no budget allows.
func (q *quantizer) accuracyGate(c *candidate) []report.GateResult {
	first := q.budget
	if first == nil {
		if ok, _ := first.within(c.verdict); ok {
			return nil
		}
		first = &Budget{Kind: "sqnr"} // what it gives is no number
	}
	var gates []report.GateResult
	for b := first; b != nil; b = b.Also {
		alone := *b
		alone.Also = nil
		ok, why := alone.within(c.verdict)
		g := report.GateResult{Expr: b.Expr(), Verdict: report.Pass, Reason: why}
		if !ok {
			g.Verdict = report.Fail
		}
		gates = append(gates, g)
	}
	return gates
}

func (q *quantizer) speedGate(c *candidate) []report.GateResult {
	if q.options.AllowSlower || q.options.KeepBest && c.slower || q.away != "" {
		return nil
	}
	g := report.GateResult{Expr: "speedup>=1", Verdict: report.Pass}
	g.Reason = raceText(c)
	switch {
	case c.slower && c.unsure:
		g.Verdict = report.Fail
		g.Reason = "the race was too short to tell: " + g.Reason
	case c.slower:
		g.Verdict = report.Fail
	case c.speedup == nil:
		g.Verdict = report.GateInconclusive
	case c.speedup.Value < 1:
		g.Reason += ": as fast, within what can be told apart"
	}
	return []report.GateResult{g}
}

// raceText is how a candidate did in its race, in words.
func raceText(c *candidate) string {
	if c.speedup == nil {
		return "too few rounds for an interval"
	}
	return fmt.Sprintf("%.3f (%.3f to %.3f) in %d rounds", c.speedup.Value, *c.speedup.Lo, *c.speedup.Hi, c.speedup.N)
}

// finish fills the metrics and what the report tells about candidates, whatever came of them.
func (q *quantizer) finish() {
	var shown *candidate
	for _, c := range q.candidates {
		if c.name == q.details.Chosen && c.verdict != nil {
			shown = c
		}
	}
	q.metrics(shown)
	if q.original != nil {
		q.details.Original = describe("original", q.original)
		if shown != nil && shown.verdict.Labelled > 0 {
			q.details.Original.Accuracy = level(stats.Wilson(int(shown.verdict.Base), int(shown.verdict.Labelled), 0.95))
		}
	}
	for _, c := range q.candidates {
		q.details.Candidates = append(q.details.Candidates, q.describeCandidate(c, c == shown && q.details.Output != ""))
	}
	markPareto(q.details.Candidates)
	if shown == nil || shown.built == nil {
		return
	}
	q.describeNodes(shown)
	if h := shown.built.half; h != nil {
		conv := &report.HalfConversion{DType: string(shown.recipe.Form), Nodes: h.Nodes, Float: h.Float, Casts: h.Casts, Clamped: h.Clamped, Flushed: h.Flushed}
		for _, k := range h.Kept {
			conv.Kept = append(conv.Kept, fmt.Sprintf("%s (%s): %s", k.Node, k.Op, k.Why))
		}
		q.details.Conversion = conv
		if h.Clamped > 0 {
			q.doc.Warn("%d constants were too large for %s and were cut to its range", h.Clamped, shown.recipe.Form)
		}
		for _, n := range h.Notes {
			q.doc.Warn("%s", n)
		}
	}
}

// unjudged reports whether accuracy says nothing: a record was followed, and there were no rows to judge on.
func (q *quantizer) unjudged() bool {
	return q.task.Record != nil && q.task.Data == nil && q.task.Calib == nil
}

// metrics adds the figures of the shown candidate.
func (q *quantizer) metrics(c *candidate) {
	estimate := func(name string, e stats.Estimate, method string) {
		if !e.OK {
			return
		}
		m := report.NewMetric(name)
		v, lo, hi := e.Value, min(e.Lo, e.Value), max(e.Hi, e.Value)
		m.Value, m.Lo, m.Hi, m.N, m.Confidence, m.Method = &v, &lo, &hi, e.N, 0.95, method
		q.doc.Add(m)
	}
	of := func(name string, l *report.Level95, method string) {
		if l != nil {
			estimate(name, stats.Estimate{Value: l.Value, Lo: *l.Lo, Hi: *l.Hi, N: l.N, OK: true}, method)
		}
	}
	plain := func(name string, v float64, n int, method string) {
		m := report.NewMetric(name)
		m.Value, m.N, m.Method = &v, n, method
		q.doc.Add(m)
	}
	if c != nil {
		q.doc.Add(report.Exact("model_bytes", float64(c.bytes)), report.Exact("size_ratio", float64(c.bytes)/float64(q.original.bytes)))
		of("latency_p50", c.p50, "order-statistic")
		of("latency_p50_base", q.original.p50, "order-statistic")
		of("latency_p99", c.p99, "order-statistic")
		of("speedup", c.speedup, "median of paired rounds, order-statistic")
	}
	if c != nil && !q.unjudged() {
		v := c.verdict
		if v.Labelled > 0 {
			n := int(v.Labelled)
			estimate("accuracy_top1", stats.Wilson(int(v.Correct), n, 0.95), "Wilson")
			estimate("accuracy_top1_base", stats.Wilson(int(v.Base), n, 0.95), "Wilson")
			estimate("accuracy_drop", stats.PairedDifference(int(v.Lost), int(v.Gained), n, 0.95), "Tango, paired")
		}
		if v.Classes > 0 {
			estimate("agreement_top1", v.Agreement(), "Wilson")
		}
		if db := v.SQNR(); db.OK {
			estimate("sqnr_db", db, "bootstrap over runs")
			plain("max_abs_diff", v.MaxDiff, int(v.Rows), "largest over rows")
			plain("cosine", v.Cosine(), int(v.Rows), "over all elements")
		}
	}
	if peak := host.ProcessMemory().PeakRSS; peak > 0 {
		plain("peak_rss", float64(peak), 1, "of this process")
	}
	plain("elapsed", time.Since(q.started).Seconds(), 1, "wall time")
}

func describe(name string, c *contestant) report.QuantizeCandidate {
	return report.QuantizeCandidate{Name: name, Bytes: c.bytes, Speedup: c.speedup, P50: c.p50, P99: c.p99}
}

func (q *quantizer) describeCandidate(c *candidate, chosen bool) report.QuantizeCandidate {
	d := describe(c.name, &c.contestant)
	d.Why, d.Chosen = c.why, chosen
	if c.built != nil {
		for _, x := range c.built.decisions {
			if x.Form != emit.Float {
				d.Nodes++
			}
		}
		if c.built.half != nil {
			d.Nodes = c.built.half.Nodes
		}
	}
	v := c.verdict
	if v == nil || q.unjudged() {
		return d
	}
	if q.budget != nil {
		within := c.within
		d.Within = &within
	}
	if s := v.SQNR(); s.OK {
		db, cos, diff := s.Value, v.Cosine(), v.MaxDiff
		d.SQNR, d.Cosine, d.MaxDiff = &db, &cos, &diff
	}
	if v.Classes > 0 {
		d.Agreement = level(v.Agreement())
	}
	if v.Labelled > 0 {
		p := stats.McNemar(int(v.Gained), int(v.Lost))
		gained, lost := v.Gained, v.Lost
		d.Drop = level(stats.PairedDifference(int(v.Lost), int(v.Gained), int(v.Labelled), 0.95))
		d.Accuracy, d.PValue, d.Gained, d.Lost = level(stats.Wilson(int(v.Correct), int(v.Labelled), 0.95)), &p, &gained, &lost
	}
	return d
}

// markPareto marks the candidates that no other one beats in speed and accuracy both.
func markPareto(list []report.QuantizeCandidate) {
	quality := func(c report.QuantizeCandidate) float64 {
		switch {
		case c.Accuracy != nil:
			return c.Accuracy.Value
		case c.Agreement != nil:
			return c.Agreement.Value
		case c.SQNR != nil:
			return *c.SQNR
		}
		return -1e9
	}
	for i := range list {
		a := &list[i]
		a.Pareto = a.Speedup != nil && !slices.ContainsFunc(list, func(b report.QuantizeCandidate) bool {
			return b.Speedup != nil && b.Speedup.Value >= a.Speedup.Value && quality(b) >= quality(*a) &&
				(b.Speedup.Value > a.Speedup.Value || quality(b) > quality(*a))
		})
	}
}

// describeNodes fills the decisions about nodes, and how far the predictions about kernels came true.
func (q *quantizer) describeNodes(c *candidate) {
	for _, d := range c.built.decisions {
		n := report.QuantizeNode{Node: d.Node, Op: d.Op, Form: string(d.Form), Predicted: d.Predicted, Why: d.Why}
		if c.lint != nil {
			n.Actual = c.lint.Actual[d.Node]
		}
		q.details.Nodes = append(q.details.Nodes, n)
	}
	if l := c.lint; l != nil && l.Predicted > 0 {
		q.details.Fusion = &report.Fusion{Predicted: l.Predicted, Actual: l.Fused, Mismatches: l.Mismatches, Islands: l.Islands}
	}
	if c.built.emitted == nil || q.details.Calibration == nil {
		return
	}
	methods := map[string]string{}
	for _, r := range c.recipe.Ranges {
		methods[r.Value] = r.Method
	}
	used := map[string]int{}
	for _, t := range c.built.emitted.Tensors {
		used[methods[t.Value]]++
		q.details.Calibration.Ranges = append(q.details.Calibration.Ranges, q.rangeOf(c, t, methods[t.Value]))
	}
	q.details.Calibration.Methods = nil
	for name, n := range used {
		if name != "" {
			q.details.Calibration.Methods = append(q.details.Calibration.Methods, report.MethodUse{Method: name, Tensors: n})
		}
	}
	slices.SortFunc(q.details.Calibration.Methods, func(a, b report.MethodUse) int {
		return cmp.Or(cmp.Compare(b.Tensors, a.Tensors), strings.Compare(a.Method, b.Method))
	})
}

// rangeOf describes a quantized activation of a candidate.
func (q *quantizer) rangeOf(c *candidate, t emit.Tensor, method string) report.RangeOf {
	r := report.RangeOf{
		Tensor: t.Value, Min: t.Lo, Max: t.Hi, Lo: t.Lo, Hi: t.Hi, Method: method,
		Scale: float64(t.Scale), ZeroPoint: int64(t.Zero), DType: t.DType.String(),
	}
	table := q.tables[tableKey(c.recipe)]
	if table == nil {
		return r // its ranges come from a record
	}
	if o, ok := table.Observation(t.Value); ok {
		if lo, hi, ok := o.Extremes(); ok {
			r.Min, r.Max = lo, hi
		}
		if db, ok := table.SQNR(t.Value, t.Lo, t.Hi, q.task.Target.Activation); ok {
			db = min(max(db, -maxDecibels), maxDecibels)
			r.SQNR = &db
		}
	}
	return r
}

// describeCalibration fills what calibration did.
func (q *quantizer) describeCalibration(t *calibrate.Table, values []string) {
	settled := t.Settled()
	c := &report.Calibration{
		Source: q.task.Source, Rows: t.Rows, Method: q.options.Method.String(), Tensors: len(values), Memory: q.options.Memory,
		Groups: t.Groups, Settled: &settled, Resumed: t.Resumed, Loaded: strings.Join(q.options.Ranges, ", "),
	}
	for _, v := range values {
		if o, ok := t.Observation(v); ok {
			c.NaN += o.NaN
			c.Inf += o.Inf
		}
	}
	if c.NaN+c.Inf > 0 {
		q.doc.Warn("%d NaN and %d infinite elements were left out of the ranges", c.NaN, c.Inf)
	}
	for _, n := range t.Notes {
		q.doc.Warn("%s", n)
	}
	q.details.Calibration = c
}
