package compare

import (
	"fmt"
	"math"
	"slices"

	"infer/internal/stats"
	"infer/report"
)

// Pairs judges a live comparison: from x.Pairs, x.Cold, x.Accuracy, the facts of both sides and x.Looks it fills the
// metrics, the shift function and the reason of x, and the metrics, gates, validity and verdict of d. All of it follows
// from what was measured, so that it can be computed again. The verdict is left as it is where d was interrupted.
func Pairs(d *report.Document, x *report.CompareDetails, o Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	tail := o.Alpha
	if n := len(x.Looks); n > 0 {
		tail = x.Looks[n-1].Tail
	}
	x.Mode, x.Alpha, x.Confidence, x.MinEffect, x.Accepted = "live", o.Alpha, 1-2*o.Alpha, o.MinEffect, o.Accepted
	x.Method = fmt.Sprintf("%d pairs of blocks in turns, exact signed-rank test, Hodges-Lehmann shift; judged %s, with an error of %s",
		len(x.Pairs), times(max(1, len(x.Looks))), report.FormatValue(report.Ratio, o.Alpha))
	x.Metrics = o.measured(x, tail)
	x.Shift = shift(x.Pairs, o.Confidence())
	addMetrics(d, x)
	checkPairs(d, x)
	return o.settle(d, x)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// valid returns the pairs of which both blocks can be believed.
func valid(pairs []report.ComparePair) []report.ComparePair {
	var out []report.ComparePair
	for _, p := range pairs {
		if p.Base.Invalid == "" && p.Head.Invalid == "" {
			out = append(out, p)
		}
	}
	return out
}

// measured returns every metric of both sides, those of gates first, judged with intervals that miss the truth on one
// side with probability tail.
func (o Options) measured(x *report.CompareDetails, tail float64) []report.CompareMetric {
	s := sides{x: x, pairs: valid(x.Pairs), cold: valid(x.Cold), tail: tail}
	gates := o.relative()
	changes, missing := make([]*change, len(gates)), make([]string, len(gates))
	for i, g := range gates {
		if changes[i], missing[i] = s.change(g.Metric, byDifference(g, quantity(g.Metric))); changes[i] != nil {
			changes[i].catch(g, o)
		}
	}
	var out []report.CompareMetric
	for i, v := range o.judgeAll(gates, changes, tail) {
		m := entry(gates[i].Metric, changes[i])
		m.Gate, m.Verdict, m.Reason = gates[i].Expr, v.outcome, v.reason
		if changes[i] == nil {
			m.Reason = missing[i]
		}
		if !math.IsNaN(v.p) {
			p, adjusted := v.p, v.adjusted
			m.PValue, m.PAdjusted = &p, &adjusted
		}
		out = append(out, o.accept(m))
	}
	for _, name := range s.names() {
		if slices.ContainsFunc(gates, func(g report.Gate) bool { return g.Metric == name }) {
			continue
		}
		if c, _ := s.change(name, quantity(name) == report.Ratio); c != nil {
			out = append(out, entry(name, c))
		}
	}
	return out
}

// relative returns the gates against the base.
func (o Options) relative() []report.Gate {
	var out []report.Gate
	for _, g := range o.Gates {
		if g.Relative {
			out = append(out, g)
		}
	}
	return out
}

func quantity(name string) report.Quantity {
	k, ok := report.KnownByName(name)
	if !ok {
		return report.Plain
	}
	return k.Quantity
}

// sides is what was measured of both, as metrics by name.
type sides struct {
	x           *report.CompareDetails
	pairs, cold []report.ComparePair
	tail        float64
}

// names returns the metrics that both sides have, in the order of the table of metrics.
func (s *sides) names() []string {
	var out []string
	for _, k := range report.Known() {
		c, _ := s.change(k.Name, k.Quantity == report.Ratio)
		if c != nil {
			out = append(out, k.Name)
		}
	}
	return out
}

// change returns how a metric moved, or why that cannot be told.
func (s *sides) change(name string, difference bool) (*change, string) {
	if b, ok := s.x.Base.Facts[name]; ok {
		if h, ok := s.x.Head.Facts[name]; ok {
			return exactChange(name, b, h, difference), ""
		}
	}
	if a := s.x.Accuracy; a != nil && name == "accuracy_top1" {
		return s.accuracy(*a), ""
	}
	best, missing := s.paired(s.pairs, name, difference)
	if best == nil {
		if c, _ := s.paired(s.cold, name, difference); c != nil {
			return c, ""
		}
	}
	return best, missing
}

// paired returns how the values of a metric moved within pairs.
func (s *sides) paired(pairs []report.ComparePair, name string, difference bool) (*change, string) {
	var base, head, d []float64
	for _, p := range pairs {
		b, okB := p.Base.Values[name]
		h, okH := p.Head.Values[name]
		if !okB || !okH || !difference && !(b > 0 && h > 0) {
			continue
		}
		base, head = append(base, b), append(head, h)
		if difference {
			d = append(d, h-b)
		} else {
			d = append(d, math.Log(h/b))
		}
	}
	if len(d) == 0 || 2*len(d) < len(pairs) {
		return nil, missingText(name, pairs)
	}
	c := &change{q: quantity(name), difference: difference, base: stats.Median(base), head: stats.Median(head), pairs: len(d), method: "signed-rank",
		lo: math.NaN(), hi: math.NaN(), mde: math.NaN()}
	e := stats.SignedRank(d, 1-2*s.tail)
	c.point = e.Value
	if e.OK {
		c.lo, c.hi = e.Lo, e.Hi
		c.detects(func(power float64) float64 { return stats.Detectable(d, s.tail, power) })
	} else {
		c.note = fmt.Sprintf("%d pairs, an interval needs %d", len(d), e.Need)
	}
	c.p = func(sign, size float64) float64 {
		signed := make([]float64, len(d))
		for i, v := range d {
			signed[i] = sign * v
		}
		return stats.SignedRankP(signed, size)
	}
	return c, ""
}

// missingText says why there is no change to tell.
func missingText(name string, pairs []report.ComparePair) string {
	if len(pairs) == 0 {
		return "has no pair whose blocks can be believed"
	}
	base, head := pairs[0].Base, pairs[0].Head
	_, inBase := base.Values[name]
	_, inHead := head.Values[name]
	switch {
	case inBase && !inHead:
		return "was not measured on the head"
	case inHead && !inBase:
		return "was not measured on the base"
	case inBase && inHead:
		return "is zero in most blocks, of which there is no ratio: give the gate a difference"
	case report.SamplesNeeded(name) > 0 && base.N > 0:
		return fmt.Sprintf("needs longer blocks: the first had %d runs or requests", min(base.N, head.N))
	}
	return "was not measured"
}

// exactChange is that of two exact values.
func exactChange(name string, base, head float64, difference bool) *change {
	c := &change{q: quantity(name), difference: difference, base: base, head: head, exact: true, pairs: 1, method: "exact", lo: math.NaN(), hi: math.NaN(), mde: math.NaN()}
	switch {
	case difference:
		c.point = head - base
	case base == head:
		c.point = 0
	case !(base > 0 && head > 0):
		c.difference, c.point = true, head-base
	default:
		c.point = math.Log(head / base)
	}
	return c
}

// accuracy is the change of accuracy on the same rows.
func (s *sides) accuracy(a report.CompareAccuracy) *change {
	e := stats.PairedDifference(a.Gained, a.Lost, a.Rows, 1-2*s.tail)
	n := float64(max(1, a.Rows))
	c := &change{q: report.Ratio, difference: true, base: float64(a.Both+a.Lost) / n, head: float64(a.Both+a.Gained) / n, point: e.Value,
		lo: math.NaN(), hi: math.NaN(), mde: math.NaN(), pairs: a.Rows, method: "tango"}
	if e.OK {
		c.lo, c.hi = e.Lo, e.Hi
	}
	c.p = func(sign, size float64) float64 {
		if size != 0 { // by the interval: the score test of this very hypothesis
			return scoreP(a, sign, size)
		}
		p := stats.McNemar(a.Gained, a.Lost) / 2
		if sign*e.Value <= 0 {
			return 1 - p
		}
		return p
	}
	return c
}

// scoreP returns the one-sided p-value that the difference of two accuracies, times sign, is above size: the level at
// which Tango's interval just reaches it.
func scoreP(a report.CompareAccuracy, sign, size float64) float64 {
	lo, hi := 1e-9, 1-1e-9 // two-sided levels
	for range 40 {
		mid := (lo + hi) / 2
		e := stats.PairedDifference(a.Gained, a.Lost, a.Rows, 1-mid)
		bound := e.Lo
		if sign < 0 {
			bound = -e.Hi
		}
		if bound > size {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi / 2
}

// entry writes a change as a metric of the details; nil is one that was not measured.
func entry(name string, c *change) report.CompareMetric {
	k, _ := report.KnownByName(name)
	m := report.CompareMetric{Name: name, Unit: k.Unit(), Better: k.Better}
	if c == nil {
		return m
	}
	m.Base, m.Head, m.Pairs, m.Method = &c.base, &c.head, c.pairs, c.method
	number := func(log float64) *float64 {
		if math.IsNaN(log) {
			return nil
		}
		if !c.difference {
			log = math.Exp(log)
		}
		return &log
	}
	point, lo, hi := number(c.point), number(c.lo), number(c.hi)
	if c.difference {
		m.Change, m.ChangeLo, m.ChangeHi = point, lo, hi
	} else {
		m.Ratio, m.RatioLo, m.RatioHi = point, lo, hi
	}
	if !math.IsNaN(c.mde) {
		m.MDE = &c.mde
	}
	m.Significant = c.exact && c.point != 0 || c.bounded() && (c.lo > 0 || c.hi < 0)
	return m
}
