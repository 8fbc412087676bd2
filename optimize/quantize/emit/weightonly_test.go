package emit

import (
	"testing"

	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

func weightOnlyWith(o WeightOptions) func(*onnx.Model) ([]Decision, error) {
	return func(m *onnx.Model) ([]Decision, error) { return ToWeightOnly(m, nil, o) }
}

// TestWeightOnly: bits and blocks in all forms. Of 32 normal numbers the largest is about 2.1σ (and the range 4.2σ), so
// levels of 4.2σ/15 or 4.2σ/255 apart leave noise of step²/12: 12·(15/4.2)² = 22 dB and 12·(255/4.2)² = 46 dB under the
// signal. Products in int8 (accuracy level 4) quantize the activations in blocks too: about 46 dB once more.
func TestWeightOnly(t *testing.T) {
	x := enginetest.Value("x", tensor.Float32, "batch", 80)
	matmul := enginetest.Node("MatMul", enginetest.Names("x", "w"), enginetest.Names("p"))
	bias := enginetest.Node("Add", enginetest.Names("p", "c"), enginetest.Names("y"))
	gemm := enginetest.Node("Gemm", enginetest.Names("x", "w", "c"), enginetest.Names("y"), enginetest.Int("transB", 1),
		&onnx.Attribute{Name: "alpha", Type: onnx.AttrFloat, F: 2}, &onnx.Attribute{Name: "beta", Type: onnx.AttrFloat, F: 0.5})
	for _, c := range []struct {
		name     string
		nodes    []*onnx.Node
		constant []*onnx.Tensor
		adds     int
	}{
		{"bias", []*onnx.Node{matmul, bias}, []*onnx.Tensor{weight("w", 1, 80, 48), weight("c", 2, 48)}, 0},
		{"bias of two axes", []*onnx.Node{matmul, bias}, []*onnx.Tensor{weight("w", 1, 80, 48), weight("c", 2, 1, 48)}, 1},
		{"gemm", []*onnx.Node{gemm}, []*onnx.Tensor{weight("w", 1, 48, 80), weight("c", 2, 48)}, 0},
	} {
		for _, o := range []WeightOptions{
			{Bits: 4, Block: 32, AccuracyLevel: 4},
			{Bits: 4, Block: 16, Symmetric: true, Refine: true},
			{Bits: 4, Block: 32, AccuracyLevel: 4, Portable: true, Refine: true},
			{Bits: 4, Block: 64, Symmetric: true, Portable: true},
			{Bits: 8, Block: 32, AccuracyLevel: 4},
			{Bits: 8, Block: 32, AccuracyLevel: 1, Symmetric: true},
			{Bits: 8, Block: 16, Portable: true},
			{Bits: 8, Block: 64, Symmetric: true, Portable: true, Refine: true},
		} {
			t.Run(c.name, func(t *testing.T) {
				least := 18.0
				if o.Bits == 8 {
					least = 36
				}
				m := graph([]*onnx.ValueInfo{x}, []string{"y"}, c.nodes, c.constant...)
				r := try(t, m, []tensor.Tensor{normal("x", 3, 1, 9, 80)}, weightOnlyWith(o))
				want := map[string]int{"MatMulNBits": 1, "Add": c.adds}
				if o.Portable && c.adds > 0 { // as the decision says in its note
					want = map[string]int{"Gemm": 1}
				}
				r.check(t, least, want)
				d := r.decisions[0]
				if (d.Note != "") != (d.Predicted == "Gemm") {
					t.Errorf("noted %q", d.Note)
				}
				if d.Form != WeightOnly || d.Weight != "w" {
					t.Errorf("decided %+v", d)
				}
				if r.model.Graph.Initializer("w") != nil {
					t.Error("the float weight is still there")
				}
			})
		}
	}
}
