package render

import (
	"infer/report"
)

// adviceSections lays out what to do: a row a finding, the command below it, and the evidence to unfold. Of
// --list-advice there is the list alone.
func adviceSections(p report.ProfileDetails) []section {
	if len(p.Rules) > 0 {
		return []section{ruleList(p.Rules)}
	}
	if len(p.Advice) == 0 {
		return nil
	}
	t := &table{cols: []column{{head: "rule", lead: true}, {head: "at most", lead: true}, {head: "finding"}, {head: "what to do", note: true}, {head: "command", note: true}}}
	proof := section{title: "The evidence", fold: true, long: true, table: &table{cols: []column{{head: "rule"}, {head: "figures"}}}}
	for _, a := range p.Advice {
		t.rows = append(t.rows, []cell{code(a.Rule), str(boundText(a)), str(a.What), str(a.Try), {text: a.Command, code: true, tone: good}})
		for i, e := range a.Evidence {
			name := cell{}
			if i == 0 {
				name = code(a.Rule)
			}
			proof.table.rows = append(proof.table.rows, []cell{name, str(e)})
		}
	}
	s := section{title: "What to do", table: t.compact()}
	if len(p.Advice) > 0 {
		s.lines = []cell{faint("\"at most\" is Amdahl's bound for a run, not a promise")}
	}
	return []section{s, proof}
}

// boundText is how much faster a run can become at most, "" where the rule is not about speed or nobody knows.
func boundText(a report.Advice) string {
	if a.Bound <= 1 {
		return ""
	}
	return report.FormatValue(report.Factor, a.Bound)
}

// ruleList is the table of all rules.
func ruleList(rules []report.AdviceRule) section {
	t := &table{cols: []column{{head: "rule"}, {head: "applies when"}, {head: "what to do", note: true}}}
	for _, r := range rules {
		t.rows = append(t.rows, []cell{code(r.Rule), str(r.Trigger), faint(r.Advice)})
	}
	return section{title: "Rules of the advice", table: t}
}
