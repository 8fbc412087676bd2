// Package schedule owns when requests are due: a pure function of options and seed, the same on every machine.
//
// Every arrival process is made at a rate of one (moments S(0) ≤ S(1) ≤ …, one apart in the mean) and carried over to
// the stages by the inverse of their cumulative rate: request i is due when the stages have asked for S(i) requests.
// All arithmetic is of integers, or of floats whose every product is rounded before it is added to something: a
// compiler that fuses the two, as those of arm64 and GOAMD64=v3 do, would make another schedule. For the same reason
// logarithm and exponential are the package's own (math has an assembly of its own on some machines).
package schedule

import (
	"math"
	"slices"
	"time"

	"infer/internal/fault"
)

// The bounds of what New takes.
const (
	MaxRate     = 1e7                // requests a second
	MinRate     = 1e-6               // requests a second, of a rate that is not 0
	MaxDuration = 1000 * time.Hour   // of all stages together, and of a trace
	MaxRequests = int64(10000000000) // that a schedule may be expected to hold: more is a slip rather than a load
)

// Stage is a part of a load in which the rate goes from one value to another in a straight line.
type Stage struct {
	From, To float64       // requests a second, ≥ 0
	For      time.Duration // > 0
}

// Options say when requests are due.
type Options struct {
	Arrival  string          // "poisson", "constant", "gamma:SHAPE" (below 1: burstier than poisson) or "burst:N" (N at a time, at poisson moments); "" is poisson
	Stages   []Stage         // one or more, in order
	Requests int64           // no more than this; 0: no bound
	Seed     uint64          //
	Trace    []time.Duration // in place of Arrival (which is ignored) and Stages (of which there must be none): the moments themselves, ascending
	Shard    int             // every Of-th request, from this one on, 0 ≤ Shard < Of
	Of       int             // 0 is 1: all
}

// Schedule is when requests are due. It holds no list of them (but for the trace it was given), so it takes the same
// memory however long it is. It is safe for concurrent use.
type Schedule struct {
	o       Options
	arrival Arrival
	pieces  []piece       // the stages, with what lies before them
	end     time.Duration // of the stages or of the trace
}

// New checks o and returns its schedule. The schedule keeps o.Trace, which must not change any more. Errors are of kind
// fault.Usage.
func New(o Options) (*Schedule, error) {
	if o.Of == 0 {
		o.Of = 1
	}
	if o.Of < 1 || o.Shard < 0 || o.Shard >= o.Of {
		return nil, fault.New(fault.Usage, "shards count from 0: --shard 0/4 to --shard 3/4 are all of four", "shard %d of %d: not one of them", o.Shard, o.Of)
	}
	if o.Requests < 0 {
		return nil, fault.New(fault.Usage, "leave the number out for no bound", "%d requests: less than none", o.Requests)
	}
	s := &Schedule{o: o}
	var err error
	if o.Trace != nil {
		err = s.takeTrace()
	} else {
		err = s.takeStages()
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// takeStages checks and takes over what the schedule is made of where there is no trace.
func (s *Schedule) takeStages() error {
	var err error
	if s.arrival, err = ParseArrival(s.o.Arrival); err != nil {
		return err
	}
	s.o.Stages = slices.Clone(s.o.Stages)
	if s.pieces, s.end, err = lay(s.o.Stages); err != nil {
		return err
	}
	n := s.total()
	if s.o.Requests > 0 {
		n = min(n, float64(s.o.Requests))
	}
	if n > float64(MaxRequests) {
		return fault.New(fault.Usage, "ask for a shorter load, or bound it with --requests", "a schedule of %.3g requests: more than %.3g", n, float64(MaxRequests))
	}
	return nil
}

// takeTrace checks the moments.
func (s *Schedule) takeTrace() error {
	t := s.o.Trace
	if len(t) == 0 || len(s.o.Stages) > 0 {
		return fault.New(fault.Usage, "give a trace with moments in it, or stages, not both", "a trace of %d requests with %d stages: nothing to send, or two schedules", len(t), len(s.o.Stages))
	}
	if !slices.IsSorted(t) || t[0] < 0 || t[len(t)-1] > MaxDuration {
		return fault.New(fault.Usage, "let the trace begin at 0, ascend, and end within 1000 h", "a trace from %v to %v: not ascending, or too long", t[0], t[len(t)-1])
	}
	// It ends when one more request would have been due, were they spread evenly.
	last := t[len(t)-1]
	s.end = last + max(1, last/time.Duration(max(1, len(t)-1)))
	return nil
}

// Duration is from the begin of the load to when no request is due any more: the length of the stages, or the moment
// of the first request that Options.Requests cuts off. Where more than 4 million requests are expected before that one
// it is its expected moment, and the last requests may be due a little later; else they are walked through. Sharding does
// not change it.
func (s *Schedule) Duration() time.Duration {
	if s.o.Requests > 0 {
		return s.bounded()
	}
	return s.end
}

// Expected returns the mean number of requests of this shard over all seeds, and its highest rate, in requests a
// second: of stages the mean rate where it is highest, of a trace the most in a second.
func (s *Schedule) Expected() (requests, peakRate float64) {
	if s.o.Trace != nil {
		requests, peakRate = float64(len(s.o.Trace)), s.tracePeak()
	} else {
		requests = s.total()
		for _, g := range s.o.Stages {
			peakRate = max(peakRate, g.From, g.To)
		}
	}
	if s.o.Requests > 0 {
		requests = min(requests, float64(s.o.Requests))
	}
	of := float64(s.o.Of)
	return requests / of, peakRate / of
}

// tracePeak returns the most requests in a second, or in the whole trace where that is shorter.
func (s *Schedule) tracePeak() float64 {
	window := min(time.Second, s.end)
	most, first := 0, 0
	for i, t := range s.o.Trace {
		for s.o.Trace[first] <= t-window {
			first++
		}
		most = max(most, i-first+1)
	}
	return math.Min(float64(most)/window.Seconds(), MaxRate)
}

// total returns how many requests the stages ask for in the mean.
func (s *Schedule) total() float64 {
	last := s.pieces[len(s.pieces)-1]
	return last.before + last.area
}
