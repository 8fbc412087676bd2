package profile

import (
	"cmp"
	"slices"
	"strings"

	"infer/model/onnx"
	"infer/model/tensor"
	"infer/model/trace"
	"infer/profile/lineage"
)

// names calls the nodes of the graph that ran as its author called them, where that can be told.
type names struct {
	written map[string]bool
	parts   map[string][]lineage.Part // by name of the node that ran
	called  map[string][]string       // origins by name in the tables
}

func newNames(m *onnx.Model, parts map[string][]lineage.Part) names {
	n := names{written: map[string]bool{}, parts: parts, called: map[string][]string{}}
	m.Graph.Walk(func(g *onnx.Graph) {
		for _, x := range g.Nodes {
			n.written[lineage.Name(x)] = true
		}
	})
	return n
}

// of returns the name of a node in the tables: its own where the author knows it, else that of the node that most of its
// time goes to, else its own.
func (n names) of(t *trace.Node) string {
	parts, name := n.parts[t.Name], t.Name
	if len(parts) > 0 && !n.written[name] {
		name = slices.MaxFunc(parts, func(a, b lineage.Part) int { return cmp.Compare(a.Share, b.Share) }).Origin
	}
	if len(parts) > 1 {
		var from []string
		for _, p := range parts {
			from = append(from, p.Origin)
		}
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
