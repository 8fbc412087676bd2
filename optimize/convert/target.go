// Package convert owns conversions of a model: another precision, another opset, another way to store it, and what an
// execution provider compiles of it.
package convert

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"infer/internal/fault"
)

// Kind is what a conversion makes.
type Kind string

// The kinds, as --to names them.
const (
	FP16         Kind = "fp16"
	BF16         Kind = "bf16"
	ONNX         Kind = "onnx" // another opset; of PyTorch and TensorFlow sources the ONNX file
	ORT          Kind = "ort"
	ExternalData Kind = "external-data"
	SingleFile   Kind = "single-file"
	TensorRT     Kind = "tensorrt"
	OpenVINO     Kind = "openvino"
)

// Kinds lists what --to takes, in the order of its help.
var Kinds = []Kind{FP16, BF16, ONNX, ORT, ExternalData, SingleFile, TensorRT, OpenVINO}

// Target is what --to asks for.
type Target struct {
	Kind  Kind
	Opset int64 // of ONNX; 0: not given
}

// ParseTarget reads fp16, bf16, onnx, onnx:opset=N, ort, external-data, single-file, tensorrt or openvino.
func ParseTarget(text string) (Target, error) {
	name, rest, more := strings.Cut(text, ":")
	for _, k := range Kinds {
		if string(k) != name || more && k != ONNX {
			continue
		}
		if !more {
			return Target{Kind: k}, nil
		}
		number, ok := strings.CutPrefix(rest, "opset=")
		n, err := strconv.ParseInt(number, 10, 64)
		if !ok || err != nil || n < 1 {
			return Target{}, fault.New(fault.Usage, "write it as onnx:opset=21", "--to %q names no opset", text)
		}
		return Target{Kind: k, Opset: n}, nil
	}
	return Target{}, fault.New(fault.Usage, "use one of: "+kindList(), "--to %q is not known", text)
}

// Suffix is what the name of the output ends in where none is given, in place of the ending of the model's name.
func (t Target) Suffix() string {
	switch t.Kind {
	case ORT:
		return ".ort"
	case ONNX:
		if t.Opset > 0 {
			return fmt.Sprintf(".opset%d.onnx", t.Opset)
		}
		return ".onnx"
	case ExternalData:
		return ".external.onnx"
	case SingleFile:
		return ".single.onnx"
	}
	return "." + string(t.Kind) + ".onnx"
}

// CheckOutput reports a name that does not suit what is written: ONNX Runtime goes by it when it opens a file.
// Errors are of kind fault.Usage.
func (t Target) CheckOutput(path, via string) error {
	want, others := ".onnx", []string{".ort", ".xml"}
	switch {
	case t.Kind == ORT:
		want, others = ".ort", nil
	case t.Kind == OpenVINO && via == ViaOVC:
		want, others = ".xml", nil
	case t.Kind == OpenVINO && via == "":
		others = others[:1]
	}
	got := ending(path)
	if len(others) == 0 && got == want || len(others) > 0 && !slices.Contains(others, got) {
		return nil
	}
	return fault.New(fault.Usage, "end it in "+want, "--output %q has an ending that does not suit --to %s", path, t.Kind)
}

func kindList() string {
	names := make([]string, len(Kinds))
	for i, k := range Kinds {
		names[i] = string(k)
	}
	return strings.Join(names, ", ")
}

// IsIR reports whether a file by its name is an OpenVINO IR.
func IsIR(path string) bool { return ending(path) == ".xml" }
