package optimize

import (
	"math"
	"testing"

	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

func TestFuseReluClip(t *testing.T) {
	x := float("x", 40)
	inf := float32(math.Inf(1))
	clip := func(in, out, lo, hi string) *onnx.Node { return node("Clip", names(in, lo, hi), names(out)) }
	relu := func(in, out string) *onnx.Node { return node("Relu", names(in), names(out)) }
	of := func(nodes ...*onnx.Node) *model.Model {
		m := build(values(x), values(untyped("y")), nodes, scalar("-1", -1), scalar("0", 0), scalar("0.5", 0.5), scalar("1", 1), scalar("inf", inf), scalar("max", math.MaxFloat32))
		if err := NewEditor(m.Proto, m.Proto.Graph).Finish(); err != nil {
			t.Fatal(err)
		}
		return m
	}
	check(t, fuseReluClip(), 0, []passTest{
		{"relu twice", of(relu("x", "a"), relu("a", "y")), 0, 1, "Relu"},
		{"relu thrice", of(relu("x", "a"), relu("a", "b"), relu("b", "y")), 0, 2, "Relu"},
		{"relu of a clip", of(clip("x", "a", "-1", "0.5"), relu("a", "y")), 0, 1, "Clip"},
		{"clip of a relu", of(relu("x", "a"), clip("a", "y", "-1", "0.5")), 0, 1, "Clip"},
		{"clip of a relu from above zero", of(relu("x", "a"), clip("a", "y", "0.5", "1")), 0, 1, "Clip"},
		{"clip of a relu from below alone", of(relu("x", "a"), clip("a", "y", "-1", "")), 0, 1, "Relu"},
		{"relu of a negative clip is 0", of(clip("x", "a", "", "-1"), relu("a", "y")), 0, 1, "Clip"},
		{"clips apart", of(clip("x", "a", "-1", "0"), clip("a", "y", "0.5", "1")), 0, 1, "Clip"},
		{"clips that overlap", of(clip("x", "a", "-1", "0.5"), clip("a", "y", "0", "1")), 0, 1, "Clip"},
		{"a clip with crossed bounds", of(clip("x", "a", "1", "0"), relu("a", "y")), 0, 0, "Clip Relu"},
		{"clip from 0 to infinity", of(clip("x", "y", "0", "inf")), 0, 1, "Relu"},
		{"clip from 0 to the largest", of(clip("x", "y", "0", "max")), 0, 1, "Relu"},
		{"clip from 0", of(clip("x", "y", "0", "")), 0, 1, "Relu"},
		{"relu6", of(clip("x", "y", "0", "1")), 0, 0, "Clip"},
		{"a relu that others read", build(values(x), values(untyped("y"), untyped("a")), []*onnx.Node{relu("x", "a"), clip("a", "y", "", "1")}, scalar("1", 1)), 0, 0, "Relu Clip"},
		{"old clip", at(10, build(values(x), values(untyped("y")), []*onnx.Node{relu("x", "a"), node("Clip", names("a"), names("y"), floatAttr("max", 1))})), 10, 0, "Relu Clip"},
	})
}

// norm is a decomposed layer normalization of "x" over the axis; edit may change its nodes.
func normParts(opset int64, axes []int64, edit func(g *onnx.Graph)) *model.Model {
	mean := func(in, out string) *onnx.Node { return node("ReduceMean", names(in, "axes"), names(out)) }
	m := build(values(float("x", 2, 4, 4)), values(untyped("y")), []*onnx.Node{
		mean("x", "mean"), node("Sub", names("x", "mean"), names("d")), node("Pow", names("d", "two"), names("sq")), mean("sq", "var"),
		node("Add", names("var", "eps"), names("ve")), node("Sqrt", names("ve"), names("std")), node("Div", names("d", "std"), names("n")),
		node("Mul", names("n", "gamma"), names("g")), node("Add", names("g", "beta"), names("y")),
	}, i64("axes", axes...), scalar("two", 2), scalar("eps", 0.01), f32("gamma", 4), f32("beta", 1, 1, 4))
	m.Proto.Opsets[0].Version = opset
	if edit != nil {
		edit(m.Proto.Graph)
	}
	return m
}

func TestFuseLayerNorm(t *testing.T) {
	const parts = "ReduceMean Sub Pow ReduceMean Add Sqrt Div Mul Add"
	node7 := func(i int, f func(n *onnx.Node)) func(g *onnx.Graph) { return func(g *onnx.Graph) { f(g.Nodes[i]) } }
	check(t, fuseLayerNorm(), 1e-5, []passTest{
		{"the usual parts", normParts(18, []int64{-1}, nil), 0, 1, "LayerNormalization"},
		{"axis by number", normParts(18, []int64{2}, nil), 0, 1, "LayerNormalization"},
		{"square by Mul", normParts(18, []int64{-1}, node7(2, func(n *onnx.Node) { n.OpType, n.Inputs = "Mul", names("d", "d") })), 0, 1, "LayerNormalization"},
		{"operands swapped", normParts(18, []int64{-1}, func(g *onnx.Graph) {
			for _, i := range []int{4, 7, 8} {
				g.Nodes[i].Inputs[0], g.Nodes[i].Inputs[1] = g.Nodes[i].Inputs[1], g.Nodes[i].Inputs[0]
			}
		}), 0, 1, "LayerNormalization"},
		{"without bias", normParts(18, []int64{-1}, func(g *onnx.Graph) {
			g.Nodes = g.Nodes[:8]
			g.Nodes[7].Outputs[0] = "y"
			g.Initializers = g.Initializers[:4]
		}), 0, 1, "LayerNormalization"},
		{"something else is added", normParts(18, []int64{-1}, node7(8, func(n *onnx.Node) { n.Inputs[1] = "x" })), 0, 1, "LayerNormalization Add"},
		{"opset 16", normParts(16, []int64{-1}, func(g *onnx.Graph) {
			for _, i := range []int{0, 3} {
				g.Nodes[i].Inputs, g.Nodes[i].Attrs = g.Nodes[i].Inputs[:1], list(intsAttr("axes", -1))
			}
		}), 0, 0, parts},
		{"another axis", normParts(18, []int64{1}, nil), 0, 0, parts},
		{"two axes", normParts(18, []int64{1, 2}, nil), 0, 0, parts},
		{"a cube", normParts(18, []int64{-1}, func(g *onnx.Graph) { g.Initializers[1] = scalar("two", 3) }), 0, 0, parts},
		{"a scale along another axis", normParts(18, []int64{-1}, func(g *onnx.Graph) { g.Initializers[3] = f32("gamma", 4, 1) }), 0, 0, parts},
		{"the mean of something else", normParts(18, []int64{-1}, func(g *onnx.Graph) {
			g.Nodes[0].Inputs[0] = "nx"
			g.Nodes = append([]*onnx.Node{node("Neg", names("x"), names("nx"))}, g.Nodes...)
		}), 0, 0, "Neg " + parts},
		{"the deviation is read elsewhere", normParts(18, []int64{-1}, func(g *onnx.Graph) { g.Outputs = append(g.Outputs, untyped("std")) }), 0, 0, parts},
	})
}

func TestFuseGelu(t *testing.T) {
	x := float("x", 2, 3)
	of := func(opset int64, root *onnx.Node, tail ...*onnx.Node) *model.Model {
		nodes := append([]*onnx.Node{root, node("Erf", names("r"), names("e")), node("Add", names("one", "e"), names("s"))}, tail...)
		m := build(values(x), values(untyped("y")), nodes, scalar("√2", math.Sqrt2), scalar("1/√2", math.Sqrt2/2), scalar("half", 0.5), scalar("one", 1))
		m.Proto.Opsets[0].Version = opset
		if err := NewEditor(m.Proto, m.Proto.Graph).Finish(); err != nil {
			t.Fatal(err)
		}
		return m
	}
	div, mul := node("Div", names("x", "√2"), names("r")), node("Mul", names("1/√2", "x"), names("r"))
	product := func(a, b, out string) *onnx.Node { return node("Mul", names(a, b), names(out)) }
	check(t, FuseGelu(), 1e-6, []passTest{
		{"x, then half", of(17, div, product("x", "s", "m"), product("m", "half", "y")), 0, 1, "Gelu"},
		{"half, then x", of(17, mul, product("s", "half", "m"), product("x", "m", "y")), 0, 1, "Gelu"},
		{"half of x", of(17, div, product("x", "half", "m"), product("m", "s", "y")), 0, 1, "Gelu"},
		{"opset 20 has its own", of(20, div, product("x", "s", "m"), product("m", "half", "y")), 0, 1, "Gelu"},
		{"not halved", of(17, div, product("x", "s", "m"), product("m", "one", "y")), 0, 0, "Div Erf Add Mul Mul"},
		{"another factor", of(17, node("Div", names("x", "half"), names("r")), product("x", "s", "m"), product("m", "half", "y")), 0, 0, "Div Erf Add Mul Mul"},
	})
	for opset, domain := range map[int64]string{19: "com.microsoft", 20: ""} {
		after, _ := prepared(t, of(opset, div.Clone(), product("x", "s", "m"), product("m", "half", "y")).Proto, []Pass{FuseGelu()}, 0)
		if d := after.Proto.Graph.Nodes[0].Domain; d != domain {
			t.Errorf("at opset %d the domain is %q", opset, d)
		}
	}
}

func TestFuseQKV(t *testing.T) {
	x := float("x", 2, 5, 4)
	out := values(untyped("q"), untyped("k"), untyped("v"))
	product := func(w, y string) *onnx.Node { return node("MatMul", names("x", w), names(y)) }
	add := func(y, b, z string) *onnx.Node { return node("Add", names(y, b), names(z)) }
	check(t, FuseQKV(), 1e-6, []passTest{
		{"with biases", build(values(x), out, []*onnx.Node{product("wq", "a"), product("wk", "b"), product("wv", "c"), add("a", "bq", "q"), add("bk", "b", "k"), add("c", "bv", "v")},
			f32("wq", 4, 6), f32("wk", 4, 3), f32("wv", 4, 2), f32("bq", 6), f32("bk", 3), f32("bv", 2)), 0, 1, "MatMul Add Split"},
		{"without", build(values(x), out, []*onnx.Node{product("wq", "q"), product("wk", "k"), product("wv", "v")}, f32("wq", 4, 6), f32("wk", 4, 3), f32("wv", 4, 2)), 0, 1, "MatMul Split"},
		{"one bias is missing", build(values(x), out, []*onnx.Node{product("wq", "a"), product("wk", "k"), product("wv", "v"), add("a", "bq", "q")},
			f32("wq", 4, 6), f32("wk", 4, 3), f32("wv", 4, 2), f32("bq", 6)), 0, 1, "MatMul Split Add"},
		{"opset 12", at(12, build(values(x), out[:2], []*onnx.Node{product("wq", "q"), product("wk", "k")}, f32("wq", 4, 6), f32("wk", 4, 3))), 0, 1, "MatMul Split"},
		{"one alone", build(values(x), out[:1], []*onnx.Node{product("wq", "q")}, f32("wq", 4, 6)), 0, 0, "MatMul"},
		{"weights of a run", build(values(x, float("wk", 4, 3)), out[:2], []*onnx.Node{product("wq", "q"), product("wk", "k")}, f32("wq", 4, 6)), 0, 0, "MatMul MatMul"},
		{"more axes", build(values(x), out[:2], []*onnx.Node{product("wq", "q"), product("wk", "k")}, f32("wq", 4, 6), f32("wk", 2, 4, 3)), 0, 0, "MatMul MatMul"},
	})
}

// TestJoinColumns: [1 2; 3 4] and [5; 6] side by side are [1 2 5; 3 4 6].
func TestJoinColumns(t *testing.T) {
	a := tensor.Tensor{DType: tensor.Int8, Shape: tensor.Shape{2, 2}, Data: []byte{1, 2, 3, 4}}
	b := tensor.Tensor{DType: tensor.Int8, Shape: tensor.Shape{2, 1}, Data: []byte{5, 6}}
	if j := joinColumns([]tensor.Tensor{a, b}); !j.Shape.Equal(tensor.Shape{2, 3}) || string(j.Data) != "\x01\x02\x05\x03\x04\x06" {
		t.Errorf("%s %v", j.Shape, j.Data)
	}
}
