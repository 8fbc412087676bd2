package profile

import (
	"context"
	"fmt"
	"time"

	"infer/model/measure"
	"infer/model/tensor"
)

// maxStage bounds the timed phase of what comes before and behind the model.
const maxStage = 2 * time.Second

// stages measures what comes before and behind the model, where inputs are made of images or texts: the latency
// metrics labelled with the stage. forward is the series of the metrics without a label.
func (r *runner) stages(ctx context.Context) error {
	if r.t.Pre == nil || ctx.Err() != nil {
		return nil
	}
	if err := r.stage(ctx, "pre", r.t.Pre); err != nil {
		return err
	}
	r.addStage(r.base, "forward")
	if r.t.Post == nil || ctx.Err() != nil {
		return nil
	}
	outputs, err := r.outputs(ctx)
	if err != nil {
		return err
	}
	return r.stage(ctx, "post", func(context.Context) error { return r.t.Post(outputs) })
}

func (r *runner) stage(ctx context.Context, name string, run measure.Run) error {
	s, err := measure.Steady(ctx, run, measure.Options{
		Duration: min(r.o.Duration, maxStage), MinRuns: stageRuns, WarmUp: measure.Auto, Progress: r.t.Progress, Phase: name,
	})
	if err != nil {
		return fmt.Errorf("stage %s: %w", name, err)
	}
	r.addStage(s, name)
	return nil
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
