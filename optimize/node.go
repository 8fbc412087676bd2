package optimize

import (
	"math"
	"slices"

	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
)

// is reports whether n is an operator of ai.onnx.
func is(n *onnx.Node, ops ...string) bool {
	return n != nil && n.Domain == "" && slices.Contains(ops, n.OpType)
}

// input returns the i-th input of n, "" where it is omitted.
func input(n *onnx.Node, i int) string {
	if i >= len(n.Inputs) {
		return ""
	}
	return n.Inputs[i]
}

// output returns the i-th output of n, "" where it is omitted.
func output(n *onnx.Node, i int) string {
	if i >= len(n.Outputs) {
		return ""
	}
	return n.Outputs[i]
}

// only returns the first output of a node that has no other one, "" where it has.
func only(n *onnx.Node) string {
	for i := 1; i < len(n.Outputs); i++ {
		if n.Outputs[i] != "" {
			return ""
		}
	}
	return output(n, 0)
}

// other returns the input of a node of two operands beside value, "" where n is not one or reads value twice.
func other(n *onnx.Node, value string) string {
	switch {
	case len(n.Inputs) != 2 || n.Inputs[0] == n.Inputs[1]:
		return ""
	case n.Inputs[0] == value:
		return n.Inputs[1]
	case n.Inputs[1] == value:
		return n.Inputs[0]
	}
	return ""
}

// setAttr gives n an attribute in place of the one of that name.
func setAttr(n *onnx.Node, a *onnx.Attribute) {
	dropAttr(n, a.Name)
	n.Attrs = append(n.Attrs, a)
}

// dropAttr takes the attributes of these names away from n.
func dropAttr(n *onnx.Node, names ...string) {
	n.Attrs = slices.DeleteFunc(n.Attrs, func(a *onnx.Attribute) bool { return slices.Contains(names, a.Name) })
}

func intAttr(name string, v int64) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrInt, I: v}
}

func floatAttr(name string, v float32) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrFloat, F: v}
}

func stringAttr(name, v string) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrString, S: []byte(v)}
}

// setLastInput makes value the i-th input of n, with omitted ones before it where there are too few.
func (e *Editor) setLastInput(n *onnx.Node, i int, value string) {
	for len(n.Inputs) <= i {
		n.Inputs = append(n.Inputs, "")
	}
	e.SetInput(n, i, value)
}

// has reports whether n is in the graph: it was not removed.
func (e *Editor) has(n *onnx.Node) bool {
	for _, o := range n.Outputs {
		if o != "" {
			return e.producers[o] == n
		}
	}
	return slices.Contains(e.Graph.Nodes, n)
}

// node inserts a node that makes one value, both named after base, and returns the value.
func (e *Editor) node(op, base string, inputs []string, attrs ...*onnx.Attribute) string {
	out := e.Unique(base)
	e.Insert(&onnx.Node{Name: e.Unique(out + "_" + op), OpType: op, Inputs: inputs, Outputs: []string{out}, Attrs: attrs})
	return out
}

// floats returns the elements of a constant of a floating-point type that float32 holds exactly, and its dtype.
func (e *Editor) floats(value string) (v []float32, shape tensor.Shape, d tensor.DType, ok bool) {
	c, ok := e.Constant(value)
	if !ok || c.DType != tensor.Float32 && c.DType != tensor.Float16 && c.DType != tensor.BFloat16 {
		return nil, nil, 0, false
	}
	t, err := c.Value()
	if err != nil {
		return nil, nil, 0, false
	}
	v, err = tensor.Floats(t)
	return v, t.Shape, t.DType, err == nil
}

// scalar returns the one element of a constant, of whatever rank.
func (e *Editor) scalar(value string) (float64, bool) {
	if c, ok := e.Constant(value); !ok || slices.ContainsFunc(c.Dims, func(d int64) bool { return d != 1 }) {
		return math.NaN(), false // without reading what may be large
	}
	v, _, _, ok := e.floats(value)
	if !ok || len(v) != 1 {
		return math.NaN(), false
	}
	return float64(v[0]), true
}

// ints returns the elements of a constant integer tensor.
func (e *Editor) ints(value string) ([]int64, bool) {
	t, ok := e.ConstantValue(value)
	if !ok {
		return nil, false
	}
	v, err := tensor.Int64s(t)
	return v, err == nil
}

// addFloats adds a constant of a floating-point dtype.
func (e *Editor) addFloats(base string, d tensor.DType, s tensor.Shape, v []float32) (string, error) {
	t, err := tensor.New("", d, s)
	if err != nil {
		return "", err
	}
	tensor.EncodeFloats(t.Data, d, v)
	return e.AddInitializer(base, t)
}

// addInts adds an int64 constant: a vector.
func (e *Editor) addInts(base string, v ...int64) (string, error) {
	t, err := tensor.FromInt64("", tensor.Shape{int64(len(v))}, v)
	if err != nil {
		return "", err
	}
	return e.AddInitializer(base, t)
}

// sameDims reports whether two shapes are known to be the same, axis by axis: equal sizes or the same dynamic axis.
func sameDims(a, b static.Value) bool {
	return a.HasShape && b.HasShape && slices.EqualFunc(a.Dims, b.Dims, sameDim)
}

func intsAttr(name string, v ...int64) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrInts, Ints: v}
}
