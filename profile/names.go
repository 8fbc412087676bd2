package profile

import (
	"strings"

	"infer/model/onnx"
	"infer/model/tensor"
	"infer/model/trace"
)

// names calls the nodes of the graph that ran as its author called them, where that can be told.
type names struct {
	written map[string]bool
	from    map[string][]string // origins by name of the node that ran
	called  map[string][]string // origins by name in the tables
}

func newNames(m *onnx.Model, origins map[string][]string) names {
	n := names{written: map[string]bool{}, from: origins, called: map[string][]string{}}
	m.Graph.Walk(func(g *onnx.Graph) {
		for _, x := range g.Nodes {
			n.written[nodeName(x)] = true
		}
	})
	return n
}

// of returns the name of a node in the tables: its own where the author knows it, else that of the first node that it
// computes (the fusions begin with the expensive one), else its own.
func (n names) of(t *trace.Node) string {
	from := n.from[t.Name]
	name := t.Name
	if !n.written[name] && len(from) > 0 {
		name = from[0]
	}
	if len(from) > 1 || len(from) == 1 && from[0] != name {
		n.called[name] = from
	}
	return name
}

// origins returns the nodes that a row of the table by node computes, nil where it is just one of that name.
func (n names) origins(row string) []string { return n.called[row] }

// dtypeOf is the dtype of the first output of a node; "" where the trace does not tell.
func dtypeOf(n *trace.Node) string {
	if len(n.Outputs) == 0 {
		return ""
	}
	return n.Outputs[0].DType
}

// typesText writes tensors as "float 1x64x56x56, float 64".
func typesText(list []trace.Tensor) string {
	parts := make([]string, len(list))
	for i, t := range list {
		parts[i] = strings.TrimSpace(t.DType + " " + tensor.Shape(t.Shape).String())
	}
	return strings.Join(parts, ", ")
}
