package enginetest

import (
	"testing"

	"infer/internal/fault"
	"infer/model/onnx"
	"infer/model/tensor"
)

// sequences builds a sequence of the two inputs, and takes one apart again in another model.
func (c suite) sequences(t *testing.T) {
	list := &onnx.ValueInfo{Name: "s", Type: &onnx.Type{Kind: onnx.KindSequence, Elem: Value("", tensor.Float32, "n").Type}}
	s := c.open(t, Build(Values(Value("a", tensor.Float32, "n"), Value("b", tensor.Float32, "m")), Values(list),
		[]*onnx.Node{Node("SequenceConstruct", Names("a", "b"), Names("s"))}))
	a, b := Floats("", nil, 1, 2), Floats("", nil, 3)
	got := runs(t, s, a, b)[0]
	same(t, got, tensor.Tensor{DType: tensor.Sequence, Elems: []tensor.Tensor{a, b}})

	at := c.open(t, Build(Values(list, Value("i", tensor.Int64)), Values(Value("y", tensor.Float32, "n")),
		[]*onnx.Node{Node("SequenceAt", Names("s", "i"), Names("y"))}))
	got.Name = ""
	same(t, runs(t, at, got, Int64s("", tensor.Shape{}, 1))[0], b)
	wantKind(t, at.Run(t.Context(), []tensor.Tensor{a, Int64s("", tensor.Shape{}, 0)}, make([]tensor.Tensor, 1)), fault.Usage)

	empty := c.open(t, Build(nil, Values(list), []*onnx.Node{Node("SequenceEmpty", nil, Names("s"))}))
	same(t, runs(t, empty)[0], tensor.Tensor{DType: tensor.Sequence})
}

// maps runs ZipMap, the last node of most classifiers of scikit-learn: a sequence of maps from class to probability.
func (c suite) maps(t *testing.T) {
	for _, test := range []struct {
		name string
		attr *onnx.Attribute
		keys tensor.Tensor
	}{
		{"int64 keys", &onnx.Attribute{Name: "classlabels_int64s", Type: onnx.AttrInts, Ints: []int64{4, 8}}, Int64s("", nil, 4, 8)},
		{"string keys", &onnx.Attribute{Name: "classlabels_strings", Type: onnx.AttrStrings, Strings: [][]byte{[]byte("no"), []byte("yes")}},
			tensor.Tensor{DType: tensor.String, Shape: tensor.Shape{2}, Strings: []string{"no", "yes"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			entry := &onnx.Type{Kind: onnx.KindMap, Key: test.keys.DType, Elem: Value("", tensor.Float32).Type}
			node := Node("ZipMap", Names("x"), Names("y"), test.attr)
			node.Domain = "ai.onnx.ml"
			s := c.open(t, Build(Values(Value("x", tensor.Float32, "n", 2)),
				Values(&onnx.ValueInfo{Name: "y", Type: &onnx.Type{Kind: onnx.KindSequence, Elem: entry}}), []*onnx.Node{node}))
			got := runs(t, s, Floats("", tensor.Shape{2, 2}, 0.25, 0.75, 1, 0))[0]
			row := func(no, yes float32) tensor.Tensor {
				return tensor.Tensor{DType: tensor.Map, Elems: []tensor.Tensor{test.keys, Floats("", nil, no, yes)}}
			}
			same(t, got, tensor.Tensor{DType: tensor.Sequence, Elems: []tensor.Tensor{row(0.25, 0.75), row(1, 0)}})
		})
	}
}

// optional gives the value of an optional, and refuses by name one that has none.
func (c suite) optional(t *testing.T) {
	elem := Value("", tensor.Float32, "n").Type
	out := &onnx.ValueInfo{Name: "y", Type: &onnx.Type{Kind: onnx.KindOptional, Elem: elem}}
	full := c.open(t, Build(Values(Value("x", tensor.Float32, "n")), Values(out), []*onnx.Node{Node("Optional", Names("x"), Names("y"))}))
	x := Floats("", nil, 1, 2)
	same(t, runs(t, full, x)[0], x)

	empty := c.open(t, Build(nil, Values(out), []*onnx.Node{Node("Optional", nil, Names("y"),
		&onnx.Attribute{Name: "type", Type: onnx.AttrTypeProto, TP: elem})}))
	wantKind(t, empty.Run(t.Context(), nil, make([]tensor.Tensor, 1)), fault.Unsupported)
}

// initializersAsInputs runs a model as old exporters wrote it (IR 3): its constants are listed as inputs too.
func (c suite) initializersAsInputs(t *testing.T) {
	m := Build(Values(Value("x", tensor.Float32, 2), Value("w", tensor.Float32, 2)), Values(Value("y", tensor.Float32, 2)),
		[]*onnx.Node{Node("Add", Names("x", "w"), Names("y"))}, Initializer(Floats("w", nil, 10, 20)))
	m.Proto.IRVersion = 3
	m.Proto.Opsets = []onnx.Opset{{Version: 7}}
	s := c.open(t, m)
	if in := s.Inputs(); len(in) != 1 || in[0].Name != "x" {
		t.Fatalf("inputs: got %v, want x alone", in)
	}
	same(t, runs(t, s, Floats("", nil, 1, 2))[0], Floats("", nil, 11, 22))
}
