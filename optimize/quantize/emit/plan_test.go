package emit

import (
	"slices"
	"strings"
	"testing"

	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
	"infer/optimize/quantize/affine"
)

// branch is a graph that gives one value out of those around it.
func branch(name string, nodes ...*onnx.Node) *onnx.Attribute {
	out := nodes[len(nodes)-1].Outputs[0]
	g := &onnx.Graph{Name: name, Nodes: nodes, Outputs: []*onnx.ValueInfo{{Name: out, Type: &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32}}}}
	return &onnx.Attribute{Name: name, Type: onnx.AttrGraph, G: g}
}

// named gives a node another name.
func named(n *onnx.Node, name string) *onnx.Node {
	n.Name = name
	return n
}

// TestHazards: graphs in which a rewriting by the book would change what something else reads.
func TestHazards(t *testing.T) {
	p := enginetest.CPU(t)
	for _, c := range []pattern{
		{name: "an output that is also read", also: []string{"a"}, nodes: between(op("MaxPool", "a", "z", ints("kernel_shape", 2, 2)))},
		{name: "an absorbed output", also: []string{"z"}, nodes: between(op("Relu", "a", "z"))},
		{name: "outputs of Split", also: []string{"s1", "s2"}, nodes: between(op("Split", "a halves", "s1 s2", enginetest.Int("axis", 2)), op("Concat", "s2 s1", "z", enginetest.Int("axis", 2)))},
		{name: "an input read as float", also: []string{"f"}, nodes: []*onnx.Node{conv("x", "y"), op("Tanh", "x", "f")}},
		{name: "a value that a branch reads", also: []string{"i"}, nodes: append(between(op("Relu", "a", "z")),
			op("ReduceMean", "z", "mean", enginetest.Int("keepdims", 0)), op("Greater", "mean zero", "positive"),
			op("If", "positive", "i", branch("then_branch", op("Relu", "a", "then")), branch("else_branch", op("Neg", "z", "else"))))},
		{name: "a weight that is also read", also: []string{"f"}, nodes: []*onnx.Node{conv("x", "y"), op("Neg", "w", "f")}},
		{name: "a weight that is also an operand", nodes: []*onnx.Node{op("Conv", "x w b", "a", pads), op("Conv", "w w", "k", pads), op("Conv", "a k", "y")}},
		{name: "an operand that is also read", also: []string{"f"}, nodes: append(between(op("Mul", "a sixth", "z")), op("Neg", "sixth", "f"))},
		{name: "one operand, two nodes", nodes: between(op("Mul", "a sixth", "c"), op("Mul", "sixth c", "z"))},
		{name: "names that the rewriting makes", also: []string{"a_float", "x_quantized"}, nodes: []*onnx.Node{
			named(op("Neg", "x", "x_quantized"), "x_QuantizeLinear"), named(op("Abs", "x", "x_dequantized"), "x_DequantizeLinear"),
			named(op("Conv", "x_dequantized w b", "a", pads), "a_token_1"), op("Neg", "a", "a_float"), op("Conv", "a w b", "y")}},
		{name: "names that the runtime makes", x: []any{4, 64}, nodes: []*onnx.Node{
			named(op("MatMul", "x m", "p"), "p/MatMulAddFusion/MatMul"), named(op("Add", "p b64", "q"), "p/MatMulAddFusion"),
			named(op("Gemm", "q m b64", "y"), "p_token_7")}},
		{name: "names like paths", nodes: []*onnx.Node{named(conv("x", "/a/b:0"), "/a/b c:ü"), named(conv("/a/b:0", "y"), "y;$1")}},
		{name: "Clip without a minimum", nodes: []*onnx.Node{conv("x", "c"), op("Clip", "c - six", "y")}},
		{name: "Clip without a maximum", nodes: []*onnx.Node{conv("x", "c"), op("Clip", "c zero", "y")}},
		{name: "Clip without limits", nodes: []*onnx.Node{conv("x", "c"), op("Clip", "c", "y")}},
		{name: "Clip to a computed maximum", nodes: []*onnx.Node{conv("x", "c"), op("ReduceMax", "x", "top", enginetest.Int("keepdims", 0)), op("Clip", "c zero top", "y")}},
		{name: "Clip to 0", nodes: []*onnx.Node{conv("x", "c"), op("Clip", "c zero zero", "q"), op("Add", "q x", "y")}},
		{name: "AveragePool with dilations", nodes: between(op("AveragePool", "a", "p", ints("kernel_shape", 2, 2), ints("dilations", 2, 2)), op("Transpose", "p", "z", ints("perm", 0, 1, 3, 2)))},
		{name: "AveragePool with padding", nodes: between(op("AveragePool", "a", "z", ints("kernel_shape", 3, 3), pads, enginetest.Int("count_include_pad", 1), enginetest.Int("ceil_mode", 1)))},
		{name: "MaxPool with indices", also: []string{"i2"}, nodes: between(op("MaxPool", "a", "z i", ints("kernel_shape", 2, 2)), op("Cast", "i", "i2", enginetest.Int("to", 1)))},
		{name: "Add of two shapes", nodes: between(op("GlobalAveragePool", "a", "g"), op("Add", "g a", "z"))},
		{name: "unknown axes", x: []any{"n", 8, "h", "w"}, nodes: between(op("Relu", "a", "z"))},
		{name: "products of unknown axes", x: []any{"n", 4, "k"}, nodes: []*onnx.Node{op("Concat", "x x", "c", enginetest.Int("axis", 0)), op("MatMul", "c two", "y")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, in := c.model(), []tensor.Tensor{c.input()}
			if c.x != nil && c.x[0] == "n" {
				in[0] = normal("x", 1, 1, 2, 8, 8, 8)
				if len(c.x) == 3 {
					in[0] = normal("x", 1, 1, 2, 4, 64)
				}
			}
			q, _, e := quantize(t, p, m, target(t, "cpu:avx2"), in)
			want, _ := runModel(t, m, in)
			got, _ := runModel(t, q, in)
			for i := range want {
				if db := affine.SQNR(floatsOf(t, want[i]), floatsOf(t, got[i])); !(db >= 20) {
					t.Errorf("output %d keeps %.1f dB", i, db)
				}
			}
			l, err := Check(t.Context(), p, engine.Config{Threads: 1}, model.New(q), e.Decisions)
			if err != nil {
				t.Fatal(err)
			}
			if l.Fused != l.Predicted || l.Predicted == 0 {
				t.Errorf("%d of %d predictions came true: %v", l.Fused, l.Predicted, l.Mismatches)
			}
		})
	}
}

// TestLeftFloat: products that are no units, with the reason.
func TestLeftFloat(t *testing.T) {
	half := enginetest.Value("half", tensor.Float16, 1, 8, 8, 8)
	for _, c := range []struct {
		name string
		node *onnx.Node
		why  string
	}{
		{"computed weight", op("Conv", "x x", "y"), "its weight is no constant"},
		{"computed factor", op("MatMul", "x x", "y"), "its weight is no constant"},
		{"constant input", op("Conv", "w w", "y"), "its input is a constant"},
		{"half", op("Conv", "half w", "y"), "its input is float16, not float32"},
		{"half weight", op("Conv", "x h", "y"), "its weight is float16, not float32"},
		{"unknown dtype", op("Conv", "unknown w", "y"), "its input is undefined, not float32"},
		{"empty weight", op("Gemm", "x empty", "y"), "its weight is empty"},
		{"transA", op("Gemm", "x m b64", "y", enginetest.Int("transA", 1)), "its input is transposed"},
		{"alpha", op("Gemm", "x m b64", "y", number("alpha", 2)), "its alpha or beta is not 1"},
		{"beta", op("Gemm", "x m b64", "y", number("beta", 2)), "its alpha or beta is not 1"},
		{"computed bias", op("Gemm", "x m x", "y"), "its bias is no float32 constant"},
		{"scalar bias", op("Gemm", "x m six", "y"), "its bias has shape scalar, not one element a channel"},
		{"vector", op("MatMul", "x b64", "y"), "its weight is no matrix"},
		{"ConvTranspose", op("ConvTranspose", "x w", "y"), "the runtime has no integer kernel for ConvTranspose"},
		{"refused", named(op("Conv", "x w", "y"), "refused"), "because"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, _ := tensor.New("h", tensor.Float16, tensor.Shape{8, 8, 3, 3})
			empty, _ := tensor.New("empty", tensor.Float32, tensor.Shape{8, 0})
			m := graph([]*onnx.ValueInfo{enginetest.Value("x", tensor.Float32, 1, 8, 8, 8), half}, []string{"y"},
				[]*onnx.Node{{Name: "custom", Domain: "odd", OpType: "Custom", Inputs: []string{"x"}, Outputs: []string{"unknown"}}, c.node},
				append(constants(), enginetest.Initializer(h), enginetest.Initializer(empty))...)
			plan := NewPlan(m, static.Infer(m, nil), target(t, "cpu:vnni"), func(n *onnx.Node) string {
				if n.Name == "refused" {
					return "because"
				}
				return ""
			})
			if len(plan.Units) != 0 || len(plan.Left) != 1 || plan.Left[0].Why != c.why || plan.Left[0].Node != c.node.Name || plan.Left[0].Form != Float {
				t.Errorf("units %d, left %+v, want %q", len(plan.Units), plan.Left, c.why)
			}
		})
	}
}

// TestRefusedRelu: what must stay float is not absorbed either.
func TestRefusedRelu(t *testing.T) {
	m := pattern{x: []any{4, 64}, nodes: []*onnx.Node{op("MatMul", "x m", "p"), op("Add", "p b64", "a"), op("Reshape", "a shape", "r"), conv("r", "c"), op("Relu", "c", "y")}}.model()
	plan := NewPlan(m, static.Infer(m, nil), target(t, "cpu:avx2"), func(n *onnx.Node) string {
		if n.OpType == "Relu" || n.OpType == "Add" {
			return "because"
		}
		return ""
	})
	for _, u := range plan.Units {
		if len(u.Absorbed) > 0 {
			t.Errorf("%s absorbs %v", u.Node, u.Absorbed)
		}
	}
	// The product is quantized, so that the runtime makes no float Gemm of it and the Add.
	if u := plan.Seeds()[0]; u.Kernel != "QLinearMatMul" || !u.Ints || u.Out != "p" {
		t.Errorf("%+v", u)
	}
}

// TestLimits: a calibrated range goes no further than the operators that it takes the place of.
func TestLimits(t *testing.T) {
	for _, c := range []struct {
		node   *onnx.Node
		lo, hi float64
	}{
		{op("Relu", "c", "y"), 0, 9},
		{op("Clip", "c zero six", "y"), 0, 6},
		{op("Clip", "c zero", "y"), 0, 9},
		{op("Clip", "c minus six", "y"), -3, 9}, // stays, and the range is that of c
	} {
		m := pattern{nodes: []*onnx.Node{conv("x", "c"), c.node}}.model()
		plan := NewPlan(m, static.Infer(m, nil), target(t, "cpu:avx2"), never)
		e, err := plan.Static(m, func(string, affine.Grid) (float64, float64, error) { return -3, 9, nil }, StaticOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if out := e.Tensors[1]; out.Lo != c.lo || out.Hi != c.hi {
			t.Errorf("%s: %s has the range [%g, %g], not [%g, %g]", strings.Join(c.node.Inputs, " "), out.Value, out.Lo, out.Hi, c.lo, c.hi)
		}
	}
}

// TestSharedWeight: a weight of several nodes is stored once, unless a bias made it grow.
func TestSharedWeight(t *testing.T) {
	large := normal("large", 1, 1e9, 8)
	for _, c := range []struct {
		bias string
		want int
	}{{"b", 1}, {"large", 2}} {
		m := graph([]*onnx.ValueInfo{enginetest.Value("x", tensor.Float32, image...)}, []string{"y"},
			[]*onnx.Node{conv("x", "a"), op("Conv", "a w "+c.bias, "y")}, append(constants(), enginetest.Initializer(large))...)
		plan := NewPlan(m, static.Infer(m, nil), target(t, "cpu:avx2"), never)
		e, err := plan.Static(m, func(string, affine.Grid) (float64, float64, error) { return -1, 1, nil }, StaticOptions{PerChannel: true})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, i := range m.Graph.Initializers {
			if i.DType == tensor.Int8 && len(i.Dims) == 4 {
				n++
			}
		}
		if grown := e.Weights[1].Adjusted > 0; n != c.want || grown != (c.want == 2) {
			t.Errorf("bias %s: %d weights are stored, not %d; %d channels grew", c.bias, n, c.want, e.Weights[1].Adjusted)
		}
	}
}

// TestInputsOnly: for TensorRT and OpenVINO, pairs stand in front of what multiplies, and of what is added to it.
func TestInputsOnly(t *testing.T) {
	p := enginetest.CPU(t)
	for _, c := range []struct {
		target string
		dtype  tensor.DType
	}{{"tensorrt", tensor.Int8}, {"openvino", tensor.Uint8}} {
		t.Run(c.target, func(t *testing.T) {
			m := pattern{nodes: []*onnx.Node{
				conv("x", "a"), op("Relu", "a", "r"), conv("r", "c"), op("Add", "c r", "s"), op("Relu", "s", "z"),
				op("ConvTranspose", "z w b", "t"), op("GlobalAveragePool", "t", "g"), op("MatMul", "t t", "tt"), op("Mul", "tt g", "y"),
			}}.model()
			in := []tensor.Tensor{pattern{}.input()}
			q, plan, e := quantize(t, p, m, target(t, c.target), in)
			if want := []string{"x", "r", "z", "t"}; !slices.Equal(plan.Values(), want) {
				t.Errorf("quantized are %v, not %v", plan.Values(), want)
			}
			count := map[string]int{}
			for _, n := range q.Graph.Nodes {
				count[n.OpType]++
			}
			// Four activations; the weight of Conv and that of ConvTranspose, whose channels lie elsewhere.
			if count["QuantizeLinear"] != 4 || count["DequantizeLinear"] != 6 || count["Relu"] != 2 {
				t.Errorf("%v", count)
			}
			for _, x := range e.Tensors {
				if x.DType != c.dtype || c.dtype == tensor.Int8 && x.Zero != 0 {
					t.Errorf("%+v", x)
				}
			}
			for _, d := range e.Decisions {
				if d.Predicted != "" || len(d.Absorbed) > 0 {
					t.Errorf("%+v", d)
				}
			}
			add := q.Graph.Producers()["s"]
			if !slices.Equal(add.Inputs, []string{"c", "r_dequantized"}) {
				t.Errorf("added are %v", add.Inputs)
			}
			if b := q.Graph.Producers()["c"].Inputs[2]; b != "b" {
				t.Errorf("the bias is %s", b)
			}
			if db := sqnr(t, run(t, p, m, in), run(t, p, q, in)); db < 20 {
				t.Errorf("%.1f dB are kept", db)
			}
		})
	}
}
