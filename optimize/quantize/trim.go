package quantize

import (
	"context"
	"fmt"
	"math"
)

// trim looks at the groups that do not pay: that are slower as integers than as floats. A candidate that leaves those
// float joins the race.
func (q *quantizer) trim(ctx context.Context) error {
	if q.away != "" {
		return nil
	}
	for _, c := range append([]*candidate(nil), q.candidates...) {
		if c.built == nil || c.built.model == nil || c.verdict == nil || c.recipe.Form != Static && c.recipe.Form != Dynamic {
			continue
		}
		if len(c.recipe.Float) > 0 {
			continue // it is the outcome of a search itself
		}
		slow, total, err := q.slowGroups(ctx, c)
		if err != nil {
			return err
		}
		if len(slow) == 0 || len(slow) == total {
			continue
		}
		for _, name := range slow {
			q.note(name, "its integer kernel takes longer than the float one")
		}
		r := c.recipe.without(slow...)
		r.Name = fmt.Sprintf("%s, %d of %d groups that do not pay float", c.name, len(slow), total)
		if _, err := q.try(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// slowGroups returns the groups of a candidate whose integer kernels take longer.
func (q *quantizer) slowGroups(ctx context.Context, c *candidate) (slow []string, total int, err error) {
	groups := groupsOf(c, math.MaxInt)
	if err := q.phase("trace", func() error { return q.gains(ctx, c, groups) }); err != nil {
		return nil, 0, err
	}
	for _, g := range groups {
		if g.known && g.gain < 0 {
			slow = append(slow, g.nodes...)
		}
	}
	return slow, len(groups), nil
}
