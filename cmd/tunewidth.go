package cmd

import (
	"slices"

	"infer/model"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
)

// nodeOverhead is the work that a node counts for whatever it computes, so that a graph of many tiny nodes has a length.
const nodeOverhead = 10_000

// graphWidth returns how much of the work of a model could be done at the same time: the work of all nodes of its main
// graph over that of its longest path, each at the shapes as bound; at least 1, and 0 for a graph without nodes. Work is
// arithmetic and bytes moved, counted alike: it only has to tell branches that are worth a thread from those that are not.
func graphWidth(m *model.Model, shapes map[string]tensor.Shape) float64 {
	bound := map[string][]onnx.Dim{}
	for name, s := range shapes {
		for _, size := range s {
			bound[name] = append(bound[name], onnx.Fixed(size))
		}
	}
	costs := static.Cost(m.Proto, static.Infer(m.Proto, bound))
	ready := map[string]float64{} // the work of the longest path up to a value
	total, longest := 0.0, 0.0
	for _, c := range costs.Nodes {
		begin := 0.0
		for _, in := range slices.Concat(c.Node.Inputs, captured(c.Node)) {
			begin = max(begin, ready[in])
		}
		work := float64(nodeOverhead)
		if c.Known {
			work += float64(c.Work.Operations() + c.Work.BytesIn + c.Work.BytesWeights + c.Work.BytesOut)
		}
		for _, out := range c.Node.Outputs {
			ready[out] = begin + work
		}
		total, longest = total+work, max(longest, begin+work)
	}
	if longest == 0 {
		return 0
	}
	return total / longest
}

// captured are the values that the bodies of a Loop, If or Scan take from the graph around them.
func captured(n *onnx.Node) (names []string) {
	for _, g := range n.Subgraphs() {
		names = append(names, g.Captures()...)
	}
	return names
}
