package quantize

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"infer/internal/progress"
	"infer/optimize/quantize/emit"
)

// repair looks, for each candidate that misses the accuracy budget, for one that keeps it: first by correcting biases
// and smoothing activations, then by leaving the groups float that cost the most accuracy for their gain.
func (q *quantizer) repair(ctx context.Context) error {
	if q.budget == nil {
		return nil
	}
	for _, c := range slices.Clone(q.candidates) {
		if c.verdict == nil || c.within || c.recipe.Form == formFloat || c.built.half != nil {
			continue
		}
		better := c
		if c.recipe.Form == Static && q.fit != nil {
			var err error
			if better, err = q.improved(ctx, c); err != nil {
				return err
			}
		}
		if better.within {
			continue
		}
		if err := q.mixed(ctx, better); err != nil {
			return err
		}
	}
	return nil
}

// improved tries what costs no speed, and returns the best of c and what came of it.
func (q *quantizer) improved(ctx context.Context, c *candidate) (*candidate, error) {
	best := c
	consider := func(r Recipe) error {
		x, err := q.try(ctx, r)
		if err == nil && x.verdict != nil && x.verdict.SQNR().Value > best.verdict.SQNR().Value {
			best = x
		}
		return err
	}
	r, err := q.corrected(ctx, c.recipe)
	if err != nil {
		return nil, err
	}
	if len(r.Means) > 0 {
		if err := consider(r); err != nil || best.within {
			return best, err
		}
	}
	r, ok, err := q.smoothed(ctx, Recipe{Name: c.name, Form: c.recipe.Form, PerChannel: c.recipe.PerChannel, Passes: c.recipe.Passes})
	if err != nil || !ok {
		return best, err
	}
	return best, consider(r)
}

// group is a node that is quantized with all that becomes part of it, or not at all.
type group struct {
	node  string
	op    string
	error float64 // normalised squared error of the outputs with this group alone quantized
	gain  float64 // seconds a run that it saves
	known bool    // gain is known
	bytes int64
}

// groupRows are the held-out rows on which the error of each group is measured.
const groupRows = 64

// groupsOf returns the groups of a candidate: its quantized nodes that multiply.
func groupsOf(c *candidate) []group {
	var list []group
	seen := map[string]bool{}
	for _, d := range c.built.decisions {
		if d.Form != emit.Float && d.Weight != "" && !seen[d.Node] {
			seen[d.Node] = true
			list = append(list, group{node: d.Node, op: d.Op})
		}
	}
	return list
}

// rank measures the error of each group of a candidate by quantizing it alone, and what it gains.
func (q *quantizer) rank(ctx context.Context, c *candidate) ([]group, error) {
	groups := groupsOf(c)
	err := q.phase("rank groups", func() error {
		for i := range groups {
			q.task.Progress.Send(progress.Event{Phase: "rank groups", Done: float64(i), Total: float64(len(groups)), Unit: "groups", Note: groups[i].node})
			var others []string
			for _, g := range groups {
				if g.node != groups[i].node {
					others = append(others, g.node)
				}
			}
			b, err := q.build(ctx, c.recipe.without(others...))
			if err != nil {
				return err
			}
			v, err := q.judge.judge(ctx, q.modelOf(b.model), groupRows)
			if err != nil {
				return err
			}
			groups[i].error = sum(v.noise) / max(sum(v.signal), 1e-300)
			groups[i].bytes = q.original.bytes - q.modelOf(b.model).Bytes()
		}
		return q.gains(ctx, c, groups)
	})
	return groups, err
}

// mixed leaves the groups of c float that cost the most accuracy for what they gain: as few as keep the budget. Each
// step of the search judges a whole model.
func (q *quantizer) mixed(ctx context.Context, c *candidate) error {
	groups, err := q.rank(ctx, c)
	if err != nil || len(groups) < 2 {
		return err
	}
	least := leastGain(groups)
	cost := func(g group) float64 { return g.error / max(g.gain, least) }
	slices.SortStableFunc(groups, func(a, b group) int { return cmp.Compare(cost(b), cost(a)) })
	name := func(n int) []string {
		var list []string
		for _, g := range groups[:n] {
			list = append(list, g.node)
		}
		return list
	}
	// With lo of the worst groups float the budget is missed, with hi of them it is kept.
	lo, hi := 0, len(groups)
	var best *candidate
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		for _, g := range groups[:mid] {
			q.note(g.node, "quantizing it alone makes an error of %.2g of the output, more for its gain than others", g.error)
		}
		r := c.recipe.without(name(mid)...)
		r.Name = fmt.Sprintf("%s, %d of %d groups float", c.name, mid, len(groups))
		x, err := q.try(ctx, r)
		if err != nil {
			return err
		}
		if x.within {
			hi, best = mid, x
		} else {
			lo = mid
		}
	}
	q.dropTrials(best)
	return nil
}

// leastGain is the gain that a group counts with at least, so that one that gains nothing is left float first.
func leastGain(groups []group) float64 {
	most := 0.0
	for _, g := range groups {
		most = max(most, g.gain)
	}
	if most == 0 {
		return 1
	}
	return most / 1000
}

// dropTrials gives up the models of a search's steps but for the best one: their figures stay in the report.
func (q *quantizer) dropTrials(best *candidate) {
	for _, c := range q.candidates {
		if c != best && !c.within && c.built != nil && c.verdict != nil && q.budget != nil && len(c.recipe.Float) > 0 {
			c.built.model, c.measured = nil, true
		}
	}
}
