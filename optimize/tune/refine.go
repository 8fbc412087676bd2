package tune

import (
	"cmp"
	"context"
	"math"
	"slices"
)

const (
	generations = 8    // at most
	pull        = 0.5  // rounds of no effect that every value of a knob begins with
	hope        = 0.06 // by which a move may be better than what the knobs say alone, as they do not add up exactly
	usualSpace  = 128  // settings of a space in which all of it is hoped for
	orderedHope = 0.22 // the same of a neighbour of an ordered knob: where the best number of threads lies depends most on the rest
)

// refine climbs from the best settings so far: it measures those one step away from them, and those that put together
// what was good alone, beside the best one itself, as long as that finds a better one.
func (s *search) refine(ctx context.Context) error {
	return s.step(refining, s.alive(), func() error {
		for range generations {
			lead := s.ranked(false)[0]
			next := s.promising(s.o.MaxOpen - 2)
			if len(next) == 0 {
				return nil
			}
			members := []*trial{lead}
			for _, p := range next {
				members = append(members, s.trial(p))
			}
			if err := s.heat(ctx, refining, members, 2, s.share(refineUntil)); err != nil {
				return err
			}
		}
		return nil
	})
}

// promising returns up to n settings that were not tried and that may be better than the best, by what is known.
func (s *search) promising(n int) []point {
	top := s.ranked(false)
	top = top[:min(2, len(top))]
	m := s.additive()
	type guess struct {
		at   point
		gain float64
	}
	best := math.Inf(-1)
	known := map[string]bool{}
	var all []guess
	add := func(p point, gain float64) {
		if key := s.key(p); !known[key] && (s.trials[key] == nil || len(s.trials[key].samples) == 0 && s.trials[key].failed == "") {
			known[key] = true
			all = append(all, guess{p, gain})
		}
	}
	for _, t := range top {
		own := s.estimate(t).value
		best = max(best, own)
		for _, p := range s.moves(t.at) {
			add(p, own+m.at(p)-m.at(t.at)+s.hope(t.at, p))
		}
	}
	var put *guess
	for _, p := range s.allowed {
		if g := m.at(p); s.trials[s.key(p)] == nil && (put == nil || g > put.gain) {
			put = &guess{p, g}
		}
	}
	if put != nil {
		add(put.at, put.gain+s.hope(put.at, put.at))
	}
	slices.SortStableFunc(all, func(a, b guess) int { return cmp.Compare(b.gain, a.gain) })
	var out []point
	for _, g := range all {
		if len(out) < n && g.gain > best {
			out = append(out, g.at)
		}
	}
	return out
}

// hope is what a move from p to q may bring beyond what the knobs say. In a small space less is hoped for: there the time
// of a sweep, which a search has to undercut, is short.
func (s *search) hope(p, q point) float64 {
	thrift := min(math.Sqrt(float64(len(s.allowed))/usualSpace), 1.2)
	for k := range p {
		if p[k] != q[k] && s.Knobs[k].Ordered {
			return thrift * orderedHope
		}
	}
	return thrift * hope
}

// additive is what each value of each knob adds to the logarithm of the objective, the default's values nothing.
type additive struct {
	effects [][]float64
}

// additive fits the settings that were measured: each effect in turn, given the others, drawn towards none where it was
// seen in few rounds. Values of ordered knobs that were not seen are between their neighbours.
func (s *search) additive() additive {
	m := additive{}
	seen := make([][]float64, len(s.Knobs))
	for k, knob := range s.Knobs {
		m.effects = append(m.effects, make([]float64, len(knob.Values)))
		seen[k] = make([]float64, len(knob.Values))
	}
	type fact struct {
		at           point
		gain, weight float64
	}
	var facts []fact
	for _, t := range s.order {
		if e := s.estimate(t); t != s.base && e.n > 0 && t.failed == "" {
			facts = append(facts, fact{t.at, e.value, float64(e.n)})
		}
	}
	for range 30 {
		for k := range m.effects {
			sum := make([]float64, len(m.effects[k]))
			clear(seen[k])
			for _, f := range facts {
				v := f.at[k]
				sum[v] += f.weight * (f.gain - m.at(f.at) + m.effects[k][v])
				seen[k][v] += f.weight
			}
			for v := 1; v < len(sum); v++ {
				m.effects[k][v] = sum[v] / (seen[k][v] + pull)
			}
		}
	}
	for k := range m.effects {
		seen[k][0] = 1
		s.between(k, m.effects[k], seen[k])
	}
	return m
}

// between fills the effects of values of an ordered knob that were not seen.
func (s *search) between(k int, effects, seen []float64) {
	if !s.Knobs[k].Ordered {
		return
	}
	order := s.ascending[k]
	for i, v := range order {
		if seen[v] > 0 {
			continue
		}
		lo, hi := i, i
		for lo >= 0 && seen[order[lo]] == 0 {
			lo--
		}
		for hi < len(order) && seen[order[hi]] == 0 {
			hi++
		}
		switch {
		case lo < 0:
			effects[v] = effects[order[hi]]
		case hi == len(order):
			effects[v] = effects[order[lo]]
		default:
			x := float64(i-lo) / float64(hi-lo)
			effects[v] = (1-x)*effects[order[lo]] + x*effects[order[hi]]
		}
	}
}

// at is the sum of the effects of the values of a point.
func (m additive) at(p point) (sum float64) {
	for k, v := range p {
		sum += m.effects[k][v]
	}
	return sum
}
