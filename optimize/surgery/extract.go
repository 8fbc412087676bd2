package surgery

import (
	"fmt"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
	"infer/optimize"
)

// Extract cuts the part of m between named values out of it, in place: from become the inputs, to the outputs, both
// with the types that inference finds. No from keeps the inputs that are needed, no to keeps the outputs. Constants
// come along. It returns what it did, one line each.
// Errors, after which m is of no use: fault.Usage for values that the model lacks (with the nearest name), values
// inside a subgraph, constants, an input of the model that is needed and not in from, and a from that no output needs;
// fault.Unsupported where the type of a new input is not known.
func Extract(m *onnx.Model, from, to []string) ([]string, error) {
	if err := noGraph(m); err != nil {
		return nil, err
	}
	c := newCut(m, from)
	for _, name := range append(slices.Clone(from), to...) {
		if err := c.cuttable(name); err != nil {
			return nil, err
		}
	}
	if len(to) == 0 {
		to = names(m.Graph.Outputs)
	}
	if err := c.follow(to); err != nil {
		return nil, err
	}
	inputs, err := c.inputs()
	if err != nil {
		return nil, err
	}
	outputs := make([]*onnx.ValueInfo, len(to))
	for i, name := range to {
		outputs[i] = c.value(name)
	}
	before := len(m.Graph.Nodes)
	c.hideCut()
	m.Graph.Inputs, m.Graph.Outputs = inputs, outputs
	if err := tidy(m); err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("cut out from %s to %s: %d of %s", strings.Join(c.names(inputs), ", "), strings.Join(to, ", "), len(m.Graph.Nodes), count(before, "node"))}, nil
}

// cut is one call of Extract.
type cut struct {
	*optimize.Editor

	from   []string
	shapes *static.Shapes
	stated map[string]*onnx.ValueInfo // inputs, outputs and inner values with what the file says of them
	given  map[string]bool            // inputs of the model that a caller gives
	inside map[string]*onnx.Node      // values of subgraphs, by the node of the main graph that holds them
	reach  map[string]bool            // values that the outputs need
}

func newCut(m *onnx.Model, from []string) *cut {
	c := &cut{
		Editor: optimize.NewEditor(m, m.Graph), from: from, shapes: static.Infer(m, nil),
		stated: map[string]*onnx.ValueInfo{}, given: map[string]bool{}, inside: map[string]*onnx.Node{}, reach: map[string]bool{},
	}
	g := m.Graph
	for _, v := range slices.Concat(g.ValueInfo, g.Outputs, g.Inputs) {
		c.stated[v.Name] = v
	}
	for _, v := range g.Inputs {
		c.given[v.Name] = g.Initializer(v.Name) == nil
	}
	for _, n := range g.Nodes {
		for _, sub := range n.Subgraphs() {
			sub.Walk(func(g *onnx.Graph) {
				for name := range c.shapes.Values(g) {
					c.inside[name] = n
				}
				for _, inner := range g.Nodes {
					for _, o := range inner.Outputs {
						c.inside[o] = n
					}
				}
			})
		}
	}
	return c
}

// cuttable reports why a model cannot be cut at a value.
func (c *cut) cuttable(name string) error {
	if _, constant := c.Constant(name); constant || c.Graph.Initializer(name) != nil {
		return fault.New(fault.Usage, "constants come along by themselves", "%q is a constant: the model cannot be cut there", name)
	}
	if name != "" && (c.Producer(name) != nil || c.given[name]) {
		return nil
	}
	if n := c.inside[name]; n != nil && name != "" {
		return fault.New(fault.Usage, "cut before or behind that node", "%q is a value inside %s, and only values of the main graph can be cut", name, label(n))
	}
	var all []string
	for _, n := range c.Graph.Nodes {
		for _, o := range n.Outputs {
			if o != "" {
				all = append(all, o)
			}
		}
	}
	return unknown("value", name, append(c.names(c.Graph.Inputs), all...))
}

// names returns the names of inputs that a caller gives.
func (c *cut) names(list []*onnx.ValueInfo) []string {
	return slices.DeleteFunc(names(list), func(name string) bool { return c.Graph.Initializer(name) != nil })
}

// follow marks what outputs need, up to from.
func (c *cut) follow(outputs []string) error {
	open := slices.Clone(outputs)
	for _, o := range outputs {
		if slices.Contains(c.from, o) {
			return fault.New(fault.Usage, "name a value that is computed from it", "%q is to be an input and an output", o)
		}
	}
	for len(open) > 0 {
		v := open[len(open)-1]
		open = open[:len(open)-1]
		if v == "" || c.reach[v] {
			continue
		}
		c.reach[v] = true
		n := c.Producer(v)
		switch {
		case slices.Contains(c.from, v):
		case n != nil:
			open = append(open, n.Inputs...)
			for _, sub := range n.Subgraphs() {
				open = append(open, sub.Captures()...)
			}
		case c.given[v] && len(c.from) > 0:
			return fault.New(fault.Usage, "name it among the inputs too, or a value between it and the outputs", "the outputs also need input %q of the model", v)
		}
	}
	return nil
}

// inputs returns the inputs of the part, with defaults of the model that it needs.
func (c *cut) inputs() ([]*onnx.ValueInfo, error) {
	var list []*onnx.ValueInfo
	for i, name := range c.from {
		if slices.Contains(c.from[:i], name) {
			return nil, fault.New(fault.Usage, "", "%q is named twice", name)
		}
		if !c.reach[name] {
			return nil, fault.New(fault.Usage, "leave it out, or name an output that needs it", "no output needs %q", name)
		}
		v := c.value(name)
		if v.Type == nil || v.Type.Kind == onnx.KindNone || v.Type.Kind == onnx.KindTensor && v.Type.DType == tensor.Undefined {
			return nil, fault.New(fault.Unsupported, "cut at a value behind known operators", "the type of %q is not known, and an input needs one", name)
		}
		list = append(list, v)
	}
	for _, v := range c.Graph.Inputs {
		if c.reach[v.Name] && !slices.Contains(c.from, v.Name) {
			list = append(list, v)
		}
	}
	return list, nil
}

// value returns a value with the type that is known of it: what the file says of inputs and outputs, else inference.
func (c *cut) value(name string) *onnx.ValueInfo {
	stated := c.stated[name]
	if c.given[name] || stated != nil && c.IsOutput(name) && stated.Type != nil {
		return stated
	}
	v, _ := c.shapes.Of(c.Graph, name)
	if v.Kind == onnx.KindTensor && v.DType != tensor.Undefined {
		return &onnx.ValueInfo{Name: name, Type: typeOf(v)}
	}
	if stated != nil {
		return stated
	}
	return &onnx.ValueInfo{Name: name}
}

// typeOf returns the type of a tensor as a file states it: an axis that is computed from others stays without a name.
func typeOf(v static.Value) *onnx.Type {
	t := &onnx.Type{Kind: onnx.KindTensor, DType: v.DType, HasShape: v.HasShape}
	for _, d := range v.Dims {
		if !d.Known && checkAxisName(d.Name) != nil {
			d = onnx.Dim{}
		}
		t.Dims = append(t.Dims, d)
	}
	return t
}

// hideCut gives values that are inputs now another name where a node makes them that also makes something else.
func (c *cut) hideCut() {
	for _, n := range c.Graph.Nodes {
		for i, o := range n.Outputs {
			if slices.Contains(c.from, o) {
				n.Outputs[i] = c.Unique(o + "_unused")
			}
		}
	}
	c.Graph.ValueInfo = slices.DeleteFunc(c.Graph.ValueInfo, func(v *onnx.ValueInfo) bool { return slices.Contains(c.from, v.Name) })
}
