package optimize

import (
	"context"
	"strconv"

	"infer/model/onnx"
)

// nameNodes gives a name to every node that has none or shares its own with an earlier one.
func nameNodes() Pass {
	return Pass{
		Name: "name-nodes",
		Doc:  "gives every node a name of its own: the operator and its first output",
		Run: func(_ context.Context, w *Work) (int, error) {
			var nodes []*onnx.Node
			w.Model.Walk(func(g *onnx.Graph) { nodes = append(nodes, g.Nodes...) })
			first := map[string]*onnx.Node{} // names are kept by the first node that has them
			for _, n := range nodes {
				if first[n.Name] == nil && n.Name != "" {
					first[n.Name] = n
				}
			}
			changed := 0
			for _, n := range nodes {
				if n.Name != "" && first[n.Name] == n {
					continue
				}
				base := n.OpType + "_" + output(n, 0)
				n.Name = base
				for i := 1; first[n.Name] != nil; i++ {
					n.Name = base + "_" + strconv.Itoa(i)
				}
				first[n.Name] = n
				changed++
			}
			return changed, nil
		},
	}
}
