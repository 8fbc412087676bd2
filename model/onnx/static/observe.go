package static

import (
	"infer/model/onnx"
	"infer/model/tensor"
)

// Observe states the dtype and shape that a run showed of a value of g. They win over what Infer found; elements that
// it knows stay. It must not be called while s is read.
func (s *Shapes) Observe(g *onnx.Graph, name string, d tensor.DType, shape tensor.Shape) {
	if s.values[g] == nil {
		s.values[g] = map[string]Value{}
	}
	v := s.values[g][name]
	v.Kind, v.DType, v.HasShape, v.Dims = onnx.KindTensor, d, true, make([]onnx.Dim, len(shape))
	for i, n := range shape {
		v.Dims[i] = onnx.Fixed(n)
	}
	s.values[g][name] = v
}

// Calls returns the work of one call of each node of all graphs of m, outer graphs first: of a node in the body of a
// loop that is one trip. A node that holds graphs is not known: its work is theirs.
func Calls(m *onnx.Model, s *Shapes) []NodeCost {
	if m == nil || m.Graph == nil {
		return nil
	}
	var out []NodeCost
	k := &costing{shapes: s}
	m.Graph.Walk(func(g *onnx.Graph) {
		for _, n := range g.Nodes {
			if len(n.Subgraphs()) > 0 {
				out = append(out, NodeCost{Node: n, Graph: g, Reason: "the work is that of the nodes inside"})
				continue
			}
			out = append(out, k.node(g, n, 0))
		}
	})
	return out
}
