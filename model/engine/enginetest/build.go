// Package enginetest owns what tests of and against engines share: the conformance table that every provider runs, the
// providers of this machine, a session without a runtime, and a few words to build small models with.
package enginetest

import (
	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

// Opset and IRVersion are those of the models that Build makes.
const (
	Opset     = 21
	IRVersion = 10
)

// Build returns a model in memory with one graph of the nodes, values and initializers given.
func Build(in, out []*onnx.ValueInfo, nodes []*onnx.Node, initializers ...*onnx.Tensor) *model.Model {
	return model.New(&onnx.Model{
		IRVersion: IRVersion, Producer: "infer",
		Opsets: []onnx.Opset{{Version: Opset}, {Domain: "ai.onnx.ml", Version: 3}},
		Graph:  &onnx.Graph{Name: "test", Nodes: nodes, Inputs: in, Outputs: out, Initializers: initializers},
	})
}

// Values is a list of values: the inputs or outputs of a graph.
func Values(vs ...*onnx.ValueInfo) []*onnx.ValueInfo { return vs }

// Value is a tensor value. A dimension is an int, or a string that names a dynamic axis.
func Value(name string, d tensor.DType, dims ...any) *onnx.ValueInfo {
	t := &onnx.Type{Kind: onnx.KindTensor, DType: d, HasShape: true}
	for _, dim := range dims {
		switch dim := dim.(type) {
		case int:
			t.Dims = append(t.Dims, onnx.Fixed(int64(dim)))
		case string:
			t.Dims = append(t.Dims, onnx.Symbol(dim))
		default:
			panic("enginetest: a dimension is an int or a string")
		}
	}
	return &onnx.ValueInfo{Name: name, Type: t}
}

// Node is a node whose name is that of its first output.
func Node(op string, in, out []string, attrs ...*onnx.Attribute) *onnx.Node {
	return &onnx.Node{Name: out[0], OpType: op, Inputs: in, Outputs: out, Attrs: attrs}
}

// Names is a list of value names.
func Names(names ...string) []string { return names }

// Int is an integer attribute.
func Int(name string, v int64) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrInt, I: v}
}

// Initializer is a constant of a graph.
func Initializer(t tensor.Tensor) *onnx.Tensor {
	c, err := onnx.NewTensor(t.Name, t)
	if err != nil {
		panic("enginetest: " + err.Error())
	}
	return c
}

// Floats is a float32 tensor; a nil shape is one axis as long as the values.
func Floats(name string, s tensor.Shape, v ...float32) tensor.Tensor {
	if s == nil {
		s = tensor.Shape{int64(len(v))}
	}
	return tensor.Tensor{Name: name, DType: tensor.Float32, Shape: s, Data: littleEndian(v)}
}

// Int64s is an int64 tensor; a nil shape is one axis as long as the values.
func Int64s(name string, s tensor.Shape, v ...int64) tensor.Tensor {
	if s == nil {
		s = tensor.Shape{int64(len(v))}
	}
	return tensor.Tensor{Name: name, DType: tensor.Int64, Shape: s, Data: littleEndian(v)}
}

// Identity is a model with one node that gives its input "x" back as "y".
func Identity(d tensor.DType, dims ...any) *model.Model {
	return Build(Values(Value("x", d, dims...)), Values(Value("y", d, dims...)),
		[]*onnx.Node{Node("Identity", Names("x"), Names("y"))})
}

// Add is a model with one node: c = a + b, float32 of a shape.
func Add(dims ...any) *model.Model {
	return Build(Values(Value("a", tensor.Float32, dims...), Value("b", tensor.Float32, dims...)),
		Values(Value("c", tensor.Float32, dims...)),
		[]*onnx.Node{Node("Add", Names("a", "b"), Names("c"))})
}

// Endless is a model that runs for minutes unless it is cancelled: the square of a float32 scalar, n times over, where
// the input n is an int64 scalar.
func Endless() *model.Model {
	body := &onnx.Graph{
		Name:    "body",
		Inputs:  Values(Value("i", tensor.Int64), Value("more", tensor.Bool), Value("v", tensor.Float32)),
		Outputs: Values(Value("again", tensor.Bool), Value("w", tensor.Float32)),
		Nodes: []*onnx.Node{
			Node("Identity", Names("more"), Names("again")),
			Node("Mul", Names("v", "v"), Names("w")),
		},
	}
	yes := Initializer(tensor.Tensor{Name: "yes", DType: tensor.Bool, Shape: tensor.Shape{}, Data: []byte{1}})
	return Build(Values(Value("n", tensor.Int64), Value("x", tensor.Float32)), Values(Value("y", tensor.Float32)),
		[]*onnx.Node{Node("Loop", Names("n", "yes", "x"), Names("y"),
			&onnx.Attribute{Name: "body", Type: onnx.AttrGraph, G: body})}, yes)
}
