package render

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"infer/report"
)

// layOptimize lays out an optimization: the outcome, what became of the model, the proof, what each pass did. Of
// --list-passes there is the list alone.
func layOptimize(x report.OptimizeDetails, o Options) layout {
	if len(x.Listed) > 0 {
		return layout{sections: []section{passList(x.Listed)}}
	}
	ss := []section{optimizeOutcome(x), modelChange(&x.Before, &x.After, x.Speed), agreementSection(&x.Verification), passRuns(x.Passes), opChanges(x.Ops, o)}
	ss = append(ss, noteSection("Changes asked for", x.Edits), noteSection("Left as it is", x.Kept), phases(x.Phases))
	return layout{summary: optimizeSummary(x), sections: ss, metricsLast: true}
}

// optimizeSummary is the outcome in a sentence.
func optimizeSummary(x report.OptimizeDetails) string {
	if x.Output == "" && x.Verification.Verdict == "drifts" {
		return "Nothing was written: " + x.Verification.Why + "."
	}
	parts := []string{fmt.Sprintf("%d nodes became %d", x.Before.Nodes, x.After.Nodes)}
	if x.Before.Nodes == x.After.Nodes {
		parts = []string{fmt.Sprintf("%d nodes, as before", x.After.Nodes)}
	}
	parts = append(parts, agreementText(&x.Verification))
	if s := speedText(x.Speed); s != "" {
		parts = append(parts, s)
	}
	return strings.Join(parts, "; ") + "."
}

func optimizeOutcome(x report.OptimizeDetails) section {
	s := section{title: "Outcome", facts: []fact{{"written", x.Output}, {"level", x.Level}}}
	if x.Output == "" {
		s.facts[0].value = "nothing"
	}
	return s
}

// agreementText is how well outputs agree, in a clause.
func agreementText(a *report.Agreement) string {
	sets := plural(a.Sets, "set") + " of inputs"
	switch a.Verdict {
	case "equal":
		return "outputs are the same on " + sets
	case "within":
		return "outputs agree within the tolerance on " + sets
	case "drifts":
		return "outputs differ: " + a.Why
	}
	return "outputs were not compared: " + a.Why
}

// speedText is what a race showed, in a clause; "" where there was none, or too little of one.
func speedText(s *report.SpeedChange) string {
	if s == nil || s.Speedup.N == 0 || s.Speedup.Lo == nil {
		return ""
	}
	factor := both("speedup", &s.Speedup) + " the speed of the original"
	switch {
	case s.Same:
		return "the runtime makes the same graph of both"
	case s.Outcome == "faster":
		return "faster: " + factor
	case s.Outcome == "slower":
		return "slower: " + factor
	case s.Outcome == "equal":
		return "as fast as the original"
	}
	return "no difference in speed could be shown: " + factor
}

// modelChange sets the static figures of a model beside those of what it became.
func modelChange(b, a *report.ModelFacts, speed *report.SpeedChange) section {
	t := &table{cols: []column{{head: "", shrink: true}, {head: "before", right: true}, {head: "after", right: true}, {head: "change", right: true, drop: 1}}}
	add := func(name string, before, after float64, text func(float64) string) {
		if before == 0 && after == 0 {
			return
		}
		row := []cell{str(name), str(text(before)), str(text(after)), {}}
		if before > 0 && math.Abs(after/before-1) >= 0.0005 && name != "opset" && name != "IR version" {
			row[3] = str(fmt.Sprintf("%+.1f%%", 100*(after/before-1)))
		}
		t.rows = append(t.rows, row)
	}
	if b == nil || a == nil {
		return section{}
	}
	whole := func(v float64) string { return strconv.FormatFloat(v, 'f', 0, 64) }
	bytes := func(v float64) string { return bytesText(int64(v)) }
	count := func(v float64) string { return report.FormatValue(report.Count, v) }
	add("nodes", float64(b.Nodes), float64(a.Nodes), whole)
	add("initializers", float64(b.Initializers), float64(a.Initializers), whole)
	add("parameters", float64(b.Params), float64(a.Params), count)
	add("size", float64(b.Bytes), float64(a.Bytes), bytes)
	if b.MACs > 0 && a.MACs > 0 {
		add("MACs", b.MACs, a.MACs, count)
	}
	if b.Activations > 0 && a.Activations > 0 {
		add("activations", float64(b.Activations), float64(a.Activations), bytes)
	}
	add("opset", float64(b.Opset), float64(a.Opset), whole)
	add("IR version", float64(b.IR), float64(a.IR), whole)
	if speed != nil && speed.Head.N > 0 {
		t.rows = append(t.rows, []cell{str("latency p50"), str(both("latency_p50", &speed.Base)), str(both("latency_p50", &speed.Head)), {}})
	}
	s := section{title: "Before and after", table: t.compact()}
	if text := speedText(speed); text != "" {
		s.lines = []cell{str(capital(text) + fmt.Sprintf(" (%s)", plural(speed.Rounds, "round")))}
	}
	return s
}

// agreementSection is the comparison of outputs.
func agreementSection(a *report.Agreement) section {
	if a == nil || a.Verdict == "" {
		return section{}
	}
	s := section{title: "Outputs compared", lines: []cell{str(capital(agreementText(a)))}}
	if a.Source != "" {
		s.facts = append(s.facts, fact{"inputs", a.Source})
	}
	if a.Provider != "" {
		s.facts = append(s.facts, fact{"on", a.Provider})
	}
	tolerance := fmt.Sprintf("|x − y| ≤ %g + %g·|x|", a.Abs, a.Rel)
	if a.Share > 0 {
		tolerance += fmt.Sprintf(", for %s of the elements", percent(a.Share))
	}
	if a.Sets > 0 {
		s.facts = append(s.facts, fact{"tolerance", tolerance})
	}
	t := &table{cols: []column{{head: "output", shrink: true}, {head: "dtype", drop: 2}, {head: "elements", right: true}, {head: "beyond", right: true}, {head: "max |x − y|", right: true}, {head: "relative", right: true, drop: 3}, {head: "SQNR", right: true, drop: 1}, {head: "same top-1", right: true}, {head: "", note: true}}}
	for _, o := range a.Outputs {
		beyond := cell{text: strconv.FormatInt(o.Beyond, 10)}
		if o.Beyond > 0 {
			beyond.tone = warn
		}
		row := []cell{code(o.Output), str(o.DType), str(strconv.FormatInt(o.Elements, 10)), beyond, str(fmt.Sprintf("%.3g", o.MaxAbs)), str(fmt.Sprintf("%.3g", o.MaxRel)), str(number("sqnr_db", o.SQNR)), {}, {}}
		if o.Rows > 0 {
			row[7] = str(fmt.Sprintf("%d of %d", o.Same, o.Rows))
		}
		if o.Why != "" {
			row[8] = cell{text: o.Why, tone: bad}
		}
		t.rows = append(t.rows, row)
	}
	s.table = t.compact()
	for _, n := range a.Notes {
		s.lines = append(s.lines, faint(n))
	}
	return s
}

// passRuns is what each pass did; those that had nothing to do are named in one line.
func passRuns(list []report.PassRun) section {
	t := &table{cols: []column{{head: "pass", shrink: true}, {head: "applied", right: true}, {head: "nodes behind it", right: true}, {head: "drift", right: true, drop: 2}, {head: "time", right: true, drop: 1}, {head: "outcome", note: true}}}
	var idle []string
	drift := false
	for _, p := range list {
		if p.Verdict == "unchanged" {
			idle = append(idle, p.Pass)
			continue
		}
		row := []cell{code(p.Pass), str(strconv.Itoa(p.Changed)), str(strconv.Itoa(p.Nodes)), {}, str(seconds(p.Seconds)), {}}
		if p.Drift != nil {
			row[3], drift = str(fmt.Sprintf("%.2g", *p.Drift)), true
		}
		if p.Why != "" {
			row[5] = cell{text: strings.ReplaceAll(p.Verdict, "_", " ") + ": " + p.Why, tone: warn}
		}
		t.rows = append(t.rows, row)
	}
	s := section{title: "Passes", table: t.compact()}
	if drift {
		s.lines = append(s.lines, faint("drift: the largest difference of an output from the original's, over the tolerance"))
	}
	if len(idle) > 0 {
		s.lines = append(s.lines, faint("nothing to do: "+strings.Join(idle, ", ")))
	}
	return s
}

// opChanges shows the operators whose number changed.
func opChanges(list []report.OpChange, o Options) section {
	changed := slices.DeleteFunc(slices.Clone(list), func(c report.OpChange) bool { return c.Before == c.After })
	t := &table{cols: []column{{head: "operator", shrink: true}, {head: "before", right: true}, {head: "after", right: true}}}
	shown := rowsToShow(len(changed), 0, o)
	for _, c := range changed[:shown] {
		t.rows = append(t.rows, []cell{code(c.Op), str(strconv.Itoa(c.Before)), str(strconv.Itoa(c.After))})
	}
	if n := len(changed) - shown; n > 0 {
		t.more = fmt.Sprintf("and %d more operators", n)
	}
	return section{title: "Operators", table: t, fold: true}
}

// noteSection is a list of lines; no section where there are none.
func noteSection(title string, lines []string) section {
	s := section{title: title}
	for _, l := range lines {
		s.lines = append(s.lines, str(l))
	}
	return s
}

func passList(list []report.PassListing) section {
	t := &table{cols: []column{{head: "pass"}, {head: "level"}, {head: "what it does"}}}
	for _, p := range list {
		t.rows = append(t.rows, []cell{code(p.Pass), str(p.Level), str(p.Doc)})
	}
	return section{title: "Passes", table: t, lines: []cell{faint("safe: on by default; full: on with --level full; named: on where --passes +NAME asks for it")}}
}
