package render

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"infer/report"
)

// layQuantize lays out a quantization: the outcome, what it did to the model, what else was tried, and how it came about.
func layQuantize(q report.QuantizeDetails, o Options) layout {
	chosen := chosenOf(q)
	ss := []section{outcome(q), beforeAfter(q, chosen)}
	ss = append(ss, tradeoff(q), candidates(q, o), notTried(q.NotTried))
	ss = append(ss, explainSections(q.Explain)...)
	ss = append(ss, decisions(q, o)...)
	ss = append(ss, fusion(q.Fusion, o), halfSection(q.Conversion, o), groups(q.Groups, o))
	ss = append(ss, calibrationSections(q.Calibration)...)
	ss = append(ss, passes(q.Passes), phases(q.Phases))
	return layout{summary: quantizeSummary(q), sections: ss, metricsLast: chosen != nil, next: q.Next}
}

// chosenOf returns the candidate that was written or came nearest, nil where there is none.
func chosenOf(q report.QuantizeDetails) *report.QuantizeCandidate {
	i := slices.IndexFunc(q.Candidates, func(c report.QuantizeCandidate) bool { return c.Chosen })
	if i < 0 && q.Chosen != "" {
		i = slices.IndexFunc(q.Candidates, func(c report.QuantizeCandidate) bool { return c.Name == q.Chosen })
	}
	if i < 0 {
		return nil
	}
	return &q.Candidates[i]
}

// quantizeSummary is the outcome in a sentence: what was chosen and why, or why the model was kept as it is.
func quantizeSummary(q report.QuantizeDetails) string {
	var s string
	switch {
	case q.Output != "" && q.Chosen != "" && q.Reason != "":
		s = q.Chosen + ": " + q.Reason
	case q.Reason != "":
		s = capital(q.Reason)
		if q.Chosen != "" {
			s += "; nearest came " + q.Chosen
		}
	case q.Chosen != "":
		s = q.Chosen
	default:
		return ""
	}
	return strings.TrimSuffix(s, ".") + "."
}

func outcome(q report.QuantizeDetails) section {
	s := section{title: "Outcome"}
	add := func(name, value string) {
		if value != "" {
			s.facts = append(s.facts, fact{name, value})
		}
	}
	if q.Output != "" {
		add("written", q.Output)
	} else if q.Reason != "" {
		add("written", "nothing")
	}
	add("record", q.Record)
	add("mode", q.Mode)
	target := q.Target
	if q.TargetWhy != "" {
		target += ", " + q.TargetWhy
	}
	add("target", target)
	if h := q.Held; h != nil {
		labels := ", without labels"
		if h.Labels {
			labels = ", with labels"
		}
		add("judged on", plural(h.Rows, "row")+" of "+h.Source+labels)
	}
	return s
}

// level writes l for people as a metric of a name that report knows, value and interval; "" for nil.
func level(name string, l *report.Level95) (value, between string) {
	if l == nil {
		return "", ""
	}
	m := report.NewMetric(name)
	m.Value, m.Lo, m.Hi = &l.Value, l.Lo, l.Hi
	return m.Text()
}

// both is level in one text.
func both(name string, l *report.Level95) string {
	value, between := level(name, l)
	return strings.TrimSpace(value + " " + between)
}

// number writes v as a metric of a name that report knows, "" for nil.
func number(name string, v *float64) string {
	if v == nil {
		return ""
	}
	k, _ := report.KnownByName(name)
	return report.FormatValue(k.Quantity, *v)
}

// points writes a difference of ratios in percentage points, with its sign.
func points(l report.Level95) string {
	s := fmt.Sprintf("%+.2f pt", 100*l.Value)
	if l.Lo != nil && l.Hi != nil {
		s += fmt.Sprintf(" [%+.2f, %+.2f]", 100**l.Lo, 100**l.Hi)
	}
	return s
}

// negative returns -l.
func negative(l report.Level95) report.Level95 {
	n := report.Level95{Value: -l.Value, N: l.N}
	if l.Lo != nil && l.Hi != nil {
		lo, hi := -*l.Hi, -*l.Lo
		n.Lo, n.Hi = &lo, &hi
	}
	return n
}

// beforeAfter sets the original and the chosen candidate side by side.
func beforeAfter(q report.QuantizeDetails, c *report.QuantizeCandidate) section {
	if c == nil {
		return section{}
	}
	head := "chosen"
	if q.Output == "" {
		head = "nearest"
	}
	t := &table{cols: []column{{head: "", shrink: true}, {head: "original"}, {head: head}, {head: "n", right: true, drop: 1}}}
	add := func(name, before, after string, n int) {
		if before == "" && after == "" {
			return
		}
		row := []cell{str(name), str(before), str(after), {}}
		if n > 0 {
			row[3] = str(fmt.Sprint(n))
		}
		t.rows = append(t.rows, row)
	}
	b := q.Original
	if c.Bytes > 0 {
		add("size", bytesText(b.Bytes), bytesText(c.Bytes)+smaller(b.Bytes, c.Bytes), 0)
	}
	add("latency p50", both("latency_p50", b.P50), both("latency_p50", c.P50), count(c.P50))
	add("latency p99", p99(b), p99(*c), max(count(c.P99), count(c.P50)))
	add("speed-up", "", both("speedup", c.Speedup), count(c.Speedup))
	add("top-1 accuracy", both("accuracy_top1", b.Accuracy), both("accuracy_top1", c.Accuracy), count(c.Accuracy))
	switch {
	case c.Drop != nil:
		add("difference", "", points(negative(*c.Drop)), c.Drop.N)
	case b.Accuracy != nil && c.Accuracy != nil:
		add("difference", "", points(report.Level95{Value: c.Accuracy.Value - b.Accuracy.Value}), c.Accuracy.N)
	}
	add("agreement", "", both("agreement_top1", c.Agreement), count(c.Agreement))
	add("SQNR", "", number("sqnr_db", c.SQNR), 0)
	if c.Cosine != nil {
		add("cosine", "", strconv.FormatFloat(*c.Cosine, 'f', 5, 64), 0)
	}
	add("max difference", "", number("max_abs_diff", c.MaxDiff), 0)
	s := section{title: "Before and after", table: t.compact()}
	if text := pairedTest(c); text != "" {
		s.lines = []cell{faint(text)}
	}
	return s
}

// p99 is the 99th percentile, or how many runs it would take.
func p99(c report.QuantizeCandidate) string {
	if c.P99 == nil && c.P50 != nil {
		return fmt.Sprintf("— (needs %d runs)", report.SamplesNeeded("latency_p99"))
	}
	return both("latency_p99", c.P99)
}

func count(l *report.Level95) int {
	if l == nil {
		return 0
	}
	return l.N
}

// smaller says how the size changed, in words that say the direction; "" for less than half a percent.
func smaller(before, after int64) string {
	switch {
	case before <= 0 || after <= 0 || 200*max(before-after, after-before) < before:
		return ""
	case after < before:
		return ", " + report.FormatValue(report.Factor, float64(before)/float64(after)) + " smaller"
	}
	return ", " + report.FormatValue(report.Factor, float64(after)/float64(before)) + " larger"
}

// pairedTest is McNemar's test of the rows that one of the two has right.
func pairedTest(c *report.QuantizeCandidate) string {
	var parts []string
	if c.Gained != nil && c.Lost != nil {
		parts = append(parts, fmt.Sprintf("%s right only after, %d only before", plural(*c.Gained, "row"), *c.Lost))
	}
	if c.PValue != nil {
		parts = append(parts, "p "+pText(*c.PValue)+" that both are equally good (exact McNemar)")
	}
	return strings.Join(parts, ": ")
}

func pText(p float64) string {
	if p < 0.001 {
		return "< 0.001"
	}
	return "= " + report.FormatValue(report.Plain, p)
}

// goodness is the measure by which candidates are set side by side: accuracy where there are labels, else agreement.
func goodness(q report.QuantizeDetails) (name, head string, of func(report.QuantizeCandidate) *report.Level95) {
	if q.Original.Accuracy != nil || slices.ContainsFunc(q.Candidates, func(c report.QuantizeCandidate) bool { return c.Accuracy != nil }) {
		return "accuracy_top1", "accuracy", func(c report.QuantizeCandidate) *report.Level95 { return c.Accuracy }
	}
	return "agreement_top1", "agreement", func(c report.QuantizeCandidate) *report.Level95 { return c.Agreement }
}

// candidates is the table of what was tried, the original first, then those that were measured, the fastest first.
func candidates(q report.QuantizeDetails, o Options) section {
	if len(q.Candidates) == 0 {
		return section{}
	}
	name, head, of := goodness(q)
	t := &table{cols: []column{{head: "", lead: true}, {head: "candidate", lead: true}, {head: "speed-up"}, {head: "size", right: true},
		{head: head}, {head: "SQNR", right: true, drop: 2}, {head: "in budget", drop: 1}, {head: "why not", note: true}}}
	sorted := slices.Clone(q.Candidates)
	slices.SortStableFunc(sorted, func(a, b report.QuantizeCandidate) int { return cmp.Compare(speed(b), speed(a)) })
	size := func(c report.QuantizeCandidate) string {
		if c.Bytes <= 0 {
			return ""
		}
		return bytesText(c.Bytes)
	}
	b := q.Original
	t.rows = append(t.rows, []cell{{}, str("original"), str("1×"), str(size(b)), str(both(name, of(b)))})
	shown := rowsToShow(len(sorted), 0, o)
	for i, c := range sorted {
		if i >= shown && !c.Chosen {
			continue
		}
		t.rows = append(t.rows, []cell{rank(c), str(c.Name), str(both("speedup", c.Speedup)), str(size(c)), str(both(name, of(c))),
			str(number("sqnr_db", c.SQNR)), within(c.Within), faint(c.Why)})
	}
	if n := len(sorted) + 1 - len(t.rows); n > 0 {
		t.more = fmt.Sprintf("and %d more", n)
	}
	s := section{title: "What was tried", table: t.compactFrom(0)}
	var notes []string
	if slices.ContainsFunc(sorted, func(c report.QuantizeCandidate) bool { return c.Pareto }) {
		notes = append(notes, "front: none is both faster and more accurate")
	}
	if n := sampled(sorted, func(c report.QuantizeCandidate) *report.Level95 { return c.Speedup }, "round"); n != "" {
		notes = append(notes, "speed-up: original / candidate, median of "+n)
	}
	if n := sampled(append(sorted, b), of, "row"); n != "" {
		notes = append(notes, head+" on "+n)
	}
	if len(notes) > 0 {
		s.lines = []cell{faint(strings.Join(notes, "; ") + "; intervals are 95 %")}
	}
	return s
}

func speed(c report.QuantizeCandidate) float64 {
	if c.Speedup == nil {
		return -1
	}
	return c.Speedup.Value
}

// rank says what a candidate is among the others.
func rank(c report.QuantizeCandidate) cell {
	switch {
	case c.Chosen:
		return cell{text: "chosen", tone: good}
	case c.Pareto:
		return str("front")
	}
	return cell{}
}

func within(ok *bool) cell {
	switch {
	case ok == nil:
		return cell{}
	case *ok:
		return cell{text: "yes", tone: good}
	}
	return cell{text: "no", tone: bad}
}

// sampled writes the range of sample sizes, "7 to 17 rounds"; "" where there are none.
func sampled(cs []report.QuantizeCandidate, of func(report.QuantizeCandidate) *report.Level95, one string) string {
	lo, hi := 0, 0
	for _, c := range cs {
		if n := count(of(c)); n > 0 {
			if lo == 0 || n < lo {
				lo = n
			}
			hi = max(hi, n)
		}
	}
	switch {
	case hi == 0:
		return ""
	case lo == hi:
		return plural(hi, one)
	}
	return fmt.Sprintf("%d to %s", lo, plural(hi, one))
}

func notTried(list []report.NotTried) section {
	t := &table{cols: []column{{head: "candidate", shrink: true}, {head: "why not"}}}
	for _, n := range list {
		t.rows = append(t.rows, []cell{str(n.Name), str(n.Why)})
	}
	return section{title: "What was not tried", table: t}
}

func passes(list []report.PassCount) section {
	t := &table{cols: []column{{head: "pass", shrink: true}, {head: "changed", right: true}}}
	for _, p := range list {
		t.rows = append(t.rows, []cell{code(p.Pass), str(fmt.Sprint(p.Changed))})
	}
	return section{title: "Graph preparation", table: t, fold: true}
}

func phases(list []report.Phase) section {
	total := 0.0
	for _, p := range list {
		total += max(p.Seconds, 0)
	}
	t := &table{cols: []column{{head: "phase", shrink: true}, {head: "time", right: true}, {head: "", bar: true, drop: 1}}}
	for _, p := range list {
		part := 0.0
		if total > 0 {
			part = p.Seconds / total
		}
		t.rows = append(t.rows, []cell{str(p.Name), str(seconds(p.Seconds)), {bar: part}})
	}
	return section{title: "Where the time went", table: t}
}
