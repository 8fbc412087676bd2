package compare

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"infer/internal/stats"
	"infer/report"
)

// judged is a verdict with its p-value after Holm's correction.
type judged struct {
	verdict
	adjusted float64
}

// judgeAll judges relative gates together. That one of several fails by chance is kept as rare as for a single gate by
// Holm's correction; that all pass by chance is rarer than for a single one, and needs none. A nil change is inconclusive.
func (o Options) judgeAll(gates []report.Gate, changes []*change, tail float64) []judged {
	out := make([]judged, len(gates))
	var p []float64
	var at []int
	for i, g := range gates {
		out[i] = judged{verdict{outcome: report.GateInconclusive, p: math.NaN()}, math.NaN()}
		if changes[i] == nil {
			continue
		}
		out[i].verdict = o.judge(g, *changes[i], tail, func(p float64) float64 { return p })
		if !math.IsNaN(out[i].p) {
			p, at = append(p, out[i].p), append(at, i)
		}
	}
	for k, adjusted := range stats.Holm(p) {
		i := at[k]
		out[i].verdict = o.judge(gates[i], *changes[i], tail, func(float64) float64 { return adjusted })
		out[i].adjusted = adjusted
	}
	return out
}

// accept makes a failed gate pass where somebody has accepted the regression, up to the value that was accepted.
func (o Options) accept(m report.CompareMetric) report.CompareMetric {
	if m.Verdict != report.Fail || m.Head == nil {
		return m
	}
	for _, a := range o.Accepted {
		worse := a.Until != nil && (m.Better == "higher" && *m.Head < *a.Until || m.Better != "higher" && *m.Head > *a.Until)
		if a.Metric == m.Name && (a.Labels == nil || maps.Equal(a.Labels, m.Labels)) && !worse {
			m.Verdict, m.Reason, m.Accepted = report.Pass, m.Reason+"; accepted: "+a.Reason, true
			return m
		}
	}
	return m
}

// settle turns the judged metrics and the absolute gates into the gates and the verdict of d.
func (o Options) settle(d *report.Document, x *report.CompareDetails) error {
	d.Gates = []report.GateResult{}
	head := &report.Document{}
	for _, m := range d.Metrics {
		if m.Labels[sideLabel] == "head" {
			m.Labels = without(m.Labels, sideLabel)
			head.Add(m)
		}
	}
	regressed := false
	for _, g := range o.Gates {
		if !g.Relative {
			d.Gates = append(d.Gates, g.Eval(head))
			continue
		}
		i := slices.IndexFunc(x.Metrics, func(m report.CompareMetric) bool { return m.Gate == g.Expr })
		m := x.Metrics[i]
		d.Gates = append(d.Gates, report.GateResult{Expr: g.Expr, Verdict: m.Verdict, Reason: m.Name + " " + m.Reason})
		regressed = regressed || m.Verdict == report.Fail
	}
	if d.Validity.Verdict == report.NotValid && d.Verdict == report.OK {
		o.poison(d, x)
		regressed = false
	}
	if regressed && d.Verdict == report.OK {
		d.Verdict = report.Regressed
	}
	d.Judge(nil)
	x.Reason = reason(d)
	return d.SetDetails(x)
}

// poison keeps figures that cannot be believed from passing or failing any gate.
func (o Options) poison(d *report.Document, x *report.CompareDetails) {
	const why = "not judged, for the measurement cannot be believed: "
	for i := range x.Metrics {
		if m := &x.Metrics[i]; m.Gate != "" {
			m.Verdict, m.Reason = report.GateInconclusive, why+m.Reason
		}
	}
	for i := range d.Gates {
		d.Gates[i].Verdict, d.Gates[i].Reason = report.GateInconclusive, why+d.Gates[i].Reason
	}
	d.Verdict = report.Invalid
}

// reason says in a sentence why the verdict is what it is.
func reason(d *report.Document) string {
	want := map[report.Verdict]string{report.Regressed: report.Fail, report.FailedGate: report.Fail, report.Inconclusive: report.GateInconclusive, report.OK: report.Pass}[d.Verdict]
	var list []report.GateResult
	for _, g := range d.Gates {
		if g.Verdict == want {
			list = append(list, g)
		}
	}
	switch {
	case d.Verdict == report.Interrupted:
		return "interrupted: nothing is decided"
	case d.Verdict == report.Invalid:
		for _, c := range d.Validity.Checks {
			if !c.OK {
				return c.Name + ": " + c.Detail
			}
		}
	case len(list) == 1:
		return list[0].Reason
	case len(list) > 1:
		return fmt.Sprintf("%s (and %d more gates)", list[0].Reason, len(list)-1)
	}
	return "no gate was given"
}

// sideLabel is the label of metrics of a comparison: base or head.
const sideLabel = "side"

func without(labels map[string]string, key string) map[string]string {
	var out map[string]string
	for k, v := range labels {
		if k == key {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[k] = v
	}
	return out
}
