package quantize

import (
	"context"
	"fmt"
	"strings"
)

// trim looks at the groups that do not pay: that are slower as integers than as floats. A candidate that leaves those
// float joins the race.
func (q *quantizer) trim(ctx context.Context) error {
	var added bool
	for _, c := range append([]*candidate(nil), q.candidates...) {
		if c.built == nil || c.built.model == nil || c.verdict == nil || c.recipe.Form != Static && c.recipe.Form != Dynamic {
			continue
		}
		if !c.within && q.budget != nil && strings.Contains(c.name, "float") {
			continue
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
		x, err := q.try(ctx, r)
		if err != nil {
			return err
		}
		added = added || x.built != nil
	}
	if !added {
		return nil
	}
	return q.phase("measure speed", func() error { return q.race(ctx) })
}

// slowGroups returns the groups of a candidate whose integer kernels take longer.
func (q *quantizer) slowGroups(ctx context.Context, c *candidate) (slow []string, total int, err error) {
	groups := groupsOf(c)
	if err := q.phase("trace", func() error { return q.gains(ctx, c, groups) }); err != nil {
		return nil, 0, err
	}
	for _, g := range groups {
		if g.known && g.gain < 0 {
			slow = append(slow, g.node)
		}
	}
	return slow, len(groups), nil
}
