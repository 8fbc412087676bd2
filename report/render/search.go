package render

import (
	"fmt"
	"strings"
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
	within := "between " + rateOf(s.Range[0]) + " and " + rateOf(s.Range[1])
	spent := plural(len(s.Steps), "trial") + " in " + seconds(s.Seconds)
	what := "the objectives"
	if len(v.SLO) > 0 {
		var exprs []string
		for _, x := range v.SLO {
			exprs = append(exprs, x.Expr)
		}
		what = strings.Join(exprs, " and ")
	}
	if s.Max == nil {
		return "no rate " + within + " keeps " + what + ", " + spent
	}
	value := rateOf(*s.Max)
	if m := v.d.Metric("max_rps", nil); m != nil && m.Value != nil {
		text, between := m.Text()
		value = strings.TrimSpace(text + " " + between)
	}
	return what + " up to " + value + ", sought " + within + ", " + spent
}

// sweepHeadline says what was swept.
func (v *load) sweepHeadline() string {
	n, first, last := len(v.Points), v.Points[0], v.Points[len(v.Points)-1]
	var invalid int
	for _, p := range v.Points {
		if !p.Valid {
			invalid++
		}
	}
	text := fmt.Sprintf("%d rates from %s to %s", n, rateOf(first.Rate), rateOf(last.Rate))
	switch {
	case first.Batch != last.Batch:
		text = fmt.Sprintf("%d batch sizes from %d to %d", n, first.Batch, last.Batch)
	case first.Concurrency != last.Concurrency:
		text = fmt.Sprintf("%d concurrencies from %d to %d", n, first.Concurrency, last.Concurrency)
	}
	if invalid > 0 {
		text += fmt.Sprintf(", %d not valid", invalid)
	}
	return text
}
