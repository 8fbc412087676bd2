package optimize

import (
	"testing"

	"infer/model"
	"infer/model/onnx"
)

// attentionModel is self-attention of three heads of width 2 on "x"; edit may change its nodes, which it gets by their
// outputs.
func attentionModel(x *onnx.ValueInfo, edit func(m *model.Model, by map[string]*onnx.Node)) *model.Model {
	side := func(name string, perm ...int64) []*onnx.Node {
		return []*onnx.Node{
			node("MatMul", names("x", "w"+name), names(name+"0")), node("Add", names(name+"0", "b"+name), names(name+"1")),
			node("Reshape", names(name+"1", "split"), names(name+"2")), node("Transpose", names(name+"2"), names(name), intsAttr("perm", perm...)),
		}
	}
	nodes := append(append(side("q", 0, 2, 1, 3), side("k", 0, 2, 3, 1)...), side("v", 0, 2, 1, 3)...)
	nodes = append(nodes, node("MatMul", names("q", "k"), names("s")), node("Div", names("s", "root"), names("d")), node("Softmax", names("d"), names("p")),
		node("MatMul", names("p", "v"), names("m")), node("Transpose", names("m"), names("t"), intsAttr("perm", 0, 2, 1, 3)), node("Reshape", names("t", "join"), names("y")))
	m := build(values(x), values(untyped("y")), nodes, f32("wq", 4, 6), f32("bq", 6), f32("wk", 4, 6), f32("bk", 6), f32("wv", 4, 6), f32("bv", 6),
		scalar("root", 1.5), i64("split", 0, 0, 3, 2), i64("join", 0, 0, 6))
	if edit != nil {
		by := map[string]*onnx.Node{}
		for _, n := range m.Proto.Graph.Nodes {
			by[n.Outputs[0]] = n
		}
		edit(m, by)
	}
	if err := NewEditor(m.Proto, m.Proto.Graph).Finish(); err != nil {
		panic(err)
	}
	return m
}

func TestFuseAttention(t *testing.T) {
	type nodesOf = map[string]*onnx.Node
	of := func(edit func(m *model.Model, by nodesOf)) *model.Model {
		return attentionModel(float("x", 2, 5, 4), edit)
	}
	masked := of(func(m *model.Model, by nodesOf) {
		m.Proto.Graph.Nodes = append(m.Proto.Graph.Nodes, node("Add", names("d", "mask"), names("masked")))
		m.Proto.Graph.Initializers = append(m.Proto.Graph.Initializers, f32("mask", 5))
		by["p"].Inputs[0] = "masked"
	})
	crossed := attentionModel(float("x", 2, 4, 4), func(m *model.Model, by nodesOf) {
		m.Proto.Graph.Nodes = append(m.Proto.Graph.Nodes, node("Neg", names("x"), names("other")))
		by["k0"].Inputs[0] = "other"
	})
	plain := ops(of(nil))
	check(t, FuseAttention(), 1e-5, []passTest{
		{"fixed sizes", of(nil), 0, 1, "Attention"},
		{"dynamic axes", attentionModel(float("x", "batch", "rows", 4), nil), 0, 1, "Attention"},
		{"scaled by a factor", of(func(_ *model.Model, by nodesOf) { by["d"].OpType = "Mul" }), 0, 1, "Attention"},
		{"not scaled", of(func(_ *model.Model, by nodesOf) { by["p"].Inputs[0] = "s" }), 0, 1, "Attention"},
		{"keys without a bias", of(func(_ *model.Model, by nodesOf) { by["k2"].Inputs[0] = "k0" }), 0, 1, "Attention"},
		{"queries that are the keys", of(func(_ *model.Model, by nodesOf) { by["q2"].Inputs[0] = "k1" }), 0, 1, "Attention"},
		{"softmax over another axis", of(func(_ *model.Model, by nodesOf) { by["p"].Attrs = list(intAttr("axis", 2)) }), 0, 0, plain},
		{"the probabilities are read", of(func(m *model.Model, _ nodesOf) { m.Proto.Graph.Outputs = append(m.Proto.Graph.Outputs, untyped("p")) }), 0, 0, plain},
		{"a mask", masked, 0, 0, ops(masked)},
		{"keys of something else", crossed, 0, 0, ops(crossed)},
	})
	after, _ := prepared(t, of(nil).Proto, []Pass{FuseAttention()}, 0)
	if d := after.Proto.Graph.Nodes[0].Domain; d != "com.microsoft" || after.Proto.Opset(d) != 1 {
		t.Errorf("domain %q, version %d", d, after.Proto.Opset(d))
	}
}
