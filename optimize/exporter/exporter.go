// Package exporter owns making ONNX models of PyTorch programs and TensorFlow SavedModels, by driving the exporters of
// the user's own Python: torch.onnx and tf2onnx. A process of that Python makes the model, and then runs the original on
// inputs that infer chooses, so that what was made can be compared with what it was made of.
package exporter

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"infer/internal/child"
	"infer/internal/fault"
	"infer/internal/progress"
	"infer/model/tensor"
)

// programs are what the user's Python runs.
//
//go:embed python/*.py
var programs embed.FS

// DefaultTimeout is how long a Python may take altogether: tracing a large model takes minutes, never an hour.
const DefaultTimeout = 30 * time.Minute

// Options say what is exported, by whom and how.
type Options struct {
	Source    string // path of the model
	Kind      Kind   // of Sniff
	Python    string // path of the interpreter, of FindPython
	Dir       string // an empty folder to work in, which the caller removes
	Opset     int64  // of ai.onnx; 0: what the exporter does best. One that it does not know becomes the nearest that it does
	Inputs    []Input
	Signature string        // of a SavedModel; "": serving_default, or the only one
	Tag       string        // of a SavedModel, several with commas; "": serve
	Timeout   time.Duration // for all that Python does; 0: DefaultTimeout
	Log       func(string)  // receives every line that Python prints, from one goroutine; nil: none
	Progress  progress.Func
}

// Input is one input of a TorchScript program, which does not say the shapes of its inputs itself.
type Input struct {
	Name    string         `json:"name"` // of the argument of forward
	Shape   tensor.Shape   `json:"shape"`
	DType   string         `json:"dtype"`             // as PyTorch names it; "": float32
	Dynamic map[int]string `json:"dynamic,omitempty"` // axis → its name
}

// Export is an ONNX model that was made, and the Python that still holds the original. For one goroutine.
type Export struct {
	Model    string        // path of the ONNX file, in Options.Dir
	Opset    int64         // that the exporter wrote
	Exporter string        // "torch.onnx 2.4.1", "tf2onnx 1.17.0 (TensorFlow 2.21.0)"
	Python   string        // its version, "3.11.2"
	Command  []string      // that was run
	Took     time.Duration // that the export took, the start of Python included
	o        Options
	dialog   *child.Dialog
	cancel   context.CancelFunc
	late     func() error // why the process was ended, where that was the time-out
	runs     int
}

// job is a request to export.py.
type job struct {
	Do        string `json:"do"` // "export" or "run"
	Kind      Kind   `json:"kind,omitempty"`
	Source    string `json:"source,omitempty"`
	Dir       string `json:"dir"`
	Opset     int64  `json:"opset"`
	Inputs    any    `json:"inputs"` // of export: []Input; of run: name → path of a .npy file
	Signature string `json:"signature,omitempty"`
	Tag       string `json:"tag,omitempty"`
}

// made is the answer to "export".
type made struct {
	Model    string `json:"model"`
	Opset    int64  `json:"opset"`
	Exporter string `json:"exporter"`
	Python   string `json:"python"`
}

// Start starts Python and returns once it has made the ONNX model. Until Close, or the end of ctx, the process goes on.
// Missing packages, versions that are too old and operators that cannot be exported are fault.Unsupported errors; inputs
// that do not fit the program are fault.Usage errors.
func Start(ctx context.Context, o Options) (*Export, error) {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Log == nil {
		o.Log = func(string) {}
	}
	script, err := o.unpack()
	if err != nil {
		return nil, err
	}
	source, err := filepath.Abs(Root(o.Source))
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	life, cancel := context.WithTimeout(ctx, o.Timeout)
	e := &Export{o: o, cancel: cancel, late: func() error { return o.late(life) }, Command: []string{o.Python, "-u", "-B", script}}
	// What Python leaves in its folder for temporary files goes away with Dir.
	env := []string{"TMPDIR=" + o.Dir, "TEMP=" + o.Dir, "TMP=" + o.Dir, "PYTHONIOENCODING=utf-8"}
	if e.dialog, err = child.Converse(life, e.Command, env, o.Log); err != nil {
		cancel()
		return nil, err
	}
	var m made
	err = e.ask(ctx, job{Do: "export", Kind: o.Kind, Source: source, Dir: o.Dir, Opset: o.Opset, Inputs: o.Inputs, Signature: o.Signature, Tag: o.Tag}, &m)
	if err != nil {
		e.Close()
		return nil, fault.Wrap(err, "convert %q", o.Source)
	}
	e.Model, e.Opset, e.Exporter, e.Python, e.Took = m.Model, m.Opset, m.Exporter, m.Python, time.Since(begin)
	return e, nil
}

// late is the error of a process that took too long, by the context that it lives in; nil for others.
func (o Options) late(life context.Context) error {
	if !errors.Is(life.Err(), context.DeadlineExceeded) {
		return nil
	}
	return fault.New(fault.Deadline, "allow more with --python-timeout", "Python was still at work after %s", o.Timeout)
}

// unpack writes the programs to the folder and returns the path of the one to start.
func (o *Options) unpack() (string, error) {
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return "", err
	}
	if err := os.CopyFS(o.Dir, programs); err != nil {
		return "", fmt.Errorf("write the program that Python runs: %w", err)
	}
	return filepath.Join(o.Dir, "python", "export.py"), nil
}

// Run runs the original on a set of inputs with the names of the ONNX model's and returns its outputs by name, in no
// particular order. bfloat16 outputs come back as float32.
func (e *Export) Run(ctx context.Context, in []tensor.Tensor) ([]tensor.Tensor, error) {
	e.runs++
	dir := filepath.Join(e.o.Dir, fmt.Sprintf("run-%d", e.runs))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	files := map[string]string{}
	for i, t := range in {
		path := filepath.Join(dir, fmt.Sprintf("input-%d.npy", i))
		if err := tensor.WriteNpy(path, t); err != nil {
			return nil, fault.Wrap(err, "give input %q to Python", t.Name)
		}
		files[t.Name] = path
	}
	var answer struct {
		Outputs map[string]string `json:"outputs"`
	}
	if err := e.ask(ctx, job{Do: "run", Dir: dir, Inputs: files}, &answer); err != nil {
		return nil, fault.Wrap(err, "run the original")
	}
	var out []tensor.Tensor
	for name, path := range answer.Outputs {
		t, err := tensor.ReadNpy(path)
		if err != nil {
			return nil, fault.Wrap(err, "read output %q of the original", name)
		}
		t.Name = name
		out = append(out, t)
	}
	return out, nil
}

// Close ends Python and all that it started. A second Close is a no-op.
func (e *Export) Close() {
	e.dialog.Close()
	e.cancel()
}

// ask sends a job and decodes its answer into result.
func (e *Export) ask(ctx context.Context, j job, result any) error {
	err := e.dialog.Ask(ctx, j, func(line []byte) (bool, error) { return e.take(line, result) })
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case e.late() != nil:
		return e.late()
	case fault.HintOf(err) == "":
		return fault.New(fault.KindOf(err), debugHint, "%w", err)
	}
	return err
}
