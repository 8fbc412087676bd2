package repository

import (
	"cmp"
	"slices"
	"sync"
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

func (d *Duration) add(t time.Duration) {
	d.Count++
	d.Time += t
}

// BatchStats are the runs of one size.
type BatchStats struct {
	Rows                   int
	Input, Compute, Output Duration
}

// counters make the Stats of a version.
type counters struct {
	mu    sync.Mutex
	s     Stats
	sizes map[int]*BatchStats
}

// ran counts a run that went well.
func (c *counters) ran(at time.Time, rows int, input, compute, output time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.LastInference = at
	c.s.Inferences += uint64(rows)
	c.s.Executions++
	size := c.sizes[rows]
	if size == nil {
		if c.sizes == nil {
			c.sizes = map[int]*BatchStats{}
		}
		size = &BatchStats{Rows: rows}
		c.sizes[rows] = size
	}
	size.Input.add(input)
	size.Compute.add(compute)
	size.Output.add(output)
}

// answered counts a call that went well.
func (c *counters) answered(t *Timing) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Success.add(t.Queue + t.Input + t.Compute + t.Output)
	c.s.Queue.add(t.Queue)
	c.s.Input.add(t.Input)
	c.s.Compute.add(t.Compute)
	c.s.Output.add(t.Output)
}

// failed counts a call that did not.
func (c *counters) failed(took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s.Fail.add(took)
}

// stats returns the counters as they are now.
func (h *Handle) stats() Stats {
	c := &h.counters
	c.mu.Lock()
	s := c.s
	for _, size := range c.sizes {
		s.Batches = append(s.Batches, *size)
	}
	c.mu.Unlock()
	slices.SortFunc(s.Batches, func(a, b BatchStats) int { return cmp.Compare(a.Rows, b.Rows) })
	s.Name, s.Version = h.info.Name, h.info.Version
	s.Waiting, s.Running = h.runner.Waiting()
	return s
}
