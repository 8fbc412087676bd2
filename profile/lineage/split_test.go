package lineage

import (
	"reflect"
	"testing"

	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
)

func TestParts(t *testing.T) {
	m := graph("m: MatMul x,w -> t", "a: Add t,b -> s", "r: Relu s -> y", "v: Reshape y,k -> z", "i: Identity z -> o", "u: Odd o -> p")
	size := func(n ...int64) *onnx.Type {
		typ := &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32, HasShape: true}
		for _, d := range n {
			typ.Dims = append(typ.Dims, onnx.Fixed(d))
		}
		return typ
	}
	m.Graph.Inputs[0].Type = size(2, 3)
	m.Graph.Initializers = []*onnx.Tensor{
		{Name: "w", DType: tensor.Float32, Dims: tensor.Shape{3, 4}}, {Name: "b", DType: tensor.Float32, Dims: tensor.Shape{4}},
	}
	got := Parts(map[string][]string{
		"fused":   {"m", "a", "r"},
		"shapes":  {"v", "i"},
		"unknown": {"m", "u"},
		"alone":   {"a"},
	}, m, static.Infer(m, nil))
	want := map[string][]Part{
		"fused":   {{"m", 0.75}, {"a", 0.125}, {"r", 0.125}}, // 2·24, 8 and 8 operations
		"shapes":  {{"v", 0.5}, {"i", 0.5}},                  // no arithmetic
		"unknown": {{"m", 0.5}, {"u", 0.5}},
		"alone":   {{"a", 1}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("parts are %v, want %v", got, want)
	}
}
