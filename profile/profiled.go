package profile

import (
	"context"
	"os"
	"time"

	"infer/model"
)

// profiled runs the model in a traced session and in one without, in blocks that take turns, measures what tracing
// costs, and folds both into the shares.
func (r *runner) profiled(ctx context.Context) error {
	var err error
	if r.dir, err = os.MkdirTemp("", "infer-trace-*"); err != nil {
		return err
	}
	in, err := r.t.Inputs(0)
	if err != nil {
		return err
	}
	x := alternation{provider: r.t.Provider, model: r.t.Model, config: r.t.Config, inputs: in, dir: r.dir, runs: r.profiledRuns(),
		time: max(r.o.Duration, leastProfiled), keepRan: r.t.Model.Bytes() < maxRan, progress: r.t.Progress, phase: "profiled runs"}
	a, err := x.run(ctx)
	if err != nil {
		return err
	}
	if a.trace == nil {
		r.d.Warn("provider %s wrote no trace: no shares by operator", r.t.Provider.Name())
		return nil
	}
	if !a.told() {
		if ctx.Err() == nil {
			r.d.Warn("the trace of the profiled pass holds no run: no shares by operator")
		}
		return nil
	}
	r.readRan(a.ranPath)
	o, err := r.calibrate(ctx)
	if err != nil && ctx.Err() == nil {
		r.d.Warn("node times are as traced: %v", err)
	}
	r.trace = a.trace
	r.shares(a, o)
	r.unkept = r.keepTrace(a.tracePath)
	return nil
}

const (
	// leastProfiled is the aim of the profiled pass where the timed phase is shorter.
	leastProfiled = 2 * time.Second
	// maxRan bounds the models whose optimized graph is written and read again: it has all weights.
	maxRan = 1 << 30
	// maxEvents bounds the trace: the runtime keeps some 2.5 KB an event in memory until the session is closed.
	maxEvents = 50_000
)

// profiledRuns keeps the trace of a large graph short.
func (r *runner) profiledRuns() int {
	return max(3, min(r.o.ProfiledRuns, maxEvents/max(1, r.graph.costs.AllNodes)))
}

// readRan reads the graph that the runtime really ran.
func (r *runner) readRan(path string) {
	if path == "" {
		return
	}
	var err error
	if r.ran, err = model.Load(path); err != nil {
		r.ran = nil
		r.d.Warn("nodes are not traced back to those of the model: read the optimized graph: %v", err)
	}
}
