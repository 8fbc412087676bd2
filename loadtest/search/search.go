// Package search owns finding the highest rate at which objectives hold: which rates are tried, when a trial has said
// enough, and what the answer is worth. It sends nothing itself, so that it can be tried on a simulated queue.
package search

import (
	"context"
	"time"
)

// Objective is one SLO as a share of requests that may miss it: p99<20ms is a share of 0.01 that may take longer.
type Objective struct {
	Expr    string  // as typed
	Allowed float64 // share of requests that may miss, in [0, 1)
	Limit   float64 // seconds of latency above which a request misses; 0: not about latency
}

// Evidence is what a trial has seen so far, from its own window on (what comes before is warm-up).
type Evidence struct {
	Elapsed     time.Duration // of the window
	Due         int64         // requests that were due in the window and are decided: answered, failed, or under way for longer than every limit
	Missed      []int64       // by objective: of Due, those that miss it; a failed request misses every objective
	Outstanding int64         // due and not decided
	Sections    [][]Section   // by objective, then by time: equal parts of the window so far, to see how requests hang together
	Trusted     bool          // the generator kept up: what was seen is the server's doing
	Why         string        // why not
}

// Section is a part of a trial.
type Section struct {
	Due, Missed int64
}

// Trial offers a load at a rate (requests a second) for at most d, behind a warm-up of its own, and calls watch a few
// times a second with the evidence so far; it ends early when watch returns true. It returns the whole evidence, also
// when ctx ends before d. Each call needs arrivals of its own: a fresh seed.
type Trial func(ctx context.Context, rate float64, d time.Duration, watch func(Evidence) (stop bool)) (Evidence, error)
