package quantize

import (
	"cmp"
	"slices"
)

// choose returns the candidate to write: the fastest that keeps the budget and is not slower than the original; nil
// where there is none. With KeepBest it is the fastest that keeps the budget.
func (q *quantizer) choose() *candidate {
	if q.task.Record != nil {
		return q.made()
	}
	if best := q.fastest(func(c *candidate) bool {
		return c.recipe.Form != formFloat && c.within && (q.options.AllowSlower || !c.slower)
	}); best != nil {
		return best
	}
	if q.options.KeepBest {
		return q.fastest(func(c *candidate) bool { return c.within && (!c.slower || c.unsure || c.recipe.Form == formFloat) })
	}
	return nil
}

// made returns the one candidate that came of a record, nil where nothing came of it.
func (q *quantizer) made() *candidate {
	if i := slices.IndexFunc(q.candidates, func(c *candidate) bool { return c.built != nil && c.verdict != nil }); i >= 0 {
		return q.candidates[i]
	}
	return nil
}

// fastest returns the fastest measured candidate that passes; of those that are as fast within the limit of what can be
// told apart, the smallest.
func (q *quantizer) fastest(pass func(*candidate) bool) *candidate {
	var field []*candidate
	for _, c := range q.candidates {
		if c.built != nil && c.measured && pass(c) {
			field = append(field, c)
		}
	}
	if len(field) == 0 {
		return nil
	}
	quickest := slices.MaxFunc(field, func(a, b *candidate) int { return cmp.Compare(a.times(), b.times()) })
	limit := quickest.times() * (1 - sameSpeed)
	field = slices.DeleteFunc(field, func(c *candidate) bool { return c.times() < limit })
	return slices.MinFunc(field, func(a, b *candidate) int { return cmp.Compare(a.bytes, b.bytes) })
}

// nearest returns best, or the candidate that came nearest where there is none: within the budget if one is, then the
// fastest.
func (q *quantizer) nearest(best *candidate) *candidate {
	if best != nil {
		return best
	}
	if c := q.fastest(func(c *candidate) bool { return c.within && c.recipe.Form != formFloat }); c != nil {
		return c
	}
	var near *candidate
	for _, c := range q.candidates {
		if c.verdict == nil || c.recipe.Form == formFloat {
			continue
		}
		if near == nil || c.verdict.SQNR().Value > near.verdict.SQNR().Value {
			near = c
		}
	}
	return near
}

// times returns how many times the speed of the original a candidate has: by the rounds of a race, by the medians of all
// runs where the race was too short for that, 0 where neither is known.
func (c *contestant) times() float64 {
	if c.speedup == nil {
		return c.rough
	}
	return c.speedup.Value
}
