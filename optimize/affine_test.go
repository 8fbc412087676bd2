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
		{"another", normalized(x, 4, node("BatchNormalization", names("x", "g1", "b1", "m1", "v1"), names("a")), f32("g1", 4), f32("b1", 4), f32("m1", 4), oneEach("v1", 4)), 0, 1, "BatchNormalization"},
		{"instances", normalized(x, 4, node("InstanceNormalization", names("x", "g1", "b1"), names("a")), f32("g1", 4), f32("b1", 4)), 0, 1, "InstanceNormalization"},
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

func oneEach(name string, n int64) *onnx.Tensor {
	v := make([]float32, n)
	for i := range v {
		v[i] = 1
	}
	return enginetest.Initializer(enginetest.Floats(name, nil, v...))
}

func TestFoldScale(t *testing.T) {
	x := float("x", 2, 4, 5, 5)
	of := func(x *onnx.ValueInfo, p, n *onnx.Node, constants ...*onnx.Tensor) *model.Model {
		return build(values(x), values(untyped("y")), []*onnx.Node{p, n}, constants...)
	}
	after := func(op string, c *onnx.Tensor) *model.Model {
		return of(x, node("Conv", names("x", "w"), names("a")), node(op, names(c.Name, "a"), names("y")), f32("w", 6, 4, 3, 3), c)
	}
	behind := func(op string, c *onnx.Tensor) *model.Model {
		return of(x, node("Conv", names("x", "w", "b"), names("a")), node(op, names("a", c.Name), names("y")), f32("w", 6, 4, 3, 3), f32("b", 6), c)
	}
	rows := float("x", 3, 4)
	gemm, product := node("Gemm", names("x", "w", "b"), names("a"), floatAttr("beta", 2)), node("MatMul", names("x", "w"), names("a"))
	last := func(op string) *onnx.Node { return node(op, names("a", "k"), names("y")) }
	w, b := f32("w", 4, 6), f32("b", 6)
	tied := of(rows, product.Clone(), last("Mul"), w, f32("k", 6))
	tied.Proto.Graph.Nodes = append(tied.Proto.Graph.Nodes, node("MatMul", names("x", "w"), names("z")))
	tied.Proto.Graph.Outputs = append(tied.Proto.Graph.Outputs, untyped("z"))
	check(t, foldScale(), 1e-5, []passTest{
		{"scale", after("Mul", f32("k", 6, 1, 1)), 0, 1, "Conv"},
		{"shift", after("Add", f32("k", 1, 6, 1, 1)), 0, 1, "Conv"},
		{"a scalar", after("Mul", scalar("k", 3)), 0, 1, "Conv"},
		{"subtracted", behind("Sub", f32("k", 6, 1, 1)), 0, 1, "Conv"},
		{"subtracted from", after("Sub", f32("k", 6, 1, 1)), 0, 1, "Conv"},
		{"divided", behind("Div", f32("k", 6, 1, 1)), 0, 1, "Conv"},
		{"divided by it", after("Div", f32("k", 6, 1, 1)), 0, 0, "Conv Div"},
		{"divided by zero", behind("Div", scalar("k", 0)), 0, 0, "Conv Div"},
		{"along the last axis", after("Mul", f32("k", 3)), 0, 0, "Conv Mul"},
		{"for each pixel", after("Add", f32("k", 6, 3, 3)), 0, 0, "Conv Add"},
		{"of more axes", after("Add", f32("k", 1, 1, 6, 1, 1)), 0, 0, "Conv Add"},
		{"columns of a gemm", of(rows, gemm.Clone(), last("Mul"), w, b, f32("k", 6)), 0, 1, "Gemm"},
		{"added to a gemm", of(rows, gemm.Clone(), last("Sub"), w, b, f32("k", 1, 6)), 0, 1, "Gemm"},
		{"rows of a gemm", of(rows, gemm.Clone(), last("Mul"), w, b, f32("k", 3, 1)), 0, 0, "Gemm Mul"},
		{"columns of a product", of(float("x", 2, 3, 4), product.Clone(), last("Div"), w, f32("k", 6)), 0, 1, "MatMul"},
		{"rows of a product", of(float("x", 2, 3, 4), product.Clone(), last("Mul"), w, f32("k", 3, 1)), 0, 0, "MatMul Mul"},
		{"added to a product", of(rows, product.Clone(), last("Add"), w, f32("k", 6)), 0, 0, "MatMul Add"},
		{"a matrix of two products", tied, 0, 0, "MatMul Mul MatMul"},
		{"normalization", of(x, node("BatchNormalization", names("x", "g", "h", "m", "v"), names("a")), last("Add"), f32("g", 4), f32("h", 4), f32("m", 4), oneEach("v", 4), f32("k", 4, 1, 1)), 0, 1, "BatchNormalization"},
	})
}

// TestFoldAhead: what is in front of a Conv or Gemm goes into its weights, and into its bias where nothing is padded.
func TestFoldAhead(t *testing.T) {
	x := float("x", 2, 4, 5, 5)
	of := func(x *onnx.ValueInfo, first, last *onnx.Node, constants ...*onnx.Tensor) *model.Model {
		return build(values(x), values(untyped("y")), []*onnx.Node{first, last}, constants...)
	}
	norm := node("BatchNormalization", names("x", "g", "h", "m", "v"), names("a"))
	params := []*onnx.Tensor{f32("g", 4), f32("h", 4), f32("m", 4), oneEach("v", 4)}
	with := func(more ...*onnx.Tensor) []*onnx.Tensor { return append(more, params...) }
	conv := func(attrs ...*onnx.Attribute) *onnx.Node { return node("Conv", names("a", "w"), names("y"), attrs...) }
	biased := node("Conv", names("a", "w", "b"), names("y"), intAttr("group", 2))
	one := func(op, l, r string) *onnx.Node { return node(op, names(l, r), names("a")) }
	w, k := f32("w", 6, 4, 3, 3), f32("k", 4, 1, 1)
	rows := float("x", 3, 4)
	gemm := node("Gemm", names("a", "w", "b"), names("y"), floatAttr("alpha", 0.5), floatAttr("beta", 2))
	read := of(x, one("Mul", "x", "k"), conv(), w, k)
	read.Proto.Graph.Outputs = append(read.Proto.Graph.Outputs, untyped("a"))
	pads := intsAttr("pads", 1, 1, 1, 1)
	check(t, foldAhead(), 1e-5, []passTest{
		{"normalization", of(x, norm.Clone(), conv(), with(w)...), 0, 1, "Conv"},
		{"groups and a bias", of(x, norm.Clone(), biased, with(f32("w", 6, 2, 3, 3), f32("b", 6))...), 0, 1, "Conv"},
		{"padded", of(x, norm.Clone(), conv(pads), with(w)...), 0, 0, "BatchNormalization Conv"},
		{"padded by size", of(x, norm.Clone(), conv(stringAttr("auto_pad", "SAME_LOWER")), with(w)...), 0, 0, "BatchNormalization Conv"},
		{"scale before padding", of(x, one("Mul", "k", "x"), conv(pads), w, k), 0, 1, "Conv"},
		{"divided pixels", of(x, one("Div", "x", "k"), conv(pads), w, scalar("k", 255)), 0, 1, "Conv"},
		{"mean of pixels", of(x, one("Sub", "x", "k"), conv(), w, k), 0, 1, "Conv"},
		{"subtracted from", of(x, one("Sub", "k", "x"), conv(), w, k), 0, 1, "Conv"},
		{"divided by pixels", of(x, one("Div", "k", "x"), conv(), w, k), 0, 0, "Div Conv"},
		{"for each pixel", of(x, one("Mul", "x", "k"), conv(), w, f32("k", 5, 5)), 0, 0, "Mul Conv"},
		{"one channel made four", of(float("x", 2, 1, 5, 5), one("Mul", "x", "k"), conv(), w, k), 0, 0, "Mul Conv"},
		{"channels that may be one", of(float("x", 2, "c", 5, 5), one("Mul", "x", "k"), conv(), f32("w", 6, 2, 3, 3), f32("k", 2, 1, 1)), 0, 0, "Mul Conv"},
		{"read elsewhere", read, 0, 0, "Mul Conv"},
		{"gemm", of(rows, norm.Clone(), gemm.Clone(), with(f32("w", 4, 5), f32("b", 5))...), 0, 1, "Gemm"},
		{"transposed gemm", of(rows, one("Add", "x", "k"), node("Gemm", names("a", "w"), names("y"), intAttr("transB", 1)), f32("w", 5, 4), f32("k", 4)), 0, 1, "Gemm"},
		{"gemm of columns", of(float("x", 4, 3), one("Add", "x", "k"), node("Gemm", names("a", "w"), names("y"), intAttr("transA", 1)), f32("w", 4, 5), f32("k", 1, 3)), 0, 0, "Add Gemm"},
		{"weights of a run", build(values(x, float("w", 6, 4, 3, 3)), values(untyped("y")), []*onnx.Node{one("Mul", "x", "k"), conv()}, k), 0, 0, "Mul Conv"},
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
