package optimize

import (
	"cmp"
	"slices"

	"infer/model"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/report"
)

// Facts returns the static figures of a model at the sizes in bound.
func Facts(m *model.Model, bound map[string][]onnx.Dim) report.ModelFacts {
	shapes := static.Infer(m.Proto, bound)
	costs := static.Cost(m.Proto, shapes)
	f := report.ModelFacts{Nodes: costs.AllNodes, Params: costs.Params, Bytes: m.Bytes(), Opset: m.Proto.Opset(""), IR: m.Proto.IRVersion}
	m.Proto.Walk(func(g *onnx.Graph) { f.Initializers += len(g.Initializers) })
	if costs.Coverage() == 1 {
		f.MACs = float64(costs.Total.MACs)
	}
	if memory := static.Liveness(m.Proto, shapes); memory.Coverage() == 1 {
		f.Activations = memory.Peak
	}
	return f
}

// OpChanges returns how often each operator is used before and after: those whose number changed, the most changed
// first, then the others by name.
func OpChanges(before, after *onnx.Model) []report.OpChange {
	count := map[string]*report.OpChange{}
	at := func(n *onnx.Node) *report.OpChange {
		op := n.OpType
		if n.Domain != "" {
			op = n.Domain + "." + n.OpType
		}
		if count[op] == nil {
			count[op] = &report.OpChange{Op: op}
		}
		return count[op]
	}
	each := func(m *onnx.Model, f func(*onnx.Node)) {
		m.Walk(func(g *onnx.Graph) {
			for _, n := range g.Nodes {
				f(n)
			}
		})
	}
	each(before, func(n *onnx.Node) { at(n).Before++ })
	each(after, func(n *onnx.Node) { at(n).After++ })
	list := []report.OpChange{}
	for _, c := range count {
		list = append(list, *c)
	}
	change := func(c report.OpChange) int { return max(c.Before-c.After, c.After-c.Before) }
	slices.SortFunc(list, func(a, b report.OpChange) int {
		return cmp.Or(cmp.Compare(change(b), change(a)), cmp.Compare(a.Op, b.Op))
	})
	return list
}
