package ort

import (
	"strings"

	"infer/internal/fault"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/tensor"
)

const inspectHint = "see the model's inputs and outputs with `infer inspect`"

func usage(format string, args ...any) error {
	return fault.New(fault.Usage, inspectHint, format, args...)
}

// matchPorts finds the port that each tensor is for: the one of its Name, or of its position where it has none.
// It appends len(ts) port indices to order. what is "input" or "output".
func matchPorts(what string, ports []engine.Port, ts []tensor.Tensor, order []int) ([]int, error) {
	if len(ts) > len(ports) {
		return nil, usage("%d %ss given, the model has %d", len(ts), what, len(ports))
	}
	for i := range ts {
		at := i
		if name := ts[i].Name; name != "" && name != ports[i].Name {
			if at = portIndex(ports, name); at < 0 {
				return nil, usage("the model has no %s %q; it has %s", what, name, portNames(ports))
			}
		}
		for _, other := range order {
			if other == at {
				return nil, usage("%s %q is given twice", what, ports[at].Name)
			}
		}
		order = append(order, at)
	}
	return order, nil
}

// matchInputs is matchPorts for inputs: every one must be there and fit.
func matchInputs(ports []engine.Port, in []tensor.Tensor, order []int) ([]int, error) {
	order, err := matchPorts("input", ports, in, order)
	if err != nil {
		return nil, err
	}
	if len(in) < len(ports) {
		given := make([]bool, len(ports))
		for _, at := range order {
			given[at] = true
		}
		for i, ok := range given {
			if !ok {
				return nil, usage("input %q is missing: %d inputs given, the model has %d", ports[i].Name, len(in), len(ports))
			}
		}
	}
	for i, at := range order {
		if err := fits("input", ports[at], in[i]); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// sameAxes checks that an axis of one name has one size in all inputs. The cpu finds out in the operator that it matters
// to; OpenVINO believes the names and reads past the end of the smaller tensor.
func sameAxes(ports []engine.Port, in []tensor.Tensor, order []int) error {
	type seen struct {
		size  int64
		input string
	}
	sizes := map[string]seen{}
	for i, at := range order {
		for k, d := range ports[at].Type.Dims {
			if d.Known || d.Name == "" || k >= len(in[i].Shape) {
				continue
			}
			was, ok := sizes[d.Name]
			if ok && was.size != in[i].Shape[k] {
				return usage("axis %q is %d in input %q and %d in input %q", d.Name, was.size, was.input, in[i].Shape[k], ports[at].Name)
			}
			sizes[d.Name] = seen{in[i].Shape[k], ports[at].Name}
		}
	}
	return nil
}

// matchOutputs is matchPorts for outputs: at least one, and those that are to be written in place must fit.
func matchOutputs(ports []engine.Port, out []tensor.Tensor, order []int) ([]int, error) {
	if len(out) == 0 {
		return nil, usage("no output asked for; the model has %s", portNames(ports))
	}
	order, err := matchPorts("output", ports, out, order)
	if err != nil {
		return nil, err
	}
	for i, at := range order {
		if out[i].IsZero() {
			continue
		}
		if err := fits("output", ports[at], out[i]); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// fits reports a tensor whose dtype, rank or fixed dimensions are not those of the port, or whose data do not fill it.
func fits(what string, p engine.Port, t tensor.Tensor) error {
	if t.IsZero() {
		return usage("%s %q has no value", what, p.Name)
	}
	switch t.DType {
	case tensor.Sequence, tensor.Map:
		if what == "output" {
			return usage("output %q is a %s, which cannot be written in place: pass an empty one", p.Name, t.DType)
		}
	default:
		if err := t.Check(); err != nil {
			return usage("%s %q: %w", what, p.Name, err)
		}
	}
	ty := p.Type
	ok := true
	switch ty.Kind {
	case onnx.KindTensor:
		ok = ty.DType == tensor.Undefined || ty.DType == t.DType
		ok = ok && (!ty.HasShape || shapeFits(ty.Dims, t.Shape))
	case onnx.KindSequence:
		ok = t.DType == tensor.Sequence
	case onnx.KindMap:
		ok = t.DType == tensor.Map
	}
	if !ok {
		return usage("%s %q: got %s, the model has %s", what, p.Name, describe(t), describeType(ty))
	}
	return nil
}

func shapeFits(dims []onnx.Dim, s tensor.Shape) bool {
	if len(dims) != len(s) {
		return false
	}
	for i, d := range dims {
		if d.Known && d.Size != s[i] {
			return false
		}
	}
	return true
}

func describe(t tensor.Tensor) string {
	if t.DType == tensor.Sequence || t.DType == tensor.Map {
		return "a " + t.DType.String()
	}
	return t.DType.String() + " of shape " + t.Shape.String()
}

func describeType(t *onnx.Type) string {
	switch t.Kind {
	case onnx.KindSequence:
		return "a sequence"
	case onnx.KindMap:
		return "a map"
	}
	if !t.HasShape {
		return t.DType.String()
	}
	dims := make([]string, len(t.Dims))
	for i, d := range t.Dims {
		switch {
		case d.Known:
			dims[i] = tensor.Shape{d.Size}.String()
		case d.Name != "":
			dims[i] = d.Name
		default:
			dims[i] = "?"
		}
	}
	if len(dims) == 0 {
		dims = []string{"scalar"}
	}
	return t.DType.String() + " of shape " + strings.Join(dims, "x")
}

func portIndex(ports []engine.Port, name string) int {
	for i, p := range ports {
		if p.Name == name {
			return i
		}
	}
	return -1
}

func portNames(ports []engine.Port) string {
	if len(ports) == 0 {
		return "none"
	}
	names := make([]string, len(ports))
	for i, p := range ports {
		names[i] = p.Name
	}
	return strings.Join(names, ", ")
}

// fixed reports whether the model gives every dimension of a tensor.
func fixed(p engine.Port) bool {
	if p.Type.Kind != onnx.KindTensor || !p.Type.HasShape || p.Type.DType == tensor.Undefined {
		return false
	}
	for _, d := range p.Type.Dims {
		if !d.Known {
			return false
		}
	}
	return true
}

// clonePorts returns ports that share nothing with the model, whose file may be unmapped before the session ends.
func clonePorts(ports []engine.Port) []engine.Port {
	out := make([]engine.Port, len(ports))
	for i, p := range ports {
		out[i] = engine.Port{Name: strings.Clone(p.Name), Type: p.Type.Clone()}
	}
	return out
}
