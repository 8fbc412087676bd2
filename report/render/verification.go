package render

import (
	"encoding/json"
	"fmt"

	"infer/report"
)

// verification lays out what infer report --verify found: what differs, what was not recomputed, and folded away every
// number.
func verification(d *report.Document) []section {
	v := d.Verification()
	if v == nil {
		return nil
	}
	s := section{title: "Verification", facts: []fact{
		{"from", v.From}, {"outcome", fmt.Sprintf("%d follow, %d differ, %d were not recomputed", v.Same, v.Differs, v.Left)},
	}}
	open, all := numbersTable(), numbersTable()
	for _, n := range v.Numbers {
		row := numberRow(n)
		if all.rows = append(all.rows, row); n.State != report.NumberSame {
			open.rows = append(open.rows, row)
		}
	}
	s.table = open
	return []section{s, {title: "Every number as written and as recomputed", table: all, fold: true, long: true}}
}

func numbersTable() *table {
	return &table{cols: []column{{head: "number"}, {head: ""}, {head: "written", right: true}, {head: "recomputed", right: true}, {head: "why", note: true}}}
}

func numberRow(n report.VerifiedNumber) []cell {
	state := cell{text: n.State, tone: good}
	switch n.State {
	case report.NumberDiffers:
		state.tone = bad
	case report.NumberLeft:
		state.tone = dim
	}
	why := n.Why
	if n.Within > 0 {
		why = fmt.Sprintf("to %.1f %%: the raw data tell no more", 100*n.Within)
	}
	unit := func(text string) cell {
		if text != "" && n.Unit != "" && n.Unit != "1" {
			text += " " + n.Unit
		}
		return str(text)
	}
	return []cell{code(n.Name), state, unit(n.Written), unit(n.Recomputed), {text: why, tone: dim}}
}

// mergedRuns lays out the runs that the figures of a document were merged from.
func mergedRuns(d *report.Document) section {
	var x struct {
		Runs []report.MergedRun `json:"runs"`
	}
	if d.Kind != "loadtest" && d.Kind != "profile" || json.Unmarshal(d.Details, &x) != nil || len(x.Runs) == 0 {
		return section{}
	}
	t := &table{cols: []column{{head: "run"}, {head: "begun"}, {head: "n", right: true}, {head: "mean", right: true}, {head: "p50", right: true}, {head: "p99", right: true}, {head: ""}, {head: "why", note: true}}}
	time := func(v *float64) cell {
		if v == nil {
			return str("—")
		}
		return str(report.FormatValue(report.Time, *v))
	}
	for i, r := range x.Runs {
		valid := cell{text: "valid", tone: good}
		if !r.Valid {
			valid = cell{text: "not to be trusted", tone: warn}
		}
		t.rows = append(t.rows, []cell{str(fmt.Sprintf("run%d", i+1)), str(r.Created), str(fmt.Sprint(r.N)), time(r.Mean), time(r.P50), time(r.P99), valid, {text: r.Why, tone: dim}})
	}
	return section{title: "Merged from", table: t}
}
