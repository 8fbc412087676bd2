package render

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"infer/report"
)

// decisions lays out what became of the nodes, and which stayed float for which reason.
func decisions(q report.QuantizeDetails, o Options) []section {
	type kind struct{ op, form, runs string }
	missed := map[kind]string{} // what was predicted in place of what runs
	made, float := map[kind]int{}, map[string][]report.QuantizeNode{}
	for _, n := range q.Nodes {
		if n.Form == "float" {
			float[n.Why] = append(float[n.Why], n)
			continue
		}
		k := kind{n.Op, n.Form, cmp.Or(n.Actual, n.Predicted)}
		if k.runs != n.Predicted {
			missed[k] = "predicted: " + n.Predicted
		}
		made[k]++
	}
	order := func(a, b kind) int {
		return cmp.Or(cmp.Compare(made[b], made[a]), cmp.Compare(a.op, b.op), cmp.Compare(a.form, b.form), cmp.Compare(a.runs, b.runs))
	}
	t := &table{cols: []column{{head: "operator", shrink: true}, {head: "form"}, {head: "runs as", shrink: true}, {head: "nodes", right: true}, {head: ""}}}
	for _, k := range slices.SortedFunc(maps.Keys(made), order) {
		t.rows = append(t.rows, []cell{code(k.op), str(k.form), code(k.runs), str(fmt.Sprint(made[k])), {text: missed[k], tone: warn}})
	}
	return []section{{title: "Quantized nodes", table: t.compact()}, leftFloat(float, o)}
}

// leftFloat groups the nodes that stayed float by the reason, the most frequent first.
func leftFloat(byWhy map[string][]report.QuantizeNode, o Options) section {
	t := &table{cols: []column{{head: "nodes", right: true}, {head: "operators", shrink: true}, {head: "reason"}, {head: "names", note: true}}}
	order := func(a, b string) int { return cmp.Or(cmp.Compare(len(byWhy[b]), len(byWhy[a])), cmp.Compare(a, b)) }
	whys := slices.SortedFunc(maps.Keys(byWhy), order)
	shown := rowsToShow(len(whys), 0, o)
	for _, why := range whys[:shown] {
		ops := map[string]bool{}
		var names []string
		for _, n := range byWhy[why] {
			ops[n.Op] = true
			names = append(names, n.Node)
		}
		t.rows = append(t.rows, []cell{str(fmt.Sprint(len(names))), str(strings.Join(slices.Sorted(maps.Keys(ops)), ", ")),
			str(cmp.Or(why, "not said")), faint(firstFew(names, 3))})
	}
	if n := len(whys) - shown; n > 0 {
		t.more = "and " + plural(n, "more reason")
	}
	return section{title: "Nodes left float", table: t}
}

// firstFew lists the first n names and counts the others.
func firstFew(names []string, n int) string {
	if len(names) <= n+1 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:n], ", "), len(names)-n)
}

// fusion says how far the prediction about integer kernels came true in the graph that the runtime made.
func fusion(f *report.Fusion, o Options) section {
	if f == nil {
		return section{}
	}
	s := section{title: "Integer kernels"}
	s.facts = append(s.facts, fact{"predicted", plural(f.Predicted, "node")}, fact{"in the runtime's graph", fmt.Sprintf("%d of them", f.Actual)})
	if f.Islands > 0 {
		s.facts = append(s.facts, fact{"left between them", plural(f.Islands, "QuantizeLinear and DequantizeLinear node")})
	}
	shown := rowsToShow(len(f.Mismatches), 0, o)
	for _, m := range f.Mismatches[:shown] {
		s.lines = append(s.lines, cell{text: m, tone: warn})
	}
	if n := len(f.Mismatches) - shown; n > 0 {
		s.lines = append(s.lines, faint(fmt.Sprintf("and %d more", n)))
	}
	return s
}

func halfSection(c *report.HalfConversion, o Options) section {
	if c == nil {
		return section{}
	}
	s := section{title: "Conversion to " + c.DType, facts: []fact{
		{"in " + c.DType, plural(c.Nodes, "node")}, {"left in float32", plural(c.Float, "node")}, {"casts", countText(c.Casts)}}}
	if c.Clamped > 0 {
		s.facts = append(s.facts, fact{"too large, clamped", plural(c.Clamped, "element") + " of constants"})
	}
	if c.Flushed > 0 {
		s.facts = append(s.facts, fact{"too small, raised", plural(c.Flushed, "element") + " of constants"})
	}
	shown := rowsToShow(len(c.Kept), 0, o)
	for _, k := range c.Kept[:shown] {
		s.lines = append(s.lines, str("float32: "+k))
	}
	if n := len(c.Kept) - shown; n > 0 {
		s.lines = append(s.lines, faint(fmt.Sprintf("and %d more", n)))
	}
	return s
}

// groups ranks what is quantized together by the error that it brings.
func groups(list []report.QuantizeGroup, o Options) section {
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b report.QuantizeGroup) int { return cmp.Compare(errorOf(b), errorOf(a)) })
	t := &table{cols: []column{{head: "group", shrink: true}, {head: "operators", shrink: true, drop: 2}, {head: "nodes", right: true, drop: 3},
		{head: "error", right: true}, {head: "SQNR", right: true, drop: 1}, {head: "saves a run", right: true}, {head: "saves", right: true, drop: 4},
		{head: "form"}, {head: "why float", note: true}}}
	shown := rowsToShow(len(sorted), 0, o)
	for _, g := range sorted[:shown] {
		form := str("quantized")
		if !g.Kept {
			form = cell{text: "float", tone: warn}
		}
		gain, saved, nodes := "", "", ""
		if g.Gain != nil {
			gain = seconds(*g.Gain)
		}
		if g.Bytes != 0 {
			saved = bytesText(g.Bytes)
		}
		if len(g.Nodes) > 0 {
			nodes = fmt.Sprint(len(g.Nodes))
		}
		t.rows = append(t.rows, []cell{code(g.Name), str(g.Ops), str(nodes), str(number("max_abs_diff", g.Error)), str(number("sqnr_db", g.SQNR)),
			str(gain), str(saved), form, faint(g.Reason)})
	}
	if n := len(sorted) - shown; n > 0 {
		t.more = fmt.Sprintf("and %d more groups", n)
	}
	s := section{title: "Groups, by the error each brings alone", table: t.compact()}
	if slices.ContainsFunc(sorted, func(g report.QuantizeGroup) bool { return g.Error != nil }) {
		s.lines = []cell{faint("error: squared difference of the outputs over their square, with this group alone quantized")}
	}
	return s
}

// errorOf orders the groups; one without a measured error comes last.
func errorOf(g report.QuantizeGroup) float64 {
	if g.Error == nil {
		return -1
	}
	return *g.Error
}
