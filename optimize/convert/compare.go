package convert

import (
	"context"
	"fmt"

	"infer/internal/fault"
	"infer/model"
	"infer/model/agree"
	"infer/model/engine"
	"infer/optimize"
	"infer/optimize/proof"
	"infer/report"
)

// tolerance is how far the outputs of what was written may lie from those of the original.
func (c *conversion) tolerance() agree.Tolerance {
	switch c.Target.Kind {
	case FP16:
		return agree.Half()
	case BF16:
		return agree.Tolerance{Rel: 0.1, Abs: 0.1, Share: 0.95} // 8 significant bits where float16 has 11
	case ORT:
		return agree.Tolerance{Rel: 1e-4, Abs: 1e-5} // other fusions than when the ONNX file is loaded
	case TensorRT:
		return agree.Half() // TF32 has no more bits than float16
	case OpenVINO:
		return agree.Tolerance{Rel: 1e-3, Abs: 1e-3, Share: 0.99} // kernels of another library
	}
	return agree.Float32()
}

// readBack opens what was written as a stranger would.
func (c *conversion) readBack(context.Context) (err error) {
	if c.output.open != nil {
		return nil
	}
	if c.written, err = model.Load(c.draft.Path()); err != nil {
		return fault.Wrap(err, "read back what was written")
	}
	c.later(c.written.Close)
	return nil
}

// runOriginal runs the original on those of the inputs that it accepts.
func (c *conversion) runOriginal(ctx context.Context) error {
	if why := c.whyNotRun(); why != "" {
		c.unrun(why)
		return nil
	}
	base, err := c.Provider.Open(ctx, c.Model, c.Config)
	if err != nil {
		if len(optimize.CustomOps(c.Model.Proto)) > 0 && ctx.Err() == nil {
			c.unrun("the runtime cannot run the original: " + err.Error())
			return nil
		}
		return err
	}
	c.base = base
	c.later(base.Close)
	all := len(c.Inputs)
	if c.Inputs, err = agree.Accepted(ctx, base, c.Inputs); err != nil {
		return err
	}
	if left := all - len(c.Inputs); left > 0 {
		c.remark("%d sets of made-up inputs have sizes that the original refuses, and are left out", left)
	}
	c.ref, err = agree.Record(ctx, base, c.Inputs)
	return err
}

// compare runs what was written on the same inputs.
func (c *conversion) compare(ctx context.Context) (err error) {
	if c.ref == nil {
		return nil
	}
	if c.head, err = c.openWritten(ctx); err != nil {
		return fault.Wrap(err, "open what was written")
	}
	c.later(c.head.Close)
	a, err := proof.Outputs(ctx, c.ref, c.head, c.tolerance(), c.Source)
	if err != nil {
		return fault.Wrap(err, "run what was written")
	}
	if c.output.provider.Name() != c.Provider.Name() {
		a.Provider = c.output.provider.Name()
	}
	a.Notes = append(a.Notes, c.remarks...)
	c.details.Verification = &a
	if c.details.Via == ViaProvider {
		return c.placement(ctx)
	}
	return nil
}

// remark adds a line to the verification.
func (c *conversion) remark(format string, args ...any) {
	c.remarks = append(c.remarks, fmt.Sprintf(format, args...))
}

// whyNotRun says why nothing is run, "" where it is.
func (c *conversion) whyNotRun() string {
	switch {
	case c.Engine != nil && c.Engine.Tool != nil:
		return "a native engine is run by TensorRT alone"
	case c.isLarge():
		return fmt.Sprintf("the model takes %.1f GB, and models from %.1f GB on are never in memory as a whole", float64(c.Model.Bytes())/1e9, float64(largeModel)/1e9)
	case len(c.Inputs) == 0:
		return "not asked for"
	}
	return ""
}

// unrun notes that nothing was run.
func (c *conversion) unrun(why string) {
	c.details.Verification = &report.Agreement{Verdict: proof.NotRun, Why: why}
}

// openWritten opens a session on what was written.
func (c *conversion) openWritten(ctx context.Context) (engine.Session, error) {
	if c.output.open != nil {
		return c.output.open(ctx)
	}
	s, err := c.output.provider.Open(ctx, c.written, c.output.config)
	if err != nil && c.Target.Kind == BF16 && fault.KindOf(err) == fault.Unsupported && ctx.Err() == nil {
		return c.openRounded(ctx)
	}
	return s, err
}

// race measures the original and what was written in turns.
func (c *conversion) race(ctx context.Context) (err error) {
	if c.head == nil || c.RaceTime == 0 || !c.isFaithful() {
		return nil
	}
	c.details.Speed, err = proof.Speed(ctx, c.base, c.head, c.Inputs[0], proof.SpeedOptions{MaxTime: c.RaceTime, Seed: c.Seed, Progress: c.Progress})
	if err != nil {
		return err
	}
	return ctx.Err()
}

// isFaithful reports whether the time of a run says something about what was written: storage changes no run, and a
// stand-in is not what was written.
func (c *conversion) isFaithful() bool {
	stored := c.Target.Kind == ExternalData || c.Target.Kind == SingleFile
	return !stored && !c.output.standIn && c.output.open == nil
}
