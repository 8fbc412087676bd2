package repository

import (
	"time"
)

// Stats are the counters of a version since it was loaded.
type Stats struct {
	Name, Version string
	LastInference time.Time
	Inferences    uint64 // rows
	Executions    uint64 // runs
	Success, Fail Duration
	Queue         Duration
	Input         Duration
	Compute       Duration
	Output        Duration
	Batches       []BatchStats // by rows of a run, ascending
	Waiting       int          // calls in the queue now
	Running       int          // calls in a run now
}

// Duration is a count of events and their time together.
type Duration struct {
	Count uint64
	Time  time.Duration
}

// BatchStats are the runs of one size.
type BatchStats struct {
	Rows                   int
	Input, Compute, Output Duration
}

// Stats returns the counters of a model's versions; model "": of all, version "": of every loaded one.
func (r *Repository) Stats(model, version string) ([]Stats, error) { return nil, nil }
