// Package pipeline owns infer optimize: passes one after the other, each proven, those that drift rolled back, and the
// result as fast as the original at least.
package pipeline

import (
	"context"
	"fmt"
	"time"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/model"
	"infer/model/agree"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/optimize"
	"infer/optimize/proof"
	"infer/report"
)

// maxRounds bounds how often all passes run. A pass makes work for others once or twice; what is still changing after
// ten rounds are two passes that undo each other.
const maxRounds = 10

// The verdicts of a report.PassRun.
const (
	kept       = "kept"
	unchanged  = "unchanged"
	rolledBack = "rolled_back"
)

// pipeline is one run.
type pipeline struct {
	Task
	Options
	doc     *report.Document
	details report.OptimizeDetails

	base   *model.Model     // what the result is compared with: the original, or what the edits made of it
	ref    *agree.Reference // its outputs without the runtime's own rewrites; nil where nothing is run
	now    *model.Model     // as the passes have made it so far
	stages []stage          // the states that were kept, oldest first; the first is what the edits made
	off    map[string]bool  // passes that were rolled back once
}

// stage is a state of the model that was proven.
type stage struct {
	pass  string // that made it; "" for the first
	model *onnx.Model
}

// Run optimizes a model and writes the result into d. The file is written only where its outputs agree with those of
// the original; where they do not, the document says why with verdict failed_gate, and nothing is written.
func Run(ctx context.Context, t Task, o Options, d *report.Document) error {
	if err := o.Validate(); err != nil {
		return err
	}
	p := &pipeline{Task: t, Options: o, doc: d, off: map[string]bool{}}
	begin := time.Now()
	if err := p.run(ctx); err != nil {
		return err
	}
	return p.conclude(time.Since(begin))
}

func (p *pipeline) run(ctx context.Context) error {
	p.details.Level = p.Level
	p.details.Before = optimize.Facts(p.Model, p.Bound)
	if err := p.edit(ctx); err != nil {
		return err
	}
	if err := p.phase("record the original", func() error { return p.record(ctx) }); err != nil {
		return err
	}
	if err := p.phase("passes", func() error { return p.rounds(ctx) }); err != nil {
		return err
	}
	return p.finish(ctx)
}

// phase times a part of the work.
func (p *pipeline) phase(name string, f func() error) error {
	begin := time.Now()
	err := f()
	p.details.Phases = append(p.details.Phases, report.Phase{Name: name, Seconds: time.Since(begin).Seconds()})
	return err
}

// edit makes the changes that were asked for by name.
func (p *pipeline) edit(ctx context.Context) error {
	p.base, p.now = p.Model, p.wrap(p.Model.Proto)
	for _, e := range p.Edits {
		next := p.wrap(p.now.Proto.Clone())
		done, err := e.Run(ctx, next.Proto)
		if err == nil {
			err = next.Proto.Check()
		}
		if err != nil {
			return fault.Wrap(err, "%s", e.Name)
		}
		p.details.Edits = append(p.details.Edits, done...)
		if err := p.proveEdit(ctx, e, next); err != nil {
			return fault.Wrap(err, "%s", e.Name)
		}
		if e.Cuts {
			p.base = next
		}
		p.now = next
	}
	return nil
}

// proveEdit shows by running that an edit did what it says, where it can be shown.
func (p *pipeline) proveEdit(ctx context.Context, e Edit, edited *model.Model) error {
	if e.Cuts {
		return p.cut(ctx, p.now, edited)
	}
	if e.Prove == nil || p.isLarge() || len(p.Inputs) == 0 {
		return nil
	}
	a, err := e.Prove(ctx, p.now, edited)
	if err != nil {
		return err
	}
	if a.Verdict == proof.Drifts {
		return fault.New(fault.Unsupported, "see with 'infer inspect' what the model does along this axis", "what it makes answers differently: %s", a.Why)
	}
	if a.Verdict != proof.NotRun {
		p.details.Edits = append(p.details.Edits, fmt.Sprintf("%s: proven on %s", e.Name, a.Source))
	}
	return nil
}

// wrap makes a model of a graph whose external data lie where those of the original do.
func (p *pipeline) wrap(proto *onnx.Model) *model.Model {
	if p.Model.Path == "" {
		return model.New(proto)
	}
	m := &model.Model{Path: p.Model.Path, Proto: proto}
	m.MarkEdited()
	return m
}

// isLarge reports whether the model is never run.
func (p *pipeline) isLarge() bool { return p.Model.Bytes() >= p.Large }

// record runs the original. Its outputs are those of the graph as written: what the runtime's own rewrites change is
// not a pass's doing.
func (p *pipeline) record(ctx context.Context) error {
	switch {
	case p.isLarge():
		p.details.Verification = report.Agreement{Verdict: proof.NotRun, Why: fmt.Sprintf(
			"the model takes %.1f GB, and models from %.1f GB on are never in memory as a whole", float64(p.Model.Bytes())/1e9, float64(p.Large)/1e9)}
		return nil
	case len(p.Inputs) == 0:
		p.details.Verification = report.Agreement{Verdict: proof.NotRun, Why: "not asked for"}
		return nil
	}
	s, err := p.open(ctx, p.base, engine.OptNone)
	if err != nil {
		if custom := optimize.CustomOps(p.base.Proto); len(custom) > 0 && ctx.Err() == nil {
			for _, op := range custom {
				p.details.Kept = append(p.details.Kept, op+": a custom operator")
			}
			p.details.Verification = report.Agreement{Verdict: proof.NotRun, Why: "the runtime cannot run it: " + err.Error()}
			return nil
		}
		return err
	}
	defer s.Close()
	if err := p.accepted(ctx, s); err != nil {
		return err
	}
	p.ref, err = agree.Record(ctx, s, p.Inputs)
	return err
}

// accepted keeps the sets of inputs that the original runs on.
func (p *pipeline) accepted(ctx context.Context, s engine.Session) error {
	list, err := agree.Accepted(ctx, s, p.Inputs)
	if err != nil {
		return err
	}
	if left := len(p.Inputs) - len(list); left > 0 {
		p.details.Kept = append(p.details.Kept, fmt.Sprintf("%d sets of made-up inputs have sizes that the original refuses, and are left out", left))
	}
	p.Inputs = list
	return nil
}

// open opens a session at a level of the runtime's own rewrites.
func (p *pipeline) open(ctx context.Context, m *model.Model, level engine.OptLevel) (engine.Session, error) {
	c := p.Config
	c.OptLevel = level
	return p.Provider.Open(ctx, m, c)
}

// rounds runs all passes until none applies any more.
func (p *pipeline) rounds(ctx context.Context) error {
	p.stages = []stage{{model: p.now.Proto}}
	for _, pass := range p.Passes {
		p.details.Passes = append(p.details.Passes, report.PassRun{Pass: pass.Name, Verdict: unchanged, Nodes: countNodes(p.now.Proto)})
	}
	for round := range maxRounds {
		changed := false
		for i, pass := range p.Passes {
			if p.off[pass.Name] {
				continue
			}
			p.Progress.Send(progress.Event{Phase: fmt.Sprintf("passes, round %d", round+1), Done: float64(i), Total: float64(len(p.Passes)), Unit: "passes", Note: pass.Name})
			applied, err := p.apply(ctx, pass, &p.details.Passes[i])
			if err != nil {
				return err
			}
			changed = changed || applied
		}
		if !changed {
			break
		}
	}
	return nil
}

// apply runs one pass on a copy, which takes the place of the model once it is proven.
func (p *pipeline) apply(ctx context.Context, pass optimize.Pass, run *report.PassRun) (applied bool, err error) {
	begin := time.Now()
	defer func() { run.Seconds += time.Since(begin).Seconds() }()
	w := &optimize.Work{Model: p.now.Proto.Clone(), MaxFold: p.MaxFold, Bound: p.Bound}
	if !p.isLarge() {
		w.Provider = p.Provider
	}
	n, err := pass.Run(ctx, w)
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err != nil:
		p.rollBack(run, pass, "it failed: "+err.Error())
		return false, nil
	case n == 0:
		return false, nil
	}
	why, drift, err := p.prove(ctx, pass, w.Model)
	if err != nil {
		return false, err
	}
	if drift != nil && (run.Drift == nil || *drift > *run.Drift) {
		run.Drift = drift
	}
	if why != "" {
		p.rollBack(run, pass, why)
		return false, nil
	}
	p.now = p.wrap(w.Model)
	run.Changed, run.Verdict, run.Nodes = run.Changed+n, kept, countNodes(w.Model)
	p.stages = append(p.stages, stage{pass: pass.Name, model: w.Model})
	return true, nil
}

// rollBack notes that what a pass did was not kept, and turns it off.
func (p *pipeline) rollBack(run *report.PassRun, pass optimize.Pass, why string) {
	p.off[pass.Name] = true
	run.Why = why
	if run.Changed == 0 {
		run.Verdict = rolledBack
	}
	p.doc.Warn("pass %s is rolled back: %s", pass.Name, why)
}

// prove says why what a pass made of the model is not kept; "" where it is.
func (p *pipeline) prove(ctx context.Context, pass optimize.Pass, m *onnx.Model) (why string, drift *float64, err error) {
	if err := m.Check(); err != nil {
		return "it leaves an invalid graph: " + err.Error(), nil, nil
	}
	if before, after := countNodes(p.now.Proto), countNodes(m); after > before && pass.Level != optimize.Named {
		return fmt.Sprintf("it makes %d nodes of %d", after, before), nil, nil
	}
	if p.ref == nil {
		return "", nil, nil
	}
	s, err := p.open(ctx, p.wrap(m), engine.OptNone)
	if err != nil {
		if ctx.Err() != nil {
			return "", nil, ctx.Err()
		}
		return "the runtime does not open what it leaves: " + err.Error(), nil, nil
	}
	defer s.Close()
	r, err := p.ref.Compare(ctx, s, p.Tolerance)
	if err != nil {
		if ctx.Err() != nil {
			return "", nil, ctx.Err()
		}
		return "what it leaves does not run: " + err.Error(), nil, nil
	}
	worst := min(r.Worst(), 1e300) // JSON has no infinity
	if !r.Within() {
		return r.Why(), &worst, nil
	}
	return "", &worst, nil
}

func countNodes(m *onnx.Model) int {
	n := 0
	m.Walk(func(g *onnx.Graph) { n += len(g.Nodes) })
	return n
}
