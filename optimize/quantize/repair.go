package quantize

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"infer/internal/progress"
	"infer/optimize/quantize/calibrate"
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
		if c.slower && !q.options.AllowSlower {
			continue // leaving parts of it float makes it no faster than the original
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
	plain := c.recipe
	plain.Name, plain.Means, plain.Plain = strings.TrimSuffix(c.name, ", bias corrected"), nil, true
	if len(c.recipe.Means) > 0 {
		if err := consider(plain); err != nil || best.within {
			return best, err
		}
	}
	if q.options.Method.Name != calibrate.MinMax && len(q.options.Ranges) == 0 {
		r, err := q.widest(ctx, c.recipe)
		if err != nil {
			return nil, err
		}
		if err := consider(r); err != nil || best.within {
			return best, err
		}
	}
	r, ok, err := q.smoothed(ctx, Recipe{Name: plain.Name, Form: Static, PerChannel: c.recipe.PerChannel, Passes: c.recipe.Passes})
	if err != nil || !ok {
		return best, err
	}
	return best, consider(r)
}

// widest returns a static recipe whose ranges cut nothing off: with few rows the best method may be the one that does not
// choose.
func (q *quantizer) widest(ctx context.Context, r Recipe) (Recipe, error) {
	m, err := q.base(ctx, r)
	if err != nil {
		return r, err
	}
	var values []string
	for _, x := range r.Ranges {
		values = append(values, x.Value)
	}
	table, err := q.table(ctx, m, r, values)
	if err != nil {
		return r, err
	}
	r.Name = strings.Replace(r.Name, q.options.Method.String(), calibrate.MinMax, 1)
	r.Ranges, err = q.ranges(table, values, calibrate.Method{Name: calibrate.MinMax})
	return r, err
}

// group is nodes that are quantized with all that becomes part of them, or not at all: neighbours in the graph.
type group struct {
	nodes []string
	ops   []string
	error float64 // normalised squared error of the outputs with this group alone quantized
	gain  float64 // seconds a run that it saves
	known bool    // gain is known
	bytes int64   // that it saves
}

// groupRows are the held-out rows on which the error of each group is measured.
const groupRows = 64

// maxGroups is the most groups that a candidate is cut into: each costs a session.
const maxGroups = 32

// groupsOf returns the groups of a candidate, made of its quantized nodes that multiply.
func groupsOf(c *candidate, most int) []group {
	var list []group
	seen := map[string]bool{}
	for _, d := range c.built.decisions {
		if d.Form != emit.Float && d.Weight != "" && !seen[d.Node] {
			seen[d.Node] = true
			list = append(list, group{nodes: []string{d.Node}, ops: []string{d.Op}})
		}
	}
	if len(list) <= most {
		return list
	}
	merged := make([]group, most)
	for i, g := range list {
		to := &merged[i*most/len(list)]
		to.nodes, to.ops = append(to.nodes, g.nodes...), append(to.ops, g.ops...)
	}
	return merged
}

// rank measures the error of each group of a candidate by quantizing it alone, and what it gains.
func (q *quantizer) rank(ctx context.Context, c *candidate) ([]group, error) {
	groups := groupsOf(c, maxGroups)
	var all []string
	for _, g := range groups {
		all = append(all, g.nodes...)
	}
	err := q.phase("rank groups", func() error {
		for i := range groups {
			g := &groups[i]
			q.task.Progress.Send(progress.Event{Phase: "rank groups", Done: float64(i), Total: float64(len(groups)), Unit: "groups", Note: g.nodes[0]})
			others := slices.DeleteFunc(slices.Clone(all), func(n string) bool { return slices.Contains(g.nodes, n) })
			b, err := q.build(ctx, c.recipe.without(others...))
			if err != nil {
				return err
			}
			v, err := q.judge.judge(ctx, q.modelOf(b.model), groupRows)
			if err != nil {
				return err
			}
			g.error = sum(v.noise) / max(sum(v.signal), 1e-300)
			g.bytes = q.original.bytes - q.modelOf(b.model).Bytes()
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
	// With lo of the worst groups float the budget is missed, with hi of them it is kept.
	lo, hi := 0, len(groups)
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		r := c.recipe
		for _, g := range groups[:mid] {
			r = r.without(g.nodes...)
			for _, n := range g.nodes {
				q.note(n, "quantizing it alone makes an error of %.2g of the output, more for its gain than others", g.error)
			}
		}
		r.Name = fmt.Sprintf("%s, %d of %d groups float", c.name, mid, len(groups))
		x, err := q.try(ctx, r)
		if err != nil {
			return err
		}
		if x.within {
			hi = mid
		} else {
			lo = mid
			x.drop()
		}
	}
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

// drop gives up the model of a step of a search that came to nothing: its figures stay in the report.
func (c *candidate) drop() {
	if c.built != nil {
		c.built.model = nil
	}
}
