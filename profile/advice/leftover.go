package advice

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"infer/model/onnx"
	"infer/report"
)

// island is a part of a quantized graph that computes in float: from a DequantizeLinear to what quantizes again.
type island struct {
	ops []string // operators on the way, in order, "" for none but the pair
	at  string   // the first node
}

func checkLeftover(f *Facts) *report.Advice {
	var islands []island
	var left []*onnx.Node
	constants := 0
	f.walkRan(func(g *onnx.Graph) {
		n := newNet(g)
		for _, node := range g.Nodes {
			switch {
			case node.OpType == "QuantizeLinear" && !n.border(node), node.OpType == "DequantizeLinear" && !n.border(node):
				left = append(left, node)
			default:
				continue
			}
			if node.OpType != "DequantizeLinear" {
				continue
			}
			if len(node.Inputs) > 0 && n.consts[node.Inputs[0]] {
				constants++
				continue
			}
			islands = append(islands, n.island(node))
		}
	})
	if len(left) == 0 {
		return nil
	}
	a := &report.Advice{
		What: fmt.Sprintf("%s of quantization left in the graph that ran", count(len(left), "node")),
		Try:  "quantize what blocks as well, or leave its neighbours float (infer quantize --exclude)",
	}
	if ops := blockers(islands); ops != "" {
		a.What += ": it computes in float at " + ops
	}
	for _, i := range islands[:min(most, len(islands))] {
		a.Evidence = append(a.Evidence, fmt.Sprintf("%s: dequantized for %s", i.at, strings.Join(i.ops, " → ")))
	}
	if n := len(islands) - most; n > 0 {
		a.Evidence = append(a.Evidence, fmt.Sprintf("and %d more", n))
	}
	if constants > 0 {
		a.Evidence = append(a.Evidence, fmt.Sprintf("%s dequantized anew in every run", count(constants, "constant")))
	}
	names := map[string]bool{}
	for _, n := range left {
		names[n.Name] = true
	}
	if s := f.those(func(r report.Share) bool { return names[r.Name] }); s.nodes > 0 {
		a.Bound = Bound(f.ofRun(s.share), gone)
		a.Evidence = append(a.Evidence, f.time(s), "the bound is that of a run without these nodes; what they keep in float may gain more")
	}
	a.Command = f.infer("inspect", "")
	return a
}

// border reports whether a node only takes a graph input into 8 bits or gives an output back: where callers speak float
// that must be.
func (n *net) border(node *onnx.Node) bool {
	if len(node.Inputs) == 0 || len(node.Outputs) == 0 {
		return false
	}
	if node.OpType == "QuantizeLinear" {
		return n.maker[node.Inputs[0]] == nil && !n.consts[node.Inputs[0]]
	}
	return n.outputs[node.Outputs[0]] && len(n.readers[node.Outputs[0]]) == 0
}

// island follows what a DequantizeLinear gives, first readers first, until it is quantized again.
func (n *net) island(dq *onnx.Node) island {
	i := island{at: nameOf(dq)}
	seen := map[*onnx.Node]bool{dq: true}
	queue := []*onnx.Node{dq}
	for len(queue) > 0 && len(i.ops) < most {
		node := queue[0]
		queue = queue[1:]
		for _, out := range node.Outputs {
			for _, next := range n.readers[out] {
				if seen[next] || len(i.ops) >= most {
					continue
				}
				seen[next] = true
				i.ops = append(i.ops, next.OpType)
				if next.OpType != "QuantizeLinear" && next.OpType != "DynamicQuantizeLinear" {
					queue = append(queue, next)
				}
			}
		}
	}
	return i
}

// blockers counts the first float operators of islands, the most frequent first.
func blockers(islands []island) string {
	counts := map[string]int{}
	for _, i := range islands {
		if len(i.ops) > 0 && i.ops[0] != "QuantizeLinear" {
			counts[i.ops[0]]++
		}
	}
	ops := slices.Sorted(maps.Keys(counts))
	slices.SortStableFunc(ops, func(a, b string) int { return counts[b] - counts[a] })
	var parts []string
	for _, op := range ops[:min(3, len(ops))] {
		if counts[op] > 1 {
			op = fmt.Sprintf("%s (%d times)", op, counts[op])
		}
		parts = append(parts, op)
	}
	return strings.Join(parts, ", ")
}
