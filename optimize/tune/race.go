package tune

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"infer/report"
)

// manySettings is how many may enter refinement without a race before.
const manySettings = 4

// screen measures what differs from the default in one knob.
func (s *search) screen(ctx context.Context) error {
	var members []*trial
	for _, p := range s.singles() {
		members = append(members, s.trial(p))
	}
	draw := rand.New(rand.NewPCG(s.o.Seed, math.MaxUint64))
	draw.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
	return s.step(screening, members, func() error {
		return s.heats(ctx, screening, members, 2, s.share(screenUntil))
	})
}

// race halves what screening left until few are left, with two more rounds before each cut.
func (s *search) race(ctx context.Context) error {
	in := s.alive()
	if len(in) <= manySettings {
		return nil
	}
	return s.step(racing, in, func() error {
		for len(in) > manySettings {
			if err := s.heats(ctx, racing, in, 2, s.share(refineUntil)); err != nil {
				return err
			}
			in = s.alive()
			for _, t := range in[min(len(in), max(manySettings, len(in)/2)):] {
				e, lead := s.estimate(t), s.estimate(in[0])
				t.out = fmt.Sprintf("in the worse half after %d rounds: %s against %s of %s", e.n, percent(e.value), percent(lead.value), s.name(in[0].at))
			}
			in = s.alive()
		}
		return nil
	})
}

// alive returns the settings beside the default that are in the race, the best first.
func (s *search) alive() []*trial {
	return slices.DeleteFunc(s.ranked(false), func(t *trial) bool { return t == s.base })
}

// ranked returns the settings that were measured, the best first: what may hold the SLOs before what likely does not,
// then by gain, of which those with few rounds are believed less. Where all miss, the nearest is first. gone says
// whether those that were given up for their objective are among them.
func (s *search) ranked(gone bool) []*trial {
	type rank struct {
		t     *trial
		class int
		at    float64
	}
	var all []rank
	sigma := s.levels().noise
	for _, t := range s.order {
		if t.failed != "" || len(t.samples) == 0 || t.out != "" && !gone {
			continue
		}
		st, e := stand(t, s.o.SLOs), s.estimate(t)
		r := rank{t, st.class(), e.value - sigma/math.Sqrt(float64(max(1, e.n)))}
		if t == s.base {
			r.at = 0
		}
		if r.class > 0 {
			r.at = -st.beyond
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b rank) int { return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(b.at, a.at)) })
	out := make([]*trial, len(all))
	for i, r := range all {
		out[i] = r.t
	}
	return out
}

// drop gives up members that are not worth another round: those that surely miss an SLO where another setting may hold
// it, and those whose interval is below that of the incumbent, the setting with the highest lower end.
func (s *search) drop(members []*trial) {
	lead, leadClass, leadAt := (*trial)(nil), 3, estimate{}
	for _, t := range s.order {
		if t.failed != "" || t.out != "" || len(t.samples) == 0 {
			continue
		}
		c, e := stand(t, s.o.SLOs).class(), s.estimate(t)
		if t != s.base && e.n < 2 {
			continue
		}
		if c < leadClass || c == leadClass && e.lo > leadAt.lo {
			lead, leadClass, leadAt = t, c, e
		}
	}
	for _, t := range members {
		if t == lead || t == s.base || t.failed != "" || t.out != "" {
			continue
		}
		st, e := stand(t, s.o.SLOs), s.estimate(t)
		switch {
		case e.n < 2:
		case st.verdict == report.Fail && leadClass < 2:
			t.out = st.reason
		case st.class() == leadClass && leadClass < 2 && e.hi < leadAt.lo:
			t.out = fmt.Sprintf("clearly behind %s: %s at most, against %s at least", s.name(lead.at), percent(e.hi), percent(leadAt.lo))
		}
	}
}

// percent writes the logarithm of a ratio as a change.
func percent(log float64) string { return fmt.Sprintf("%+.1f %%", 100*math.Expm1(log)) }
