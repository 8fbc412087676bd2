package report

import (
	"fmt"
	"maps"
	"slices"
)

// Eval judges g by the metrics of d. A gate without labels is judged by the metric without labels, or,
// where there is none, by every metric of its name; the worst of them counts.
// An interval that lies wholly on the good side passes and one wholly on the bad side fails; an interval that
// contains the limit is inconclusive, and so is a metric that is missing or has no value. A metric without
// an interval is judged by its value. The reason says value, interval and sample size.
// A relative gate is inconclusive here: Eval has no base.
func (g Gate) Eval(d *Document) GateResult {
	out := GateResult{Expr: g.Expr, Verdict: GateInconclusive}
	if g.Relative {
		out.Reason = "it needs a base to compare with"
		return out
	}
	ms := g.pick(d)
	if len(ms) == 0 {
		out.Reason = g.Metric + " was not measured"
		return out
	}
	rank := []string{Pass, GateInconclusive, Fail}
	worst := -1
	for _, m := range ms {
		v, reason := g.evalOne(m)
		if r := slices.Index(rank, v); r > worst {
			worst = r
			out.Verdict, out.Reason = v, reason
		}
	}
	return out
}

// pick returns the metrics that decide about g.
func (g Gate) pick(d *Document) []*Metric {
	if m := d.Metric(g.Metric, g.Labels); m != nil {
		return []*Metric{m}
	}
	var out []*Metric
	for i := range d.Metrics {
		m := &d.Metrics[i]
		has := func(k string) bool { return m.Labels[k] == g.Labels[k] }
		if m.Name == g.Metric && !slices.ContainsFunc(slices.Collect(maps.Keys(g.Labels)), func(k string) bool { return !has(k) }) {
			out = append(out, m)
		}
	}
	return out
}

func (g Gate) evalOne(m *Metric) (verdict, reason string) {
	name := m.Name
	if l := LabelText(m.Labels); l != "" {
		name += "{" + l + "}"
	}
	value, interval := m.Text()
	if m.Value == nil {
		return GateInconclusive, fmt.Sprintf("%s has no value: %s", name, interval)
	}
	limit := FormatValue(m.QuantityOf(), g.Limit)
	seen := value
	if interval != "" {
		seen += " " + interval
	}
	seen = fmt.Sprintf("%s is %s (n=%d)", name, seen, m.N)
	lo, hi := *m.Value, *m.Value
	if m.Lo != nil && m.Hi != nil {
		lo, hi = *m.Lo, *m.Hi
	}
	switch good, bad := g.holds(lo) && g.holds(hi), !g.holds(lo) && !g.holds(hi); {
	case good:
		return Pass, fmt.Sprintf("%s, limit %s %s", seen, g.Op, limit)
	case bad:
		return Fail, fmt.Sprintf("%s, limit %s %s", seen, g.Op, limit)
	default:
		return GateInconclusive, fmt.Sprintf("%s, and the limit %s %s lies inside the interval: measure longer", seen, g.Op, limit)
	}
}

// holds reports whether v keeps the limit; NaN never does.
func (g Gate) holds(v float64) bool {
	switch g.Op {
	case "<":
		return v < g.Limit
	case "<=":
		return v <= g.Limit
	case ">":
		return v > g.Limit
	default:
		return v >= g.Limit
	}
}

// Judge evaluates gates into d.Gates and settles d.Verdict; call it once, when all metrics and checks are there.
// The first that applies wins:
//
//  1. interrupted, not_comparable, regressed, and invalid (except in a profile and a tune), when the verb has set them
//  2. failed_gate: a gate failed
//  3. invalid: the validity of the document is, or the verb has said so
//  4. inconclusive: a gate is
//  5. the verdict that the verb has set
//
// A profile and a tune are different in rule 1 because their invalidity is only a warning without --strict:
// a missed gate must still be seen.
func (d *Document) Judge(gates []Gate) {
	for _, g := range gates {
		d.Gates = append(d.Gates, g.Eval(d))
	}
	switch d.Verdict {
	case Interrupted, NotComparable, Regressed:
		return
	case Invalid:
		if !d.warns() {
			return
		}
	}
	any := func(v string) bool {
		return slices.ContainsFunc(d.Gates, func(g GateResult) bool { return g.Verdict == v })
	}
	switch {
	case any(Fail):
		d.Verdict = FailedGate
	case d.Validity.Verdict == NotValid:
		d.Verdict = Invalid
	case d.Verdict == OK && any(GateInconclusive):
		d.Verdict = Inconclusive
	}
}

// warns reports whether the invalidity of d is only a warning without --strict.
func (d *Document) warns() bool { return d.Kind == "profile" || d.Kind == "tune" }

// ExitCode maps the outcome of d to the exit code of the program:
// 0 ok, 3 failed_gate and regressed, 4 not_comparable and invalid, 130 interrupted. An invalid profile or
// tune and an inconclusive document are 0, under strict 4; under strict one that is invalid and missed a gate is 4, too.
func ExitCode(d *Document, strict bool) int {
	untrusted := d.Verdict == Invalid || d.Validity.Verdict == NotValid
	switch {
	case d.Verdict == Interrupted:
		return 130
	case d.Verdict == NotComparable:
		return 4
	case untrusted && strict, d.Verdict == Invalid && !d.warns():
		return 4
	case d.Verdict == FailedGate || d.Verdict == Regressed:
		return 3
	case d.Verdict == Inconclusive && strict:
		return 4
	default:
		return 0
	}
}
