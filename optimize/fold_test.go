package optimize

import (
	"context"
	"errors"
	"testing"

	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

func constant(out string, a *onnx.Attribute) *onnx.Node { return node("Constant", nil, names(out), a) }

// foldTests are models with constant parts. Counts: one for each Constant, each value of known integers, and each value
// that is computed and read by what stays.
func foldTests() []passTest {
	x := float("x", 2, 3)
	return []passTest{
		{"weights", build(values(x), values(untyped("y")), []*onnx.Node{
			node("Transpose", names("w"), names("wt")), node("Neg", names("wt"), names("wn")), node("MatMul", names("x", "wn"), names("y")),
		}, f32("w", 4, 3)), 0, 1, "MatMul"},
		{"two frontiers of one cone", build(values(x), values(untyped("y")), []*onnx.Node{
			node("Exp", names("w"), names("a")), node("Neg", names("a"), names("b")), node("Add", names("x", "a"), names("c")), node("Mul", names("c", "b"), names("y")),
		}, f32("w", 3)), 0, 2, "Add Mul"},
		{"one output of two", build(values(x), values(untyped("y")), []*onnx.Node{
			node("Split", names("w"), names("a", "b"), intAttr("num_outputs", 2)), node("Add", names("x", "b"), names("y")),
		}, f32("w", 6)), 0, 1, "Add"},
		{"Constant nodes", build(values(x), values(untyped("y")), []*onnx.Node{
			constant("a", floatAttr("value_float", 2)), constant("b", floatsAttr("value_floats", 1, 2, 3)), constant("s", intsAttr("value_ints", 3, 2)),
			constant("v", &onnx.Attribute{Name: "value", Type: onnx.AttrTensor, T: f32("", 3)}), constant("n", intAttr("value_int", 1)),
			node("Sum", names("x", "a", "b", "v"), names("t")), node("Reshape", names("t", "s"), names("u")),
			node("Gather", names("u", "n"), names("y")),
		}), 0, 5, "Sum Reshape Gather"},
		{"a known shape", build(values(x), values(untyped("y")), []*onnx.Node{
			node("Shape", names("x"), names("s")), node("Gather", names("s", "one"), names("g")), node("Concat", names("g", "two"), names("t"), intAttr("axis", 0)),
			node("Reshape", names("x", "t"), names("y")),
		}, i64("one", 1), i64("two", 2)), 0, 3, "Reshape"},
		{"a dynamic shape", build(values(float("x", "n", 3)), values(untyped("y")), []*onnx.Node{
			node("Shape", names("x"), names("s")), node("ConstantOfShape", names("s"), names("z")), node("Add", names("x", "z"), names("y")),
		}), 0, 0, "Shape ConstantOfShape Add"},
		{"random numbers", build(values(x), values(untyped("y")), []*onnx.Node{
			node("RandomUniformLike", names("w"), names("r")), node("Mul", names("r", "zero"), names("z")), node("Add", names("x", "z"), names("y")),
		}, f32("w", 3), scalar("zero", 0)), 0, 0, "RandomUniformLike Mul Add"},
		{"quantized weights", build(values(x), values(untyped("y")), []*onnx.Node{
			node("QuantizeLinear", names("w", "s"), names("q")), node("DequantizeLinear", names("q", "s"), names("d")), node("Add", names("x", "d"), names("y")),
		}, f32("w", 3), scalar("s", 0.01)), 0, 0, "QuantizeLinear DequantizeLinear Add"},
		{"a default that a caller may replace", build(values(x, float("w", 3)), values(untyped("y")), []*onnx.Node{
			node("Neg", names("w"), names("n")), node("Add", names("x", "n"), names("y")),
		}, f32("w", 3)), 0, 0, "Neg Add"},
		{"a constant output", build(values(x), values(untyped("y"), untyped("k")), []*onnx.Node{
			node("Neg", names("w"), names("k")), node("Add", names("x", "k"), names("y")),
		}, f32("w", 3)), 0, 0, "Neg Add"},
		{"too large", build(values(float("x", 1)), values(untyped("y")), []*onnx.Node{ // 600·600·4 B is over 1 MiB
			node("Expand", names("w", "s"), names("e")), node("ReduceSum", names("e"), names("r")), node("Add", names("x", "r"), names("y")),
		}, f32("w", 1), i64("s", 600, 600)), 0, 0, "Expand ReduceSum Add"},
		{"a weight that stays too", build(values(float("x", 2, 600)), values(untyped("y")), []*onnx.Node{
			node("MatMul", names("x", "w"), names("a")), node("Transpose", names("w"), names("t")), node("MatMul", names("a", "t"), names("y")),
		}, f32("w", 600, 500)), 0, 0, "MatMul Transpose MatMul"},
		{"half precision", build(values(value("x", tensor.Float16, 2)), values(value("y", tensor.Float16, 2)), []*onnx.Node{
			node("Cast", names("w"), names("h"), intAttr("to", int64(tensor.Float16))), node("Add", names("x", "h"), names("y")),
		}, f32("w", 2)), 0, 1, "Add"},
	}
}

func TestFoldConstants(t *testing.T) { check(t, foldConstants(), 0, foldTests()) }

// TestFoldLimit: MaxFold moves the limit. The result has 16·1000 B; it replaces the 4 B and 16 B that it is made of.
func TestFoldLimit(t *testing.T) {
	for _, c := range []struct {
		limit   int64
		changed int
	}{{4000*4 - 20, 1}, {4000*4 - 21, 0}, {1 << 62, 1}} {
		m := build(values(float("x", 1)), values(untyped("y")), []*onnx.Node{
			node("Expand", names("w", "s"), names("e")), node("Add", names("x", "e"), names("y")),
		}, f32("w", 1), i64("s", 40, 100))
		w := &Work{Model: m.Proto, Provider: enginetest.CPU(t), MaxFold: c.limit}
		if n, err := foldConstants().Run(context.Background(), w); n != c.changed || err != nil {
			t.Errorf("limit %d: %d values, %v", c.limit, n, err)
		}
	}
}

// TestFoldOfUnknownSize: what may be of any size is not computed before its size is known. Here the shape comes out of
// an operator that shape inference does not follow; a second run finds it stored.
func TestFoldOfUnknownSize(t *testing.T) {
	m := build(values(float("x", 1)), values(untyped("y")), []*onnx.Node{
		node("Unique", names("sizes"), names("u")), node("ConstantOfShape", names("u"), names("z")), node("Add", names("x", "z"), names("y")),
	}, i64("sizes", 3, 2, 3, 4))
	after, results := prepared(t, m.Proto, []Pass{foldConstants(), foldConstants()}, 0)
	if results[0].Changed != 1 || results[1].Changed != 1 || ops(after) != "Add" {
		t.Errorf("%v: %s", results, ops(after))
	}
	alike(t, m, after, nil, 0)
	m.Proto.Graph.Initializers = []*onnx.Tensor{i64("sizes", 1<<20, 1<<19, 1<<10)}
	after, results = prepared(t, m.Proto, []Pass{foldConstants(), foldConstants()}, 0)
	if results[0].Changed != 1 || results[1].Changed != 0 || ops(after) != "ConstantOfShape Add" {
		t.Errorf("beyond all memory: %v: %s", results, ops(after))
	}
}

// TestFoldOfLargeResults: what a few numbers are blown up to stays computed where that is large.
func TestFoldOfLargeResults(t *testing.T) {
	of := func(n int64, op string, inputs ...string) *model.Model {
		return lean(build(values(float("x", 1)), values(untyped("y")), []*onnx.Node{node(op, inputs, names("z")), node("Cast", names("z"), names("f"), intAttr("to", 1)), node("Add", names("x", "f"), names("y"))},
			i64("n", n), f32("w", 1), number64("0", 0), number64("1", 1), number64("last", n)))
	}
	var tests []passTest
	for _, c := range [][]string{{"ConstantOfShape", "n"}, {"Tile", "w", "n"}, {"Expand", "w", "n"}, {"Range", "0", "last", "1"}} {
		stored := 1
		if c[0] == "Range" {
			stored = 2 // its integers are known without running it
		}
		tests = append(tests, passTest{c[0], of(100, c[0], c[1:]...), 0, stored, "Add"}, passTest{c[0] + " of 4 MiB", of(1<<20, c[0], c[1:]...), 0, 0, c[0] + " Cast Add"})
	}
	check(t, foldConstants(), 0, tests)
}

// TestFoldInSubgraph: a constant part inside a branch is folded there.
func TestFoldInSubgraph(t *testing.T) {
	m := subgraphModel()
	then := m.Proto.Graph.Nodes[0].Attrs[0].G
	then.Initializers = append(then.Initializers, f32("w", 2))
	then.Nodes = []*onnx.Node{node("Neg", names("w"), names("n")), node("Add", names("x", "n"), names("then_branch"))}
	m.Proto.Graph.Nodes[0].Attrs[1].G.Nodes[0].Attrs = nil
	after, results := prepared(t, m.Proto, []Pass{foldConstants()}, 0)
	if inner := after.Proto.Graph.Nodes[0].Attrs[0].G; results[0].Changed != 1 || edges(inner) != "Add(x,n)then_branch" {
		t.Errorf("%v: %s", results, edges(inner))
	}
	alike(t, m, after, nil, 0)
}

// TestFoldOneSession: the whole constant part runs in one session. Where the engine cannot run it, the values are tried
// on their own and those that fail stay computed.
func TestFoldOneSession(t *testing.T) {
	m := func() *onnx.Model { return foldTests()[1].model.Proto }
	w := &Work{Model: m(), Provider: enginetest.CPU(t)}
	counted := &counting{Provider: w.Provider}
	w.Provider = counted
	if n, err := foldConstants().Run(context.Background(), w); n != 2 || err != nil || counted.opened != 1 {
		t.Errorf("%d values, %v, %d sessions", n, err, counted.opened)
	}
	counted.refuse, counted.opened = 2, 0 // the model of both values, and the first of them
	w.Model = m()
	if n, err := foldConstants().Run(context.Background(), w); n != 1 || err != nil || counted.opened != 3 {
		t.Errorf("with an engine that refuses: %d values, %v, %d sessions", n, err, counted.opened)
	}
	w.Provider, w.Model = nil, m()
	if n, err := foldConstants().Run(context.Background(), w); n != 0 || err != nil {
		t.Errorf("without an engine: %d values, %v", n, err)
	}
}

// counting counts sessions and refuses the first ones.
type counting struct {
	engine.Provider
	opened, refuse int
}

func (c *counting) Open(ctx context.Context, m *model.Model, o engine.Config) (engine.Session, error) {
	if c.opened++; c.opened <= c.refuse {
		return nil, errors.New("no such operator")
	}
	return c.Provider.Open(ctx, m, o)
}
