package profile

import (
	"infer/model"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
	"infer/report"
)

// analysis is what the graph tells without a runtime, at one binding of its dynamic axes.
type analysis struct {
	graph  *onnx.Graph
	shapes *static.Shapes
	costs  *static.Costs
	memory *static.Memory
}

func analyze(m *model.Model, inputs map[string]tensor.Shape) analysis {
	bound := map[string][]onnx.Dim{}
	for name, s := range inputs {
		dims := make([]onnx.Dim, len(s))
		for i, d := range s {
			dims[i] = onnx.Fixed(d)
		}
		bound[name] = dims
	}
	a := analysis{graph: m.Proto.Graph, shapes: static.Infer(m.Proto, bound)}
	a.costs = static.Cost(m.Proto, a.shapes)
	a.memory = static.Liveness(m.Proto, a.shapes)
	return a
}

// metrics adds the counts of the graph: macs, params, activation_bytes, nodes, model_bytes. A count that is a lower
// bound, because some nodes are not covered, says so in its method and in a warning.
func (a analysis) metrics(m *model.Model, d *report.Document) {
	count(d, "model_bytes", float64(m.Bytes()), 1, "count")
	count(d, "nodes", float64(a.costs.MainNodes), 1, "count")
	count(d, "params", float64(a.costs.Params), 1, "count")
	method := "count"
	if open := a.costs.MainNodes - a.costs.Covered; open > 0 {
		method = "count of the covered nodes"
		d.Warn("macs: %d of %d nodes have no known cost and count as 0", open, a.costs.MainNodes)
	}
	if a.costs.Bounded {
		method = "upper bound: the dearer branch of each If"
	}
	count(d, "macs", float64(a.costs.Total.MACs), a.costs.Covered, method)
	method = "liveness"
	if n := len(a.memory.Unknown); n > 0 {
		method = "liveness of the known tensors"
		d.Warn("activation_bytes: %d of %d tensors have no known size and count as 0", n, a.memory.Values)
	}
	count(d, "activation_bytes", float64(a.memory.Peak), a.memory.Values-len(a.memory.Unknown), method)
}

// count adds an exact number; n is how many things it was counted over.
func count(d *report.Document, name string, value float64, n int, method string) {
	m := report.NewMetric(name)
	m.Value, m.N, m.Method = &value, n, method
	d.Add(m)
}

// peak returns the memory section: constants, and the tensors alive where the activations peak.
func (a analysis) peak() *report.Memory {
	out := &report.Memory{Initializers: a.costs.ParamBytes, ActivationLowerBound: a.memory.Peak, Unknown: len(a.memory.Unknown)}
	if a.memory.Node != nil {
		out.PeakNode = nodeName(a.memory.Node)
	}
	for _, v := range a.memory.Alive[:min(len(a.memory.Alive), 5)] {
		row := report.NamedBytes{Name: v.Name, Bytes: v.Bytes}
		if known, ok := a.shapes.Of(a.graph, v.Name); ok {
			row.DType = known.DType.String()
			if s, ok := known.Shape(); ok {
				row.Shape = s.String()
			}
		}
		out.AlivePeak = append(out.AlivePeak, row)
	}
	return out
}

// nodeName is the node's name, or its operator with its first output where it has none.
func nodeName(n *onnx.Node) string {
	if n.Name != "" {
		return n.Name
	}
	if len(n.Outputs) > 0 {
		return n.OpType + " → " + n.Outputs[0]
	}
	return n.OpType
}

// macsByOp sums the multiply-accumulates of the main graph by operator, where they are known.
func (a analysis) macsByOp() map[string]float64 {
	sums := map[string]float64{}
	for _, c := range a.costs.Nodes {
		if c.Known && c.Work.MACs > 0 {
			sums[c.Node.OpType] += float64(c.Work.MACs)
		}
	}
	return sums
}
