package onnx

import (
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model/tensor"
)

func node(op, in, out string) *Node {
	return &Node{OpType: op, Inputs: strings.Fields(in), Outputs: strings.Fields(out)}
}

func values(names string) (list []*ValueInfo) {
	for _, n := range strings.Fields(names) {
		list = append(list, &ValueInfo{Name: n})
	}
	return list
}

// branch returns an If node whose one branch is a graph of the given nodes.
func branch(out string, body *Graph) *Node {
	return &Node{OpType: "If", Outputs: []string{out}, Attrs: []*Attribute{{Name: "then_branch", Type: AttrGraph, G: body}}}
}

func TestCheck(t *testing.T) {
	type g = Graph
	w := func(n int64) *Tensor { return raw("w", tensor.Int8, tensor.Shape{n}, int(n)) }
	huge := raw("huge", tensor.Float32, tensor.Shape{50000, 50000}, 4)
	// What passes was run with ONNX Runtime 1.30.0; what is refused, it refuses too.
	tests := []struct {
		name string
		g    g
		want string // part of the error; "" passes
	}{
		{"plain", g{Inputs: values("x"), Nodes: []*Node{node("Relu", "x", "y")}, Outputs: values("y")}, ""},
		{"not sorted", g{Inputs: values("x"), Nodes: []*Node{node("Relu", "a", "y"), node("Neg", "x", "a")}, Outputs: values("y")}, ""},
		{"initializer is an input too", g{Inputs: values("x w"), Initializers: []*Tensor{w(2)}, Nodes: []*Node{node("Add", "x w", "y")}, Outputs: values("y")}, ""},
		{"initializer twice alike", g{Inputs: values("x"), Initializers: []*Tensor{w(2), w(2)}, Nodes: []*Node{node("Add", "x w", "y")}, Outputs: values("y")}, ""},
		{"input is output", g{Inputs: values("x"), Outputs: values("x")}, ""},
		{"initializer is output", g{Initializers: []*Tensor{w(2)}, Outputs: values("w")}, ""},
		{"output twice", g{Inputs: values("x"), Nodes: []*Node{node("Relu", "x", "y")}, Outputs: values("y y")}, ""},
		{"omitted inputs and outputs", g{Inputs: values("x"), Nodes: []*Node{{OpType: "A", Inputs: []string{"", "x", ""}, Outputs: []string{"", "y"}}, {OpType: "A", Outputs: []string{"", "z"}}}, Outputs: values("y")}, ""},
		{"constant and initializer", g{Initializers: []*Tensor{w(2)}, Nodes: []*Node{node("Constant", "", "w"), node("Neg", "w", "y")}, Outputs: values("y")}, ""},
		{"subgraph reads a later value", g{Inputs: values("x"), Nodes: []*Node{branch("y", &g{Nodes: []*Node{node("Neg", "l", "p")}, Outputs: values("p")}), node("Relu", "x", "l")}, Outputs: values("y")}, ""},
		{"subgraphs in subgraphs", g{Inputs: values("x"), Nodes: []*Node{branch("y", &g{Nodes: []*Node{branch("p", &g{Nodes: []*Node{node("Neg", "x", "q")}, Outputs: values("q")})}, Outputs: values("p")})}, Outputs: values("y")}, ""},
		{"no outputs", g{Inputs: values("x"), Nodes: []*Node{node("Relu", "x", "y")}}, "no outputs"},
		{"output of nothing", g{Inputs: values("x"), Nodes: []*Node{node("Relu", "x", "y")}, Outputs: values("y z")}, `output "z"`},
		{"input of nothing", g{Nodes: []*Node{node("Relu", "x", "y")}, Outputs: values("y")}, `the Relu node that makes "y" reads "x"`},
		{"input of nothing in a subgraph", g{Nodes: []*Node{branch("y", &g{Nodes: []*Node{node("Neg", "x", "p")}, Outputs: values("p")})}, Outputs: values("y")}, `reads "x"`},
		{"inner value read outside", g{Nodes: []*Node{branch("y", &g{Nodes: []*Node{node("Rand", "", "p")}, Outputs: values("p")}), node("Neg", "p", "z")}, Outputs: values("y")}, `reads "p"`},
		{"no operator", g{Nodes: []*Node{node("", "", "y")}, Outputs: values("y")}, "no operator type"},
		{"value made twice", g{Inputs: values("x"), Nodes: []*Node{node("Relu", "x", "y"), node("Neg", "x", "y")}, Outputs: values("y")}, `"y" of the graph is defined twice`},
		{"value is an input", g{Inputs: values("x"), Nodes: []*Node{node("Relu", "x", "x")}, Outputs: values("x")}, "defined twice"},
		{"value is an initializer", g{Inputs: values("x"), Initializers: []*Tensor{w(2)}, Nodes: []*Node{node("Relu", "x", "w")}, Outputs: values("w")}, "defined twice"},
		{"input twice", g{Inputs: values("x x"), Nodes: []*Node{node("Relu", "x", "y")}, Outputs: values("y")}, "defined twice"},
		{"two initializers of one name", g{Initializers: []*Tensor{w(2), w(3)}, Outputs: values("w")}, `"w" is stored twice`},
		{"cycle", g{Inputs: values("x"), Nodes: []*Node{node("Add", "x b", "a"), node("Neg", "a", "b"), node("Relu", "b", "y")}, Outputs: values("y")}, `cycle: the Add node that makes "a" → the Neg node that makes "b" → the Add`},
		{"node reads itself", g{Nodes: []*Node{node("Neg", "y", "y")}, Outputs: values("y")}, "cycle"},
		{"cycle through a subgraph", g{Nodes: []*Node{branch("y", &g{Nodes: []*Node{node("Neg", "z", "p")}, Outputs: values("p")}), node("Neg", "y", "z")}, Outputs: values("y")}, "cycle"},
		{"10 GB claimed", g{Initializers: []*Tensor{huge}, Outputs: values("huge")}, "takes 10000000000 bytes, and it holds 4"},
		{"10 GB claimed in an attribute", g{Nodes: []*Node{{OpType: "Constant", Outputs: []string{"y"}, Attrs: []*Attribute{{Name: "value", Type: AttrTensor, T: huge}}}}, Outputs: values("y")}, "takes 10000000000 bytes"},
		{"dims overflow", g{Initializers: []*Tensor{raw("w", tensor.Int8, tensor.Shape{1 << 62, 4}, 4)}, Outputs: values("w")}, "too large"},
		{"no data type", g{Initializers: []*Tensor{raw("w", 0, nil, 4)}, Outputs: values("w")}, "no data type"},
		{"newer data type", g{Initializers: []*Tensor{raw("w", 27, tensor.Shape{4}, 3)}, Outputs: values("w")}, ""},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			m := &Model{IRVersion: 8, Opsets: []Opset{{Version: 17}}, Graph: &c.g}
			err := m.Check()
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.ExitCode(err) != 1 || fault.HintOf(err) == "" {
				t.Errorf("got %v (hint %q), want %q", err, fault.HintOf(err), c.want)
			}
		})
	}
}

func TestCheckVersions(t *testing.T) {
	tests := []struct {
		name   string
		ir     int64
		opsets []Opset
		want   string
	}{
		{"old", 1, []Opset{{Version: 1}}, ""},
		{"newer than known", 99, []Opset{{Version: 99}}, ""},
		{"IR 1, no opset", 1, nil, "IR version 1 and no opset import"},
		{"IR 8, no opset", 8, nil, "no opset import"},
		{"IR 0", 0, []Opset{{Version: 17}}, "IR version is 0"},
		{"negative IR", -1, []Opset{{Version: 17}}, "IR version is -1"},
		{"absurd IR", 1 << 40, []Opset{{Version: 17}}, "IR version is 1099511627776"},
		{"opset 0", 8, []Opset{{Version: 0}}, "imports opset 0"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			m := tiny()
			m.IRVersion, m.Opsets = c.ir, c.opsets
			err := m.Check()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestCheckFunctions(t *testing.T) {
	m := tiny()
	m.Functions = []*Function{{Name: "f", Inputs: []string{"a"}, Outputs: []string{"b"}, Nodes: []*Node{node("Neg", "a", "b")}}}
	if err := m.Check(); err != nil {
		t.Error(err)
	}
	m.Functions[0].Nodes[0].Inputs[0] = "x" // a value of the main graph, which a function does not see
	if err := m.Check(); err == nil || !strings.Contains(err.Error(), `function "f"`) {
		t.Errorf("got %v", err)
	}
}

func TestSortNodes(t *testing.T) {
	g := &Graph{Inputs: values("x"), Outputs: values("y"), Nodes: []*Node{
		node("A", "c x", "y"), node("B", "x", "b"), branch("c", &Graph{Nodes: []*Node{node("E", "d", "e"), node("D", "b", "d")}, Outputs: values("e")}), node("F", "x", "f"),
	}}
	if err := g.SortNodes(); err != nil {
		t.Fatal(err)
	}
	var got string
	g.Walk(func(g *Graph) {
		for _, n := range g.Nodes {
			got += n.OpType + " "
		}
	})
	if got != "B If A F D E " {
		t.Errorf("order is %s", got)
	}
	before := append([]*Node(nil), g.Nodes...)
	if err := g.SortNodes(); err != nil {
		t.Fatal(err)
	}
	for i := range before {
		if before[i] != g.Nodes[i] {
			t.Fatal("a sorted graph was reordered")
		}
	}
	g.Nodes = []*Node{node("A", "b", "a"), node("B", "a", "b")}
	if err := g.SortNodes(); err == nil {
		t.Error("a cycle was sorted")
	}
}

// TestLongChain walks a chain as long as the largest graphs; recursion would go as deep.
func TestLongChain(t *testing.T) {
	g := &Graph{Inputs: values("v0"), Outputs: values("v100000")}
	for i := 100000; i > 0; i-- {
		g.Nodes = append(g.Nodes, node("N", "v"+itoa(i-1), "v"+itoa(i)))
	}
	if err := g.SortNodes(); err != nil || g.Nodes[0].Outputs[0] != "v1" {
		t.Errorf("%v, first node makes %q", err, g.Nodes[0].Outputs)
	}
}
