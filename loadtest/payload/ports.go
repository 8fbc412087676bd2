package payload

import (
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

// ModelPorts returns the inputs that a server tells as a data set takes them: an axis of -1 is dynamic, and a port
// without axes is a scalar or one whose rank is not told.
func ModelPorts(ports []wire.Port) []model.Port {
	out := make([]model.Port, len(ports))
	for i, p := range ports {
		ty := &onnx.Type{Kind: onnx.KindTensor, DType: p.DType, HasShape: !rankless(p)}
		for _, d := range p.Shape {
			dim := onnx.Dim{}
			if d >= 0 {
				dim = onnx.Fixed(d)
			}
			ty.Dims = append(ty.Dims, dim)
		}
		out[i] = model.Port{Name: p.Name, Type: ty}
	}
	return out
}

// WirePorts is the inverse of ModelPorts for ports that are tensors.
func WirePorts(ports []model.Port) []wire.Port {
	out := make([]wire.Port, 0, len(ports))
	for _, p := range ports {
		w := wire.Port{Name: p.Name, DType: p.Type.DType}
		for _, d := range p.Type.Dims {
			size := int64(-1)
			if d.Known {
				size = d.Size
			}
			w.Shape = append(w.Shape, size)
		}
		if p.Type.Kind == onnx.KindTensor {
			out = append(out, w)
		}
	}
	return out
}

// rankless reports whether a port may have any rank: without axes it is a scalar, or the server did not tell; [-1] is
// how infer serve shows an input that declares no shape.
func rankless(p wire.Port) bool {
	return len(p.Shape) == 0 || len(p.Shape) == 1 && p.Shape[0] < 0
}

// checkInputs compares tensors with ports, by name.
func checkInputs(in []tensor.Tensor, ports []wire.Port) error {
	for i := range in {
		t := &in[i]
		at := slices.IndexFunc(ports, func(p wire.Port) bool { return p.Name == t.Name })
		if at < 0 {
			return fault.New(fault.Usage, wire.NamesHint("inputs", t.Name, wire.PortNames(ports)), "there are data for %q, which is no input of the model", t.Name)
		}
		if p := ports[at]; t.DType != p.DType || !fits(t.Shape, p) {
			return fault.New(fault.Usage, "give data of that dtype and shape, -1 is any size", "input %q is %s %s, and the model takes %s", t.Name, t.DType, wire.ShapeText(t.Shape), portText(p))
		}
	}
	for _, p := range ports {
		if !slices.ContainsFunc(in, func(t tensor.Tensor) bool { return t.Name == p.Name }) {
			return fault.New(fault.Usage, "the model takes "+strings.Join(wire.PortNames(ports), ", "), "there are no data for the input %q", p.Name)
		}
	}
	return nil
}

// fits reports whether a shape has the rank and the fixed sizes of a port.
func fits(s tensor.Shape, p wire.Port) bool {
	if rankless(p) {
		return true
	}
	ok := len(s) == len(p.Shape)
	for i := 0; ok && i < len(s); i++ {
		ok = p.Shape[i] < 0 || p.Shape[i] == s[i]
	}
	return ok
}

// portText is a port as messages show it: "float32 [-1,4]".
func portText(p wire.Port) string { return p.DType.String() + " " + wire.ShapeText(p.Shape) }

// rowsOf returns the rows of a request: axis 0 of the first input whose port leaves it open, else of the first input of
// rank two or more, else 1.
func rowsOf(in []tensor.Tensor, ports []wire.Port) int64 {
	for _, p := range ports {
		for i := range in {
			if s := in[i].Shape; in[i].Name == p.Name && len(s) > 0 && len(p.Shape) > 0 && p.Shape[0] < 0 {
				return s[0]
			}
		}
	}
	for i := range in {
		if s := in[i].Shape; len(s) > 1 {
			return s[0]
		}
	}
	return 1
}
