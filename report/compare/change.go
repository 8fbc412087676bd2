package compare

import (
	"fmt"
	"math"

	"infer/report"
)

// change is what is known of how one metric moved from base to head, on a scale on which equal steps are equally bad:
// the logarithm of head/base, or the difference head − base in the metric's unit.
type change struct {
	q          report.Quantity
	difference bool    // on which of the scales
	base, head float64 // as people read them: medians, in the metric's unit
	point      float64
	lo, hi     float64 // interval; NaN: the sample supports none
	exact      bool    // there is no noise in it: a size, a count
	assumed    bool    // its noise was not measured: only what is beyond the limit by more than that fails
	// p returns the one-sided p-value that sign × change is above a size ≥ 0; nil where exact.
	p      func(sign, size float64) float64
	pairs  int
	mde    float64 // smallest change that would have been found four times in five; NaN: unknown
	beyond float64 // how far beyond a bound the truth must be so that the point is beyond it four times in five; 0: unknown
	method string
	note   string // what the reader must know of the method, "" for nothing
}

// verdict is how a gate judges a change.
type verdict struct {
	outcome string // report.Pass, Fail or GateInconclusive
	reason  string
	p       float64 // of the test that decides whether it fails; NaN: there is none
}

// limit returns, on the scale of c, up to which change a relative gate allows, and in which direction changes are bad:
// sign 1 where larger is worse.
func (c *change) limit(g report.Gate) (sign, limit float64) {
	sign = 1
	if g.Op[0] == '>' {
		sign = -1
	}
	switch {
	case !c.difference:
		limit = math.Log1p(g.Limit)
	case g.Percent:
		limit = g.Limit * math.Abs(c.base)
	default:
		limit = g.Limit
	}
	return sign, sign * limit
}

// byDifference reports whether a gate compares by the difference of its metric and not by the ratio.
func byDifference(g report.Gate, q report.Quantity) bool {
	return !g.Percent || q == report.Level
}

// noise returns, on the scale of c, the change that does not matter.
func (c *change) noise(o Options) float64 {
	switch {
	case !c.difference:
		return math.Log1p(o.MinEffect)
	case c.q == report.Ratio || c.q == report.Level:
		return 0 // a point of accuracy is not relative to anything
	}
	return o.MinEffect * math.Abs(c.base)
}

// bounds returns what a change must be above beyond doubt, and what it must be above as it looks, to break a limit.
func (c *change) bounds(limit float64, o Options) (from, most float64) {
	noise := c.noise(o)
	from, most = noise, max(limit, noise)
	switch {
	case limit < 0:
		from, most = limit, limit
	case c.assumed:
		from = most
	}
	return from, most
}

// catch makes of the smallest change that would have been told from none the smallest that breaks a gate.
func (c *change) catch(g report.Gate, o Options) {
	_, limit := c.limit(g)
	from, most := c.bounds(limit, o)
	switch {
	case math.IsNaN(c.mde):
	case limit < 0:
		c.mde = math.NaN() // a gate that wants an improvement is broken by none
	case c.difference:
		c.mde = max(from+c.mde, most+c.beyond)
	default:
		c.mde = math.Expm1(max(from+math.Log1p(c.mde), most+c.beyond))
	}
}

// judge judges a relative gate. It fails where the change is above the limit and cannot be noise: the test refuses, at
// level tail after adjust, that it is within the minimum effect (for a gate that wants an improvement: within the limit).
// It passes where the whole interval is within the limit. In between nothing is known yet.
func (o Options) judge(g report.Gate, c change, tail float64, adjust func(p float64) float64) verdict {
	sign, limit := c.limit(g)
	if c.exact {
		return c.judgeExact(g, sign, limit)
	}
	from, most := c.bounds(limit, o)
	worst := c.hi
	if sign < 0 {
		worst = -c.lo
	}
	v := verdict{p: c.p(sign, from)}
	switch {
	case sign*c.point > most && adjust(v.p) <= tail:
		v.outcome, v.reason = report.Fail, c.seen()+", more than "+limitText(g, c.q)
		if limit < 0 {
			v.reason = c.seen() + ", not " + limitText(g, c.q)
		}
	case worst < most:
		v.outcome, v.reason = report.Pass, c.seen()+", within "+limitText(g, c.q)
	default:
		v.outcome, v.reason = report.GateInconclusive, c.seen()+", which neither keeps nor breaks "+limitText(g, c.q)
	}
	if text := c.mdeText(g); text != "" && v.outcome != report.Fail {
		v.reason += "; a change of " + text + " would have been caught"
	}
	if c.note != "" {
		v.reason += " (" + c.note + ")"
	}
	return v
}

func (c *change) judgeExact(g report.Gate, sign, limit float64) verdict {
	v := verdict{outcome: report.Fail, p: math.NaN()}
	over := sign*c.point - limit
	slack := 1e-12 * max(1, math.Abs(limit)) // the logarithm of a ratio rounds
	if over < -slack || math.Abs(over) <= slack && len(g.Op) == 2 {
		v.outcome = report.Pass
	}
	v.reason = fmt.Sprintf("%s exactly, limit %s", c.seen(), limitText(g, c.q))
	return v
}

// limitText writes a limit of a gate on a metric of quantity q.
func limitText(g report.Gate, q report.Quantity) string {
	if g.Percent {
		return report.FormatChange(1 + g.Limit)
	}
	return report.FormatDifference(q, g.Limit)
}

// seen says the change with its interval.
func (c *change) seen() string {
	text := c.text(c.point)
	if c.bounded() {
		text += fmt.Sprintf(" [%s, %s]", c.text(c.lo), c.text(c.hi))
	}
	return text
}

// text writes a change on the scale of c.
func (c *change) text(x float64) string {
	if c.difference {
		return report.FormatDifference(c.q, x)
	}
	return report.FormatChange(math.Exp(x))
}

func (c *change) bounded() bool { return !math.IsNaN(c.lo) && !math.IsNaN(c.hi) && !c.exact }

// mdeText says the smallest change that would have been caught, in the direction that is bad.
func (c *change) mdeText(g report.Gate) string {
	if math.IsNaN(c.mde) || c.exact {
		return ""
	}
	switch down := g.Op[0] == '>'; {
	case c.difference && down:
		return report.FormatDifference(c.q, -c.mde)
	case c.difference:
		return report.FormatDifference(c.q, c.mde)
	case down:
		return report.FormatChange(1 / (1 + c.mde))
	}
	return report.FormatChange(1 + c.mde)
}
