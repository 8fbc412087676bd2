package tune

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"infer/internal/stats"
)

const (
	tellable = 0.02 // noise of a block up to which two rounds are enough
	mostHeat = 8
	quarrel  = 5.5 // noise over which the interval of two rounds reaches where they disagree
)

// errTime ends a phase whose next round would not end in time.
var errTime = errors.New("the time is over")

// turn measures a round: a block of the default and of each member that is not out, in a drawn order. errTime says that
// it would end after until.
func (s *search) turn(ctx context.Context, phase string, members []*trial, d, until time.Duration) error {
	in := []*trial{s.base}
	for _, t := range members {
		if t != s.base && t.failed == "" && t.out == "" {
			in = append(in, t)
		}
	}
	cost := time.Duration(0)
	for _, t := range in {
		cost += t.cost(d)
		if len(t.samples) == 0 {
			cost += s.opening()
		}
	}
	if s.spent+cost > until {
		return errTime
	}
	return s.play(ctx, phase, in, d)
}

// play takes a block of each of in, in a drawn order: all from the journal, or all anew, for a gain is told by blocks that
// were measured beside each other.
func (s *search) play(ctx context.Context, phase string, in []*trial, d time.Duration) error {
	draw := rand.New(rand.NewPCG(s.o.Seed, uint64(s.round)))
	known := s.journal.blocks(s.round, phase, in)
	for _, i := range draw.Perm(len(in)) {
		if known != nil {
			s.resumed++
			s.take(in[i], known[i])
		} else if err := s.measure(ctx, in[i], phase, d); err != nil {
			return err
		}
		s.tell(phase)
	}
	s.round++
	return nil
}

// opening is how long opening a setting takes, by those so far.
func (s *search) opening() time.Duration {
	var all []float64
	for _, t := range s.order {
		all = append(all, t.opened...)
	}
	if len(all) == 0 {
		return 0
	}
	return time.Duration(stats.Median(all) * float64(time.Second))
}

// heat measures members in rounds, and gives up those that are clearly behind or miss an SLO, from the second round on.
func (s *search) heat(ctx context.Context, phase string, members []*trial, rounds int, until time.Duration) error {
	for n := 0; n < max(rounds, s.rounds()); n++ {
		if left(members) == 0 {
			return nil
		}
		if err := s.turn(ctx, phase, members, s.block, until); err != nil {
			return err
		}
		s.drop(members)
	}
	if again := s.quarrels(members); len(again) > 0 {
		return s.turn(ctx, phase, again, s.block, until)
	}
	return nil
}

// rounds is how many a setting takes part in before others come to their turn: two, and more where the noise is so large
// that two tell little.
func (s *search) rounds() int {
	x := s.levels().noise / tellable
	return min(2+int(x*x/2), max(2, min(len(s.allowed)/10, mostHeat)))
}

// quarrels returns the members that were measured twice and told two things: one more round says which is true.
func (s *search) quarrels(members []*trial) []*trial {
	var out []*trial
	wide := quarrel * s.levels().noise
	for _, t := range members {
		if e := s.estimate(t); t != s.base && t.failed == "" && e.n == 2 && e.hi-e.lo > wide {
			out = append(out, t)
		}
	}
	return out
}

// heats is heat for any number of members: as many at a time as can be open beside the default.
func (s *search) heats(ctx context.Context, phase string, members []*trial, rounds int, until time.Duration) error {
	for len(members) > 0 {
		n := min(len(members), s.o.MaxOpen-1)
		if err := s.heat(ctx, phase, members[:n], rounds, until); err != nil {
			return err
		}
		members = members[n:]
	}
	return nil
}

// left counts the members that are in the race.
func left(members []*trial) (n int) {
	for _, t := range members {
		if t.failed == "" && t.out == "" {
			n++
		}
	}
	return n
}
