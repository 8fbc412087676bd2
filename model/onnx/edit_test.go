package onnx

import (
	"bytes"
	"slices"
	"strconv"
	"testing"
)

func itoa(i int) string { return strconv.Itoa(i) }

// nested returns a graph whose If node reads "x" from outside and shadows "s".
func nested() *Graph {
	body := &Graph{Inputs: values("s"), Nodes: []*Node{node("Add", "x s", "p")}, Outputs: values("p")}
	return &Graph{Inputs: values("x s"), ValueInfo: values("x"), Outputs: values("y"),
		Nodes: []*Node{branch("i", body), node("Mul", "i x x", "y"), node("Dead", "s", "d")}}
}

func ops(nodes []*Node) (list []string) {
	for _, n := range nodes {
		list = append(list, n.OpType)
	}
	return list
}

func TestProducersAndConsumers(t *testing.T) {
	g := nested()
	if p := g.Producers(); p["y"] != g.Nodes[1] || p["x"] != nil || p["p"] != nil {
		t.Errorf("producers are %v", p)
	}
	c := g.Consumers()
	if got := ops(c["x"]); !slices.Equal(got, []string{"If", "Mul"}) {
		t.Errorf("x is read by %v", got)
	}
	if got := ops(c["s"]); !slices.Equal(got, []string{"Dead"}) {
		t.Errorf("s is read by %v: the subgraph has its own", got)
	}
}

func TestRenameValue(t *testing.T) {
	g := nested()
	g.RenameValue("x", "z")
	g.RenameValue("s", "r")
	body := g.Nodes[0].Attrs[0].G
	if got := body.Nodes[0].Inputs; !slices.Equal(got, []string{"z", "s"}) {
		t.Errorf("the subgraph reads %v", got)
	}
	if g.Inputs[0].Name != "z" || g.Inputs[1].Name != "r" || g.ValueInfo[0].Name != "z" || !slices.Equal(g.Nodes[1].Inputs, []string{"i", "z", "z"}) {
		t.Error("the graph keeps the old name somewhere")
	}
}

func TestRemoveNodes(t *testing.T) {
	g := nested()
	if n := g.RemoveNodes(func(n *Node) bool { return n.OpType == "Dead" }); n != 1 || len(g.Nodes) != 2 {
		t.Errorf("removed %d, %v stay", n, ops(g.Nodes))
	}
}

func TestCloneSharesNothingButBytes(t *testing.T) {
	m := tiny()
	m.Graph.Nodes = append(m.Graph.Nodes, nested().Nodes...)
	m.Functions = []*Function{{Name: "f", Nodes: []*Node{node("A", "a", "b")}}}
	before := encode(t, m)
	c := m.Clone()
	if !bytes.Equal(encode(t, c), before) {
		t.Fatal("the copy differs")
	}
	c.Walk(func(g *Graph) {
		for _, v := range append(append(g.Inputs, g.Outputs...), g.ValueInfo...) {
			v.Name += "!"
			if v.Type != nil {
				v.Type.Dims[0] = Fixed(7)
			}
		}
		for _, n := range g.Nodes {
			n.OpType += "!"
			for i := range n.Inputs {
				n.Inputs[i] = "!"
			}
			for _, a := range n.Attrs {
				a.Name = "!"
			}
		}
		for _, x := range g.Initializers {
			x.Dims[0] = 99
		}
	})
	c.Functions[0].Nodes[0].Outputs[0] = "!"
	c.Opsets[0].Version, c.Metadata[0].Key = 1, "!"
	if !bytes.Equal(encode(t, m), before) {
		t.Error("editing the copy changed the model")
	}
	got, _ := c.Graph.Initializers[0].Raw()
	want, _ := m.Graph.Initializers[0].Raw()
	if &got[0] != &want[0] {
		t.Error("tensor bytes were copied")
	}
}
