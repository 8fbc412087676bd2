package exporter

import (
	"encoding/json"
	"fmt"
	"strings"

	"infer/internal/fault"
	"infer/internal/progress"
)

// answer is a line of export.py: one of its fields is set.
type answer struct {
	Phase string          `json:"phase"`
	OK    json.RawMessage `json:"ok"`
	Error *failure        `json:"error"`
}

// failure is what export.py says of a failure; see failure.py.
type failure struct {
	Kind      string   `json:"kind"`
	Text      string   `json:"text"`
	Package   string   `json:"package"`   // of missing and old
	Least     string   `json:"least"`     // of old: the version that is needed
	Names     []string `json:"names"`     // of inputs and signature: those that there are
	Missing   []string `json:"missing"`   // of inputs: those without a shape
	Operators []string `json:"operators"` // of unsupported
}

// debugHint is for failures that nobody foresaw.
const debugHint = "--log-level debug shows all that Python said"

// phases are the words of export.py for people.
var phases = map[string]string{"import": "start Python", "load": "read the model", "export": "export", "run": "run the original"}

// take reads one line; last is false for what only tells how far it is.
func (e *Export) take(line []byte, result any) (last bool, err error) {
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		return true, fmt.Errorf("python answered %.100q, which is no answer", line)
	}
	switch {
	case a.Error != nil:
		return true, e.o.explain(*a.Error)
	case a.OK != nil:
		return true, json.Unmarshal(a.OK, result)
	}
	e.o.Progress.Send(progress.Event{Phase: phases[a.Phase]})
	return false, nil
}

// packages are what pip must install for a kind, the exporter's own needs included.
func (k Kind) packages() string {
	switch k {
	case TorchScript:
		return "torch onnx"
	case ExportedProgram:
		return "torch onnx onnxscript"
	}
	return "tensorflow tf2onnx"
}

// explain makes an error with a hint of a failure.
func (o Options) explain(f failure) error {
	pip := fmt.Sprintf("run %s -m pip install %s, or pass --python with one that has them", o.Python, o.Kind.packages())
	switch f.Kind {
	case "missing":
		return fault.New(fault.Unsupported, pip, "%s has no package %s", o.Python, f.Package)
	case "broken":
		return fault.New(fault.Unsupported, pip, "%s cannot import %s: %s", o.Python, f.Package, f.Text)
	case "old":
		hint := fmt.Sprintf("run %s -m pip install '%s>=%s', or pass --python with one that has it", o.Python, f.Package, f.Least)
		return fault.New(fault.Unsupported, hint, "%s; %s %s or later can", f.Text, f.Package, f.Least)
	case "unsafe":
		return fault.New(fault.Unsupported, "save the program again with tensors alone as its example inputs",
			"it holds pickled objects that are no tensors, which may run code when they are read")
	case "inputs":
		return fault.New(fault.Usage, shapeHint(f), "%s", f.Text)
	case "signature":
		return fault.New(fault.Usage, "pass --signature-def with one of: "+strings.Join(f.Names, ", "), "%s", f.Text)
	case "unsupported":
		text := "the exporter does not support " + strings.Join(f.Operators, ", ")
		if f.Text != "" {
			text += ": " + f.Text
		}
		return fault.New(fault.Unsupported, "change the model to do without, or try a newer exporter; --log-level debug shows all that it said", "%s", text)
	}
	return fault.New(fault.Internal, debugHint, "%s", f.Text)
}

// shapeHint shows how to describe the inputs of a program.
func shapeHint(f failure) string {
	if len(f.Missing) == 0 {
		return "its arguments are: " + strings.Join(f.Names, ", ")
	}
	var flags []string
	for _, name := range f.Missing {
		flags = append(flags, "--shape "+name+":1x3x224x224")
	}
	return "pass " + strings.Join(flags, " ") + " with the sizes of your inputs, and --dtype NAME=int64 for those that are not float32"
}
