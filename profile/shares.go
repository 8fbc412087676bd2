package profile

import (
	"cmp"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"infer/internal/atomicfile"
	"infer/model/onnx/static"
	"infer/model/trace"
	"infer/profile/lineage"
	"infer/report"
)

// shares turns the traced blocks into the tables by node, operator, block, provider and dtype. A share is of the nodes'
// summed self time.
func (r *runner) shares(a *alternated, o *overhead) {
	t := a.trace
	traceWarnings(t, r.d)
	times := a.nodeTimes()
	c := correct(times, a, o)
	r.details.Correction, r.details.Inflation = c, c.Inflation.Value
	r.details.ProfiledRuns = 0
	for _, block := range a.traced {
		r.details.ProfiledRuns += len(block)
	}
	if c.SharesOnly {
		r.d.Warn("tracing made a run %.1f times slower: times of single nodes are not to be quoted, shares of the time tell more", c.Inflation.Value)
	}
	var parts map[string][]lineage.Part
	if r.ran != nil {
		parts = lineage.Parts(lineage.Origins(r.t.Model.Proto, r.ran.Proto), r.t.Model.Proto, r.graph.shapes)
		costs := lineage.Costs(r.ran.Proto, t.Nodes)
		for i := range times {
			times[i].cost = costs[times[i].Name]
		}
	}
	names := newNames(r.t.Model.Proto, parts)
	r.tables(times, names)
	names.timeline(t)
	if r.ran != nil {
		r.details.ByOrigin = originTable(byOrigin(times, r.t.Model.Proto, parts))
	} else if r.o.By == "origin" {
		r.d.Warn("no shares by node as written: the graph that the runtime ran is not known, as of a model of 1 GiB or more and of a provider that cannot write it")
		r.o.By = "node"
	}
	r.details.By, r.details.Top = r.o.By, r.o.Top
	r.details.Trace = TraceInfo(t, r.o.TracePath)
	if t.PeakInUse > 0 && r.details.Memory != nil {
		r.details.Memory.Allocator = &report.Allocator{PeakInUse: t.PeakInUse, Held: t.ArenaHeld}
	}
}

// tables groups the nodes in every way.
func (r *runner) tables(times []nodeTime, names names) {
	x := &r.details
	x.ByNode = table(times, func(t *nodeTime) string { return names.of(t.Node) })
	for i := range x.ByNode {
		row := &x.ByNode[i]
		row.Origins = names.origins(row.Name)
	}
	x.ByOp = table(times, func(t *nodeTime) string { return t.Op })
	x.ByBlock = table(times, func(t *nodeTime) string { return block(names.of(t.Node)) })
	x.ByProvider = table(times, func(t *nodeTime) string { return t.Provider })
	x.ByDType = table(times, func(t *nodeTime) string { return dtypeOf(t.Node) })
}

// traceWarnings says what is odd about a trace.
func traceWarnings(t *trace.Trace, d *report.Document) {
	if t.Repaired > 0 {
		d.Warn("%d lines of the trace had node names that are no valid JSON; they were repaired", t.Repaired)
	}
	if t.Capped {
		d.Warn("the trace ends at the runtime's limit of 1 000 000 events: trace fewer runs")
	}
}

// table groups the nodes by key, largest share first. Seconds are means a run with a t interval over the blocks.
func table(times []nodeTime, key func(*nodeTime) string) []report.Share {
	index := map[string]*grouped{}
	var groups []*grouped
	for i := range times {
		k := key(&times[i])
		if index[k] == nil {
			index[k] = &grouped{row: report.Share{Name: k}, series: make([]float64, len(times[i].corrected))}
			groups = append(groups, index[k])
		}
		index[k].add(&times[i])
	}
	total := 0.0
	rows := make([]report.Share, len(groups))
	for i, g := range groups {
		rows[i] = g.share()
		total += rows[i].Seconds
	}
	for i := range rows {
		if total > 0 {
			rows[i].Share = rows[i].Seconds / total
		}
	}
	slices.SortStableFunc(rows, func(a, b report.Share) int { return cmp.Compare(b.Seconds, a.Seconds) })
	return rows
}

// grouped is one row of a table while nodes are added.
type grouped struct {
	row     report.Share
	series  []float64 // corrected seconds of the group, block by block
	below   int       // its nodes below the resolution
	unknown bool      // some node's cost is
	work    static.Work
	spread  spread
}

// spread is how the calls of nodes were spread over threads.
type spread struct {
	calls, scheduled, parallel float64
	run, wait                  float64 // seconds
}

func (g *grouped) add(t *nodeTime) {
	row := &g.row
	if row.Count == 0 {
		row.Op, row.Provider, row.Shapes, row.Inputs, row.DType = t.Op, t.Provider, t.Shapes, typesText(t.Inputs), dtypeOf(t.Node)
	} else {
		row.Shapes, row.Inputs = "", ""
		row.Op = keepIf(row.Op == t.Op, row.Op, "")
		row.DType = keepIf(row.DType == dtypeOf(t.Node), row.DType, "")
		row.Provider = keepIf(row.Provider == t.Provider, row.Provider, "mixed")
	}
	row.Count++
	row.Traced += mean(t.traced).Value
	if t.Total != nil {
		row.Total += mean(t.Total).Value
	}
	for b, v := range t.corrected {
		g.series[b] += v
	}
	if t.below {
		g.below++
	}
	g.unknown = g.unknown || !t.cost.Known
	g.work = g.work.Plus(t.cost.Work, t.calls)
	g.spread.calls += t.calls
	g.spread.scheduled += float64(t.Scheduled)
	g.spread.parallel += float64(t.Parallel)
	g.spread.run += t.Run
	g.spread.wait += t.Wait
}

func keepIf(same bool, value, otherwise string) string {
	if same {
		return value
	}
	return otherwise
}

func (g *grouped) share() report.Share {
	row := g.row
	m := mean(g.series)
	row.Seconds = max(0, m.Value)
	if m.OK {
		lo, hi := min(digits(max(m.Lo, 0)), row.Seconds), max(digits(m.Hi), row.Seconds) // rounding moves no end past the mean
		row.Lo, row.Hi = &lo, &hi
	}
	row.Below = g.below == row.Count
	if row.Count == 1 && g.spread.calls != 1 {
		row.Calls = g.spread.calls
	}
	if !g.unknown {
		macs, flops := float64(g.work.MACs), float64(g.work.Operations())
		weights := float64(g.work.BytesWeights)
		bytes := float64(g.work.BytesIn) + weights + float64(g.work.BytesOut)
		row.FLOPs, row.Bytes, row.WeightBytes = &flops, &bytes, &weights
		if macs > 0 {
			row.MACs = &macs
		}
	}
	if g.spread.scheduled > 0 {
		parallel := g.spread.parallel / g.spread.scheduled
		row.Parallel = &parallel
	}
	if busy := g.spread.run + g.spread.wait; busy > 0 {
		wait := digits(g.spread.wait / busy)
		row.Wait = &wait
	}
	return row
}

// digits keeps six digits: more than a trace of whole microseconds tells, and a page of many nodes stays small.
func digits(v float64) float64 {
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	if err != nil {
		return v
	}
	return short
}

// block returns the part of the model that a node belongs to by its name: the first two parts of a path such as
// /encoder/layer.3/attention/MatMul, or the first of a dotted name; "" parts are passed over.
func block(name string) string {
	sep := "/"
	if !strings.Contains(strings.Trim(name, "/"), "/") {
		return "(unnamed)"
	}
	parts := strings.Split(strings.Trim(name, "/"), sep)
	return strings.Join(parts[:min(2, len(parts)-1)], "/")
}

// keepTrace copies the runtime's trace to where --trace asks for it.
func (r *runner) keepTrace(from string) error {
	if r.o.TracePath == "" {
		return nil
	}
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	return atomicfile.Write(r.o.TracePath, func(w io.Writer) error {
		_, err := io.Copy(w, src)
		return err
	})
}
