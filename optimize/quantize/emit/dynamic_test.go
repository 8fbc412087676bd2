package emit

import (
	"slices"
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
	f := func(name string, v float32) *onnx.Attribute {
		return &onnx.Attribute{Name: name, Type: onnx.AttrFloat, F: v}
	}
	matmul := func(out string) *onnx.Node {
		return enginetest.Node("MatMul", enginetest.Names("x", "w"), enginetest.Names(out))
	}
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

// reversed returns the elements of a matrix backwards, whose scale for the tensor, and for a lone column, is the same.
func reversed(v tensor.Tensor, name string) *onnx.Tensor {
	x, _ := tensor.Floats(v)
	x = slices.Clone(x)
	slices.Reverse(x)
	out, err := tensor.FromFloat32(name, v.Shape, x)
	if err != nil {
		panic(err)
	}
	return enginetest.Initializer(out)
}

// TestDynamicShares: the products of one activation share its DynamicQuantizeLinear, and weights of equal scales do not
// keep the runtime from fusing (equal constants of up to 8 elements become one in it, and then the nodes that read them).
func TestDynamicShares(t *testing.T) {
	for _, c := range []struct {
		name string
		n    int64
		o    DynamicOptions
	}{
		{"per tensor", 32, DynamicOptions{Reduced: true}},
		{"per channel", 1, DynamicOptions{Reduced: true, PerChannel: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := normal("a", 1, 1.0/8, 64, c.n)
			m := graph([]*onnx.ValueInfo{enginetest.Value("x", tensor.Float32, "batch", 64)}, []string{"p", "q", "r", "u"},
				[]*onnx.Node{
					enginetest.Node("MatMul", enginetest.Names("x", "a"), enginetest.Names("p")),
					enginetest.Node("MatMul", enginetest.Names("x", "b"), enginetest.Names("q")),
					enginetest.Node("MatMul", enginetest.Names("x", "c"), enginetest.Names("r")),
					enginetest.Node("Neg", enginetest.Names("x"), enginetest.Names("n")),
					enginetest.Node("MatMul", enginetest.Names("n", "a"), enginetest.Names("u")),
				}, enginetest.Initializer(w), reversed(w, "b"), weight("c", 2, 64, c.n))
			r := try(t, m, []tensor.Tensor{normal("x", 3, 1, 9, 64)}, dynamically(c.o))
			r.check(t, least, map[string]int{"MatMulIntegerToFloat": 3, "DynamicQuantizeMatMul": 1, "DynamicQuantizeLinear": 1})
			if n := len(r.model.Graph.Initializers); n != 6 {
				t.Errorf("%d constants, not 6: three weights with a scale each, whoever reads them", n)
			}
		})
	}
}

// TestDynamicEqualNodes: two products of one activation and one weight are one once the runtime has merged them.
func TestDynamicEqualNodes(t *testing.T) {
	m := graph([]*onnx.ValueInfo{enginetest.Value("x", tensor.Float32, "batch", 64)}, []string{"y"},
		[]*onnx.Node{
			enginetest.Node("MatMul", enginetest.Names("x", "w"), enginetest.Names("p")),
			enginetest.Node("MatMul", enginetest.Names("x", "w"), enginetest.Names("q")),
			enginetest.Node("Sub", enginetest.Names("p", "q"), enginetest.Names("d")),
			enginetest.Node("Add", enginetest.Names("p", "d"), enginetest.Names("y")),
		}, weight("w", 2, 64, 32))
	r := try(t, m, []tensor.Tensor{normal("x", 3, 1, 9, 64)}, dynamically(DynamicOptions{Reduced: true}))
	if r.operators["MatMulInteger"] != 0 || r.sqnr[0] < least {
		t.Errorf("the runtime made %v, which keeps %.1f dB", r.operators, r.sqnr[0])
	}
}
