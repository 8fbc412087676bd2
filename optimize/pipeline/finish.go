package pipeline

import (
	"context"
	"fmt"
	"slices"
	"time"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/model"
	"infer/model/agree"
	"infer/model/engine"
	"infer/optimize"
	"infer/optimize/proof"
	"infer/report"
)

// finish looks at the result as a user will run it, with all of the runtime's own rewrites: it must answer like the
// original and be no slower. What is not goes back to the newest state that is.
func (p *pipeline) finish(ctx context.Context) error {
	if p.ref != nil {
		if err := p.phase("compare outputs and speed", func() error { return p.choose(ctx) }); err != nil {
			return err
		}
	}
	if p.details.Verification.Verdict == proof.Drifts || p.Output == "" {
		return nil
	}
	return p.phase("write", func() error { return p.write(ctx) })
}

// choose opens the original and the result, compares them, and goes back where that is needed.
func (p *pipeline) choose(ctx context.Context) error {
	base, err := p.open(ctx, p.base, engine.OptAll)
	if err != nil {
		return err
	}
	defer base.Close()
	ref, err := agree.Record(ctx, base, p.Inputs)
	if err != nil {
		return err
	}
	c := chooser{p: p, base: base, ref: ref}
	defer c.close()
	head, err := c.newestThatAgrees(ctx)
	if err != nil || head == nil {
		return err
	}
	if p.RaceTime == 0 {
		return nil
	}
	speed, err := proof.Speed(ctx, base, head, p.Inputs[0], p.speedOptions(p.RaceTime))
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	p.details.Speed = speed
	if speed == nil || !proof.Slower(speed) {
		return nil
	}
	if p.sameGraph(ctx, p.base, p.now) {
		speed.Same = true
		return nil
	}
	return c.goBack(ctx)
}

func (p *pipeline) speedOptions(d time.Duration) proof.SpeedOptions {
	return proof.SpeedOptions{MaxTime: d, Seed: p.Seed, Progress: p.Progress}
}

// chooser holds what is open while the result is chosen.
type chooser struct {
	p    *pipeline
	base engine.Session
	ref  *agree.Reference
	open []engine.Session
}

func (c *chooser) close() {
	for _, s := range c.open {
		s.Close()
	}
}

// enter opens a state of the model with all of the runtime's rewrites.
func (c *chooser) enter(ctx context.Context, m *model.Model) (engine.Session, error) {
	s, err := c.p.open(ctx, m, engine.OptAll)
	if err == nil {
		c.open = append(c.open, s)
	}
	return s, err
}

// newestThatAgrees goes back from the result to the newest state whose outputs agree, which the first one does: it is
// the original itself. nil where not even that one does, which the verification then says.
func (c *chooser) newestThatAgrees(ctx context.Context) (engine.Session, error) {
	p := c.p
	for {
		head, err := c.enter(ctx, p.now)
		if err != nil {
			return nil, fault.Wrap(err, "open the result")
		}
		a, err := proof.Outputs(ctx, c.ref, head, p.Tolerance, p.Source)
		if err != nil {
			return nil, err
		}
		p.details.Verification = a
		if a.Verdict != proof.Drifts {
			return head, nil
		}
		if len(p.stages) == 1 {
			return nil, nil
		}
		p.retreat(len(p.stages)-2, a.Why)
	}
}

// maxHeads is how many states are raced at a time. More would take too long to tell apart, and each holds its weights.
const maxHeads = 6

// goBack races the states before the result, as far as they are spread evenly over the passes, and takes the newest
// that is not slower; the first one cannot be.
func (c *chooser) goBack(ctx context.Context) error {
	p := c.p
	was := *p.details.Speed
	candidates := spread(len(p.stages)-1, maxHeads)
	var heads []engine.Session
	for _, at := range candidates {
		s, err := c.enter(ctx, p.wrap(p.stages[at].model))
		if err != nil {
			return fault.Wrap(err, "open an earlier state")
		}
		heads = append(heads, s)
	}
	speeds, err := proof.Speeds(ctx, c.base, heads, p.Inputs[0], p.speedOptions(2*p.RaceTime))
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, at := range slices.Backward(candidates) {
		if at > 0 && proof.Slower(speeds[i]) {
			continue
		}
		p.retreat(at, fmt.Sprintf("the model with it is slower than the original (%.3f times its speed)", was.Speedup.Value))
		p.details.Speed = speeds[i]
		p.details.Verification, err = proof.Outputs(ctx, c.ref, heads[i], p.Tolerance, p.Source)
		return err
	}
	return nil
}

// spread returns up to n of the numbers from 0 to last-1, evenly apart, 0 and last-1 among them.
func spread(last, n int) []int {
	var list []int
	for i := range n {
		at := 0
		if n > 1 {
			at = i * (last - 1) / (n - 1)
		}
		if at >= 0 && !slices.Contains(list, at) {
			list = append(list, at)
		}
	}
	return list
}

// retreat goes back to an earlier state. The passes behind it are rolled back, as far as they did nothing before it.
func (p *pipeline) retreat(at int, why string) {
	lost := map[string]bool{}
	for _, s := range p.stages[at+1:] {
		lost[s.pass] = true
	}
	for _, s := range p.stages[:at+1] {
		delete(lost, s.pass)
	}
	p.stages = p.stages[:at+1]
	p.now = p.wrap(p.stages[at].model)
	for i := range p.details.Passes {
		if r := &p.details.Passes[i]; lost[r.Pass] {
			r.Verdict, r.Why = rolledBack, why
			p.doc.Warn("pass %s is rolled back: %s", r.Pass, why)
		}
	}
}

// write saves the result beside its place, reads it back and runs it once more before it gets its name.
func (p *pipeline) write(ctx context.Context) error {
	p.Progress.Send(progress.Event{Phase: "write", Note: p.Output})
	draft, err := model.NewDraft(p.Output, p.Model)
	if err != nil {
		return err
	}
	defer draft.Discard()
	if err := p.now.Save(draft.Path(), p.Save); err != nil {
		return err
	}
	written, err := model.Load(draft.Path())
	if err != nil {
		return fault.Wrap(err, "read back what was written")
	}
	defer written.Close()
	if err := p.reread(ctx, written); err != nil {
		return err
	}
	p.details.After = optimize.Facts(written, p.Bound)
	if p.details.OutputHash, err = written.Digest(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := draft.Place(); err != nil {
		return err
	}
	p.details.Output = p.Output
	return nil
}

// reread runs the written file, which must answer as the model in memory did.
func (p *pipeline) reread(ctx context.Context, written *model.Model) error {
	if p.ref == nil {
		return nil
	}
	s, err := p.open(ctx, written, engine.OptNone)
	if err != nil {
		return fault.Wrap(err, "open what was written")
	}
	defer s.Close()
	r, err := p.ref.Compare(ctx, s, p.Tolerance)
	if err != nil {
		return fault.Wrap(err, "run what was written")
	}
	if !r.Within() {
		return fault.New(fault.Internal, "", "the written file answers differently from the model in memory: %s", r.Why())
	}
	return nil
}

// conclude fills the document.
func (p *pipeline) conclude(elapsed time.Duration) error {
	if p.details.Output == "" {
		p.details.After = optimize.Facts(p.now, p.Bound)
	}
	p.details.Ops = optimize.OpChanges(p.Model.Proto, p.now.Proto)
	d, x := p.doc, &p.details
	d.Metrics = append(d.Metrics, proof.Metrics(x.Speed)...)
	d.Metrics = append(d.Metrics, proof.Drift(x.Verification)...)
	for _, m := range []struct {
		name  string
		value float64
	}{
		{"model_bytes", float64(x.After.Bytes)}, {"size_ratio", float64(x.After.Bytes) / float64(x.Before.Bytes)}, {"nodes", float64(x.After.Nodes)},
		{"params", float64(x.After.Params)}, {"macs", x.After.MACs}, {"activation_bytes", float64(x.After.Activations)}, {"elapsed", elapsed.Seconds()},
	} {
		if m.value > 0 {
			d.Metrics = append(d.Metrics, report.Exact(m.name, m.value))
		}
	}
	if x.Verification.Verdict == proof.Drifts {
		d.Verdict = report.FailedGate
		d.Gates = append(d.Gates, report.GateResult{Expr: "outputs agree", Verdict: report.Fail, Reason: x.Verification.Why})
	}
	return d.SetDetails(*x)
}
