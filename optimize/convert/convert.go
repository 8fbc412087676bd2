package convert

import (
	"context"
	"path/filepath"
	"strings"
	"time"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/model"
	"infer/model/agree"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize"
	"infer/optimize/proof"
	"infer/optimize/quantize/calibrate"
	"infer/report"
)

// Task is what is converted, and what is known about it.
type Task struct {
	Model    *model.Model
	Target   Target
	Name     string                // the target as typed, for the report
	Output   string                // the file to write
	Bound    map[string][]onnx.Dim // sizes at which costs are stated
	Provider engine.Provider       // runs the model, and what is made of it where Compiler does not
	Config   engine.Config
	Compiler engine.Provider // of OpenVINO and TensorRT by their providers: compiles the model and runs what came of it
	Compiled engine.Config   // of Compiler
	Engine   *Engine         // of TensorRT

	Inputs [][]tensor.Tensor // sets of inputs to compare on, the first also to measure speed with; none: nothing is run
	Source string            // where Inputs come from, in words

	Calib calibrate.Source // of FP16: rows that tell which values are too large; nil for none

	Progress progress.Func
}

// largeModel is the size in bytes from which a model is converted tensor by tensor and never run, so that it is never in
// memory as a whole.
const largeModel = 1 << 30

// conversion carries one task from phase to phase.
type conversion struct {
	Task
	Options
	doc     *report.Document
	details report.ConvertDetails
	draft   *model.Draft
	base    engine.Session   // the original; nil where it is not run
	ref     *agree.Reference // what it answers
	written *model.Model     // read back; nil for what is no model that infer reads
	head    engine.Session   // what was written; nil where it is not run
	free    []func()         // what is open, in that order
	remarks []string         // about the verification
	output  outputKind
}

// outputKind is how what was written is looked at.
type outputKind struct {
	provider engine.Provider
	config   engine.Config
	open     func(context.Context) (engine.Session, error) // in place of provider
	standIn  bool                                          // what is run is not what was written, but like it
}

// Run converts t.Model to t.Target and writes t.Output, and the files that belong to it, once what was written has been
// read back and answers like the model. A result that drifts is a document of verdict failed_gate, with nothing written.
// Errors are for what made the conversion impossible, after which nothing is written either: fault.Unsupported where
// the model, this machine or the runtime does not allow it.
func Run(ctx context.Context, t Task, o Options, d *report.Document) error {
	if err := o.Validate(); err != nil {
		return err
	}
	c := &conversion{Task: t, Options: o, doc: d, output: outputKind{provider: t.Provider, config: t.Config}}
	c.details.To = t.Name
	defer c.close()
	begin := time.Now()
	if err := c.run(ctx); err != nil {
		return err
	}
	return c.conclude(time.Since(begin))
}

func (c *conversion) run(ctx context.Context) (err error) {
	before := optimize.Facts(c.Model, c.Bound)
	c.details.Before = &before
	if c.Engine != nil {
		if done, err := c.reuse(); done || err != nil {
			return err
		}
	}
	if c.draft, err = model.NewDraft(c.Output, c.Model); err != nil {
		return err
	}
	c.free = append(c.free, c.draft.Discard)
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"run the original", c.runOriginal}, {"convert", c.make}, {"read back", c.readBack}, {"compare outputs", c.compare}, {"measure speed", c.race}, {"place", c.place},
	} {
		if err := c.phase(ctx, step.name, step.run); err != nil {
			return err
		}
	}
	return nil
}

// phase runs a part of the work and notes how long it took.
func (c *conversion) phase(ctx context.Context, name string, run func(context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.drifts() {
		return nil
	}
	begin := time.Now()
	c.Progress.Send(progress.Event{Phase: name})
	err := run(ctx)
	c.details.Phases = append(c.details.Phases, report.Phase{Name: name, Seconds: time.Since(begin).Seconds()})
	return err
}

// make writes the draft of the output.
func (c *conversion) make(ctx context.Context) error {
	switch c.Target.Kind {
	case FP16, BF16:
		return c.halve(ctx)
	case ONNX:
		return c.bringTo(ctx, c.Target.Opset)
	case ExternalData:
		return c.store(model.ExternalAlways)
	case SingleFile:
		return c.store(model.ExternalNever)
	case ORT:
		return c.toORT(ctx)
	case OpenVINO:
		return c.toOpenVINO(ctx)
	case TensorRT:
		if c.Engine != nil {
			return c.toTensorRT(ctx)
		}
	}
	return fault.New(fault.Usage, "", "a conversion to %s is not made here", c.Target.Kind)
}

// isLarge reports whether the model is never in memory as a whole.
func (c *conversion) isLarge() bool { return c.Model.Bytes() >= largeModel }

// wrap makes a model of a graph whose external data lie where those of the original do.
func (c *conversion) wrap(proto *onnx.Model) *model.Model {
	if c.Model.Path == "" {
		return model.New(proto)
	}
	m := &model.Model{Path: c.Model.Path, Proto: proto}
	m.MarkEdited()
	return m
}

// note adds a line about what was done.
func (c *conversion) note(lines ...string) { c.details.Changes = append(c.details.Changes, lines...) }

// drifts reports whether what was written answers differently: it is not kept.
func (c *conversion) drifts() bool {
	return c.details.Verification != nil && c.details.Verification.Verdict == proof.Drifts
}

// later closes something when the conversion ends.
func (c *conversion) later(f func() error) { c.free = append(c.free, func() { _ = f() }) }

func (c *conversion) close() {
	for len(c.free) > 0 {
		last := len(c.free) - 1
		c.free[last]()
		c.free = c.free[:last]
	}
}

// place gives what was written its names.
func (c *conversion) place(ctx context.Context) error {
	if c.written != nil {
		sum, err := c.written.Digest()
		if err != nil {
			return err
		}
		after := optimize.Facts(c.written, c.Bound)
		c.details.OutputHash, c.details.After = sum, &after
	}
	files, err := c.files()
	if err != nil {
		return err
	}
	if c.written == nil {
		if c.details.OutputHash, err = c.digest(files); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := c.draft.Place(); err != nil {
		return err
	}
	c.details.Files, c.details.Output = files, c.Output
	return nil
}

// ending returns the last part of a file name, in small letters.
func ending(path string) string { return strings.ToLower(filepath.Ext(path)) }
