package profile

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"infer/internal/fault"
	"infer/internal/stats"
	"infer/model/measure"
	"infer/report"
)

// bucketError is the relative error with which a histogram tells a percentile.
const bucketError = 1. / 256

// Recompute returns what follows from the raw data of a profile: latencies from its histograms, cold starts from what each
// process told, shares from the nodes. A profile of merged runs follows from their documents, runs; without them only its
// values do, not the intervals. d stays as it is.
func Recompute(d *report.Document, runs []*report.Document) (report.Recomputed, error) {
	x, err := Details(d)
	if err != nil {
		return report.Recomputed{}, err
	}
	v := &verifying{d: d, x: *x, out: report.New(d.Kind)}
	r := report.Recomputed{Document: v.out, From: "its histograms, cold starts and nodes", Left: v.left, Details: []string{"by_op", "by_block", "by_node", "batches"}}
	switch {
	case len(x.Runs) > 0 && len(runs) > 0:
		return v.merged(runs)
	case len(runs) > 0:
		return r, fault.New(fault.Usage, "give the document alone", "this profile is of one run, and there are %d more documents", len(runs))
	case len(x.Runs) == 0:
		r.Within = within
	}
	v.latencies()
	addCold(v.out, x.Cold)
	v.shares()
	v.sizes()
	r.Judged = v.judge()
	return r, v.out.SetDetails(v.x)
}

// within is the relative error with which a histogram tells a metric.
func within(m *report.Metric) float64 {
	if slices.ContainsFunc(percentiles(), func(p percentile) bool { return p.name == m.Name }) {
		return bucketError
	}
	return 0
}

// verifying is one Recompute.
type verifying struct {
	d   *report.Document
	x   report.ProfileDetails
	out *report.Document
}

// left says why a metric, or its interval, does not follow.
func (v *verifying) left(m *report.Metric) string {
	switch {
	case slices.Contains(graphMetrics(), m.Name):
		return "it is counted from the model: infer inspect tells it"
	case m.Name == "peak_rss" && len(v.x.Cold) == 0:
		return "it was read from the system"
	case len(v.x.Runs) > 0 && m.Name != "library_load" && m.Name != "session_init" && m.Name != "first_run" && m.Name != "peak_rss":
		return "its interval follows from the runs: give their documents"
	case m.Name == "latency_mean":
		return "its interval follows from the order of the runs, which is not kept"
	}
	return ""
}

// merged merges the runs again.
func (v *verifying) merged(runs []*report.Document) (report.Recomputed, error) {
	gates, err := gatesOf(v.d)
	if err != nil {
		return report.Recomputed{}, err
	}
	again, err := Merge(runs, gates)
	if err != nil {
		return report.Recomputed{}, err
	}
	y, err := Details(again)
	if err != nil {
		return report.Recomputed{}, err
	}
	if !slices.EqualFunc(v.x.Runs, y.Runs, func(a, b report.MergedRun) bool { return a.Created == b.Created }) {
		return report.Recomputed{}, fault.New(fault.Usage, "give the documents that it was merged from", "the document is of other runs than those given")
	}
	return report.Recomputed{
		Document: again, From: fmt.Sprintf("the documents of %d runs", len(runs)), Judged: true,
		Details: []string{"by_op", "by_block", "by_node", "by_provider", "by_dtype", "by_origin", "correction", "batches", "stages", "runs", "latency_histogram", "cold", "interference", "warm_up", "profiled_runs", "inflation"},
	}, nil
}

// latencies derives the metrics of the timed runs.
func (v *verifying) latencies() {
	rows := rowsIn(v.d, &v.x)
	v.series(v.x.Latency, rows, nil, percentiles())
	for _, b := range v.x.Batches {
		v.series(b.Latency, int64(b.Batch), map[string]string{"batch": strconv.Itoa(b.Batch)}, percentiles())
	}
	for _, s := range v.x.Stages {
		v.series(s.Latency, 0, map[string]string{"stage": s.Stage}, percentiles()[:2])
	}
}

// series derives what a histogram tells; rows is 0 where nobody knows, and there is no throughput.
func (v *verifying) series(h *stats.Histogram, rows int64, labels map[string]string, list []percentile) {
	if h == nil || h.Count() >= mostCounted {
		return
	}
	n := int(h.Count())
	merged := len(v.x.Runs) > 0
	add := func(name string, value float64, ok bool, lo, hi *float64) {
		m := report.NewMetric(name)
		m.N, m.Labels = n, maps.Clone(labels)
		if ok {
			m.Value, m.Lo, m.Hi = &value, lo, hi
		}
		v.out.Add(m)
	}
	mean := h.Sum() / float64(n)
	hasMean := n > 1
	if merged { // of one run that way, of several by their sum
		hasMean = n > 0
	}
	add("latency_mean", mean, hasMean, nil, nil)
	for _, q := range list {
		l, u := stats.Ranks(n, q.p, measure.Confidence)
		ok := n > 0 && l >= 1 && u <= n
		switch {
		case !ok:
			add(q.name, 0, false, nil, nil)
		case merged:
			add(q.name, h.Sketch().Quantile(q.p), true, nil, nil)
		default:
			lo, hi := h.Quantile(float64(l)/float64(n)), h.Quantile(float64(u)/float64(n))
			add(q.name, h.Quantile(q.p), true, &lo, &hi)
		}
	}
	if labels["stage"] != "" {
		return
	}
	if n > 0 {
		add("latency_max", h.Max(), true, nil, nil)
	}
	if rows > 0 && hasMean && mean > 0 {
		lo, hi := v.throughputEnds(float64(rows), labels)
		add("throughput", float64(rows)/mean, true, lo, hi)
	}
}

// throughputEnds are the ends of the interval of the throughput, which follow from those of the mean.
func (v *verifying) throughputEnds(rows float64, labels map[string]string) (lo, hi *float64) {
	m := v.d.Metric("latency_mean", labels)
	if m == nil || m.Lo == nil || m.Hi == nil || *m.Lo <= 0 {
		return nil, nil
	}
	least, most := rows / *m.Hi, rows / *m.Lo
	return &least, &most
}

// sizes derives how many runs each batch size had.
func (v *verifying) sizes() {
	v.x.Batches = slices.Clone(v.x.Batches)
	for i := range v.x.Batches {
		if b := &v.x.Batches[i]; b.Latency != nil {
			b.Runs = int(b.Latency.Count())
		}
	}
}

// shares derives the shares of the nodes from their times, and the tables of operators and blocks from the nodes.
func (v *verifying) shares() {
	nodes := v.x.ByNode
	if len(nodes) == 0 || slices.ContainsFunc(nodes, func(s report.Share) bool { return s.Op == "" && s.Count > 1 }) {
		return
	}
	regroup := func(rows []report.Share, key func(report.Share) string) []report.Share {
		rows = slices.Clone(rows)
		var total float64
		for _, n := range nodes {
			total += n.Seconds
		}
		for i := range rows {
			row := &rows[i]
			row.Seconds, row.Count, row.Share = 0, 0, 0
			for _, n := range nodes {
				if key(n) == row.Name {
					row.Seconds, row.Count = row.Seconds+n.Seconds, row.Count+n.Count
				}
			}
			if total > 0 {
				row.Share = row.Seconds / total
			}
		}
		return rows
	}
	v.x.ByOp = regroup(v.x.ByOp, func(n report.Share) string { return n.Op })
	v.x.ByBlock = regroup(v.x.ByBlock, func(n report.Share) string { return block(n.Name) })
	v.x.ByNode = regroup(nodes, func(n report.Share) string { return n.Name })
}

// judge judges the gates anew, by the metrics as they are written: whether those follow is another question, and a
// percentile of a histogram may lie on the other side of a limit. It reports whether the gates can be read.
func (v *verifying) judge() bool {
	gates, err := gatesOf(v.d)
	if err != nil {
		return false
	}
	written := *v.d
	written.Gates, written.Verdict = nil, report.OK
	if v.d.Verdict == report.Interrupted {
		written.Verdict = v.d.Verdict
	}
	written.Judge(gates)
	for _, g := range v.d.Gates {
		if g.OfAdvice() {
			written.Gates = append(written.Gates, g)
		}
	}
	written.Judge(nil)
	v.out.Gates, v.out.Verdict = written.Gates, written.Verdict
	return true
}
