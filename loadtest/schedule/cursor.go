package schedule

import (
	"math/rand/v2"
	"time"
)

// Cursor walks a schedule. For one goroutine.
type Cursor struct {
	s      *Schedule
	index  int64 // of the request after those walked over, in the unsharded schedule
	skip   int64 // requests of other cursors until the next of this one
	stride int64
	moment moment
	piece  int           // of Schedule.pieces that the walk is in
	due    time.Duration // of the last request walked over
}

// Cursor returns the lane-th of lanes cursors, 0 ≤ lane < lanes, which share the requests of this shard in turn: each
// belongs to exactly one of them. Every cursor begins at the front and walks over the requests of the others as well,
// at some tens of nanoseconds each. It panics where there is no such lane.
func (s *Schedule) Cursor(lane, lanes int) *Cursor {
	if lane < 0 || lane >= lanes {
		panic("schedule: no such lane")
	}
	return s.cursor(int64(s.o.Shard)+int64(s.o.Of)*int64(lane), int64(s.o.Of)*int64(lanes))
}

// whole is a cursor over the requests of all shards.
func (s *Schedule) whole() *Cursor { return s.cursor(0, 1) }

func (s *Schedule) cursor(first, stride int64) *Cursor {
	c := &Cursor{s: s, skip: first, stride: stride}
	c.moment.arrival = s.arrival
	c.moment.rng.Seed(s.o.Seed, 0)
	return c
}

// Next returns the next request of this cursor: its index in the unsharded schedule, and when it is due from the
// begin of the load on. Moments never descend. Once ok is false it stays so. It allocates nothing.
func (c *Cursor) Next() (index int64, due time.Duration, ok bool) {
	for {
		if !c.step() {
			return 0, 0, false
		}
		if c.skip == 0 {
			c.skip = c.stride - 1
			return c.index - 1, c.due, true
		}
		c.skip--
	}
}

// step walks over one request.
func (c *Cursor) step() bool {
	s := c.s
	if s.o.Requests > 0 && c.index >= s.o.Requests {
		return false
	}
	if s.o.Trace != nil {
		if c.index == int64(len(s.o.Trace)) {
			return false
		}
		c.due = s.o.Trace[c.index]
		c.index++
		return true
	}
	if c.piece == len(s.pieces) {
		return false
	}
	x := c.moment.next(c.index)
	for x >= s.pieces[c.piece].before+s.pieces[c.piece].area {
		if c.piece++; c.piece == len(s.pieces) {
			return false
		}
	}
	p := &s.pieces[c.piece]
	due := p.at(x)
	if s.arrival.name == constant && c.piece == 0 && p.slope == 0 {
		due = exact(c.index, p.from)
	}
	if due >= s.end { // by rounding to nanoseconds
		c.piece = len(s.pieces)
		return false
	}
	// Rounding of two moments that are next to each other must not let time run backwards.
	c.due = max(c.due, due)
	c.index++
	return true
}

// moment makes the moments of an arrival process of rate one.
type moment struct {
	arrival Arrival
	rng     rand.PCG
	at      float64
	left    int // of the burst
}

// next returns the moment of request i, which must be the one after that of the last call.
func (m *moment) next(i int64) float64 {
	switch m.arrival.name {
	case constant:
		m.at = float64(i)
	case gamma:
		m.at += m.gamma(m.arrival.value) / m.arrival.value
	case burst:
		if m.left == 0 {
			m.left = int(m.arrival.value)
			m.at += float64(m.exponential() * m.arrival.value)
		}
		m.left--
	default:
		m.at += m.exponential()
	}
	return m.at
}

// uniform returns a value in (0, 1].
func (m *moment) uniform() float64 {
	return float64(float64(m.rng.Uint64()>>11)+1) / (1 << 53)
}

// exponential returns a value of mean one.
func (m *moment) exponential() float64 { return -ln(m.uniform()) }

// normal returns a standard normal value, by Marsaglia's polar method (the second of each pair is left).
func (m *moment) normal() float64 {
	for {
		u := float64(2*m.uniform()) - 1
		v := float64(2*m.uniform()) - 1
		q := float64(u*u) + float64(v*v)
		if q > 0 && q < 1 {
			return u * root(-2*ln(q)/q)
		}
	}
}

// gamma returns a value of the gamma distribution with this shape and scale 1. Ref: Marsaglia and Tsang, A simple
// method for generating gamma variables, 2000.
func (m *moment) gamma(shape float64) float64 {
	if shape < 1 {
		u := m.uniform()
		return m.gamma(shape+1) * exp(ln(u)/shape)
	}
	d := shape - 1.0/3
	k := 1 / root(9*d)
	for {
		x := m.normal()
		v := 1 + float64(k*x)
		if v <= 0 {
			continue
		}
		v = float64(v*v) * v
		limit := float64(0.5*float64(x*x)) + float64(d*(1-v+ln(v)))
		if ln(m.uniform()) < limit {
			return d * v
		}
	}
}
