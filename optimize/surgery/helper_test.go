package surgery

import (
	"context"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/agree"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// build is a model of float32 inputs.
func build(in, out []*onnx.ValueInfo, nodes []*onnx.Node, constants ...*onnx.Tensor) *onnx.Model {
	return enginetest.Build(in, out, nodes, constants...).Proto
}

func list1(name string, v ...int64) *onnx.Tensor {
	return enginetest.Initializer(enginetest.Int64s(name, nil, v...))
}

// floats is a float32 constant of a shape whose elements differ.
func floats(name string, shape ...int64) *onnx.Tensor {
	n, err := tensor.Shape(shape).Elements()
	if err != nil {
		panic(err)
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32((i*37+11)%19)/10 - 0.9
	}
	return enginetest.Initializer(enginetest.Floats(name, shape, v...))
}

func float(name string, dims ...any) *onnx.ValueInfo {
	return enginetest.Value(name, tensor.Float32, dims...)
}

func ints(name string, v ...int64) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrInts, Ints: v}
}

// run returns the outputs of m.
func run(t *testing.T, m *onnx.Model, in []tensor.Tensor) []tensor.Tensor {
	t.Helper()
	s, err := enginetest.CPU(t).Open(context.Background(), model.New(m), engine.Config{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	given, err := agree.Suit(in, s.Inputs())
	if err != nil {
		t.Fatal(err)
	}
	out := make([]tensor.Tensor, len(s.Outputs()))
	for i, o := range s.Outputs() {
		out[i].Name = o.Name
	}
	if err := s.Run(context.Background(), given, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// random makes inputs of m up.
func random(t *testing.T, m *onnx.Model, shapes map[string]tensor.Shape) []tensor.Tensor {
	t.Helper()
	bound, err := model.New(m).Bind(model.Bindings{Shapes: shapes})
	if err != nil {
		t.Fatal(err)
	}
	in, _, err := dataset.Random(model.New(m), bound.Shapes, 3)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// same fails where two models answer differently, bit for bit.
func same(t *testing.T, a, b *onnx.Model, shapes map[string]tensor.Shape) {
	t.Helper()
	in := random(t, a, shapes)
	x, y := run(t, a, in), run(t, b, in)
	for _, o := range y {
		found := false
		for _, w := range x {
			if w.Name == o.Name {
				found = true
				if !tensor.Equal(w, o) {
					t.Errorf("output %q differs: %s %s, was %s %s", o.Name, o.DType, o.Shape, w.DType, w.Shape)
				}
			}
		}
		if !found {
			t.Errorf("output %q is new", o.Name)
		}
	}
}

// refused fails unless err is of a kind and says what it should.
func refused(t *testing.T, err error, kind fault.Kind, want, hint string) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind || !strings.Contains(err.Error(), want) || !strings.Contains(fault.HintOf(err), hint) {
		t.Errorf("error %v (kind %d, hint %q), want kind %d with %q and hint %q", err, fault.KindOf(err), fault.HintOf(err), kind, want, hint)
	}
}

// valid fails for a broken model.
func valid(t *testing.T, m *onnx.Model) {
	t.Helper()
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
}

// ops returns the operators of the main graph in order.
func ops(m *onnx.Model) string {
	var list []string
	for _, n := range m.Graph.Nodes {
		list = append(list, n.OpType)
	}
	return strings.Join(list, " ")
}

// dims returns a stated shape.
func dims(v *onnx.ValueInfo) string {
	if v.Type == nil || !v.Type.HasShape {
		return "-"
	}
	var list []string
	for _, d := range v.Type.Dims {
		switch {
		case d.Known:
			list = append(list, tensor.Shape{d.Size}.String())
		case d.Name != "":
			list = append(list, d.Name)
		default:
			list = append(list, "?")
		}
	}
	return strings.Join(list, " ")
}
