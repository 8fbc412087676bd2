package optimize

import (
	"testing"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// between puts a node on "b" → "c" between Neg and Abs; its other inputs are the constants.
func between(x *onnx.ValueInfo, op string, attrs []*onnx.Attribute, constants ...*onnx.Tensor) *model.Model {
	in := names("b")
	for _, c := range constants {
		in = append(in, c.Name)
	}
	return build(values(x), values(untyped("y")), []*onnx.Node{
		node("Neg", names("x"), names("b")), node(op, in, names("c"), attrs...), node("Abs", names("c"), names("y")),
	}, constants...)
}

func TestEliminateIdentity(t *testing.T) {
	x, dynamic := float("x", 2, 3), float("x", "n", 3)
	check(t, eliminateIdentity(), 0, []passTest{
		{"identity", between(x, "Identity", nil), 0, 1, "Neg Abs"},
		{"dropout", between(x, "Dropout", nil, scalar("ratio", 0.5)), 0, 1, "Neg Abs"},
		{"cast to the same type", between(x, "Cast", list(intAttr("to", int64(tensor.Float32)))), 0, 1, "Neg Abs"},
		{"cast to another type", build(values(x), values(value("y", tensor.Float64, 2, 3)), []*onnx.Node{
			node("Neg", names("x"), names("b")), node("Cast", names("b"), names("y"), intAttr("to", int64(tensor.Float64)))}), 0, 0, "Neg Cast"},
		{"reshape to the same shape", between(x, "Reshape", nil, i64("s", 2, -1)), 0, 1, "Neg Abs"},
		{"reshape to another shape", between(x, "Reshape", nil, i64("s", 3, 2)), 0, 0, "Neg Reshape Abs"},
		{"reshape of a dynamic axis", between(dynamic, "Reshape", nil, i64("s", -1, 3)), 0, 1, "Neg Abs"},
		{"flatten of two axes", between(dynamic, "Flatten", nil), 0, 1, "Neg Abs"},
		{"flatten of three", between(float("x", 2, 3, 1), "Flatten", nil), 0, 0, "Neg Flatten Abs"},
		{"expand", between(x, "Expand", nil, i64("s", 1, 3)), 0, 1, "Neg Abs"},
		{"expand that may broadcast", between(dynamic, "Expand", nil, i64("s", 2, 3)), 0, 0, "Neg Expand Abs"},
		{"transpose", between(x, "Transpose", list(intsAttr("perm", 0, 1))), 0, 1, "Neg Abs"},
		{"transpose that turns", between(float("x", 3, 3), "Transpose", nil), 0, 0, "Neg Transpose Abs"},
		{"pad by nothing", between(x, "Pad", nil, i64("p", 0, 0, 0, 0)), 0, 1, "Neg Abs"},
		{"pad", between(x, "Pad", nil, i64("p", 0, 1, 0, -1)), 0, 0, "Neg Pad Abs"},
		{"slice of all", between(x, "Slice", nil, i64("from", 0), i64("to", 99), i64("at", 1)), 0, 1, "Neg Abs"},
		{"slice backwards", between(x, "Slice", nil, i64("from", 2), i64("to", -99), i64("at", 1), i64("step", -1)), 0, 0, "Neg Slice Abs"},
		{"concat of one", between(dynamic, "Concat", list(intAttr("axis", 0))), 0, 1, "Neg Abs"},
		{"concat of two", between(x, "Concat", list(intAttr("axis", 0)), f32("k", 1, 3)), 0, 0, "Neg Concat Abs"},
		{"tile once", between(x, "Tile", nil, i64("r", 1, 1)), 0, 1, "Neg Abs"},
		{"tile once of a dynamic axis", between(float("x", "n", 3), "Tile", nil, i64("r", 1, 1)), 0, 1, "Neg Abs"},
		{"tile twice", between(x, "Tile", nil, i64("r", 1, 2)), 0, 0, "Neg Tile Abs"},
		{"gather of all", between(x, "Gather", list(intAttr("axis", 1)), i64("i", 0, 1, 2)), 0, 1, "Neg Abs"},
		{"gather in another order", between(x, "Gather", list(intAttr("axis", 1)), i64("i", 0, 2, 1)), 0, 0, "Neg Gather Abs"},
		{"gather of as many as there may be", between(dynamic, "Gather", nil, i64("i", 0)), 0, 0, "Neg Gather Abs"},
		{"gather of some", between(x, "Gather", list(intAttr("axis", 1)), i64("i", 0, 1)), 0, 0, "Neg Gather Abs"},
		{"split into one", between(x, "Split", list(intAttr("axis", 1)), i64("s", 3)), 0, 1, "Neg Abs"},
		{"a sum over nothing", between(dynamic, "ReduceSum", list(intAttr("noop_with_empty_axes", 1))), 0, 1, "Neg Abs"},
		{"a sum over an empty list", between(dynamic, "ReduceSum", list(intAttr("noop_with_empty_axes", 1)), i64("a")), 0, 1, "Neg Abs"},
		{"a sum over all", between(dynamic, "ReduceSum", nil), 0, 0, "Neg ReduceSum Abs"},
		{"a sum of squares over nothing", between(dynamic, "ReduceSumSquare", list(intAttr("noop_with_empty_axes", 1))), 0, 0, "Neg ReduceSumSquare Abs"},
		{"a mean of one element", between(float("x", "n", 1), "ReduceMean", nil, i64("a", 1)), 0, 1, "Neg Abs"},
		{"a norm of one element", between(float("x", "n", 1), "ReduceL1", nil, i64("a", 1)), 0, 0, "Neg ReduceL1 Abs"},
		{"a transpose of single elements", between(float("x", 1, 1, 5), "Transpose", list(intsAttr("perm", 1, 0, 2))), 0, 1, "Neg Abs"},
		{"a transpose of what may be single elements", between(float("x", "n", 1, 5), "Transpose", list(intsAttr("perm", 1, 0, 2))), 0, 0, "Neg Transpose Abs"},
		{"castlike", between(x, "CastLike", nil, scalar("k", 1)), 0, 1, "Neg Abs"},
		{"squeeze of nothing", between(x, "Squeeze", nil), 0, 1, "Neg Abs"},
		{"an input as output", build(values(x), values(untyped("y")), []*onnx.Node{node("Identity", names("x"), names("y"))}), 0, 0, "Identity"},
		{"an output of an output", build(values(x), values(untyped("b"), untyped("y")), []*onnx.Node{
			node("Neg", names("x"), names("b")), node("Identity", names("b"), names("y"))}), 0, 0, "Neg Identity"},
		{"an output", build(values(x), values(untyped("y"), untyped("z")), []*onnx.Node{
			node("Neg", names("x"), names("b")), node("Identity", names("b"), names("y")), node("Abs", names("b"), names("z"))}), 0, 1, "Neg Abs"},
	})
}

func TestEliminateCommon(t *testing.T) {
	x := float("x", 2, 3)
	check(t, eliminateCommon(), 0, []passTest{
		{"a chain twice", build(values(x), values(untyped("y")), []*onnx.Node{
			node("Neg", names("x"), names("a")), node("Neg", names("x"), names("b")), node("Exp", names("a"), names("c")), node("Exp", names("b"), names("d")),
			node("Add", names("c", "d"), names("y"))}), 0, 2, "Neg Exp Add"},
		{"other attributes", build(values(x), values(untyped("y")), []*onnx.Node{
			node("LeakyRelu", names("x"), names("a"), floatAttr("alpha", 0.1)), node("LeakyRelu", names("x"), names("b"), floatAttr("alpha", 0.2)),
			node("Add", names("a", "b"), names("y"))}), 0, 0, "LeakyRelu LeakyRelu Add"},
		{"other order of attributes", build(values(x), values(untyped("y")), []*onnx.Node{
			node("ArgMax", names("x"), names("a"), intAttr("axis", 1), intAttr("keepdims", 1)), node("ArgMax", names("x"), names("b"), intAttr("keepdims", 1), intAttr("axis", 1)),
			node("Add", names("a", "b"), names("s")), node("Cast", names("s"), names("y"), intAttr("to", 1))}), 0, 1, "ArgMax Add Cast"},
		{"random numbers", build(values(x), values(untyped("y")), []*onnx.Node{
			node("RandomUniformLike", names("x"), names("a")), node("RandomUniformLike", names("x"), names("b")),
			node("Add", names("a", "b"), names("s")), node("Mul", names("s", "zero"), names("y"))}, scalar("zero", 0)), 0, 0, "RandomUniformLike RandomUniformLike Add Mul"},
		{"two outputs", build(values(x), values(untyped("y"), untyped("z")), []*onnx.Node{
			node("Neg", names("x"), names("y")), node("Neg", names("x"), names("z"))}), 0, 0, "Neg Neg"},
		{"one output", build(values(x), values(untyped("y"), untyped("z")), []*onnx.Node{
			node("Neg", names("x"), names("a")), node("Neg", names("x"), names("z")), node("Abs", names("a"), names("y"))}), 0, 1, "Neg Abs"},
	})
}

func TestShareInitializers(t *testing.T) {
	x := float("x", 3)
	nan := func(name string) *onnx.Tensor {
		return enginetest.Initializer(tensor.Tensor{Name: name, DType: tensor.Float32, Shape: tensor.Shape{1}, Data: []byte{0, 0, 0xc0, 0x7f}})
	}
	check(t, shareInitializers(), 0, []passTest{
		{"three alike, one of another shape", build(values(x), values(untyped("y")), []*onnx.Node{node("Sum", names("x", "a", "b", "c", "d"), names("y"))},
			f32("a", 3), f32("b", 3), f32("c", 1, 3), f32("d", 3)), 0, 2, "Sum"},
		{"NaN is itself", build(values(x), values(untyped("y")), []*onnx.Node{node("Sum", names("x", "a", "b"), names("y"))}, nan("a"), nan("b")), 0, 1, "Sum"},
		{"zero has two signs", build(values(x), values(untyped("y")), []*onnx.Node{node("Sum", names("x", "a", "b"), names("y"))},
			scalar("a", 0), enginetest.Initializer(tensor.Tensor{Name: "b", DType: tensor.Float32, Shape: tensor.Shape{}, Data: []byte{0, 0, 0, 0x80}})), 0, 0, "Sum"},
		{"a default stays", build(values(x, float("a", 3)), values(untyped("y")), []*onnx.Node{node("Sum", names("x", "a", "b"), names("y"))}, f32("a", 3), f32("b", 3)), 0, 0, "Sum"},
	})
}

// TestEliminateDead counts a node and an initializer that only it reads, and leaves what a branch reads.
func TestEliminateDead(t *testing.T) {
	m := chain()
	g := m.Proto.Graph
	g.Nodes = append(g.Nodes, node("Add", names("b", "w"), names("d")))
	g.Initializers = append(g.Initializers, f32("w", 3))
	after, results := prepared(t, m.Proto, []Pass{eliminateDead()}, 0)
	if results[0].Changed != 2 || ops(after) != "Neg Abs Exp If" {
		t.Errorf("%v: %s", results, ops(after))
	}
}

// TestNameNodes: names that stand stay, others come from operator and output, all are different, in subgraphs too, and
// a second run changes nothing.
func TestNameNodes(t *testing.T) {
	m := chain()
	g := m.Proto.Graph
	g.Nodes[0].Name, g.Nodes[1].Name, g.Nodes[2].Name = "", "Neg_a", "Neg_a"
	g.Nodes[3].Attrs[0].G.Nodes[0].Name = ""
	after, results := prepared(t, m.Proto, []Pass{nameNodes(), nameNodes()}, 0)
	n := after.Proto.Graph.Nodes
	inner := n[3].Attrs[0].G.Nodes[0].Name
	if n[0].Name != "Neg_a_1" || n[1].Name != "Neg_a" || n[2].Name != "Exp_y" || inner != "Add_then_branch" {
		t.Errorf("names %q %q %q, inside %q", n[0].Name, n[1].Name, n[2].Name, inner)
	}
	if results[0].Changed != 3 || results[1].Changed != 0 {
		t.Errorf("changed %v", results)
	}
}

// TestDropInitializerInputs: up to IR version 3 initializers go off the inputs; later ones are defaults and stay.
func TestDropInitializerInputs(t *testing.T) {
	m := at(7, build(values(float("x", 2), float("w", 2)), values(untyped("y")), []*onnx.Node{node("Add", names("x", "w"), names("y"))}, f32("w", 2)))
	after, results := prepared(t, m.Proto, []Pass{dropInitializerInputs()}, 0)
	if results[0].Changed != 1 || len(after.Proto.Graph.Inputs) != 1 || after.Proto.IRVersion != 4 {
		t.Errorf("%v, %d inputs, IR version %d", results, len(after.Proto.Graph.Inputs), after.Proto.IRVersion)
	}
	alike(t, m, after, nil, 0)
	m.Proto.IRVersion = 4
	if _, results := prepared(t, m.Proto, []Pass{dropInitializerInputs()}, 0); results[0].Changed != 0 {
		t.Error("a default was taken away")
	}
}
