package pipeline

import (
	"context"
	"errors"
	"time"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/model"
	"infer/model/agree"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize"
	"infer/report"
)

// Options says how a model is optimized.
type Options struct {
	Passes    []optimize.Pass // in order, run in rounds until none applies
	Level     string          // in words, for the report
	MaxFold   int64           // bytes by which a folded constant may be larger than what it was made of
	Tolerance agree.Tolerance // of outputs before and after
	Large     int64           // bytes from which a model is never run, so that it is never in memory as a whole
	RaceTime  time.Duration   // longest time to measure the speed; 0: it is not measured
	Seed      uint64
	Save      model.SaveOptions

	// Edits are changes asked for by name, made before the passes; each returns what it did, one line each.
	Edits []Edit
}

// Edit is a change of a model that was asked for.
type Edit struct {
	Name string // the flag, for errors
	Run  func(ctx context.Context, m *onnx.Model) (done []string, err error)
	// Cuts says that the edited model is a part of the original: it is proven to make of the values it takes, as the
	// original computes them, what the original does, and the passes behind are held against the part. Others take the
	// inputs of the original and give its outputs, or some of them.
	Cuts bool
	// Prove shows by running both that the edit did what it says; nil: the comparison of outputs shows it.
	Prove func(ctx context.Context, before, after *model.Model) (report.Agreement, error)
}

// DefaultOptions is level safe without edits. Passes are to be filled in.
func DefaultOptions() Options {
	return Options{Level: string(optimize.Safe), MaxFold: 1 << 20, Tolerance: agree.Float32(), Large: 1 << 30, RaceTime: 10 * time.Second, Seed: 1}
}

// Validate lists every fault of the options. Errors are of kind fault.Usage.
func (o Options) Validate() error {
	errs := []error{o.Tolerance.Validate()}
	if o.MaxFold < 0 {
		errs = append(errs, fault.New(fault.Usage, "give 0 or more", "a constant may not grow by %d bytes", o.MaxFold))
	}
	if o.RaceTime < 0 {
		errs = append(errs, fault.New(fault.Usage, "give 0 to leave it out", "%s is no time to measure the speed", o.RaceTime))
	}
	return errors.Join(errs...)
}

// Task is what is optimized, and with what.
type Task struct {
	Model    *model.Model
	Provider engine.Provider
	Config   engine.Config
	Bound    map[string][]onnx.Dim // sizes at which costs are stated
	Inputs   [][]tensor.Tensor     // sets to compare outputs on; the first is what the speed is measured with; none: nothing is run
	Source   string                // of Inputs, in words
	Output   string                // file to write; "": none
	Progress progress.Func
}
