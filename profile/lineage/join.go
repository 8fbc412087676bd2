package lineage

import (
	"strconv"
	"strings"

	"infer/model/onnx"
	"infer/model/trace"
)

// join finds the node of a trace for each node of the graphs that ran: by name and operator. A node without a name is
// traced under its operator and an index that the saved graph does not hold; those of one operator are matched in order,
// which is that of execution, where both sides have as many.
func join(ran *onnx.Model, nodes []*trace.Node) map[*onnx.Node]*trace.Node {
	type key struct{ name, op string }
	traced := map[key]*trace.Node{}
	for _, t := range nodes {
		traced[key{t.Name, t.Op}] = t
	}
	out, used := map[*onnx.Node]*trace.Node{}, map[*trace.Node]bool{}
	var unnamed []*onnx.Node
	executed(ran.Graph, func(n *onnx.Node) {
		if n.Name == "" {
			unnamed = append(unnamed, n)
		} else if t := traced[key{n.Name, n.OpType}]; t != nil {
			out[n], used[t] = t, true
		}
	})
	free := map[string][]*trace.Node{}
	for _, t := range nodes {
		if index, ok := strings.CutPrefix(t.Name, t.Op+"_"); ok && !used[t] {
			if _, err := strconv.Atoi(index); err == nil {
				free[t.Op] = append(free[t.Op], t)
			}
		}
	}
	count := map[string]int{}
	for _, n := range unnamed {
		count[n.OpType]++
	}
	for _, n := range unnamed {
		if list := free[n.OpType]; len(list) == count[n.OpType] {
			out[n] = list[0]
			free[n.OpType], count[n.OpType] = list[1:], count[n.OpType]-1
		}
	}
	return out
}

// executed calls f for the nodes of all graphs in the order in which their calls end.
func executed(g *onnx.Graph, f func(*onnx.Node)) {
	for _, n := range g.Nodes {
		for _, sub := range n.Subgraphs() {
			executed(sub, f)
		}
		f(n)
	}
}
