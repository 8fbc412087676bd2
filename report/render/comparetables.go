package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"infer/report"
)

// gatesTable is the table of the gates, with what each stands on.
func (v *comparison) gatesTable() section {
	t := &table{cols: []column{{head: "gate", lead: true}, {head: "verdict", lead: true}, {head: "base", right: true, drop: 5}, {head: "head", right: true, drop: 2},
		{head: "change", right: true}, {head: v.interval()}, {head: "p", right: true, drop: 4}, {head: "would catch", right: true, drop: 1},
		{head: v.unit(), right: true, drop: 3}, {head: "reason", note: true}}}
	for _, g := range v.d.Gates {
		t.rows = append(t.rows, v.gateRow(g))
	}
	s := section{title: "Gates", table: t.compact()}
	if len(v.gated) > 0 {
		s.lines = []cell{faint(v.legend())}
	}
	return s
}

func (v *comparison) gateRow(g report.GateResult) []cell {
	reason := g.Reason
	if reason == v.Reason && v.d.Verdict == report.NotComparable {
		reason = "" // it stands above, and is that of all
	}
	row := []cell{code(g.Expr), {text: strings.ToUpper(g.Verdict), tone: gateTone(g.Verdict)}, {}, {}, {}, {}, {}, {}, {}, faint(reason)}
	m, ok := v.metricOf(g)
	if !ok {
		return row
	}
	change, between := changeText(m)
	word := direction(m)
	c := str(strings.TrimSpace(change + " " + word))
	switch {
	case change == "—":
		c.tone = warn
	case equal(m):
		c = str("the same")
	case !m.Significant:
		c = str("~ " + change)
	default:
		c.tone = directionTone(word)
	}
	copy(row[2:], []cell{str(sideText(m, m.Base)), str(sideText(m, m.Head)), c, faint(between), str(chance(m)), str(effect(m)), str(fmt.Sprint(m.Pairs))})
	return row
}

// equal reports whether an exact metric is the same on both sides.
func equal(m report.CompareMetric) bool {
	return m.Method == "exact" && m.Base != nil && m.Head != nil && *m.Base == *m.Head
}

// legend says what the columns of the gates mean.
func (v *comparison) legend() string {
	text := "~: not told from noise"
	has := func(of func(report.CompareMetric) bool) bool { return slices.ContainsFunc(v.gated, of) }
	if has(func(m report.CompareMetric) bool { return m.MDE != nil }) {
		text += "; would catch: the smallest change for the worse that is caught four times in five"
	}
	if has(func(m report.CompareMetric) bool { return m.PAdjusted != nil }) {
		text += "; p: Holm-adjusted"
	}
	return text
}

// interval is the head of the interval columns.
func (v *comparison) interval() string {
	switch {
	case v.Confidence > 0:
		return "[" + percent(v.Confidence) + " CI]"
	case v.Alpha > 0 && v.Alpha < 1:
		return "[" + percent(1-v.Alpha) + " CI]"
	}
	return "[interval]"
}

// unit is the head of the columns that count pairs or runs.
func (v *comparison) unit() string {
	if v.live() {
		return "pairs"
	}
	return "runs"
}

func directionTone(word string) tone {
	switch word {
	case worse:
		return bad
	case better:
		return good
	}
	return plain
}

// otherMetrics is the table of what no gate judges: a change that is not told from noise is only "~".
func (v *comparison) otherMetrics(o Options) section {
	t := &table{cols: []column{{head: "metric", shrink: true}, {head: "base", right: true}, {head: "head", right: true}, {head: "change", right: true},
		{head: v.interval(), drop: 1}, {head: "better", drop: 3}, {head: v.unit(), right: true, drop: 2}}}
	shown := len(v.others)
	if o.Top > 0 {
		shown = min(shown, o.Top)
	}
	for _, m := range v.others[:shown] {
		change, between := changeText(m)
		word := direction(m)
		c := cell{text: strings.TrimSpace(change + " " + word), tone: directionTone(word)}
		n := fmt.Sprint(m.Pairs)
		switch {
		case equal(m):
			c, n = faint("the same"), ""
		case m.Method == "exact":
			c, n = str(change), "" // counted, not sampled; and whether a smaller or larger one is worse, its gate would say
		case !m.Significant && change != "—":
			c = faint("~")
		}
		t.rows = append(t.rows, []cell{code(metricName(m)), str(sideText(m, m.Base)), str(sideText(m, m.Head)), c, faint(between), faint(m.Better), str(n)})
	}
	if n := len(v.others) - shown; n > 0 {
		t.more = fmt.Sprintf("and %d more", n)
	}
	title := "Other metrics"
	if len(v.d.Gates) == 0 {
		title = "Metrics"
	}
	return section{title: title, table: t.compact()}
}

// accuracy says what both models answered to the same rows.
func (v *comparison) accuracy() section {
	a := v.Accuracy
	if a == nil {
		return section{}
	}
	s := section{title: "Accuracy on the same " + plural(a.Rows, "row")}
	share := func(n int) string {
		if a.Rows <= 0 {
			return whole(int64(n))
		}
		return whole(int64(n)) + " (" + percent(float64(n)/float64(a.Rows)) + ")"
	}
	s.facts = []fact{{"right on both sides", share(a.Both)}, {"gained", share(a.Gained) + ", only head is right"},
		{"lost", share(a.Lost) + ", only base is right"}, {"wrong on both sides", share(a.Rows - a.Both - a.Gained - a.Lost)}}
	return s
}

// explain is the table of what moved, node by node or phase by phase.
func (v *comparison) explain(o Options) section {
	e := v.Explain
	if e == nil {
		return section{}
	}
	what, title := "phase", "What moved, by the phases of a request"
	if e.What == "nodes" {
		what, title = "node", "What moved, by node"
	}
	t := &table{cols: []column{{head: what, shrink: true}, {head: "operator", shrink: true, drop: 4}, {head: "base", right: true, drop: 3}, {head: "head", right: true, drop: 2},
		{head: "change", right: true}, {head: "[95 % CI]", drop: 1}, {head: "share", right: true}, {head: "", bar: true, drop: 5}}}
	shown := rowsToShow(len(e.Rows), markdownRows, o)
	for _, r := range e.Rows[:shown] {
		t.rows = append(t.rows, explainRow(r))
	}
	if n := len(e.Rows) - shown; n > 0 {
		t.more = fmt.Sprintf("and %d more", n)
	}
	s := section{title: title, table: t.compact()}
	if x := e.Total; x.Base != nil && x.Head != nil {
		change, between := changeText(explainMetric(x))
		s.lines = append(s.lines, str(strings.TrimSpace("in all "+seconds(*x.Base)+" to "+seconds(*x.Head)+", "+change+" "+between)))
	}
	if e.Reading != "" {
		s.lines = append(s.lines, str(e.Reading))
	}
	if len(t.rows) > 0 {
		s.lines = append(s.lines, faint("share: of all that changed in the same direction"))
	}
	return s
}

// explainMetric is the change of a node or a phase as that of a metric.
func explainMetric(r report.ExplainRow) report.CompareMetric {
	return report.CompareMetric{Unit: "s", Better: "lower", Change: &r.Change, ChangeLo: r.Lo, ChangeHi: r.Hi}
}

func explainRow(r report.ExplainRow) []cell {
	there := func(v *float64, other string) cell {
		if v == nil {
			return faint("only " + other)
		}
		return str(seconds(*v))
	}
	m := explainMetric(r)
	change, between := changeText(m)
	c := str(change)
	if r.Lo == nil || r.Hi == nil || *r.Lo > 0 || *r.Hi < 0 {
		c.tone = directionTone(direction(m))
	}
	op := r.Op
	if r.State == "changed operator" {
		op = joined(op, r.State)
	}
	return []cell{code(r.Name), str(op), there(r.Base, "head"), there(r.Head, "base"), c, faint(between), str(percent(r.Share)), {bar: r.Share}}
}

// differs is the table of what the sides do not have in common.
func (v *comparison) differs() section {
	t := &table{cols: []column{{head: "what"}, {head: "base", shrink: true}, {head: "head", shrink: true}, {head: ""}}}
	for _, x := range v.Differs {
		note := cell{text: "not comparable", tone: bad}
		switch {
		case x.Allowed:
			note = faint("by --vary")
		case v.Forced:
			note = cell{text: "by force", tone: warn}
		}
		t.rows = append(t.rows, []cell{str(x.What), str(orNone(x.Base)), str(orNone(x.Head)), note})
	}
	return section{title: "What differs, but for the model", table: t}
}

// baseline says where base comes from, when it is a store.
func (v *comparison) baseline() section {
	b := v.CompareDetails.Baseline
	if b == nil {
		return section{}
	}
	s := section{title: "Baseline"}
	used := plural(b.Runs, "accepted run") + " used"
	if b.Left > 0 {
		used += fmt.Sprintf(", %d of other machines or options left out", b.Left)
	}
	s.facts = []fact{{"store", joined(b.Spec, b.Kind)}, {"runs", used}}
	if b.Newest != "" {
		s.facts = append(s.facts, fact{"newest", b.Newest + v.age(b.Newest)})
	}
	updated := "no"
	if b.Updated {
		updated = "yes, this run is in it now"
	}
	s.facts = append(s.facts, fact{"updated", updated})
	return s
}

// age says how long before this comparison a moment was, "" where that cannot be told.
func (v *comparison) age(at string) string {
	t, err := time.Parse(time.RFC3339, at)
	if err != nil || v.d.Created.Before(t) {
		return ""
	}
	switch hours := int(v.d.Created.Sub(t).Hours()); {
	case hours < 1:
		return ", less than an hour before"
	case hours < 48:
		return ", " + plural(hours, "hour") + " before"
	default:
		return ", " + plural(hours/24, "day") + " before"
	}
}

// accepted is the table of the regressions that somebody has accepted.
func (v *comparison) accepted() section {
	t := &table{cols: []column{{head: "metric", shrink: true}, {head: "up to", right: true}, {head: "at", drop: 1}, {head: "reason"}}}
	for _, a := range v.Accepted {
		m := report.NewMetric(a.Metric)
		t.rows = append(t.rows, []cell{code(metricName(report.CompareMetric{Name: a.Metric, Labels: a.Labels})), str(optional("", a.Until, func(x float64) string { return report.FormatValue(m.QuantityOf(), x) })), faint(a.At), str(a.Reason)})
	}
	return section{title: "Accepted regressions", table: t.compact()}
}

// runs is the table of the documents that were compared.
func (v *comparison) runs() section {
	t := &table{cols: []column{{head: "side"}, {head: "file", shrink: true}, {head: "kind"}, {head: "created", drop: 2}, {head: "sha256", drop: 1}, {head: "not valid", note: true}}}
	for _, s := range []struct {
		name string
		side report.CompareSide
	}{{"base", v.Base}, {"head", v.Head}} {
		for _, r := range s.side.Runs {
			why := cell{}
			if !r.Valid {
				why = cell{text: strings.TrimSuffix("not valid: "+r.Why, ": "), tone: warn}
			}
			t.rows = append(t.rows, []cell{str(s.name), code(r.Path), str(r.Kind), faint(r.Created), code(r.SHA256[:min(12, len(r.SHA256))]), why})
		}
	}
	return section{title: "The documents", table: t.compact(), fold: true}
}

func sortedNames(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
