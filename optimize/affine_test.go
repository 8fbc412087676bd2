package optimize

import (
	"testing"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// normalized is a node with weights w, "x" → "a", and a BatchNormalization of c channels behind it.
func normalized(x *onnx.ValueInfo, c int64, n *onnx.Node, more ...*onnx.Tensor) *model.Model {
	variance := make([]float32, c)
	for i := range variance {
		variance[i] = 0.5 + float32(i)
	}
	return build(values(x), values(untyped("y")), []*onnx.Node{n, node("BatchNormalization", names("a", "gamma", "beta", "mean", "var"), names("y"), floatAttr("epsilon", 1e-3))},
		append(more, f32("gamma", c), f32("beta", c), f32("mean", c), enginetest.Initializer(enginetest.Floats("var", nil, variance...)))...)
}

func TestFoldBatchNorm(t *testing.T) {
	x := float("x", 2, 4, 5, 5)
	conv := func(attrs ...*onnx.Attribute) *onnx.Node { return node("Conv", names("x", "w"), names("a"), attrs...) }
	training := normalized(x, 6, conv(), f32("w", 6, 4, 3, 3))
	training.Proto.Graph.Nodes[1].Attrs = append(training.Proto.Graph.Nodes[1].Attrs, intAttr("training_mode", 1))
	training.Proto.Graph.Nodes[1].Outputs = names("y", "m", "v")
	twice := normalized(x, 6, conv(), f32("w", 6, 4, 3, 3))
	twice.Proto.Graph.Nodes = append(twice.Proto.Graph.Nodes, node("Neg", names("a"), names("z")))
	twice.Proto.Graph.Outputs = values(untyped("y"), untyped("z"))
	check(t, foldBatchNorm(), 1e-5, []passTest{
		{"conv", normalized(x, 6, conv(), f32("w", 6, 4, 3, 3)), 0, 1, "Conv"},
		{"conv with bias and padding", normalized(x, 6, node("Conv", names("x", "w", "b"), names("a"), intsAttr("pads", 1, 1, 1, 1)), f32("w", 6, 4, 3, 3), f32("b", 6)), 0, 1, "Conv"},
		{"grouped conv", normalized(x, 6, conv(intAttr("group", 2)), f32("w", 6, 2, 3, 3)), 0, 1, "Conv"},
		{"transposed conv", normalized(x, 6, node("ConvTranspose", names("x", "w"), names("a")), f32("w", 4, 6, 3, 3)), 0, 1, "ConvTranspose"},
		{"grouped transposed conv", normalized(x, 6, node("ConvTranspose", names("x", "w"), names("a"), intAttr("group", 2)), f32("w", 4, 3, 2, 2)), 0, 1, "ConvTranspose"},
		{"gemm", normalized(float("x", 3, 4), 5, node("Gemm", names("x", "w", "c"), names("a"), floatAttr("alpha", 0.5), floatAttr("beta", 2)), f32("w", 4, 5), f32("c", 5)), 0, 1, "Gemm"},
		{"gemm transposed, without C", normalized(float("x", 3, 4), 5, node("Gemm", names("x", "w"), names("a"), intAttr("transB", 1)), f32("w", 5, 4)), 0, 1, "Gemm"},
		{"gemm with a scalar C", normalized(float("x", 3, 4), 5, node("Gemm", names("x", "w", "c"), names("a")), f32("w", 4, 5), scalar("c", 2)), 0, 1, "Gemm"},
		{"gemm with a C for each row", normalized(float("x", 5, 4), 5, node("Gemm", names("x", "w", "c"), names("a")), f32("w", 4, 5), f32("c", 5, 1)), 0, 0, "Gemm BatchNormalization"},
		{"matmul", normalized(float("x", 3, 4), 5, node("MatMul", names("x", "w"), names("a")), f32("w", 4, 5)), 0, 1, "MatMul Add"},
		{"matmul of three axes: the channels are the middle one", normalized(float("x", 2, 5, 4), 5, node("MatMul", names("x", "w"), names("a")), f32("w", 4, 5)), 0, 0, "MatMul BatchNormalization"},
		{"training", training, 0, 0, "Conv BatchNormalization"},
		{"two readers", twice, 0, 0, "Conv BatchNormalization Neg"},
		{"weights of a run", build(values(x, float("w", 6, 4, 3, 3)), values(untyped("y")), normalized(x, 6, conv(), f32("w", 6, 4, 3, 3)).Proto.Graph.Nodes,
			normalized(x, 6, conv()).Proto.Graph.Initializers...), 0, 0, "Conv BatchNormalization"},
	})
}

// TestFoldBatchNormNumbers: gamma 6, variance 3 and epsilon 1 give k = 6/√4 = 3; so weights 2 become 6 and, with bias 5,
// mean 1 and beta 7, the bias becomes (5-1)·3+7 = 19.
func TestFoldBatchNormNumbers(t *testing.T) {
	one := func(name string, v float32) *onnx.Tensor {
		return enginetest.Initializer(enginetest.Floats(name, nil, v))
	}
	m := build(values(float("x", 1, 1, 1)), values(untyped("y")), []*onnx.Node{node("Conv", names("x", "w", "b"), names("a")),
		node("BatchNormalization", names("a", "gamma", "beta", "mean", "var"), names("y"), floatAttr("epsilon", 1))},
		enginetest.Initializer(enginetest.Floats("w", tensor.Shape{1, 1, 1}, 2)), one("b", 5), one("gamma", 6), one("beta", 7), one("mean", 1), one("var", 3))
	after, _ := prepared(t, m.Proto, []Pass{foldBatchNorm()}, 0)
	e := NewEditor(after.Proto, after.Proto.Graph)
	n := e.Graph.Nodes[0]
	w, _ := e.scalar(n.Inputs[1])
	b, _ := e.scalar(n.Inputs[2])
	if w != 6 || b != 19 {
		t.Errorf("weights %v and bias %v, want 6 and 19", w, b)
	}
}

func TestFoldScale(t *testing.T) {
	x := float("x", 2, 4, 5, 5)
	after := func(op string, c *onnx.Tensor) *model.Model {
		return build(values(x), values(untyped("y")), []*onnx.Node{node("Conv", names("x", "w"), names("a")), node(op, names(c.Name, "a"), names("y"))}, f32("w", 6, 4, 3, 3), c)
	}
	check(t, foldScale(), 1e-5, []passTest{
		{"scale", after("Mul", f32("k", 6, 1, 1)), 0, 1, "Conv"},
		{"shift", after("Add", f32("k", 1, 6, 1, 1)), 0, 1, "Conv"},
		{"a scalar", after("Mul", scalar("k", 3)), 0, 1, "Conv"},
		{"along the last axis", after("Mul", f32("k", 3)), 0, 0, "Conv Mul"},
		{"for each pixel", after("Add", f32("k", 6, 3, 3)), 0, 0, "Conv Add"},
		{"of more axes", after("Add", f32("k", 1, 1, 6, 1, 1)), 0, 0, "Conv Add"},
	})
}

func TestFoldGemm(t *testing.T) {
	x := float("x", 3, 4)
	gemm := func(in []string, attrs ...*onnx.Attribute) []*onnx.Node {
		return []*onnx.Node{node("Gemm", in, names("y"), attrs...)}
	}
	all := []*onnx.Attribute{floatAttr("alpha", 0.5), floatAttr("beta", -2), intAttr("transB", 1)}
	shared := build(values(x), values(untyped("y"), untyped("z")), []*onnx.Node{node("Gemm", names("x", "w"), names("y"), intAttr("transB", 1)),
		node("Gemm", names("x", "w"), names("z"), intAttr("transB", 1))}, f32("w", 5, 4))
	tests := []passTest{
		{"all of it", build(values(x), values(untyped("y")), gemm(names("x", "w", "c"), all...), f32("w", 5, 4), f32("c", 5)), 0, 1, "Gemm"},
		{"without C", build(values(x), values(untyped("y")), gemm(names("x", "w"), all...), f32("w", 5, 4)), 0, 1, "Gemm"},
		{"a C of a run", build(values(x, float("c", 5)), values(untyped("y")), gemm(names("x", "w", "c"), all...), f32("w", 5, 4)), 0, 1, "Gemm"},
		{"a B of a run", build(values(x, float("w", 5, 4)), values(untyped("y")), gemm(names("x", "w", "c"), all...), f32("c", 5)), 0, 1, "Gemm"},
		{"transposed A", build(values(float("x", 4, 3)), values(untyped("y")), gemm(names("x", "w"), intAttr("transA", 1)), f32("w", 4, 5)), 0, 0, "Gemm"},
		{"one B of two nodes", shared, 0, 2, "Gemm Gemm"},
	}
	check(t, foldGemm(), 1e-6, tests)
	after, _ := prepared(t, tests[0].model.Proto, []Pass{foldGemm()}, 0)
	if n := after.Proto.Graph.Nodes[0]; n.Float("alpha", 1) != 1 || n.Float("beta", 1) != 1 || n.Int("transB", 0) != 0 {
		t.Errorf("attributes %v are left", n.Attrs)
	}
	after, _ = prepared(t, shared.Proto, []Pass{foldGemm()}, 0)
	if n := len(after.Proto.Graph.Initializers); n != 1 {
		t.Errorf("the shared matrix is stored %d times", n)
	}
}

func TestGemmToMatMul(t *testing.T) {
	x := float("x", 3, 4)
	check(t, GemmToMatMul(), 1e-6, []passTest{
		{"with bias", build(values(x), values(untyped("y")), []*onnx.Node{node("Gemm", names("x", "w", "c"), names("y"))}, f32("w", 4, 5), f32("c", 5)), 0, 1, "MatMul Add"},
		{"without", build(values(x), values(untyped("y")), []*onnx.Node{node("Gemm", names("x", "w"), names("y"))}, f32("w", 4, 5)), 0, 1, "MatMul"},
		{"transposed", build(values(x), values(untyped("y")), []*onnx.Node{node("Gemm", names("x", "w"), names("y"), intAttr("transB", 1))}, f32("w", 5, 4)), 0, 0, "Gemm"},
		{"two of a run", build(values(x, float("w", 4, 5)), values(untyped("y")), []*onnx.Node{node("Gemm", names("x", "w"), names("y"))}), 0, 0, "Gemm"},
	})
}
