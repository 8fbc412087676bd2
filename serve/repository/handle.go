package repository

import (
	"context"
	"sync/atomic"
	"time"

	"infer/model/engine"
	"infer/serve/batch"
)

// Handle is a version of a model that is held.
type Handle struct {
	r        *Repository
	info     Info
	number   int64            // of the version
	io       string           // the declaration that the version inherits; "": none
	sessions []engine.Session // one for all instances, or one an instance
	runner   *batch.Runner
	benches  []bench         // one an instance
	perRow   time.Duration   // of a run, as measured at load; 0: not known
	loops    bool            // the graph has loops
	axes     []axis          // that several inputs share
	ran      bool            // on made-up inputs
	finite   map[string]bool // by output: whether the answers to them were
	counters counters

	holders atomic.Int64  // the repository while it serves the version, and every call
	idle    chan struct{} // closed when the last holder has gone
	freed   chan struct{} // closed when the sessions are
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

// Explain returns what the batcher of the version knows and does now.
func (h *Handle) Explain() batch.Explanation { return h.runner.Explain() }

func (h *Handle) session(instance int) engine.Session {
	if len(h.sessions) == 1 {
		return h.sessions[0]
	}
	return h.sessions[instance]
}

// free closes the batcher and the sessions. Nobody may hold the version any more.
func (h *Handle) free() error {
	if h.runner != nil {
		h.runner.Close(context.Background()) // without holders it has no work
	}
	return closeAll(h.sessions)
}
