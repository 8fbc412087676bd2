package render

import (
	"fmt"
	"strings"

	"infer/report"
)

// search is the table of the trials that led to the highest rate.
func (v *load) search() section {
	s := v.Search
	if s == nil {
		return section{}
	}
	t := &table{cols: []column{{head: "rate", right: true}, {head: "verdict"}, {head: "n", right: true, drop: 2}, {head: "missed", right: true, drop: 3},
		{head: "p50", right: true, drop: 4}, {head: "p99", right: true}, {head: "time", right: true, drop: 1}, {head: "reason"}}}
	for _, x := range s.Steps {
		verdict := x.Verdict
		if x.Confirm {
			verdict += ", confirmation"
		}
		t.rows = append(t.rows, []cell{str(rateOf(x.Rate)), {text: verdict, tone: gateTone(x.Verdict)}, str(whole(x.N)), str(whole(x.Missed)),
			str(optional("", x.P50, seconds)), str(optional("", x.P99, seconds)), str(seconds(x.Seconds)), str(x.Reason)})
	}
	return section{title: "Search", table: t.compact()}
}

// searchHeadline is the answer of a search in a line.
func (v *load) searchHeadline() string {
	s := v.Search
	within := ""
	if s.Range[1] > 0 {
		within = " between " + rateOf(s.Range[0]) + " and " + rateOf(s.Range[1])
	}
	spent := plural(len(s.Steps), "trial") + " in " + seconds(s.Seconds)
	what, holds := "the objectives", "hold"
	if len(v.SLO) > 0 {
		var exprs []string
		for _, x := range v.SLO {
			exprs = append(exprs, x.Expr)
		}
		what = strings.Join(exprs, " and ")
	}
	if len(v.SLO) == 1 {
		holds = "holds"
	}
	if s.Max == nil {
		return "no rate" + within + " keeps " + what + ", " + spent
	}
	value := rateOf(*s.Max)
	if m := v.d.Metric("max_rps", nil); m != nil && m.Value != nil {
		text, between := m.Text()
		value = strings.TrimSpace(text + " " + between)
	}
	if within != "" {
		within = ", sought" + within
	}
	return what + " " + holds + " up to " + value + within + ", " + spent
}

// sweepHeadline says what was swept, and of batches what counts: the most rows a second.
func (v *load) sweepHeadline() string {
	n := len(v.Points)
	if n == 0 {
		return "sweep, none of its points measured"
	}
	first, last := v.Points[0], v.Points[n-1]
	what := "rates"
	name := func(p report.LoadPoint) string { return rateOf(p.Rate) }
	switch {
	case v.batches() || n == 1 && first.Batch > 1:
		what, name = "batch sizes", func(p report.LoadPoint) string { return fmt.Sprint(p.Batch) }
	case first.Concurrency > 0:
		what, name = "concurrencies", func(p report.LoadPoint) string { return fmt.Sprint(p.Concurrency) }
	}
	text := fmt.Sprint(n)
	if v.PointsPlanned > n {
		text += fmt.Sprintf(" of %d", v.PointsPlanned)
	}
	text += " " + what + " from " + name(first) + " to " + name(last)
	if n == 1 {
		text = strings.TrimSuffix(text, " to "+name(last))
	}
	invalid, best := 0, first
	for _, p := range v.Points {
		if !p.Valid {
			invalid++
		}
		if rowsPerSecond(v.d, p) > rowsPerSecond(v.d, best) {
			best = p
		}
	}
	if v.batches() {
		text += fmt.Sprintf(", up to %s with %d", rowsOf(rowsPerSecond(v.d, best)), best.Batch)
	}
	if invalid > 0 {
		text += fmt.Sprintf(", %d not valid", invalid)
	}
	return text
}

// rowsPerSecond is what a point answered, in rows.
func rowsPerSecond(d *report.Document, p report.LoadPoint) float64 {
	if m := d.Metric("row_throughput", p.Labels()); m != nil && m.Value != nil {
		return *m.Value
	}
	return p.Throughput * float64(max(1, p.Batch))
}
