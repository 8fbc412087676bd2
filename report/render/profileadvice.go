package render

import (
	"infer/report"
)

// adviceSections lays out what to do: for each rule that applies the finding, what it can gain, and a command to copy,
// then the evidence of all, to unfold. Of --list-advice there is the list alone.
func adviceSections(p report.ProfileDetails) []section {
	if len(p.Rules) > 0 {
		return []section{ruleList(p.Rules)}
	}
	var ss []section
	proof := &table{cols: []column{{head: "rule"}, {head: "figures"}}}
	for i, a := range p.Advice {
		s := section{facts: []fact{{a.Rule, a.What}}}
		if i == 0 {
			s.title = "What to do"
		}
		if b := boundText(a); b != "" {
			s.facts = append(s.facts, fact{"gain", b})
		}
		s.facts = append(s.facts, fact{"try", a.Try})
		if a.Command != "" {
			s.code = []string{a.Command}
		}
		ss = append(ss, s)
		for i, e := range a.Evidence {
			name := cell{}
			if i == 0 {
				name = code(a.Rule)
			}
			proof.rows = append(proof.rows, []cell{name, str(e)})
		}
	}
	return append(ss, section{title: "Evidence for what to do", fold: true, long: true, table: proof})
}

// boundText is how much faster a run can become at most, "" where the rule is not about speed, or it would be nothing
// that anybody can measure.
func boundText(a report.Advice) string {
	if a.Bound < 1.005 {
		return ""
	}
	return "at most " + report.FormatValue(report.Factor, a.Bound) + " as fast: a bound by Amdahl's law, not a promise"
}

// ruleList is the table of all rules.
func ruleList(rules []report.AdviceRule) section {
	t := &table{cols: []column{{head: "rule"}, {head: "applies when"}, {head: "what to do", note: true}}}
	for _, r := range rules {
		t.rows = append(t.rows, []cell{code(r.Rule), str(r.Trigger), faint(r.Advice)})
	}
	return section{title: "Rules of the advice", table: t}
}
