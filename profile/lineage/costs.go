package lineage

import (
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
	"infer/model/trace"
)

// Cost is what one call of a node takes.
type Cost struct {
	static.Work
	Known bool   // there is a formula and the trace told the sizes that it needs
	Why   string // why not Known
}

// Costs returns what a call of each node of ran takes, by the name that the trace has for it, at the shapes of its first
// call in the trace. A weight counts in the dtype and size that the file holds, whatever the runtime packed it into. A
// value in the runtime's blocked layout counts with the channels that the model has, without those that fill the last
// block. A node with subgraphs is not known: its work is that of the nodes inside, which have their own entries. Of nodes
// with the same name the first one counts.
func Costs(ran *onnx.Model, nodes []*trace.Node) map[string]Cost {
	out := map[string]Cost{}
	if ran == nil || ran.Graph == nil {
		return out
	}
	traced := join(ran, nodes)
	fixed := constants(ran)
	s := static.Infer(ran, bound(ran.Graph, traced, fixed))
	ran.Graph.Walk(func(g *onnx.Graph) { observe(s, g, traced, fixed) })
	ran.Graph.Walk(func(g *onnx.Graph) { unpad(s, g) })
	for _, c := range static.Calls(ran, s) {
		name := c.Node.Name
		if t := traced[c.Node]; t != nil {
			name = t.Name
		}
		if _, taken := out[name]; name != "" && !taken {
			out[name] = Cost{Work: c.Work, Known: c.Known, Why: c.Reason}
		}
	}
	return out
}

// bound returns the shapes of the graph's inputs, as their readers were traced.
func bound(g *onnx.Graph, traced map[*onnx.Node]*trace.Node, fixed map[string]tensor.Shape) map[string][]onnx.Dim {
	known := map[string][]onnx.Dim{}
	for _, n := range g.Nodes {
		for name, v := range inputs(n, traced[n], fixed) {
			if _, isConstant := fixed[name]; isConstant || known[name] != nil {
				continue
			}
			dims := make([]onnx.Dim, len(v.Shape))
			for i, size := range v.Shape {
				dims[i] = onnx.Fixed(size)
			}
			known[name] = dims
		}
	}
	shapes := map[string][]onnx.Dim{}
	for _, v := range g.Inputs {
		if dims, ok := known[v.Name]; ok {
			shapes[v.Name] = dims
		}
	}
	return shapes
}

// observe states what the trace saw of the values of a graph: outputs of its nodes, and what its nodes read of others.
func observe(s *static.Shapes, g *onnx.Graph, traced map[*onnx.Node]*trace.Node, fixed map[string]tensor.Shape) {
	for _, n := range g.Nodes {
		t := traced[n]
		if t == nil {
			continue
		}
		for name, v := range inputs(n, t, fixed) {
			if _, isConstant := fixed[name]; isConstant {
				continue
			}
			old, _ := s.Of(g, name)
			if _, sized := old.Bytes(); sized {
				continue
			}
			s.Observe(g, name, dtype(v.DType), v.Shape)
		}
		given := present(n.Outputs)
		if len(given) != len(t.Outputs) {
			continue
		}
		for i, name := range given {
			s.Observe(g, name, dtype(t.Outputs[i].DType), t.Outputs[i].Shape)
		}
	}
}

// inputs returns what the trace saw of each input of n. The trace leaves out constants that the runtime packed.
func inputs(n *onnx.Node, t *trace.Node, fixed map[string]tensor.Shape) map[string]trace.Tensor {
	if t == nil {
		return nil
	}
	out, left := map[string]trace.Tensor{}, t.Inputs
	names := present(n.Inputs)
	packed := len(names) - len(left)
	for _, name := range names {
		shape, isConstant := fixed[name]
		if isConstant && packed > 0 && (len(left) == 0 || !shape.Equal(left[0].Shape)) {
			packed--
			continue
		}
		if len(left) == 0 {
			return nil
		}
		out[name], left = left[0], left[1:]
	}
	if len(left) > 0 {
		return nil
	}
	return out
}

func present(names []string) []string {
	var out []string
	for _, name := range names {
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}

// constants returns the shapes of the initializers of all graphs: no name in a graph that ran stands for two values.
func constants(ran *onnx.Model) map[string]tensor.Shape {
	out := map[string]tensor.Shape{}
	ran.Graph.Walk(func(g *onnx.Graph) {
		for _, t := range g.Initializers {
			out[t.Name] = t.Dims
		}
	})
	return out
}

// dtype converts the runtime's spelling.
func dtype(name string) tensor.DType {
	switch name {
	case "float":
		return tensor.Float32
	case "double":
		return tensor.Float64
	case "Int4x2":
		return tensor.Int4
	case "UInt4x2":
		return tensor.Uint4
	}
	d, err := tensor.ParseDType(name)
	if err != nil {
		return tensor.Undefined
	}
	return d
}
