package compare

import "infer/report"

// Refuse settles d where base and head differ in what they must have in common (x.Differs): its verdict is
// not_comparable and no gate is judged. With o.Force they are compared all the same, and d says so. It reports whether
// it has refused.
func Refuse(d *report.Document, x *report.CompareDetails, o Options) (refused bool, err error) {
	bars := barring(x.Differs)
	if len(bars) == 0 {
		return false, nil
	}
	why := differences(bars)
	if o.Force {
		x.Forced = true
		d.Warn("compared by force, although they differ: %s", why)
		return false, nil
	}
	d.Verdict, x.Reason = report.NotComparable, "not comparable: "+why
	if x.Metrics == nil {
		x.Metrics = []report.CompareMetric{}
	}
	for _, g := range o.Gates {
		d.Gates = append(d.Gates, report.GateResult{Expr: g.Expr, Verdict: report.GateInconclusive, Reason: x.Reason})
	}
	return true, d.SetDetails(x)
}
