package profile

import (
	"strings"

	"infer/model/onnx"
	"infer/model/trace"
	"infer/profile/lineage"
)

// nodeIndex finds the nodes of a model as written.
type nodeIndex struct {
	byName, makers map[string]*onnx.Node // by name, by output
}

func namedNodes(g *onnx.Graph) nodeIndex {
	x := nodeIndex{map[string]*onnx.Node{}, map[string]*onnx.Node{}}
	g.Walk(func(g *onnx.Graph) {
		for _, n := range g.Nodes {
			x.byName[lineage.Name(n)] = n
			for _, out := range n.Outputs {
				x.makers[out] = n
			}
		}
	})
	return x
}

// derived returns, by name of a node of a trace, the nodes as written that its name is made from, where the graph that
// ran is not there to tell more. The runtime calls a convolution that it lays out anew after its output, with _nchwc
// behind that, and puts "fused " before the name of a product that it merged with what follows. All of the time goes to
// the node with the operator that ran.
func (x nodeIndex) derived(nodes []*trace.Node) map[string][]lineage.Part {
	parts := map[string][]lineage.Part{}
	for _, n := range nodes {
		if x.byName[n.Name] != nil {
			continue
		}
		if output, ok := strings.CutSuffix(n.Name, "_nchwc"); ok {
			if last := x.makers[output]; last != nil {
				parts[n.Name] = x.chain(last, plainOp(n.Op))
			} else if last := x.makers[strings.TrimSuffix(output, "_bn")]; last != nil { // a normalisation that became a convolution
				parts[n.Name] = []lineage.Part{{Origin: lineage.Name(last), Share: 1}}
			}
		} else if from, ok := strings.CutPrefix(n.Name, "fused "); ok && x.byName[from] != nil {
			parts[n.Name] = []lineage.Part{{Origin: from, Share: 1}}
		}
	}
	return parts
}

// longestChain is how many nodes a convolution is merged with at most: its bias, a normalisation, an addition, an
// activation.
const longestChain = 4

// chain returns the nodes from the nearest one with an operator to last, which it gives its value to; last alone where
// there is none.
func (x nodeIndex) chain(last *onnx.Node, op string) []lineage.Part {
	var behind []lineage.Part
	for n := last; n != nil && len(behind) <= longestChain; {
		if n.OpType == op {
			return append([]lineage.Part{{Origin: lineage.Name(n), Share: 1}}, behind...)
		}
		behind = append([]lineage.Part{{Origin: lineage.Name(n)}}, behind...)
		if len(n.Inputs) == 0 {
			break
		}
		n = x.makers[n.Inputs[0]]
	}
	return []lineage.Part{{Origin: lineage.Name(last), Share: 1}}
}

// plainOp is the operator of which the runtime made a fused one: Gemm of FusedGemm.
func plainOp(op string) string { return strings.TrimPrefix(op, "Fused") }
