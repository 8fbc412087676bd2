package schedule

import (
	"math"
	"slices"
	"time"
)

// mostWalked is how many requests may be expected in what is walked through to count them. At up to some hundreds of
// nanoseconds a request that is about a second, in which nobody can interrupt it.
const mostWalked = 1 << 22

// Planned returns how many requests of this shard are due in [from, to). Where more than 4 million requests of all
// shards are expected before to, it is the rounded expectation, not a count; of a trace it is always a count.
func (s *Schedule) Planned(from, to time.Duration) int64 {
	if s.o.Trace != nil {
		return s.inTrace(to) - min(s.inTrace(from), s.inTrace(to))
	}
	if before := s.expected(to); before > mostWalked {
		return int64(math.Round(max(0, before-s.expected(from)) / float64(s.o.Of)))
	}
	var n int64
	for c := s.Cursor(0, 1); ; {
		_, due, ok := c.Next()
		if !ok || due >= to {
			return n
		}
		if due >= from {
			n++
		}
	}
}

// inTrace returns how many requests of this shard a trace has before t.
func (s *Schedule) inTrace(t time.Duration) int64 {
	i, _ := slices.BinarySearch(s.o.Trace, t)
	n := int64(i)
	if s.o.Requests > 0 {
		n = min(n, s.o.Requests)
	}
	of := int64(s.o.Of)
	return (n - int64(s.o.Shard) + of - 1) / of
}

// expected returns how many requests of all shards are due before t in the mean.
func (s *Schedule) expected(t time.Duration) float64 {
	n := 0.0
	for i := range s.pieces {
		p := &s.pieces[i]
		if t <= p.start {
			break
		}
		n = p.before + p.asked(t)
	}
	if s.o.Requests > 0 {
		n = min(n, float64(s.o.Requests))
	}
	return n
}

// asked returns how many requests a stage has asked for up to t.
func (p *piece) asked(t time.Duration) float64 {
	gone := float64(t - p.start)
	if gone >= p.length {
		return p.area
	}
	seconds := gone / 1e9
	return mul(p.from, seconds) + mul(mul(p.slope, seconds)/2, seconds)
}

// bounded returns when the first request that Requests cuts off would have been due (n requests at rate r take n/r), in
// the mean where there are too many before it to be walked through.
func (s *Schedule) bounded() time.Duration {
	if t := s.o.Trace; t != nil {
		if s.o.Requests >= int64(len(t)) {
			return s.end
		}
		return max(t[s.o.Requests], t[s.o.Requests-1]+1) // the next may be due at the same moment
	}
	if n := float64(s.o.Requests); min(n, s.total()) > mostWalked {
		for i := range s.pieces {
			if p := &s.pieces[i]; n < p.before+p.area {
				return p.at(n)
			}
		}
		return s.end
	}
	free := *s
	free.o.Requests = 0
	c := free.whole()
	last := time.Duration(-1)
	for range s.o.Requests {
		_, due, ok := c.Next()
		if !ok {
			return s.end
		}
		last = due
	}
	if _, due, ok := c.Next(); ok {
		return max(due, last+1) // of a burst the next may be due at the same moment
	}
	return s.end
}
