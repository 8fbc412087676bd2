package profile

import (
	"context"

	"infer/internal/host"
	"infer/profile/advice"
	"infer/report"
)

// shortLook is the timed phase in seconds below which a profile is a quick look: what only advice needs is not measured.
const shortLook = 1

// findings measures what only the rules of the advice look at.
func (r *runner) findings(ctx context.Context) error {
	if ctx.Err() != nil {
		return nil
	}
	if err := r.denormals(ctx); err != nil {
		r.d.Warn("%v", err)
	}
	if err := r.firstRuns(ctx); err != nil && ctx.Err() == nil {
		r.d.Warn("first runs at other batch sizes: %v", err)
	}
	if r.base.Interference.Wall < shortLook || ctx.Err() != nil {
		return nil
	}
	in, err := r.t.Inputs(0)
	if err != nil {
		return err
	}
	s, err := r.t.Provider.Open(ctx, r.t.Model, r.t.Config)
	if err != nil {
		return err
	}
	defer s.Close()
	l, err := newLane(ctx, s, in)
	if err != nil {
		return err
	}
	defer l.release()
	r.details.Idle, err = idleCPU(ctx, l.run)
	return err
}

// denormals looks for subnormal constants and, where there are some, for what they cost.
func (r *runner) denormals(ctx context.Context) error {
	r.details.Denormals = advice.ScanDenormals(r.t.Model)
	if r.details.Denormals == nil || r.details.Denormals.Found == 0 {
		return nil
	}
	in, err := r.t.Inputs(0)
	if err != nil {
		return err
	}
	r.details.Denormals.Speedup, err = advice.ProveDenormals(ctx, r.t.Provider, r.t.Model, r.t.Config, in)
	return err
}

// firstRuns measures what a new size costs a warm session, at the sizes of the sweep.
func (r *runner) firstRuns(ctx context.Context) error {
	var sizes []int64
	for _, b := range r.details.Batches {
		if b.Error == "" {
			sizes = append(sizes, int64(b.Batch))
		}
	}
	if len(sizes) == 0 {
		return nil
	}
	first, err := advice.FirstRuns(ctx, r.t.Provider, r.t.Model, r.t.Config, r.t.Inputs, sizes)
	for i := range r.details.Batches {
		b := &r.details.Batches[i]
		b.FirstRun = first[int64(b.Batch)]
	}
	return err
}

// advise lets the rules look at everything.
func (r *runner) advise() {
	f := &advice.Facts{Document: r.d, Details: &r.details, Model: r.t.Model, Config: r.t.Config, CPUs: host.EffectiveCPUs(),
		Machine: host.Facts(), Interference: r.base.Interference, Path: r.operand()}
	if r.ran != nil {
		f.Ran = r.ran.Proto
	}
	r.details.Options = &report.RunOptions{Threads: r.t.Config.Threads, InterThreads: r.t.Config.InterThreads, Entries: r.t.Config.Entries}
	r.details.Advice, r.details.Unjudged = advice.Check(f), advice.Unjudged(f)
}
