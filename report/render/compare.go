package render

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"infer/report"
)

// markdownRows is how many rows a table of a comparison has in Markdown, where it is a comment.
const markdownRows = 10

// comparison is a comparison on its way to a page.
type comparison struct {
	report.CompareDetails
	d      *report.Document
	gated  []report.CompareMetric
	others []report.CompareMetric
}

// layCompare lays out a comparison: what the gates say, what else moved and where, and what was compared with what.
func layCompare(d *report.Document, c report.CompareDetails, o Options) layout {
	v := newComparison(d, c)
	out := layout{title: v.headline(), summary: v.summary(), about: "What was compared", subject: v.subject(), next: c.Next, metricsLast: true, rows: markdownRows}
	out.foldChecks = d.Validity.Verdict == report.Valid
	if c.Forced {
		out.badge = cell{text: "COMPARED BY FORCE", tone: warn}
	}
	for _, g := range d.Gates {
		out.judged = append(out.judged, g.Expr)
	}
	differs := v.differs()
	if d.Verdict == report.NotComparable || c.Forced {
		out.lead = append(out.lead, differs)
		differs = section{}
	}
	out.lead = append(out.lead, v.gatesTable(), v.accuracy(), v.explain(o), v.otherMetrics(o), v.accepted())
	out.sections = append(v.shift(), v.pairs()...)
	out.sections = append(out.sections, differs, v.baseline(), v.runs())
	return out
}

func newComparison(d *report.Document, c report.CompareDetails) *comparison {
	v := &comparison{CompareDetails: c, d: d}
	for _, m := range c.Metrics {
		if m.Gate != "" {
			v.gated = append(v.gated, m)
		} else {
			v.others = append(v.others, m)
		}
	}
	return v
}

func (v *comparison) live() bool { return v.Mode == "live" }

// headline is the answer in one line, "" for a document that does not tell.
func (v *comparison) headline() string {
	switch v.d.Verdict {
	case report.NotComparable:
		return v.differences()
	case report.Regressed, report.FailedGate:
		return v.figures(report.Fail)
	case report.Inconclusive:
		return v.figures(report.GateInconclusive)
	case report.OK:
		return v.figures(report.Pass)
	case report.Interrupted:
		return strings.TrimSuffix("after "+v.count(v.measured())+": "+v.figures(""), ": ")
	}
	return strings.TrimRight(v.Reason, ".")
}

// measured is how many pairs or runs a side there are.
func (v *comparison) measured() int {
	n := len(v.Pairs)
	for _, m := range v.Metrics {
		n = max(n, m.Pairs)
	}
	return n
}

// count writes n pairs, or of files, of which n is the smaller number of a side, how many runs each has.
func (v *comparison) count(n int) string {
	base, head := len(v.Base.Runs), len(v.Head.Runs)
	switch {
	case v.live():
		return plural(n, "pair")
	case base != head && min(base, head) == n:
		return fmt.Sprintf("%s against %d", plural(base, "run"), head)
	}
	return plural(n, "run") + " a side"
}

// differences names what the two sides do not have in common.
func (v *comparison) differences() string {
	var parts []string
	for _, x := range v.Differs {
		if !x.Allowed {
			parts = append(parts, strings.TrimPrefix(x.What, "option ")+" "+orNone(x.Base)+" against "+orNone(x.Head))
		}
	}
	if len(parts) == 0 {
		return strings.TrimRight(v.Reason, ".")
	}
	if n := len(parts); n > 3 {
		parts = append(parts[:3], fmt.Sprintf("and %d more", n-3))
	}
	return strings.Join(parts, ", ")
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// figures writes the first gate with a verdict, "" for any, or where there is none, the first metric.
func (v *comparison) figures(verdict string) string {
	gates := slices.DeleteFunc(slices.Clone(v.d.Gates), func(g report.GateResult) bool { return verdict != "" && g.Verdict != verdict })
	switch {
	case len(gates) == 0 && len(v.Metrics) == 0:
		return strings.TrimRight(v.Reason, ".")
	case len(gates) == 0:
		m := v.Metrics[0]
		return metricName(m) + " " + v.moved(m) + "; no gate judges it"
	}
	first := gates[0]
	lacks := func(g report.GateResult) bool { m, ok := v.metricOf(g); return ok && unmeasured(m) }
	if i := slices.IndexFunc(gates, lacks); i >= 0 {
		first = gates[i] // no measuring decides such a gate
	} else if i := slices.IndexFunc(gates, func(g report.GateResult) bool { _, ok := v.metricOf(g); return ok }); i >= 0 {
		first = gates[i] // a change says more than a value
	}
	text := v.gateText(first)
	if n := len(gates) - 1; n > 0 {
		text += fmt.Sprintf("; and %s more", plural(n, "gate"))
	}
	return text
}

// gateText writes what a gate saw, and what it would have caught where it caught nothing.
func (v *comparison) gateText(g report.GateResult) string {
	m, ok := v.metricOf(g)
	name, _, _ := strings.Cut(g.Reason, " ")
	switch {
	case !ok && name != "" && strings.HasPrefix(g.Expr, name):
		return g.Reason
	case !ok:
		return strings.TrimSuffix(g.Expr+": "+g.Reason, ": ")
	}
	text := metricName(m) + " " + v.moved(m) + ", gate " + gateLimit(g.Expr)
	parsed, err := report.ParseCompareGate(g.Expr)
	improves := err == nil && parsed.Improves()
	switch e := effect(m); {
	case improves && g.Verdict == report.Fail:
		return "gate missed: " + metricName(m) + " " + v.moved(m) + ", not " + strings.TrimLeft(gateLimit(g.Expr), "<>=")
	case e == "" || improves || absolute(g.Expr):
	case g.Verdict == report.Pass:
		text += ", would have caught " + e
	case g.Verdict == report.GateInconclusive:
		text += ", would catch " + e
	}
	return text
}

// metricOf returns the metric that a gate judged, of several the one that decided; false where that is no change, but the
// value of head alone.
func (v *comparison) metricOf(g report.GateResult) (report.CompareMetric, bool) {
	judged := slices.DeleteFunc(slices.Clone(v.gated), func(m report.CompareMetric) bool { return m.Gate != g.Expr })
	if len(judged) == 0 {
		return report.CompareMetric{}, false
	}
	i := slices.IndexFunc(judged, func(m report.CompareMetric) bool { return m.Verdict == g.Verdict })
	return judged[max(0, i)], true
}

// moved is the change of m with its interval and sample size; of a gate on the value of head alone that value.
func (v *comparison) moved(m report.CompareMetric) string {
	change, between := changeText(m)
	switch {
	case absolute(m.Gate):
		return sideText(m, m.Head)
	case change == "—":
		return "was not measured on both sides"
	case m.Method == "exact":
		return change
	case m.Method == "tango":
		return strings.TrimSpace(change+" "+between) + " (" + plural(m.Pairs, "row") + ")"
	}
	return strings.TrimSpace(change+" "+between) + " (" + v.count(m.Pairs) + ")"
}

// unmeasured reports whether a side lacks a metric.
func unmeasured(m report.CompareMetric) bool {
	return (m.Base == nil || m.Head == nil) && m.Ratio == nil && m.Change == nil
}

// absolute reports whether a gate judges head alone.
func absolute(expr string) bool {
	g, err := report.ParseCompareGate(expr)
	return err == nil && !g.Relative
}

// summary is the reason of the verdict, what was forced, and what to do about an inconclusive one.
func (v *comparison) summary() string {
	var parts []string
	if v.Reason != "" && !v.told() {
		parts = append(parts, capital(sentence(v.Reason)))
	}
	if v.Forced {
		parts = append(parts, sentence("Compared all the same, as --force asks: "+v.differences()))
	}
	if v.d.Verdict == report.Inconclusive {
		parts = append(parts, sentence("What to do: "+v.advice()))
	}
	return strings.Join(parts, " ")
}

// told reports whether the headline says the reason, too.
func (v *comparison) told() bool {
	if v.d.Verdict == report.Invalid || v.d.Verdict == report.NotComparable && len(v.Differs) > 0 {
		return true
	}
	return slices.ContainsFunc(v.d.Gates, func(g report.GateResult) bool { return strings.HasPrefix(v.Reason, g.Reason) && g.Reason != "" })
}

// capital begins a sentence with a capital letter, unless its first word is the name of a metric.
func capital(s string) string {
	word, _, _ := strings.Cut(s, " ")
	r, n := utf8.DecodeRuneInString(s)
	if strings.ContainsAny(word, "_<>") || n == 0 || r == utf8.RuneError {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}

// advice says what would turn an inconclusive comparison into an answer.
func (v *comparison) advice() string {
	var lacks []string
	open := false // whether a gate could be decided by more measuring
	for _, m := range v.gated {
		if unmeasured(m) {
			lacks = append(lacks, strings.TrimSpace(metricName(m)+" "+m.Reason))
		} else if m.Verdict == report.GateInconclusive {
			open = true
		}
	}
	if len(lacks) > 0 {
		text := "measure what the gate asks for, or gate what was measured (" + strings.Join(lacks, ", ") + ")"
		if !open {
			return text
		}
		return text + "; then " + v.more()
	}
	return v.more()
}

// more says what would decide gates whose metric was measured.
func (v *comparison) more() string {
	if !v.live() {
		return "give several runs a side (--base and --head), or compare live with --a and --b, which takes out what the machine does between runs"
	}
	var parts []string
	names := map[string]bool{}
	n := 0
	for _, p := range v.Pairs {
		marks := disturbances(p)
		if len(marks) > 0 {
			n++
		}
		for _, m := range marks {
			names[m] = true
		}
	}
	if 4*n >= len(v.Pairs) && n > 0 {
		parts = append(parts, fmt.Sprintf("a quieter machine (%d of %s disturbed: %s)", n, plural(len(v.Pairs), "pair"), strings.Join(sortedNames(names), ", ")))
	}
	more := "more pairs (a higher --max-time)"
	if need := v.pairsNeeded(); need > 0 {
		more = fmt.Sprintf("more pairs (a higher --max-time; with this noise about %d would tell)", need)
	}
	parts = append(parts, more, "longer blocks (--block), which steady high percentiles")
	if n == 0 {
		parts = append(parts, "a quieter machine")
	}
	return strings.Join(parts, ", or ")
}

// pairsNeeded is with how many pairs the interval of the first inconclusive gate would leave out its limit, were the
// change what it seems: the width falls with the square root of the number. 0: not known, or more than anybody waits for.
func (v *comparison) pairsNeeded() int {
	for _, m := range v.gated {
		limit, ok := ratioLimit(m.Gate)
		if m.Verdict != report.GateInconclusive || !ok || m.Ratio == nil || m.RatioLo == nil || m.RatioHi == nil || *m.RatioLo <= 0 || *m.Ratio <= 0 {
			continue
		}
		half, apart := math.Log(*m.RatioHi / *m.RatioLo)/2, math.Abs(math.Log(*m.Ratio/limit))
		need := math.Ceil(float64(m.Pairs) * (half / apart) * (half / apart))
		if need > float64(m.Pairs) && need <= 100 {
			return int(need)
		}
		return 0
	}
	return 0
}

// ratioLimit is the ratio that a relative gate allows.
func ratioLimit(expr string) (float64, bool) {
	g, err := report.ParseCompareGate(expr)
	return 1 + g.Limit, err == nil && g.Percent && g.Limit > -1
}

// disturbances are what went on beside the blocks of p.
func disturbances(p report.ComparePair) (names []string) {
	for _, list := range [][]string{p.Base.Disturbed, p.Head.Disturbed} {
		for _, n := range list {
			if !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return names
}

// subject says what was compared with what, and how.
func (v *comparison) subject() []fact {
	var fs []fact
	add := func(name string, parts ...string) {
		if text := joined(parts...); text != "" {
			fs = append(fs, fact{name, text})
		}
	}
	add("base", sideParts(v.Base)...)
	add("head", sideParts(v.Head)...)
	if n := len(v.Pairs); n > 0 {
		parts := []string{plural(n, "pair") + " of blocks"}
		if v.Seconds > 0 {
			parts[0] += " in " + seconds(v.Seconds)
		}
		if len(v.Looks) > 1 {
			parts = append(parts, "judged after "+listed(v.Looks)+" pairs")
		}
		add("measured", parts...)
	}
	add("method", v.Method)
	if v.Alpha > 0 {
		add("judged by", fmt.Sprintf("false alarms in at most %s of comparisons", percent(v.Alpha)), optional("changes below ", positive(v.MinEffect), percent)+suffixIf(v.MinEffect > 0, " do not matter"))
	}
	return fs
}

func positive(x float64) *float64 {
	if x > 0 {
		return &x
	}
	return nil
}

func suffixIf(on bool, s string) string {
	if on {
		return s
	}
	return ""
}

// sideParts says what one side is.
func sideParts(s report.CompareSide) []string {
	parts := []string{s.Name}
	if s.Kind != "" && s.Kind != "files" {
		parts = append(parts, "a "+s.Kind)
	}
	if n := len(s.Runs); n > 0 {
		parts = append(parts, plural(n, "run"))
	}
	if m := s.Model; m != nil {
		if m.Path != s.Name {
			parts = append(parts, m.Path)
		}
		parts = append(parts, bytesText(m.Bytes))
		if len(m.SHA256) >= 12 {
			parts = append(parts, "sha256 "+m.SHA256[:12])
		}
	}
	return parts
}

// listed writes after how many pairs the gates were judged: "6, 10 and 16".
func listed(looks []report.CompareLook) string {
	var text string
	for i, l := range looks {
		switch i {
		case 0:
		case len(looks) - 1:
			text += " and "
		default:
			text += ", "
		}
		text += fmt.Sprint(l.Pairs)
	}
	return text
}
