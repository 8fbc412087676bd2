package compare

import (
	"fmt"
	"slices"
	"strings"

	"infer/report"
)

// judge turns the judged metrics and the absolute gates into the gates, the verdict and the reason of the document.
func (f *files) judge() {
	head := &report.Document{}
	for _, m := range f.d.Metrics {
		if m.Labels[sideLabel] == "head" {
			m.Labels = without(m.Labels, sideLabel)
			head.Add(m)
		}
	}
	regressed := false
	for _, g := range f.o.Gates {
		r := g.Eval(head)
		if g.Relative {
			r = f.worst(g)
			regressed = regressed || r.Verdict == report.Fail
		}
		f.d.Gates = append(f.d.Gates, r)
	}
	missed := slices.ContainsFunc(f.d.Gates, func(g report.GateResult) bool { return g.Verdict == report.Fail })
	switch {
	case !f.comparable():
		why := "not comparable: " + differences(barring(f.x.Differs))
		f.withhold(why)
		f.d.Verdict, f.x.Reason = report.NotComparable, why
		f.d.Warn("%s", why)
		f.x.Next = f.vary()
	case f.untrusted(missed):
	default:
		if regressed {
			f.d.Verdict = report.Regressed
		}
		f.d.Judge(nil)
		f.x.Reason = reason(f.d)
		if f.d.Verdict == report.Inconclusive {
			f.x.Next = f.live()
		}
	}
}

// worst is the outcome of a relative gate: the worst of the metrics that it is about.
func (f *files) worst(g report.Gate) report.GateResult {
	rank := []string{report.Pass, report.GateInconclusive, report.Fail}
	out, at := report.GateResult{Expr: g.Expr}, -1
	for _, m := range f.x.Metrics {
		if i := slices.Index(rank, m.Verdict); m.Gate == g.Expr && i > at {
			at, out.Verdict, out.Reason = i, m.Verdict, key{m.Name, m.Labels}.String()+" "+m.Reason
		}
	}
	return out
}

// untrusted keeps documents that are invalid from passing or failing a gate, and reports whether there are any.
func (f *files) untrusted(missed bool) bool {
	var bad, why []string
	load := false
	for _, r := range f.runs() {
		if r.invalid == "" || slices.Contains(why, r.Path+": "+r.invalid) {
			continue
		}
		check, _, _ := strings.Cut(r.invalid, ":")
		bad, why = append(bad, r.Path+" ("+check+")"), append(why, r.Path+": "+r.invalid)
		load = load || r.load != nil
	}
	if len(bad) == 0 {
		return false
	}
	for _, w := range why {
		f.d.AddCheck("input", false, "%s", w)
		f.d.Warn("its figures decide nothing: %s", w)
	}
	reason := "invalid is " + strings.Join(bad, ", ")
	f.withhold("not judged: " + reason)
	f.d.Verdict, f.x.Reason = report.Inconclusive, reason
	if load || missed {
		f.d.Verdict = report.Invalid
	}
	if missed {
		f.x.Reason += ", and as the figures stand a gate is missed"
	}
	return true
}

// withhold makes every gate inconclusive, with why in front of what its figures said.
func (f *files) withhold(why string) {
	for i := range f.x.Metrics {
		if m := &f.x.Metrics[i]; m.Gate != "" {
			m.Verdict, m.Reason = report.GateInconclusive, why+"; as it stands: "+m.Reason
		}
	}
	for i := range f.d.Gates {
		g := &f.d.Gates[i]
		g.Verdict, g.Reason = report.GateInconclusive, why+"; as it stands: "+g.Reason
	}
}

// method says how changes were told from noise, by what most of the metrics with a gate, else of all, were compared by.
func (f *files) method() string {
	words := map[string]string{
		"permutation": "exact permutation test on the mean logarithms of %d and %d runs, Hodges-Lehmann shift",
		"prediction":  "Student's prediction interval on the logarithms of %d and %d runs: is the smaller side like a further run of the larger",
		"few runs":    "%d and %d runs are too few to measure their noise: their own intervals and a spread that is assumed",
		"single run":  "one run a side: their own intervals and an assumed spread between runs of " + report.FormatValue(report.Ratio, runNoise),
		"newcombe":    "Newcombe's interval of the difference of two shares",
		"exact":       "counts, which have no noise",
	}
	var parts []string
	for _, m := range f.x.Metrics {
		if f.x.Metrics[0].Gate != "" && m.Gate == "" {
			break
		}
		text := words[m.Method]
		if strings.Contains(text, "%d") {
			text = fmt.Sprintf(text, len(f.base.runs), len(f.head.runs))
		}
		if text != "" && !slices.Contains(parts, text) {
			parts = append(parts, text)
		}
	}
	if slices.ContainsFunc(f.x.Metrics, func(m report.CompareMetric) bool { return m.Method == "permutation" }) && f.apart() {
		f.d.Warn("all runs of one side were made before those of the other: what changed on the machine in between counts as a change; blocks in turns (infer compare --a BASE --b HEAD) are not misled by it")
	}
	if len(parts) == 0 {
		return "nothing was compared"
	}
	return strings.Join(parts, "; ")
}

// apart reports whether the runs of one side were all made before those of the other.
func (f *files) apart() bool {
	b, h := created(f.base), created(f.head)
	return slices.Max(b) <= slices.Min(h) || slices.Max(h) <= slices.Min(b)
}

func created(s side) []int64 {
	var out []int64
	for _, r := range s.runs {
		out = append(out, r.Doc.Created.UnixNano())
	}
	return out
}

// vary is the next step where all that differs may be named by --vary.
func (f *files) vary() *report.NextStep {
	var names []string
	base, head := f.base.facts(), f.head.facts()
	for _, d := range barring(f.x.Differs) {
		may := slices.Concat(find(base, d.What).vary, find(head, d.What).vary)
		if len(may) == 0 {
			return nil
		}
		names = append(names, may[0])
	}
	slices.Sort(names)
	list := strings.Join(slices.Compact(names), ",")
	return &report.NextStep{Command: f.command() + " --vary " + list, Why: "only where that is what is to be compared; else make both results alike"}
}

// command repeats how documents are named on the command line.
func (f *files) command() string {
	c := "infer compare"
	if len(f.base.runs) == 1 && len(f.head.runs) == 1 {
		return c + " " + quoted(f.base.runs[0].Path) + " " + quoted(f.head.runs[0].Path)
	}
	for _, s := range []side{f.base, f.head} {
		for _, r := range s.runs {
			c += " --" + s.name + " " + quoted(r.Path)
		}
	}
	return c
}

// live is the next step where runs one by one cannot decide and both models are known.
func (f *files) live() *report.NextStep {
	b, h := f.x.Base.Model, f.x.Head.Model
	if b == nil || h == nil || f.base.runs[0].profile == nil || f.head.runs[0].profile == nil || b.Path == "" || h.Path == "" {
		return nil
	}
	c := "infer compare --a " + quoted(b.Path) + " --b " + quoted(h.Path)
	for _, g := range f.d.Gates {
		c += " --gate " + quoted(g.Expr)
	}
	return &report.NextStep{Command: c, Why: "blocks of both in turns tell a change from noise that single runs have in them"}
}

// quoted quotes what a shell would take apart.
func quoted(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\n'\"\\$&|;<>()*?[]{}~#!`") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
