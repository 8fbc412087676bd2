package lineage

import (
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/trace"
)

// Cost is what one call of a node takes.
type Cost struct {
	static.Work
	Known bool
}

// Costs returns what a call of each node of ran takes, by name, at the shapes that a trace saw.
func Costs(ran *onnx.Model, nodes []*trace.Node) map[string]Cost { return nil }
