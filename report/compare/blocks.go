package compare

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"infer/internal/stats"
	"infer/report"
)

// phases are the parts of the mean latency of a request, as far as blocks tell them.
var phases = []struct {
	name string
	of   func(v map[string]float64) float64 // seconds; NaN: not told
}{
	{"waiting to be sent", func(v map[string]float64) float64 { return told(v, "latency_mean") - told(v, "service_mean") }},
	{"queue of the server", func(v map[string]float64) float64 { return told(v, "server_queue_mean") }},
	{"compute", func(v map[string]float64) float64 { return told(v, "server_compute_mean") }},
	{"network and the rest of the server", func(v map[string]float64) float64 {
		rest := told(v, "service_mean")
		if q := told(v, "server_queue_mean"); !math.IsNaN(q) {
			rest -= q
		}
		if c := told(v, "server_compute_mean"); !math.IsNaN(c) {
			rest -= c
		}
		return rest
	}},
}

func told(v map[string]float64, name string) float64 {
	if x, ok := v[name]; ok {
		return x
	}
	return math.NaN()
}

// ExplainBlocks says by the blocks of x in which phase of a request the change is: means over blocks, and intervals over
// pairs. Nil where blocks tell no phases.
func ExplainBlocks(x *report.CompareDetails) *report.CompareExplain {
	e := &report.CompareExplain{What: "phases", Rows: []report.ExplainRow{}}
	pairs := valid(x.Pairs)
	for _, p := range phases {
		if row, ok := phaseRow(p.name, p.of, pairs); ok {
			e.Rows = append(e.Rows, row)
		}
	}
	var ok bool
	if e.Total, ok = phaseRow("latency, mean", func(v map[string]float64) float64 { return told(v, "latency_mean") }, pairs); !ok || len(e.Rows) == 0 {
		return nil
	}
	shares(e)
	e.Reading = phaseReading(e)
	return e
}

// shares says how much of the whole change in its direction each row is, and sorts them by it.
func shares(e *report.CompareExplain) {
	sum := map[bool]float64{}
	for _, r := range e.Rows {
		sum[r.Change > 0] += math.Abs(r.Change)
	}
	for i := range e.Rows {
		if r := &e.Rows[i]; r.Change != 0 {
			r.Share = math.Abs(r.Change) / sum[r.Change > 0]
		}
	}
	slices.SortStableFunc(e.Rows, func(a, b report.ExplainRow) int { return cmp.Compare(math.Abs(b.Change), math.Abs(a.Change)) })
}

func phaseRow(name string, of func(map[string]float64) float64, pairs []report.ComparePair) (report.ExplainRow, bool) {
	var base, head, d []float64
	for _, p := range pairs {
		b, h := of(p.Base.Values), of(p.Head.Values)
		if math.IsNaN(b) || math.IsNaN(h) {
			continue
		}
		base, head, d = append(base, b), append(head, h), append(d, h-b)
	}
	if len(d) == 0 || 2*len(d) < len(pairs) {
		return report.ExplainRow{}, false
	}
	b, h := stats.Median(base), stats.Median(head)
	e := stats.SignedRank(d, 0.95)
	row := report.ExplainRow{Name: name, Base: &b, Head: &h, Change: e.Value}
	if e.OK {
		row.Lo, row.Hi = &e.Lo, &e.Hi
	}
	return row, true
}

// phaseReading says in a sentence which phase moved most.
func phaseReading(e *report.CompareExplain) string {
	first := e.Rows[0]
	if first.Lo == nil || *first.Lo <= 0 && *first.Hi >= 0 {
		return fmt.Sprintf("no phase moved beyond noise; the largest change is %s of %s", report.FormatDifference(report.Time, first.Change), first.Name)
	}
	return fmt.Sprintf("%s moved most: %s of %s a request", first.Name, report.FormatDifference(report.Time, first.Change), report.FormatDifference(report.Time, e.Total.Change))
}
