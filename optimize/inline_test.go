package optimize

import (
	"testing"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// graph is an attribute that holds a graph of float32 outputs.
func graph(name string, outputs []string, inputs []*onnx.ValueInfo, nodes ...*onnx.Node) *onnx.Attribute {
	g := &onnx.Graph{Name: name, Nodes: nodes, Inputs: inputs}
	for _, o := range outputs {
		g.Outputs = append(g.Outputs, untyped(o))
	}
	return &onnx.Attribute{Name: name, Type: onnx.AttrGraph, G: g}
}

// branches are those of an If with one output, Exp and Abs of "a".
func branches() []*onnx.Attribute {
	return list(graph("then_branch", names("t"), nil, node("Exp", names("a"), names("t"))), graph("else_branch", names("e"), nil, node("Abs", names("a"), names("e"))))
}

func TestInlineIf(t *testing.T) {
	x := float("x", 2, 3)
	yes, no := boolean("yes", tensor.Shape{}, 1), boolean("no", tensor.Shape{1}, 0)
	of := func(outputs []string, n ...*onnx.Node) *model.Model {
		var out []*onnx.ValueInfo
		for _, o := range outputs {
			out = append(out, untyped(o))
		}
		nodes := append([]*onnx.Node{node("Neg", names("x"), names("a"))}, n...)
		return lean(build(values(x), out, nodes, yes, no, f32("k", 3)))
	}
	branch := func(cond string, out []string, attrs ...*onnx.Attribute) *onnx.Node {
		return node("If", names(cond), out, attrs...)
	}
	relu := func(in, out string) *onnx.Node { return node("Relu", names(in), names(out)) }
	stored := graph("then_branch", names("t"), nil, node("Add", names("a", "w"), names("t")))
	stored.G.Initializers = []*onnx.Tensor{f32("w", 3)}
	same := graph("else_branch", names("i", "j"), nil, node("Identity", names("a"), names("i")), node("Identity", names("a"), names("j")))
	twice := graph("then_branch", names("t", "t"), nil, node("Exp", names("a"), names("t")))
	both := of(names("p", "q"), branch("yes", names("p", "q"), twice, same)) // for which the runtime gives one of the two alone
	if after, _ := prepared(t, both.Proto, []Pass{inlineBranches()}, 0); ops(after) != "Neg Exp Identity" {
		t.Errorf("one value twice: %s", ops(after))
	}
	annotated := branches()
	annotated[0].G.Unknown = []byte{0x72, 0} // an empty quantization_annotation
	nested := branch("yes", names("t"), branches()...)
	check(t, inlineBranches(), 0, []passTest{
		{"true", of(names("z"), branch("yes", names("y"), branches()...), relu("y", "z")), 0, 1, "Neg Exp Relu"},
		{"false", of(names("z"), branch("no", names("y"), branches()...), relu("y", "z")), 0, 1, "Neg Abs Relu"},
		{"an output", of(names("y"), branch("yes", names("y"), branches()...)), 0, 1, "Neg Exp"},
		{"names that are taken", of(names("z"), relu("a", "t"), branch("yes", names("y"), branches()...), node("Add", names("t", "y"), names("z"))), 0, 1, "Neg Relu Exp Add"},
		{"two with the same names", of(names("z"), branch("yes", names("p"), branches()...), branch("yes", names("q"), branches()...), node("Add", names("p", "q"), names("z"))), 0, 2, "Neg Exp Exp Add"},
		{"a constant of its own", of(names("z"), branch("yes", names("y"), stored, branches()[1]), relu("y", "z")), 0, 1, "Neg Add Relu"},
		{"one in another", of(names("z"), branch("yes", names("y"), graph("then_branch", names("t"), nil, nested), branches()[1]), relu("y", "z")), 0, 2, "Neg Exp Relu"},
		{"nothing but what is there", of(names("z"), branch("no", names("p", "q"), twice, same), node("Add", names("p", "q"), names("z"))), 0, 1, "Neg Identity Identity Add"},
		{"a condition that is not constant", build(values(x, value("c", tensor.Bool)), values(untyped("y")), []*onnx.Node{node("Neg", names("x"), names("a")), branch("c", names("y"), branches()...)}), 0, 0, "Neg If"},
		{"a default that a caller may replace", build(values(x, value("yes", tensor.Bool)), values(untyped("y")), []*onnx.Node{node("Neg", names("x"), names("a")), branch("yes", names("y"), branches()...)}, yes), 0, 0, "Neg If"},
		{"annotations", of(names("y"), branch("yes", names("y"), annotated...)), 0, 0, "Neg If"},
	})
}

// TestInlineKnownCondition: a condition that the declared shapes decide is constant, one that they leave open is not.
func TestInlineKnownCondition(t *testing.T) {
	of := func(dims ...any) *model.Model {
		return build(values(float("x", dims...)), values(untyped("y")), []*onnx.Node{node("Neg", names("x"), names("a")),
			node("Shape", names("x"), names("s")), node("Gather", names("s", "0"), names("n")), node("Equal", names("n", "1"), names("c")), node("If", names("c"), names("y"), branches()...)},
			number64("0", 0), number64("1", 1))
	}
	check(t, inlineBranches(), 0, []passTest{
		{"one row", of(1, 3), 0, 1, "Neg Exp"},
		{"more rows", of(4, 3), 0, 1, "Neg Abs"},
		{"any number of rows", of("n", 3), 0, 0, "Neg Shape Gather Equal If"},
	})
}

func TestInlineLoop(t *testing.T) {
	x := float("x", 2, 3)
	body := func(scans ...string) *onnx.Attribute {
		in := values(value("i", tensor.Int64), value("go", tensor.Bool), float("v", 2, 3))
		g := graph("body", nil, in, node("Identity", names("go"), names("on")), node("Cast", names("i"), names("f"), intAttr("to", 1)),
			node("Add", names("v", "f"), names("s")), node("Add", names("s", "a"), names("w")))
		g.G.Outputs = values(value("on", tensor.Bool), float("w", 2, 3))
		for _, s := range scans {
			g.G.Outputs = append(g.G.Outputs, untyped(s))
		}
		return g
	}
	of := func(trips, cond string, outputs []string, b *onnx.Attribute) *model.Model {
		return lean(build(values(x), values(untyped("z")), []*onnx.Node{node("Neg", names("x"), names("a")), node("Loop", names(trips, cond, "x"), outputs, b),
			node("Relu", names(outputs[len(outputs)-1]), names("z"))}, number64("0", 0), number64("1", 1), number64("2", 2), boolean("yes", tensor.Shape{}, 1), boolean("no", tensor.Shape{}, 0)))
	}
	check(t, inlineBranches(), 0, []passTest{
		{"once", of("1", "", names("y"), body()), 0, 1, "Neg Cast Add Add Relu"},
		{"once while true", of("1", "yes", names("y"), body()), 0, 1, "Neg Cast Add Add Relu"},
		{"never", of("0", "", names("y"), body()), 0, 1, "Relu"},
		{"never while false", of("2", "no", names("y"), body()), 0, 1, "Relu"},
		{"twice", of("2", "", names("y"), body()), 0, 0, "Neg Loop Relu"},
		{"once with what it collects", of("1", "", names("y", "all"), body("s")), 0, 0, "Neg Loop Relu"},
		{"until it ends itself", of("", "yes", names("y"), func() *onnx.Attribute {
			b := body()
			b.G.Nodes[0] = node("Not", names("go"), names("on"))
			return b
		}()), 0, 0, "Neg Loop Relu"},
	})
	// The states of a loop that never runs are outputs: two Identity nodes are no more than the Loop and its body.
	in := values(value("i", tensor.Int64), value("go", tensor.Bool), float("v", 2, 3))
	g := graph("body", nil, in, node("Identity", names("go"), names("on")), node("Neg", names("v"), names("w")))
	g.G.Outputs = values(value("on", tensor.Bool), float("w", 2, 3))
	m := build(values(x), values(untyped("y")), []*onnx.Node{node("Loop", names("0", "", "x"), names("y"), g)}, enginetest.Initializer(enginetest.Int64s("0", tensor.Shape{}, 0)))
	check(t, inlineBranches(), 0, []passTest{{"an input as output", m, 0, 1, "Identity"}})
}
