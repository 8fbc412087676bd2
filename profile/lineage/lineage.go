// Package lineage owns the way back from the graph that the runtime ran, after its fusions, to the graph that its
// author wrote: which nodes a fused node stands for, and what each node of the graph that ran costs.
package lineage

import (
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/trace"
)

// Origins returns, by name of each node of ran, the names of the nodes of written whose work it does, in graph order.
// A node that nothing was found for has no entry; a node of written is called by its name, or by its operator and first
// output, as in "Add → y", where it has none.
func Origins(written, ran *onnx.Model) map[string][]string { return nil }

// Cost is what one call of a node takes.
type Cost struct {
	static.Work
	Known bool
}

// Costs returns what a call of each node of ran takes, by name, at the shapes that a trace saw.
func Costs(ran *onnx.Model, nodes []*trace.Node) map[string]Cost { return nil }
