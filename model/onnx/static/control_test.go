package static

import (
	"testing"

	"infer/model/onnx"
	"infer/model/tensor"
)

func graphAttr(name string, g *onnx.Graph) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrGraph, G: g}
}

// relus is a body of count Relus on a value of the graph around it.
func relus(of, out string, count int) *onnx.Graph {
	g := &onnx.Graph{Outputs: []*onnx.ValueInfo{{Name: out}}}
	for i := range count {
		n := &onnx.Node{OpType: "Relu", Inputs: []string{of}, Outputs: []string{out}}
		if i < count-1 {
			n.Outputs = []string{out + string(rune('a'+i))}
		}
		of = n.Outputs[0]
		g.Nodes = append(g.Nodes, n)
	}
	return g
}

func TestIf(t *testing.T) {
	m := one("If", 17, nil, 1)
	m.Graph.Inputs = []*onnx.ValueInfo{typed("c", "", tensor.Bool), typed("x", "n x 4", tensor.Float32)}
	n := m.Graph.Nodes[0]
	n.Inputs, n.Attrs = []string{"c"}, []*onnx.Attribute{graphAttr("then_branch", relus("x", "t", 1)), graphAttr("else_branch", relus("x", "e", 3))}
	s := Infer(m, nil)
	if v, _ := s.Of(m.Graph, "o0"); v.String() != "n x 4" || !s.Complete() {
		t.Errorf("got %s, %v", v, s.Gaps)
	}
	bound := map[string][]onnx.Dim{"x": {onnx.Fixed(2), onnx.Fixed(4)}}
	c := Cost(m, Infer(m, bound))
	if c.Total.FLOPs != 24 || !c.Bounded || c.AllNodes != 5 { // the dearer branch: three Relus on 8 elements
		t.Errorf("got %+v", c)
	}
	data := tensor.Tensor{DType: tensor.Bool, Data: []byte{1}}
	cond, err := onnx.NewTensor("c", data)
	if err != nil {
		t.Fatal(err)
	}
	m.Graph.Inputs, m.Graph.Initializers = m.Graph.Inputs[1:], []*onnx.Tensor{cond}
	if c := Cost(m, Infer(m, bound)); c.Total.FLOPs != 8 || c.Bounded {
		t.Errorf("a constant condition: %+v", c)
	}
}

func TestLoop(t *testing.T) {
	body := relus("s", "s2", 1)
	body.Inputs = []*onnx.ValueInfo{{Name: "i"}, {Name: "go"}, {Name: "s"}}
	body.Outputs = []*onnx.ValueInfo{{Name: "go"}, {Name: "s2"}, {Name: "s2"}}
	m := one("Loop", 17, []*onnx.Attribute{graphAttr("body", body)}, 2, list{5}, "-", "2 x 3")
	s := Infer(m, nil)
	state, _ := s.Of(m.Graph, "o0")
	stack, _ := s.Of(m.Graph, "o1")
	if state.String() != "2 x 3" || stack.String() != "5 x 2 x 3" {
		t.Errorf("got %s and %s", state, stack)
	}
	if c := Cost(m, s); c.Total.FLOPs != 30 {
		t.Errorf("got %+v", c.Total)
	}
	body.Nodes[0] = &onnx.Node{OpType: "Concat", Inputs: []string{"s", "s"}, Outputs: []string{"s2"}, Attrs: attrs("axis", 0)}
	s = Infer(m, nil) // the state grows
	if v, _ := s.Of(m.Graph, "o0"); v.String() != "? x 3" || s.Complete() {
		t.Errorf("a growing state is %s", v)
	}
}

func TestFunction(t *testing.T) {
	m := one("mine:Twice", 17, attrs("perm", list{1, 0}), 1, "2 x n")
	f := &onnx.Function{Domain: "mine", Name: "Twice", Inputs: []string{"x"}, Outputs: []string{"y"}, Opsets: []onnx.Opset{{Version: 17}}}
	f.Nodes = []*onnx.Node{{OpType: "Transpose", Inputs: []string{"x"}, Outputs: []string{"y"}, Attrs: []*onnx.Attribute{{Name: "perm", RefName: "perm", Type: onnx.AttrInts}}}}
	m.Functions = []*onnx.Function{f}
	if v, _ := Infer(m, nil).Of(m.Graph, "o0"); v.String() != "n x 2" {
		t.Errorf("got %s", v)
	}
	f.Nodes[0] = &onnx.Node{OpType: "Twice", Domain: "mine", Inputs: []string{"x"}, Outputs: []string{"y"}}
	if s := Infer(m, nil); s.Complete() {
		t.Error("a function that calls itself was inferred")
	}
}

// TestNestedLoops takes for ever where each level looks at its body more than once.
func TestNestedLoops(t *testing.T) {
	body := relus("s", "s2", 1)
	for range 40 {
		body.Inputs = []*onnx.ValueInfo{{Name: "i"}, {Name: "go"}, {Name: "s"}}
		body.Outputs = []*onnx.ValueInfo{{Name: "go"}, {Name: "s2"}}
		n := &onnx.Node{OpType: "Loop", Inputs: []string{"", "", "s"}, Outputs: []string{"s2"}, Attrs: []*onnx.Attribute{graphAttr("body", body)}}
		body = &onnx.Graph{Nodes: []*onnx.Node{n}}
	}
	body.Inputs, body.Outputs = []*onnx.ValueInfo{typed("s", "2 x 3", tensor.Float32)}, []*onnx.ValueInfo{{Name: "s2"}}
	m := &onnx.Model{IRVersion: 8, Graph: body, Opsets: []onnx.Opset{{Version: 17}}}
	if s := Infer(m, nil); s.Complete() {
		t.Error("an unknown state counts as known")
	}
}
