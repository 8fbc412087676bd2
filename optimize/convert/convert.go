package convert

import (
	"context"
	"errors"
	"regexp"
	"time"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/model"
	"infer/model/engine"
	"infer/model/tensor"
	"infer/optimize/half"
	"infer/optimize/quantize/calibrate"
	"infer/report"
)

// Task is what is converted, and what is known about it.
type Task struct {
	Model    *model.Model
	Target   Target
	Name     string          // the target as typed, for the report
	Output   string          // the file to write
	Provider engine.Provider // runs the model, and what is made of it but by Compiler
	Config   engine.Config
	Compiler engine.Provider // of OpenVINO: compiles the model and runs what came of it
	Compiled engine.Config   // of Compiler

	Inputs [][]tensor.Tensor // sets of inputs to compare on, the first also to measure speed with; none: nothing is run
	Source string            // where Inputs come from, in words

	Calib      calibrate.Source // of FP16: rows that tell which values are too large; nil for none
	CalibWords string           // where they come from

	Progress progress.Func
}

// Options are the choices of a conversion. Those of another kind than the task's are not looked at.
type Options struct {
	Half       half.Options    // of FP16 and BF16; DType and Range are set by Run
	BlockNodes *regexp.Regexp  // of FP16 and BF16: nodes whose names match stay float32; nil: none
	Samples    int64           // rows of Task.Calib, evenly spread; 0: 512 at most
	Level      engine.OptLevel // of ORT: how far the stored graph is optimized
	Via        string          // of OpenVINO: ViaProvider or ViaOVC; "": by the ending of the output
	RaceTime   time.Duration   // the longest measurement of speed; 0: none
	Seed       uint64
}

// What makes an OpenVINO artifact, as --via takes it.
const (
	ViaProvider = "provider" // ONNX Runtime's execution provider: an ONNX file with the compiled model in it
	ViaOVC      = "ovc"      // OpenVINO's converter: an IR of .xml and .bin
)

// DefaultOptions converts what can be converted, stores an ORT format that runs on every CPU, and measures for 3 s.
var DefaultOptions = Options{Half: half.DefaultOptions, Level: engine.OptExtended, RaceTime: 3 * time.Second, Seed: 1}

// Validate lists every fault of the options. Errors are of kind fault.Usage.
func (o Options) Validate() error {
	errs := []error{o.Half.Validate()}
	if o.Samples < 0 {
		errs = append(errs, fault.New(fault.Usage, "give 0 for all, 512 at most", "--samples %d is negative", o.Samples))
	}
	if o.RaceTime < 0 {
		errs = append(errs, fault.New(fault.Usage, "give 0 for none", "--race-time %s is negative", o.RaceTime))
	}
	if o.Via != "" && o.Via != ViaProvider && o.Via != ViaOVC {
		errs = append(errs, fault.New(fault.Usage, "use provider or ovc", "--via %q is not known", o.Via))
	}
	return errors.Join(errs...)
}

// Run converts t.Model to t.Target and writes t.Output, and the files that belong to it, once what was written has been
// read back and answers like the model. A result that drifts is a document of verdict failed_gate, with nothing written.
// Errors are for what made the conversion impossible, after which nothing is written either: fault.Unsupported where
// the model, this machine or the runtime does not allow it.
func Run(ctx context.Context, t Task, o Options, d *report.Document) error { return nil }

// Suffix is what the name of the output ends in where none is given, in place of the ending of the model: ".fp16.onnx".
func (t Target) Suffix() string { return "" }
