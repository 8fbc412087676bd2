package optimize

import (
	"math"
	"testing"

	"infer/model"
	"infer/model/onnx"
)

// parts is a model of nodes on "x" that make "y", with the numbers that activations are written with.
func parts(t *testing.T, opset int64, nodes ...*onnx.Node) *model.Model {
	t.Helper()
	var own []*onnx.Node
	for _, n := range nodes {
		own = append(own, n.Clone())
	}
	m := build(values(float("x", 4, 50)), values(untyped("y")), own, scalar("1", 1), scalar("2", 2), scalar("3", 3), scalar("6", 6), scalar("0", 0), scalar("half", 0.5),
		scalar("sixth", 1.0/6), scalar("√2", math.Sqrt2), scalar("√½", math.Sqrt2/2), scalar("√2π", float32(math.Sqrt(2/math.Pi))), scalar("cubic", 0.044715), scalar("1.702", 1.702), f32("row", 50))
	m.Proto.Opsets[0].Version, m.Proto.IRVersion = opset, IRVersion(opset)
	if err := NewEditor(m.Proto, m.Proto.Graph).Finish(); err != nil {
		t.Fatal(err)
	}
	return m
}

func two(op, a, b, y string) *onnx.Node { return node(op, names(a, b), names(y)) }

func TestFuseActivation(t *testing.T) {
	one := func(op, a, y string, attrs ...*onnx.Attribute) *onnx.Node {
		return node(op, names(a), names(y), attrs...)
	}
	clip := node("Clip", names("s", "0", "6"), names("c"))
	hard := []*onnx.Node{two("Add", "x", "3", "s"), clip}
	with := func(list []*onnx.Node, more ...*onnx.Node) []*onnx.Node {
		return append(list[:len(list):len(list)], more...)
	}
	erf := []*onnx.Node{two("Div", "x", "√2", "r"), one("Erf", "r", "e"), two("Add", "e", "1", "s")}
	tanh := []*onnx.Node{node("Pow", names("x", "3"), names("x3")), two("Mul", "x3", "cubic", "t3"), two("Add", "x", "t3", "p"), two("Mul", "p", "√2π", "u"),
		one("Tanh", "u", "h"), two("Add", "1", "h", "s")}
	factored := []*onnx.Node{two("Mul", "cubic", "x", "a"), two("Mul", "a", "x", "b"), two("Add", "b", "1", "p"), two("Mul", "x", "√2π", "v"), two("Mul", "v", "p", "u"),
		one("Tanh", "u", "h"), two("Add", "h", "1", "s")}
	ending := []*onnx.Node{two("Mul", "x", "half", "m"), two("Mul", "m", "s", "y")}
	read := parts(t, 14, with(hard, two("Mul", "x", "c", "m"), two("Div", "m", "6", "y"))...)
	read.Proto.Graph.Outputs = append(read.Proto.Graph.Outputs, untyped("c"))
	check(t, fuseActivation(), 1e-6, []passTest{
		{"hard swish, divided last", parts(t, 14, with(hard, two("Mul", "x", "c", "m"), two("Div", "m", "6", "y"))...), 0, 1, "HardSwish"},
		{"hard swish, divided first", parts(t, 14, with(hard, two("Div", "c", "6", "d"), two("Mul", "x", "d", "y"))...), 0, 2, "HardSwish"},
		{"hard swish, a factor", parts(t, 14, with(hard, two("Mul", "x", "c", "m"), two("Mul", "sixth", "m", "y"))...), 0, 1, "HardSwish"},
		{"hard swish by its gate", parts(t, 14, one("HardSigmoid", "x", "h", floatAttr("alpha", 1.0/6)), two("Mul", "h", "x", "y")), 0, 1, "HardSwish"},
		{"another gate", parts(t, 14, one("HardSigmoid", "x", "h"), two("Mul", "h", "x", "y")), 0, 0, "HardSigmoid Mul"},
		{"hard swish before it was", parts(t, 13, with(hard, two("Mul", "x", "c", "m"), two("Div", "m", "6", "y"))...), 0, 0, "Add Clip Mul Div"},
		{"hard sigmoid", parts(t, 13, with(hard, two("Div", "c", "6", "y"))...), 0, 1, "HardSigmoid"},
		{"not by its bound", parts(t, 13, with(hard, two("Div", "c", "3", "y"))...), 0, 0, "Add Clip Div"},
		{"the gate is read", read, 0, 0, "Add Clip Mul Div"},
		{"mish", parts(t, 18, one("Softplus", "x", "p"), one("Tanh", "p", "h"), two("Mul", "x", "h", "y")), 0, 1, "Mish"},
		{"mish before it was", parts(t, 17, one("Softplus", "x", "p"), one("Tanh", "p", "h"), two("Mul", "x", "h", "y")), 0, 0, "Softplus Tanh Mul"},
		{"gelu", parts(t, 20, with(erf, ending...)...), 0, 1, "Gelu"},
		{"gelu, halved last", parts(t, 20, with(erf, two("Mul", "s", "x", "m"), two("Mul", "half", "m", "y"))...), 0, 1, "Gelu"},
		{"gelu, divided by two", parts(t, 20, with(erf, two("Mul", "s", "x", "m"), two("Div", "m", "2", "y"))...), 0, 1, "Gelu"},
		{"gelu before it was", parts(t, 19, with(erf, ending...)...), 0, 0, "Div Erf Add Mul Mul"},
		{"gelu by tanh", parts(t, 20, with(tanh, ending...)...), 0, 1, "Gelu"},
		{"gelu by tanh, factored", parts(t, 20, with(factored, ending...)...), 0, 1, "Gelu"},
		{"another root", parts(t, 20, with([]*onnx.Node{two("Mul", "x", "half", "r")}, with(erf[1:], ending...)...)...), 0, 0, "Mul Erf Add Mul Mul"},
		{"not halved", parts(t, 20, with(erf, two("Mul", "s", "x", "y"))...), 0, 0, "Div Erf Add Mul"},
	})
}

// TestFuseSwish: which runtime knows an operator of opset 24 is not asked here, so outputs are not compared.
func TestFuseSwish(t *testing.T) {
	plain := []*onnx.Node{node("Sigmoid", names("x"), names("s")), two("Mul", "x", "s", "y")}
	scaled := []*onnx.Node{two("Mul", "x", "1.702", "a"), node("Sigmoid", names("a"), names("s")), two("Mul", "s", "x", "y")}
	for _, c := range []struct {
		name  string
		opset int64
		nodes []*onnx.Node
		ops   string
		alpha float32
	}{
		{"plain", 24, plain, "Swish", 1},
		{"with alpha", 24, scaled, "Swish", 1.702},
		{"before it was", 23, plain, "Sigmoid Mul", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			after, _ := prepared(t, parts(t, c.opset, c.nodes...).Proto, []Pass{fuseActivation()}, 0)
			if ops(after) != c.ops || after.Proto.Graph.Nodes[0].Float("alpha", 1) != c.alpha {
				t.Errorf("became %s with alpha %v", ops(after), after.Proto.Graph.Nodes[0].Float("alpha", 1))
			}
		})
	}
}

func TestFuseRMSNorm(t *testing.T) {
	mean := node("ReduceMean", names("q", "axes"), names("v"))
	base := []*onnx.Node{node("Pow", names("x", "2"), names("q")), mean, two("Add", "v", "eps", "e"), node("Sqrt", names("e"), names("d"))}
	of := func(opset int64, list []*onnx.Node, more ...*onnx.Node) *model.Model {
		m := parts(t, opset, append(list[:len(list):len(list)], more...)...)
		m.Proto.Graph.Initializers = append(m.Proto.Graph.Initializers, i64("axes", -1), i64("first", 0), scalar("eps", 1e-5))
		return m
	}
	unused := func(m *model.Model) *model.Model {
		if err := NewEditor(m.Proto, m.Proto.Graph).Finish(); err != nil {
			t.Fatal(err)
		}
		return m
	}
	over := []*onnx.Node{two("Div", "x", "d", "n"), two("Mul", "n", "row", "y")}
	by := []*onnx.Node{node("Reciprocal", names("d"), names("i")), two("Mul", "x", "i", "n"), two("Mul", "row", "n", "y")}
	one := []*onnx.Node{two("Div", "1", "d", "i"), two("Mul", "x", "i", "n"), two("Mul", "row", "n", "y")}
	square := append([]*onnx.Node{two("Mul", "x", "x", "q")}, base[1:]...)
	elsewhere := append([]*onnx.Node{base[0], node("ReduceMean", names("q", "first"), names("v"))}, base[2:]...)
	const written = "Pow ReduceMean Add Sqrt Div Mul"
	check(t, fuseRMSNorm(), 1e-5, []passTest{
		{"divided", unused(of(23, base, over...)), 0, 1, "RMSNormalization"},
		{"by the reciprocal", unused(of(23, base, by...)), 0, 1, "RMSNormalization"},
		{"by one over it", unused(of(23, square, one...)), 0, 1, "RMSNormalization"},
		{"before it was", unused(of(22, base, over...)), 0, 0, written},
		{"over another axis", unused(of(23, elsewhere, over...)), 0, 0, written},
		{"without a scale", unused(of(23, base, two("Div", "x", "d", "y"))), 0, 0, "Pow ReduceMean Add Sqrt Div"},
	})
}
