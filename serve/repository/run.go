package repository

import (
	"context"
	"errors"
	"fmt"
	"time"

	"infer/internal/fault"
	"infer/model/tensor"
	"infer/serve/batch"
)

// longRun is the time of a run from which on it is worth watching whether its caller has gone: the watch costs a few
// allocations and microseconds.
const longRun = 5 * time.Millisecond

// Refuses says at once, before a body is decoded, whether a call with this deadline would be refused; nil: try.
func (h *Handle) Refuses(priority int, deadline time.Time) error {
	if refusal := h.runner.Refuses(priority, deadline); refusal != nil {
		return h.explain(refusal)
	}
	return nil
}

// Infer runs a call, perhaps together with others, and fills its results. ctx cancels it.
// Errors: fault.Usage (it does not fit the model; the text names the field), *batch.Refusal inside fault.Unavailable or
// fault.Deadline, context.Canceled, fault.Internal (the runtime failed).
func (h *Handle) Infer(ctx context.Context, c *Call) error {
	if err := h.check(c); err != nil {
		return err
	}
	c.err, c.job.Queued = nil, time.Now()
	c.job.Rows, c.job.Key, c.job.Value = c.Rows, h.key(c.in), c
	c.job.Priority, c.job.Deadline, c.job.Gone = c.Priority, c.Deadline, c.Gone
	err := h.runner.Do(ctx, &c.job)
	c.Timing.Queued = c.job.Queued
	if err == errApart {
		err = c.err
	}
	if err == nil {
		return nil
	}
	h.counters.failed(time.Since(c.job.Queued))
	return h.explain(err)
}

// explain gives an error of a call its kind.
func (h *Handle) explain(err error) error {
	var refusal *batch.Refusal
	switch {
	case errors.As(err, &refusal) && refusal.Why == batch.Cancelled:
		return fmt.Errorf("model '%s': the client has gone: %w", h.info.Name, context.Canceled)
	case refusal != nil && refusal.Why == batch.Large:
		return fault.New(fault.TooLarge, "", "model '%s': %w", h.info.Name, err)
	case refusal != nil && refusal.Why == batch.Late:
		return fault.New(fault.Deadline, "", "model '%s': %w", h.info.Name, err)
	case refusal != nil:
		return fault.New(fault.Unavailable, "", "model '%s': %w", h.info.Name, err)
	case errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.Deadline, "", "model '%s': %w", h.info.Name, err)
	case errors.Is(err, context.Canceled):
		return err
	}
	return fault.Wrap(err, "model '%s'", h.info.Name)
}

// key is the shape bucket of a call: its calls can run together, and take as long.
func (h *Handle) key(in []tensor.Tensor) uint64 {
	k := uint64(0xcbf29ce484222325)
	for i := range in {
		s := in[i].Shape
		if h.info.BatchAxis {
			s = s[1:]
		}
		for _, n := range s {
			k = mix(k ^ uint64(n))
		}
		k = mix(k ^ 1<<63) // where one shape ends
	}
	return k
}

// mix is the finalizer of splitmix64: a bijection that changes half of the bits for each one that differs.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// errApart says that jobs were run one by one, each with its own error: how long that took says nothing about a run.
var errApart = errors.New("the calls of a batch were run one by one")

// run is what the batcher calls: one run of a session for all jobs, or where they do not go together one for each. One
// call that makes a run fail must not fail its neighbours.
func (h *Handle) run(ctx context.Context, instance int, jobs []*batch.Job) error {
	switch {
	case h.loops:
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, h.longest(jobs))
		defer cancel()
	case h.expected(jobs) < longRun:
		ctx = context.Background()
	}
	first := jobs[0].Value.(*Call)
	if len(jobs) == 1 {
		h.runAlone(ctx, instance, first)
		return first.err
	}
	b := &h.benches[instance]
	if b.alike(jobs) && h.runTogether(ctx, instance, b, jobs) {
		return nil
	}
	for _, j := range jobs {
		h.runAlone(ctx, instance, j.Value.(*Call))
	}
	return errApart
}

// loopTime is how long a run of a model with loops may take: how often they go round can be for the request to say, so
// that what was measured at load says nothing.
const loopTime = 30 * time.Second

// longest is how long a run of jobs of a model with loops may take: until the last of their deadlines.
func (h *Handle) longest(jobs []*batch.Job) time.Duration {
	limit := max(loopTime, 10*h.expected(jobs))
	var last time.Time
	for _, j := range jobs {
		if j.Deadline.IsZero() {
			return limit
		}
		if j.Deadline.After(last) {
			last = j.Deadline
		}
	}
	return min(limit, time.Until(last))
}

// expected is about how long a run of jobs takes.
func (h *Handle) expected(jobs []*batch.Job) time.Duration {
	rows := 0
	for _, j := range jobs {
		rows += j.Rows
	}
	return h.perRow * time.Duration(rows)
}

// runAlone runs one call on its own tensors.
func (h *Handle) runAlone(ctx context.Context, instance int, c *Call) {
	c.receive(h.info.Outputs)
	begin := time.Now()
	c.err = h.session(instance).Run(ctx, c.in, c.Outputs)
	took := time.Since(begin)
	if c.err == nil {
		c.remember()
	}
	c.Timing.Queue, c.Timing.Input, c.Timing.Compute, c.Timing.Output = begin.Sub(c.job.Queued), 0, took, 0
	c.Batch = Batch{Rows: c.Rows, Calls: 1}
	c.Batch.Span = h.r.ran(RunEvent{
		Model: h.info.Name, Version: h.info.Version, Rows: c.Rows, Calls: 1, Instance: instance,
		Start: begin, Compute: took, Err: c.err,
	})
	if c.err == nil {
		h.counters.ran(begin, c.Rows, 0, took, 0)
		h.counters.answered(&c.Timing)
	}
}

// runTogether runs calls of one shape at once. It reports false where that failed, and nothing was answered.
func (h *Handle) runTogether(ctx context.Context, instance int, b *bench, jobs []*batch.Job) bool {
	begin := time.Now()
	rows := b.join(jobs, len(h.info.Outputs))
	b.receive(h.info.Outputs)
	start := time.Now()
	err := h.session(instance).Run(ctx, b.in, b.out)
	end := time.Now()
	if err == nil {
		b.remember()
		err = b.part(jobs, rows)
	}
	done := time.Now()
	input, compute, output := start.Sub(begin), end.Sub(start), done.Sub(end)
	span := h.r.ran(RunEvent{
		Model: h.info.Name, Version: h.info.Version, Rows: rows, Calls: len(jobs), Instance: instance,
		Start: start, Input: input, Compute: compute, Err: err,
	})
	if err != nil {
		return false
	}
	h.counters.ran(begin, rows, input, compute, output)
	for _, j := range jobs {
		c := j.Value.(*Call)
		c.err = nil
		c.Timing.Queue, c.Timing.Input, c.Timing.Compute, c.Timing.Output = begin.Sub(j.Queued), input, compute, output
		c.Batch = Batch{Rows: rows, Calls: len(jobs), Span: span}
		h.counters.answered(&c.Timing)
	}
	return true
}
