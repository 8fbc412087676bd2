package emit

import (
	"testing"

	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// dynamically returns a rewriting for try.
func dynamically(o DynamicOptions) func(*onnx.Model) ([]Decision, error) {
	return func(m *onnx.Model) ([]Decision, error) { return ToDynamic(m, nil, o) }
}

// least is what an integer product of normal numbers keeps at least. Of 64·32 of them the largest is about 3.5σ: in ±64
// levels the noise of the weights is (3.5σ/64)²/12, 36 dB under the signal; activations over 256 levels are 42 dB under.
// Together that is 35 dB; 4 dB are left for luck.
const least = 31

func TestDynamicMatMul(t *testing.T) {
	x2, x3 := enginetest.Value("x", tensor.Float32, "batch", 64), enginetest.Value("x", tensor.Float32, "batch", 5, 64)
	f := func(name string, v float32) *onnx.Attribute { return &onnx.Attribute{Name: name, Type: onnx.AttrFloat, F: v} }
	matmul := func(out string) *onnx.Node { return enginetest.Node("MatMul", enginetest.Names("x", "w"), enginetest.Names(out)) }
	gemm := func(attrs ...*onnx.Attribute) []*onnx.Node {
		return []*onnx.Node{enginetest.Node("Gemm", enginetest.Names("x", "w", "c"), enginetest.Names("y"), attrs...)}
	}
	add := func(inputs ...string) *onnx.Node { return enginetest.Node("Add", inputs, enginetest.Names("y")) }
	row := weight("c", 2, 32)
	tests := []struct {
		name     string
		x        *onnx.ValueInfo
		in       []int64
		nodes    []*onnx.Node
		constant []*onnx.Tensor
		absorbed string
		adds     int
	}{
		{"matrix", x2, []int64{9, 64}, []*onnx.Node{matmul("y")}, []*onnx.Tensor{weight("w", 1, 64, 32)}, "", 0},
		{"three axes", x3, []int64{9, 5, 64}, []*onnx.Node{matmul("y")}, []*onnx.Tensor{weight("w", 1, 64, 32)}, "", 0},
		{"vector", enginetest.Value("x", tensor.Float32, 64), []int64{64}, []*onnx.Node{matmul("y")}, []*onnx.Tensor{weight("w", 1, 64, 32)}, "", 0},
		{"weights of three axes", x3, []int64{9, 5, 64}, []*onnx.Node{matmul("y")}, []*onnx.Tensor{weight("w", 1, 9, 64, 32)}, "", 0},
		{"one column", x2, []int64{9, 64}, []*onnx.Node{matmul("y")}, []*onnx.Tensor{weight("w", 1, 64, 1)}, "", 0},
		{"bias", x2, []int64{9, 64}, []*onnx.Node{matmul("p"), add("p", "c")}, []*onnx.Tensor{weight("w", 1, 64, 32), row}, "y", 0},
		{"bias first", x3, []int64{9, 5, 64}, []*onnx.Node{matmul("p"), add("c", "p")}, []*onnx.Tensor{weight("w", 1, 64, 32), row}, "y", 0},
		{"bias of two axes", x2, []int64{9, 64}, []*onnx.Node{matmul("p"), add("p", "c")}, []*onnx.Tensor{weight("w", 1, 64, 32), weight("c", 2, 1, 32)}, "y", 0},
		{"not a bias", x2, []int64{9, 64}, []*onnx.Node{matmul("p"), add("p", "c")}, []*onnx.Tensor{weight("w", 1, 64, 32), weight("c", 2, 9, 32)}, "", 1},
		{"bias of one column", x2, []int64{9, 64}, []*onnx.Node{matmul("p"), add("p", "c")}, []*onnx.Tensor{weight("w", 1, 64, 1), weight("c", 2, 1)}, "", 1},
		{"gemm", x2, []int64{9, 64}, gemm(), []*onnx.Tensor{weight("w", 1, 64, 32), row}, "", 0},
		{"gemm, factors", x2, []int64{9, 64}, gemm(f("alpha", -0.5), f("beta", 2)), []*onnx.Tensor{weight("w", 1, 64, 32), row}, "", 0},
		{"gemm, transposed", x2, []int64{9, 64}, gemm(enginetest.Int("transB", 1), f("alpha", 3)), []*onnx.Tensor{weight("w", 1, 32, 64), row}, "", 0},
		{"gemm, nothing added", x2, []int64{9, 64}, gemm(f("beta", 0)), []*onnx.Tensor{weight("w", 1, 64, 32), row}, "", 0},
		{"gemm, column", x2, []int64{9, 64}, gemm(), []*onnx.Tensor{weight("w", 1, 64, 32), weight("c", 2, 9, 1)}, "", 1},
	}
	for _, c := range tests {
		for _, o := range []DynamicOptions{
			{Reduced: true}, {Reduced: true, PerChannel: true}, {WeightDType: tensor.Uint8}, {WeightDType: tensor.Uint8, PerChannel: true, BestScale: true},
		} {
			t.Run(c.name, func(t *testing.T) {
				m := graph([]*onnx.ValueInfo{c.x}, []string{"y"}, c.nodes, c.constant...)
				r := try(t, m, []tensor.Tensor{normal("x", 3, 1, c.in...)}, dynamically(o))
				r.check(t, least, map[string]int{"DynamicQuantizeMatMul": 1, "DynamicQuantizeLinear": 0, "Add": c.adds})
				d := r.decisions[0]
				if d.Form != Dynamic || d.Weight != "w" || d.Predicted != "DynamicQuantizeMatMul" {
					t.Errorf("decided %+v", d)
				}
				if got := append(d.Absorbed, "")[0]; got != c.absorbed {
					t.Errorf("absorbed %q, not %q", got, c.absorbed)
				}
				if r.model.Graph.Initializer("w") != nil {
					t.Error("the float weight is still there")
				}
			})
		}
	}
}
