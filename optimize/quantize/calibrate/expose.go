package calibrate

import (
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// The places of values that no node makes.
const (
	input    = -1
	constant = -2
)

// places returns where each value of g comes from: the index of the node that makes it, input or constant.
func places(g *onnx.Graph) map[string]int {
	at := map[string]int{}
	for _, v := range g.Inputs {
		at[v.Name] = input
	}
	for _, t := range g.Initializers {
		at[t.Name] = constant
	}
	for _, t := range g.Sparse {
		if t.Values != nil {
			at[t.Values.Name] = constant
		}
	}
	for i, n := range g.Nodes {
		for _, o := range n.Outputs {
			if at[o] = i; n.OpType == "Constant" && n.Domain == "" {
				at[o] = constant
			}
		}
	}
	delete(at, "")
	return at
}

// expose returns a copy of m whose outputs are the named values, with those of types that are known, and which has no
// nodes and constants that they do not need. inputs are the shapes of the inputs where the outputs have types.
func expose(m *onnx.Model, values []string, types map[string]*onnx.Type, inputs map[string]tensor.Shape) *onnx.Model {
	c := *m
	g := *m.Graph
	c.Graph = &g
	g.Outputs, g.ValueInfo = nil, nil
	for _, v := range values {
		g.Outputs = append(g.Outputs, &onnx.ValueInfo{Name: v, Type: types[v]})
	}
	if len(types) > 0 {
		g.Inputs = fixed(g.Inputs, inputs)
	}
	nodes, used := needed(&g)
	g.Nodes = slices.DeleteFunc(slices.Clone(g.Nodes), func(n *onnx.Node) bool { return !nodes[n] })
	for _, v := range g.Inputs {
		used[v.Name] = true
	}
	g.Initializers = slices.DeleteFunc(slices.Clone(g.Initializers), func(t *onnx.Tensor) bool { return !used[t.Name] })
	return &c
}

// fixed returns the inputs with their shapes put in.
func fixed(inputs []*onnx.ValueInfo, shapes map[string]tensor.Shape) []*onnx.ValueInfo {
	list := make([]*onnx.ValueInfo, len(inputs))
	for i, v := range inputs {
		list[i] = v
		shape, ok := shapes[v.Name]
		if !ok || v.Type == nil || v.Type.Kind != onnx.KindTensor {
			continue
		}
		list[i] = v.Clone()
		ty := list[i].Type
		ty.HasShape, ty.Dims = true, make([]onnx.Dim, len(shape))
		for k, n := range shape {
			ty.Dims[k] = onnx.Fixed(n)
		}
	}
	return list
}

// needed returns the nodes that the outputs of g need, and the values that those nodes read.
func needed(g *onnx.Graph) (nodes map[*onnx.Node]bool, used map[string]bool) {
	nodes, used = map[*onnx.Node]bool{}, map[string]bool{}
	for _, o := range g.Outputs {
		used[o.Name] = true
	}
	for _, n := range slices.Backward(g.Nodes) { // sorted: readers come after makers
		if !slices.ContainsFunc(n.Outputs, func(v string) bool { return used[v] }) {
			continue
		}
		nodes[n] = true
		for _, v := range n.Inputs {
			used[v] = true
		}
		for _, sub := range n.Subgraphs() {
			for _, v := range sub.Captures() {
				used[v] = true
			}
		}
	}
	delete(used, "")
	return nodes, used
}
