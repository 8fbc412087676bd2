package repository

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"infer/internal/fault"
	"infer/model/engine"
)

// Handle is a version of a model that is held.
type Handle struct {
	info     Info
	sessions []engine.Session // one for all instances, or one an instance

	holders atomic.Int64  // the repository while it serves the version, and every call
	idle    chan struct{} // closed when the last holder has gone
	close   sync.Once
}

// hold takes one more share of the version; false where the last one was given back.
func (h *Handle) hold() bool {
	for {
		n := h.holders.Load()
		if n == 0 {
			return false
		}
		if h.holders.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Release gives the version back.
func (h *Handle) Release() {
	if h.holders.Add(-1) == 0 {
		close(h.idle)
	}
}

// Info describes the version: a pointer to what does not change as long as it is loaded.
func (h *Handle) Info() *Info { return &h.info }

// Refuses says at once, before a body is decoded, whether a call with this deadline would be refused; nil: try.
func (h *Handle) Refuses(priority int, deadline time.Time) error { return nil }

// Infer runs a call, perhaps together with others, and fills its results. ctx cancels it.
// Errors: fault.Usage (it does not fit the model; the text names the field), *batch.Refusal inside fault.Unavailable,
// fault.Deadline or context.Canceled, fault.Internal (the runtime failed).
func (h *Handle) Infer(ctx context.Context, c *Call) error {
	if err := h.check(c); err != nil {
		return err
	}
	c.Timing = Timing{Queued: time.Now()}
	c.receive(h.info.Outputs)
	if err := h.sessions[0].Run(ctx, c.in, c.Outputs); err != nil {
		return fault.Wrap(err, "model %q", h.info.Name)
	}
	c.Timing.Compute = time.Since(c.Timing.Queued)
	c.remember()
	c.Batch = Batch{Rows: c.Rows, Calls: 1}
	return nil
}

// free closes the sessions. Nobody may hold the version.
func (h *Handle) free() {
	h.close.Do(func() {
		for _, s := range h.sessions {
			s.Close()
		}
	})
}
