package optimize

import (
	"slices"

	"infer/model/onnx"
)

// CustomOps names the operators of domains that ONNX Runtime does not bring along and that are no functions of the
// model, "domain.Op", each once, in the order of the graph.
func CustomOps(m *onnx.Model) []string {
	known := []string{"", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training", "com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc"}
	for _, f := range m.Functions {
		known = append(known, f.Domain)
	}
	var list []string
	m.Walk(func(g *onnx.Graph) {
		for _, n := range g.Nodes {
			op := n.Domain + "." + n.OpType
			if !slices.Contains(known, n.Domain) && !slices.Contains(list, op) {
				list = append(list, op)
			}
		}
	})
	return list
}
