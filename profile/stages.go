package profile

import (
	"context"
	"time"

	"infer/internal/child"
	"infer/internal/fault"
	"infer/internal/progress"
	"infer/model/measure"
	"infer/model/tensor"
	"infer/report"
)

// The limits on measuring stages.
const (
	maxStage    = 2 * time.Second  // of the timed phase of one, where that is enough for its fewest runs
	stageBudget = 10 * time.Second // that those may take
)

// forward is the stage that is the model.
const forward = "forward"

// stage is one step on the way from a request to its answer.
type stage struct {
	report.StageRow
	run     measure.Run
	close   func()
	seconds []float64 // of its runs alone
}

// stages measures what comes before and behind the model: made of images or texts as declared, or a command. Each is
// measured alone, while there is no session, then in turn with the model beside a live session, whose threads spin and
// slow down what follows, then alone again: a machine that gets slower in between slows both.
func (r *runner) stages(ctx context.Context) error {
	list, err := r.openStages(ctx)
	defer func() {
		for _, s := range list {
			s.close()
		}
	}()
	if err != nil || len(list) < 2 {
		return err
	}
	if err := r.alone(ctx, list); err != nil {
		return err
	}
	piped, err := r.pipelined(ctx, list)
	if err != nil {
		return err
	}
	if err := r.alone(ctx, list); err != nil {
		return err
	}
	for _, s := range list {
		r.addStage(s.StageRow, s.seconds)
	}
	for i, seconds := range piped {
		row := list[i].StageRow
		row.Stage += " pipelined"
		r.addStage(row, seconds)
	}
	return nil
}

// openStages returns the stages in order: the model, whose runs alone are measured already, and what is to be measured
// before and behind it. Those that it returns are to be closed, also with an error.
func (r *runner) openStages(ctx context.Context) (list []*stage, err error) {
	if ctx.Err() != nil {
		return nil, nil
	}
	add := func(name, command string, declared measure.Run) error {
		s := &stage{StageRow: report.StageRow{Stage: name, Command: command}, run: declared, close: func() {}}
		if command != "" {
			r.t.Progress.Send(progress.Event{Phase: "start the command of --" + name})
			w, err := child.NewWorker(ctx, child.Spec{Command: command})
			if err != nil {
				return fault.Wrap(err, "--%s", name)
			}
			s.run, s.close, s.Anew = w.Work, w.Close, w.Anew()
		}
		if s.run != nil {
			list = append(list, s)
		}
		return nil
	}
	if err := add("pre", r.t.PreCommand, r.t.Pre); err != nil {
		return list, err
	}
	list = append(list, &stage{StageRow: report.StageRow{Stage: forward}, close: func() {}, seconds: r.base.Seconds})
	var declared measure.Run
	if r.t.Post != nil && r.t.PostCommand == "" {
		outputs, err := r.outputs(ctx)
		if err != nil {
			return list, err
		}
		declared = func(context.Context) error { return r.t.Post(outputs) }
	}
	return list, add("post", r.t.PostCommand, declared)
}

// alone times half of the runs of each stage but the model.
func (r *runner) alone(ctx context.Context, list []*stage) error {
	for _, s := range list {
		if s.Stage == forward {
			continue
		}
		series, err := r.times(ctx, s.run, s.Stage, 2)
		if err != nil {
			return fault.Wrap(err, "stage %s", s.Stage)
		}
		s.seconds = append(s.seconds, series.Seconds...)
	}
	return nil
}

// times is the series of a stage or of a pipeline, of which there are so many parts.
func (r *runner) times(ctx context.Context, run measure.Run, phase string, parts int) (*measure.Series, error) {
	begin := time.Now()
	if err := run(ctx); err != nil {
		if ctx.Err() != nil {
			return &measure.Series{Interrupted: true}, nil
		}
		return nil, err
	}
	// The fewest whose p90 has an interval, and of slow runs the fewest whose median has one.
	runs := min(stageRuns, max(6, int(stageBudget/max(time.Since(begin), 1))))
	return measure.Steady(ctx, run, measure.Options{
		Duration: min(r.o.Duration, maxStage) / time.Duration(parts), MinRuns: (runs + parts - 1) / parts, WarmUp: measure.Auto, Progress: r.t.Progress, Phase: phase,
	})
}

// pipelined times the stages in turn beside a live session: one series for each, in their order.
func (r *runner) pipelined(ctx context.Context, list []*stage) ([][]float64, error) {
	if ctx.Err() != nil {
		return nil, nil
	}
	in, err := r.t.Inputs(0)
	if err != nil {
		return nil, err
	}
	s, err := r.t.Provider.Open(ctx, r.t.Model, r.t.Config)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	model, _, release, err := measure.Bind(ctx, s, in)
	if err != nil {
		return nil, err
	}
	defer release()
	took := make([][]float64, len(list))
	series, err := r.times(ctx, func(ctx context.Context) error {
		now := time.Now()
		for i, x := range list {
			run := x.run
			if x.Stage == forward {
				run = model
			}
			if err := run(ctx); err != nil {
				return fault.Wrap(err, "stage %s", x.Stage)
			}
			end := time.Now()
			took[i], now = append(took[i], end.Sub(now).Seconds()), end
		}
		return nil
	}, "pipelined", 1)
	if err != nil {
		return nil, err
	}
	for i := range took { // the first run and warm-up come first, and the last run may have been cut between two stages
		first := min(len(took[i]), 1+len(series.WarmUp))
		took[i] = took[i][first:min(len(took[i]), first+len(series.Seconds))]
	}
	return took, nil
}

// outputs runs the model once.
func (r *runner) outputs(ctx context.Context) ([]tensor.Tensor, error) {
	in, err := r.t.Inputs(0)
	if err != nil {
		return nil, err
	}
	s, err := r.t.Provider.Open(ctx, r.t.Model, r.t.Config)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	out := make([]tensor.Tensor, len(s.Outputs()))
	for i, p := range s.Outputs() {
		out[i].Name = p.Name
	}
	return out, s.Run(ctx, in, out)
}
