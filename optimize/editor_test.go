package optimize

import (
	"slices"
	"strings"
	"testing"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// chain is x → Neg → a → Abs → b → Exp → y, with an If that reads a, b and x in its branches and gives z.
func chain() *model.Model {
	branch := func(name string, n ...*onnx.Node) *onnx.Attribute {
		return &onnx.Attribute{Name: name, Type: onnx.AttrGraph, G: &onnx.Graph{Name: name, Nodes: n, Outputs: values(untyped(name))}}
	}
	return build(values(value("c", tensor.Bool), float("x", 3)), values(untyped("y"), untyped("z")), []*onnx.Node{
		node("Neg", names("x"), names("a")),
		node("Abs", names("a"), names("b")),
		node("Exp", names("b"), names("y")),
		node("If", names("c"), names("z"),
			branch("then_branch", node("Add", names("a", "b"), names("then_branch"))),
			branch("else_branch", node("Sub", names("x", "b"), names("else_branch")))),
	})
}

// consistent fails where the indices of e are not those that a new look at the graph gives.
func consistent(t *testing.T, e *Editor) {
	t.Helper()
	fresh := NewEditor(e.Model, e.Graph)
	for v, n := range fresh.producers {
		if e.producers[v] != n {
			t.Errorf("%q is said to be made by %v, and %v makes it", v, e.producers[v], n)
		}
	}
	for v, n := range e.producers {
		if fresh.producers[v] != n {
			t.Errorf("%q is said to be made by %q, which does not", v, n.Name)
		}
	}
	same := func(a, b []*onnx.Node) bool {
		return len(a) == len(b) && !slices.ContainsFunc(a, func(n *onnx.Node) bool { return !slices.Contains(b, n) })
	}
	for v := range fresh.consumers {
		if !same(e.consumers[v], fresh.consumers[v]) {
			t.Errorf("%d nodes are said to read %q, and %d do", len(e.consumers[v]), v, len(fresh.consumers[v]))
		}
	}
	for v, list := range e.consumers {
		if !same(list, fresh.consumers[v]) {
			t.Errorf("%d nodes are said to read %q, and %d do", len(list), v, len(fresh.consumers[v]))
		}
	}
	for v := range fresh.constants {
		if _, ok := e.constants[v]; !ok {
			t.Errorf("%q is constant and not said to be", v)
		}
	}
	for v := range e.constants {
		if _, ok := fresh.constants[v]; !ok {
			t.Errorf("%q is not constant", v)
		}
	}
	for v := range fresh.names() {
		if !e.names()[v] {
			t.Errorf("the name %q is taken", v)
		}
	}
}

func edges(g *onnx.Graph) string {
	var b strings.Builder
	for _, n := range g.Nodes {
		b.WriteString(n.OpType + "(" + strings.Join(n.Inputs, ",") + ")" + strings.Join(n.Outputs, ","))
		for _, s := range n.Subgraphs() {
			b.WriteString("{" + edges(s) + "}")
		}
		b.WriteString(" ")
	}
	return strings.TrimSpace(b.String())
}

// TestEditor: after each edit the graph is what it should be and the indices are true.
func TestEditor(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(e *Editor)
		want string
	}{
		{"replace an inner value", func(e *Editor) { e.Replace("b", "a") },
			"Neg(x)a Abs(a)b Exp(a)y If(c)z{Add(a,a)then_branch}{Sub(x,a)else_branch}"},
		{"replace by an input", func(e *Editor) { e.Replace("a", "x") },
			"Neg(x)a Abs(x)b Exp(b)y If(c)z{Add(x,b)then_branch}{Sub(x,b)else_branch}"},
		{"replace an output: its new maker makes it under its name", func(e *Editor) { e.Remove(e.Producer("y")); e.Replace("y", "b") },
			"Neg(x)a Abs(a)y If(c)z{Add(a,y)then_branch}{Sub(x,y)else_branch}"},
		{"replace an output whose maker stays", func(e *Editor) { e.Replace("y", "b") },
			"Neg(x)a Abs(a)y Exp(y)y_unused If(c)z{Add(a,y)then_branch}{Sub(x,y)else_branch}"},
		{"replace an output by an input", func(e *Editor) { e.Remove(e.Producer("y")); e.Replace("y", "x") },
			"Neg(x)a Abs(a)b If(c)z{Add(a,b)then_branch}{Sub(x,b)else_branch} Identity(x)y"},
		{"replace an output by another one", func(e *Editor) { e.Replace("z", "y") },
			"Neg(x)a Abs(a)b Exp(b)y If(c)z_unused{Add(a,b)then_branch}{Sub(x,b)else_branch} Identity(y)z"},
		{"a captured value keeps its reader", func(e *Editor) {
			e.Graph.Nodes[3].Inputs = append(e.Graph.Nodes[3].Inputs, "a")
			e.SetInput(e.Graph.Nodes[3], 1, "x")
		}, "Neg(x)a Abs(a)b Exp(b)y If(c,x)z{Add(a,b)then_branch}{Sub(x,b)else_branch}"},
		{"remove a node with subgraphs", func(e *Editor) { e.Remove(e.Producer("z")) }, "Neg(x)a Abs(a)b Exp(b)y"},
		{"insert a node with subgraphs", func(e *Editor) {
			n := e.Producer("z")
			e.Remove(n)
			e.Insert(n)
		}, "Neg(x)a Abs(a)b Exp(b)y If(c)z{Add(a,b)then_branch}{Sub(x,b)else_branch}"},
		{"insert a Constant", func(e *Editor) {
			e.Insert(node("Constant", nil, names("k"), &onnx.Attribute{Name: "value", Type: onnx.AttrTensor, T: f32("", 2)}))
			e.SetInput(e.Producer("y"), 0, "k")
		}, "Neg(x)a Abs(a)b Exp(k)y If(c)z{Add(a,b)then_branch}{Sub(x,b)else_branch} Constant()k"},
		{"detach", func(e *Editor) { e.detach("a", "a") },
			"Neg(x)a_1 Abs(a)b Exp(b)y If(c)z{Add(a,b)then_branch}{Sub(x,b)else_branch}"},
		{"an inner value of the new name makes room", func(e *Editor) {
			e.Graph.Nodes[3].Attrs[1].G.Nodes = append([]*onnx.Node{node("Neg", names("b"), names("x2"))}, e.Graph.Nodes[3].Attrs[1].G.Nodes...)
			e.Graph.Nodes[3].Attrs[1].G.Nodes[1].Inputs[0] = "x2"
			e.Graph.Nodes[0].Inputs[0] = "x"
			e.Reindex()
			e.Replace("b", "x2")
		}, "Neg(x)a Abs(a)b Exp(x2)y If(c)z{Add(a,x2)then_branch}{Neg(x2)x2_1 Sub(x2_1,x2)else_branch}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := chain()
			e := NewEditor(m.Proto, m.Proto.Graph)
			c.edit(e)
			if got := edges(e.Graph); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if c.name != "detach" { // leaves readers without a maker
				consistent(t, e)
			}
		})
	}
}

// TestEditorReplaceKeepsResults: an output that is replaced by what it equals stays what it was, on the real runtime.
func TestEditorReplaceKeepsResults(t *testing.T) {
	m := build(values(float("x", 3)), values(float("y", 3), float("z", 3)), []*onnx.Node{
		node("Neg", names("x"), names("a")), node("Neg", names("x"), names("y")), node("Abs", names("y"), names("z")),
	})
	after := m.Proto.Clone()
	e := NewEditor(after, after.Graph)
	e.Replace("y", "a")
	if err := e.Finish(); err != nil {
		t.Fatal(err)
	}
	if got := edges(after.Graph); got != "Neg(x)y Abs(y)z" {
		t.Errorf("got %s", got)
	}
	alike(t, m, model.New(after), nil, 0)
}

// TestOnlyReader: a value with one reader that reads it once, outside of subgraphs, and that is no output.
func TestOnlyReader(t *testing.T) {
	m := chain()
	m.Proto.Graph.Nodes = append(m.Proto.Graph.Nodes, node("Mul", names("y", "y"), names("d")), node("Neg", names("d"), names("e")))
	e := NewEditor(m.Proto, m.Proto.Graph)
	for value, want := range map[string]string{"a": "", "b": "", "y": "", "c": "", "d": "e", "e": "", "none": ""} {
		got := ""
		if n := e.OnlyReader(value); n != nil {
			got = n.Name
		}
		if got != want {
			t.Errorf("only reader of %q is %q, want %q", value, got, want)
		}
	}
}

// TestConstants: initializers and Constant nodes are constant, what a caller may give is not.
func TestConstants(t *testing.T) {
	m := build(values(float("x", 2), float("w", 2)), values(untyped("y")), []*onnx.Node{
		node("Constant", nil, names("k"), &onnx.Attribute{Name: "value", Type: onnx.AttrTensor, T: f32("", 2)}),
		node("Sum", names("x", "w", "k", "i"), names("y")),
	}, f32("w", 2), f32("i", 2))
	e := NewEditor(m.Proto, m.Proto.Graph)
	for value, want := range map[string]bool{"x": false, "w": false, "k": true, "i": true, "y": false, "": false} {
		if _, ok := e.ConstantValue(value); ok != want {
			t.Errorf("%q is constant: %v", value, ok)
		}
	}
	name, err := e.AddInitializer("i", enginetest.Floats("", nil, 1))
	if err != nil || name != "i_1" {
		t.Errorf("new initializer %q, %v", name, err)
	}
	if _, ok := e.Constant(name); !ok || e.Unique("i") != "i_2" || e.Unique("") == "" {
		t.Error("the new name is not taken, or a name is empty")
	}
}

// TestCapturedConstants: a branch sees the constants of the graphs around it, but not those that it hides.
func TestCapturedConstants(t *testing.T) {
	m := chain()
	g := m.Proto.Graph
	g.Initializers = append(g.Initializers, f32("outer", 3), f32("hidden", 3), f32("default", 3))
	g.Inputs = append(g.Inputs, float("default", 3))
	inner := g.Nodes[3].Attrs[0].G
	inner.Nodes = append(inner.Nodes, node("Neg", names("outer"), names("hidden")))
	e := NewEditor(m.Proto, inner)
	for value, want := range map[string]bool{"outer": true, "hidden": false, "default": false} {
		if _, ok := e.Constant(value); ok != want {
			t.Errorf("%q is constant: %v", value, ok)
		}
	}
}

// TestFinish: dead nodes, initializers and types go, inputs and what branches read stay, nodes are in order.
func TestFinish(t *testing.T) {
	m := chain()
	g := m.Proto.Graph
	g.Nodes = append(g.Nodes, node("Add", names("b", "unused"), names("dead")))
	g.Initializers = append(g.Initializers, f32("unused", 3))
	g.ValueInfo = values(float("dead", 3), float("b", 3))
	slices.Reverse(g.Nodes)
	e := NewEditor(m.Proto, g)
	if err := e.Finish(); err != nil {
		t.Fatal(err)
	}
	if err := m.Proto.Check(); err != nil {
		t.Error(err)
	}
	if len(g.Nodes) != 4 || len(g.Initializers) != 0 || len(g.ValueInfo) != 1 || g.Nodes[0].OpType != "Neg" {
		t.Errorf("%s; %d initializers, %d types", edges(g), len(g.Initializers), len(g.ValueInfo))
	}
	g.Nodes[0].Inputs[0] = "b"
	if err := e.Finish(); err == nil {
		t.Error("a cycle was taken")
	}
}
