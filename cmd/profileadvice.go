package cmd

import (
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/profile/advice"
	"infer/report"
)

// runListAdvice prints the rules there are.
func runListAdvice(a *app, output string) error {
	d := a.newDocument("profile")
	var details report.ProfileDetails
	for _, r := range advice.Rules() {
		details.Rules = append(details.Rules, report.AdviceRule{Rule: r.ID, Trigger: r.Trigger, Advice: r.Advice})
	}
	if err := d.SetDetails(details); err != nil {
		return err
	}
	return a.emit(d, output)
}

// checkAdviceGates reports a rule of --advice-gate that there is none of, before anything is measured. Rules may be
// typed in small letters.
func (f *profileFlags) checkAdviceGates() error {
	var ids []string
	for _, r := range advice.Rules() {
		ids = append(ids, r.ID)
	}
	for i, typed := range f.adviceGates {
		id := strings.ToUpper(strings.TrimSpace(typed))
		if !slices.Contains(ids, id) {
			hint := "infer profile --list-advice names them"
			if near := fault.Nearest(id, ids); near != "" {
				hint = "did you mean " + near + "? " + hint
			}
			return fault.New(fault.Usage, hint, "--advice-gate %q is no rule", typed)
		}
		f.adviceGates[i] = id
	}
	return nil
}

// judgeAdvice adds a gate for each rule of --advice-gate: one that applies fails, one that the profile lacks the facts for is
// inconclusive.
func (f *profileFlags) judgeAdvice(d *report.Document) error {
	if len(f.adviceGates) == 0 {
		return nil
	}
	x, err := detailsOf[report.ProfileDetails](d)
	if err != nil {
		return err
	}
	for _, id := range f.adviceGates {
		g := report.GateResult{Expr: report.AdvicePrefix + id, Verdict: report.Pass, Reason: "the rule does not apply"}
		fired := slices.IndexFunc(x.Advice, func(a report.Advice) bool { return a.Rule == id })
		lacks := slices.IndexFunc(x.Unjudged, func(u report.UnjudgedRule) bool { return u.Rule == id })
		switch {
		case fired >= 0:
			g.Verdict, g.Reason = report.Fail, x.Advice[fired].What
		case lacks >= 0:
			g.Verdict, g.Reason = report.GateInconclusive, "cannot be judged: "+x.Unjudged[lacks].Why
		case d.Verdict == report.Interrupted:
			g.Verdict, g.Reason = report.GateInconclusive, "the profile was interrupted"
		}
		d.Gates = append(d.Gates, g)
	}
	d.Judge(nil) // the gates are judged: their verdict becomes that of the document
	return nil
}
