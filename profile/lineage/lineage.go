// Package lineage owns the way back from the graph that the runtime ran, after its fusions, to the graph that its
// author wrote: which nodes a fused node stands for, and what each node of the graph that ran costs.
package lineage

import (
	"fmt"
	"slices"

	"infer/model/onnx"
)

// Origins returns, by name of each node of ran, the names of the nodes of written whose work it does, in graph order.
// A node that nothing was found for has no entry; a node of written is called by its name, or by its operator and first
// output, as in "Add → y", where it has none. A node of ran without a name goes by the one that the runtime traces it
// under, "Add_12" (RuntimeName).
//
// ran is the graph that the runtime saved in the session that ran written. Between the values that a node of ran reads
// and the ones that it gives lies the region of written that it computes; values are matched by the names that survive
// fusions, by the names that the runtime derives from them, and by what their makers and readers are. No node of written
// is claimed twice. Nodes that were computed once, when the session was opened, and nodes that the runtime added, such
// as changes of layout, stay without a match.
func Origins(written, ran *onnx.Model) map[string][]string {
	out := map[string][]string{}
	if written == nil || ran == nil || written.Graph == nil || ran.Graph == nil {
		return out
	}
	w := newIndex(written.Graph)
	l := &lineage{written: w, owner: map[*onnx.Node]*onnx.Node{}, claims: map[*onnx.Node][]*onnx.Node{}}
	l.graph(w.scopes[written.Graph], ran.Graph)
	for n, nodes := range l.claims {
		key := n.Name
		if key == "" {
			if !kin(n, nodes[0]) {
				continue // made by the runtime: only a trace tells its index
			}
			key = w.traced[nodes[0]]
		}
		slices.SortFunc(nodes, func(a, b *onnx.Node) int { return w.position[a] - w.position[b] })
		for _, o := range nodes {
			out[key] = append(out[key], Name(o))
		}
	}
	return out
}

// Name returns what a node is called: its name, or where it has none its operator and first output, as in "Add → y".
func Name(n *onnx.Node) string {
	if n.Name != "" || len(n.Outputs) == 0 {
		return n.Name
	}
	return n.OpType + " → " + n.Outputs[0]
}

// RuntimeName returns the name under which the runtime traces a node: its own, or its operator and its index in the
// graph as written, where Constant nodes do not count: the runtime reads them as initializers.
func RuntimeName(n *onnx.Node, index int) string {
	if n.Name != "" {
		return n.Name
	}
	return fmt.Sprintf("%s_%d", n.OpType, index)
}

// lineage collects what each node of the graph that ran, its subgraphs included, stands for.
type lineage struct {
	written *index
	owner   map[*onnx.Node]*onnx.Node   // of written → of ran
	claims  map[*onnx.Node][]*onnx.Node // of ran → of written
}

// graph matches one graph that ran with the graph that it was, then their subgraphs.
func (l *lineage) graph(w *scope, ran *onnx.Graph) {
	p := newPair(l.written, w, ran)
	p.resolve()
	l.claim(p)
	for _, n := range ran.Nodes {
		for _, e := range l.claims[n] {
			if !kin(n, e) {
				continue
			}
			for _, a := range n.Attrs { // the runtime changes their order, not their names
				if was := e.Attr(a.Name); was != nil && was.G != nil && a.G != nil {
					l.graph(l.written.scopes[was.G], a.G)
				}
			}
		}
	}
}
