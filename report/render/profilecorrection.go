package render

import (
	"fmt"

	"infer/report"
)

// correctionSections says what tracing cost, how the times of the nodes were freed of it, and how their sum compares
// with a run that was not traced.
func correctionSections(p report.ProfileDetails) []section {
	c := p.Correction
	if c == nil {
		return nil
	}
	s := section{title: "Node times against an untraced run"}
	add := func(name string, i report.Interval, note string) {
		if i.N > 0 {
			s.facts = append(s.facts, fact{name, withInterval(i, seconds) + note})
		}
	}
	add("untraced run", c.Untraced, "")
	add("traced run", c.Traced, fmt.Sprintf(", %s as long", withInterval(c.Inflation, factor)))
	if c.Sum.Value > 0 {
		add("all nodes, corrected", c.Sum, fmt.Sprintf(", %s of %s a run", percent(part(c.Sum.Value, c.Untraced.Value)), plural(c.Nodes, "call")))
	}
	switch {
	case c.Sum.Value <= 0:
		s.facts = append(s.facts, fact{"all nodes", "below what can be told from the tracing: shares are as traced, and nobody knows how much of the run lies outside of nodes"})
	case c.Residual >= 0:
		s.facts = append(s.facts, fact{"outside of nodes", fmt.Sprintf("%s, %s: the runtime's own work between them", seconds(c.Residual), percent(part(c.Residual, c.Untraced.Value)))})
	default:
		s.facts = append(s.facts, fact{"too much", fmt.Sprintf("%s: tracing slowed nodes by more than its own cost; all times were multiplied by %s", seconds(-c.Residual), report.FormatValue(report.Plain, c.Scale))})
	}
	if c.Calibrated == "" {
		s.facts = append(s.facts, fact{"cost of tracing", "not measured: node times are as traced"})
		return []section{s}
	}
	add("tracing, in a node", c.Floor, "")
	add("tracing, a node in all", c.PerNode, "")
	if c.Below > 0 && c.Sum.Value > 0 {
		s.facts = append(s.facts, fact{"below resolution", fmt.Sprintf("%s shorter than %s, %s together (%s)", plural(c.Below, "call"), seconds(c.Resolution),
			seconds(c.BelowTime), percent(part(c.BelowTime, c.Untraced.Value)))})
	}
	return []section{s}
}

func factor(v float64) string { return report.FormatValue(report.Factor, v) }

// part is a share of a whole; 0 where there is no whole.
func part(v, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return v / whole
}

// withInterval writes a figure with its interval: "1.2 ms (1.1 to 1.3)", as format writes them.
func withInterval(i report.Interval, format func(float64) string) string {
	if i.Lo == nil || i.Hi == nil {
		return fmt.Sprintf("%s (n %d)", format(i.Value), i.N)
	}
	return fmt.Sprintf("%s (%s to %s, n %d)", format(i.Value), format(*i.Lo), format(*i.Hi), i.N)
}
