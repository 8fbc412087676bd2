package compare

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"infer/internal/stats"
	"infer/report"
)

// key is a metric that at least one run has.
type key struct {
	name   string
	labels map[string]string
}

func (k key) String() string {
	if l := report.LabelText(k.labels); l != "" {
		return k.name + "{" + l + "}"
	}
	return k.name
}

// of returns the metric of every run of s that has a value of it.
func (s side) of(k key) []*report.Metric {
	var out []*report.Metric
	for _, r := range s.runs {
		if m := r.Doc.Metric(k.name, k.labels); m != nil && m.Value != nil {
			out = append(out, m)
		}
	}
	return out
}

// keys lists the metrics of both sides in the order of the table of metrics, unknown ones last, as the documents have them.
func (f *files) keys() []key {
	var out []key
	for _, r := range f.runs() {
		for _, m := range r.Doc.Metrics {
			if !slices.ContainsFunc(out, func(k key) bool { return k.name == m.Name && maps.Equal(k.labels, m.Labels) }) {
				out = append(out, key{m.Name, m.Labels})
			}
		}
	}
	known := report.Known()
	rank := func(k key) int {
		if i := slices.IndexFunc(known, func(m report.KnownMetric) bool { return m.Name == k.name }); i >= 0 {
			return i
		}
		return len(known)
	}
	slices.SortStableFunc(out, func(a, b key) int { return rank(a) - rank(b) })
	return out
}

// gated returns the metrics that a gate is about: the one of exactly its labels, else all that have them.
func gated(keys []key, g report.Gate) []key {
	var out []key
	for _, k := range keys {
		if k.name != g.Metric {
			continue
		}
		if maps.Equal(k.labels, g.Labels) {
			return []key{k}
		}
		has := true
		for l, v := range g.Labels {
			has = has && k.labels[l] == v
		}
		if has {
			out = append(out, k)
		}
	}
	return out
}

// defaults are the gates where none are given: of loads the tail, of runs one after the other, which have no queue, the
// median.
func (f *files) defaults() []report.Gate {
	names := []string{"latency_p50", "latency_p99"}
	if f.base.runs[0].load != nil && f.head.runs[0].load != nil {
		slices.Reverse(names)
	}
	for _, name := range names {
		for _, k := range f.keys() {
			if k.name != name || len(f.base.of(k)) == 0 || len(f.head.of(k)) == 0 {
				continue
			}
			if g, err := report.ParseGate(name + "<=+5%"); err == nil {
				return []report.Gate{g}
			}
		}
	}
	f.d.Warn("no latency percentile is on both sides: without --gate nothing is judged")
	return nil
}

// row is a metric with the gate that judges it.
type row struct {
	key
	gate   *report.Gate // relative; nil: none
	change *change      // nil: a side does not have it
}

// rows lists the metrics, those of relative gates first, in the order of the gates.
func (f *files) rows() []row {
	keys := f.keys()
	var out []row
	for i := range f.o.Gates {
		g := &f.o.Gates[i]
		if !g.Relative {
			continue
		}
		list := gated(keys, *g)
		if len(list) == 0 {
			list = []key{{g.Metric, g.Labels}}
		}
		for _, k := range list {
			out = append(out, row{key: k, gate: g})
		}
	}
	for _, k := range keys {
		if !slices.ContainsFunc(out, func(r row) bool { return r.String() == k.String() }) {
			out = append(out, row{key: k})
		}
	}
	for i := range out {
		r := &out[i]
		base, head := f.base.of(r.key), f.head.of(r.key)
		if len(base) > 0 && len(head) > 0 && base[0].Unit == head[0].Unit {
			r.change = f.o.changeOf(base, head, r.gate != nil && byDifference(*r.gate, base[0].QuantityOf()))
			if r.gate != nil {
				r.change.catch(*r.gate, f.o)
			}
		}
	}
	return out
}

// measure fills in the metrics of both sides and judges the relative gates by the figures as they stand.
func (f *files) measure() {
	rows := f.rows()
	var gates []report.Gate
	var changes []*change
	for _, r := range rows {
		if r.gate != nil {
			gates, changes = append(gates, *r.gate), append(changes, r.change)
		}
	}
	verdicts := f.o.judgeAll(gates, changes, f.o.Alpha/2)
	for i, r := range rows {
		m := entry(r.name, r.change)
		m.Labels = r.labels
		f.sides(&m, r.key)
		if i < len(gates) {
			v := verdicts[i]
			m.Gate, m.Verdict, m.Reason = gates[i].Expr, v.outcome, v.reason
			if r.change == nil {
				m.Reason = f.missing(r.key)
			} else if g := gates[i]; g.Percent && r.change.base == 0 && v.outcome == report.GateInconclusive {
				m.Reason = "the base is 0, of which there is no percentage: write the change in the metric's unit; " + m.Reason
			}
			if !math.IsNaN(v.p) {
				p, adjusted := v.p, v.adjusted
				m.PValue, m.PAdjusted = &p, &adjusted
			}
			m.Reason += f.lacking(r.key)
			m = f.o.accept(m)
		}
		f.x.Metrics = append(f.x.Metrics, m)
	}
}

// sides adds the metric of both sides to the document, and to m where no change tells its values.
func (f *files) sides(m *report.CompareMetric, k key) {
	for _, s := range []struct {
		side
		value **float64
	}{{f.base, &m.Base}, {f.head, &m.Head}} {
		ms := s.of(k)
		if len(ms) == 0 {
			continue
		}
		m.Unit, m.Better = ms[0].Unit, ms[0].Better
		one := summary(ms)
		if *s.value == nil {
			*s.value = one.Value
		}
		one.Labels = maps.Clone(k.labels)
		if one.Labels == nil {
			one.Labels = map[string]string{}
		}
		one.Labels[sideLabel] = s.name
		if f.d.Metric(one.Name, one.Labels) == nil { // two gates may be about one metric
			f.d.Add(one)
		}
	}
}

// summary is one metric for the runs of a side: that of a single run as it is, else the median, with the interval of
// order statistics, or below six runs from the lowest to the highest end of theirs.
func summary(ms []*report.Metric) report.Metric {
	out := *ms[0]
	if len(ms) == 1 {
		return out
	}
	x := valuesOf(ms)
	v := stats.Median(x)
	out.Value, out.N, out.Method, out.Confidence, out.Lo, out.Hi = &v, len(ms), "median of runs", 0, nil, nil
	if slices.Min(x) == slices.Max(x) && ms[0].Lo == nil {
		out.Method = ms[0].Method
		return out
	}
	if e := stats.Quantile(stats.Sorted(x), 0.5, 0.95); e.OK {
		lo, hi := min(e.Lo, v), max(e.Hi, v)
		out.Lo, out.Hi, out.Confidence = &lo, &hi, 0.95
		return out
	}
	lo, hi := slices.Min(x), slices.Max(x)
	for _, m := range ms {
		if m.Lo != nil && m.Hi != nil {
			lo, hi = min(lo, *m.Lo), max(hi, *m.Hi)
		}
	}
	out.Lo, out.Hi, out.Method = &lo, &hi, "median and range of runs"
	return out
}

// lacking says how many runs a change is without, "" for none.
func (f *files) lacking(k key) string {
	text := ""
	for _, s := range []side{f.base, f.head} {
		if n := len(s.of(k)); n > 0 && n < len(s.runs) {
			text += fmt.Sprintf("; only %d of the %d %s runs have it", n, len(s.runs), s.name)
		}
	}
	return text
}

// missing says which side lacks a metric, and what both have.
func (f *files) missing(k key) string {
	var both []string
	for _, o := range f.keys() {
		if len(f.base.of(o)) > 0 && len(f.head.of(o)) > 0 {
			both = append(both, o.String())
		}
	}
	var parts []string
	for _, s := range []side{f.base, f.head} {
		if len(s.of(k)) > 0 {
			continue
		}
		why := "was not measured in " + s.name
		if m := s.runs[0].Doc.Metric(k.name, k.labels); m != nil {
			_, text := m.Text()
			why = "has no value in " + s.name + " (" + text + ")"
		}
		parts = append(parts, why)
	}
	if len(parts) == 0 {
		return "has another unit in base than in head"
	}
	text := strings.Join(parts, " and ")
	if n := len(both); n > 12 {
		both = append(both[:12], fmt.Sprintf("%d more", n-12))
	}
	if len(both) > 0 {
		text += "; both have " + strings.Join(both, ", ")
	}
	return text
}
