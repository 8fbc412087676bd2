// Package exporter owns making ONNX models of PyTorch programs and TensorFlow SavedModels, by driving the exporters of
// the user's own Python: torch.onnx and tf2onnx. A process of that Python makes the model, and then runs the original on
// inputs that infer chooses, so that what was made can be compared with what it was made of.
package exporter

import (
	"context"
	"time"

	"infer/internal/progress"
	"infer/model/tensor"
)

// DefaultTimeout is how long a Python may take altogether: tracing a large model takes minutes, never an hour.
const DefaultTimeout = 30 * time.Minute

// Options say what is exported, by whom and how.
type Options struct {
	Source    string // path of the model
	Kind      Kind   // of Sniff
	Python    string // path of the interpreter, of FindPython
	Dir       string // an empty folder to work in, which the caller removes
	Opset     int64  // of ai.onnx; 0: what the exporter does best
	Inputs    []Input
	Signature string        // of a SavedModel; "": serving_default, or the only one
	Tag       string        // of a SavedModel, several with commas; "": serve
	Timeout   time.Duration // 0: DefaultTimeout
	Log       func(string)  // receives every line that Python prints; nil: none
	Progress  progress.Func
}

// Input is one input of a TorchScript program, which does not say the shapes of its inputs itself.
type Input struct {
	Name    string         `json:"name"` // of the argument of forward
	Shape   tensor.Shape   `json:"shape"`
	DType   string         `json:"dtype"`             // as in tensor.DType.String; "": float32
	Dynamic map[int]string `json:"dynamic,omitempty"` // axis → its name
}

// Export is an ONNX model that was made, and the Python that still holds the original. For one goroutine.
type Export struct {
	Model    string   // path of the ONNX file, in Options.Dir
	Opset    int64    // that the exporter wrote
	Exporter string   // "torch.onnx 2.4.1", "tf2onnx 1.17.0"
	Python   string   // version, "3.11.2"
	Command  []string // that was run
	Notes    []string // what the user should know: an argument that was left out
	Runs     bool     // whether Run can run the original
	Why      string   // why it cannot
	Seconds  float64  // that the export took, the start of Python included
	p        *process
}

// Start starts Python and returns once it has made the ONNX model. Until Close, or the end of ctx, the process goes on.
// Missing packages, versions that are too old and operators that cannot be exported are fault.Unsupported errors; inputs
// that do not fit the program are fault.Usage errors.
func Start(ctx context.Context, o Options) (*Export, error) { return nil, nil }

// Run runs the original on a set of inputs with the names of the ONNX model's and returns its outputs, named and ordered
// like the ONNX model's. bfloat16 outputs come back as float32.
func (e *Export) Run(ctx context.Context, in []tensor.Tensor) ([]tensor.Tensor, error) {
	return nil, nil
}

// Close ends Python and all that it started.
func (e *Export) Close() {}

type process struct{}

// FindPython returns the interpreter to drive: path where it is given, else that of the active virtual environment, else
// the python3 of PATH. None is a fault.Unsupported error.
func FindPython(path string) (string, error) { return "", nil }
