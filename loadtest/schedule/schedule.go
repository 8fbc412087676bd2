// Package schedule owns when requests are due: a pure function of options and seed, the same on every machine.
package schedule

import "time"

// Stage is a part of a load in which the rate goes from one value to another in a straight line.
type Stage struct {
	From, To float64       // requests a second, ≥ 0
	For      time.Duration // > 0
}

// Options say when requests are due.
type Options struct {
	Arrival  string          // "poisson", "constant", "gamma:SHAPE" (below 1: burstier than poisson) or "burst:N" (N at a time, at poisson moments)
	Stages   []Stage         // one or more, in order
	Requests int64           // no more than this; 0: no bound
	Seed     uint64          //
	Trace    []time.Duration // in place of Arrival and Stages: the moments themselves, ascending
	Shard    int             // every Of-th request, from this one on, 0 ≤ Shard < Of
	Of       int             // 0 is 1: all
}

// Schedule is when requests are due. It holds no list of them, so it takes the same memory however long it is.
// It is safe for concurrent use.
type Schedule struct {
	o Options
}

// Cursor walks a schedule. For one goroutine.
type Cursor struct {
	s *Schedule
}
