package emit

import (
	"slices"

	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
	"infer/optimize"
)

// Plan says which nodes of a float graph become integer kernels, and which values are quantized for that. It is made of
// units; what is not part of one stays float.
type Plan struct {
	Target Target
	Units  []*Unit
	Left   []Decision // nodes that could have been units, and why they are none

	editor *optimize.Editor
	shapes *static.Shapes
	graph  *onnx.Graph
	refuse func(*onnx.Node) string
	unitOf map[*onnx.Node]*Unit // units and what they absorb
	ints   map[string]bool      // values that units give as integers
}

// Unit is a node that becomes one integer kernel, with what becomes part of it.
type Unit struct {
	Node       string
	Op         string
	Seed       bool      // it multiplies by a weight: it pays by itself; others follow their inputs
	In         []string  // activations that it reads as integers
	At         []int     // the place of each among the node's inputs
	Constant   string    // a constant that it reads like an activation, "" for none
	ConstantAt int       // the place of that constant among the inputs
	Weight     string    // the constant that it multiplies by, "" for none
	WeightAt   int       // the place of the weight among the inputs
	Axis       int       // the axis of the weight's channels, −1 for none
	Bias       string    // constant bias that becomes int32, "" for none
	BiasNode   string    // the Add that adds it; "": it is an input of the node
	Absorbed   []string  // Relu, Clip and bias Add that become part of it, by name
	Raw        string    // the value that the node, or its bias Add, makes
	Out        string    // Raw, or what the absorbed Relu or Clip makes of it
	More       []string  // the other outputs of a node that has several
	Ints       bool      // Out and More are quantized: the kernel gives integers
	SameAs     string    // it moves integers and computes nothing: Out and More have the parameters of this value
	Direct     bool      // the node itself runs on the integers, without QuantizeLinear pairs around it
	Fixed      []float64 // the range [lo, hi] of Out where the operator sets it; nil: calibrated
	Limits     []float64 // [lo, hi] that the absorbed Relu or Clip cuts off at, so that no range may go beyond; nil
	Kernel     string    // the operator that the runtime should make of it, "" where that is not known
}

// outs returns the values that a unit gives as integers.
func (u *Unit) outs() []string {
	if !u.Ints {
		return nil
	}
	return append([]string{u.Out}, u.More...)
}

// NewPlan plans the main graph of m, whose nodes have unique names and are in topological order. shapes are those of m
// as it is written, without bindings: the runtime sees no more. refuse says why a node must stay float, "" where it need
// not.
func NewPlan(m *onnx.Model, shapes *static.Shapes, t Target, refuse func(*onnx.Node) string) *Plan {
	p := &Plan{
		Target: t, editor: optimize.NewEditor(m, m.Graph), shapes: shapes, graph: m.Graph, refuse: refuse,
		unitOf: map[*onnx.Node]*Unit{}, ints: map[string]bool{},
	}
	for _, n := range m.Graph.Nodes {
		p.seed(n)
	}
	if t.Outputs {
		p.raise()
		for _, n := range m.Graph.Nodes {
			p.follow(n)
		}
		p.giveInts()
		p.prune()
	} else {
		p.residuals()
		for _, u := range p.Units {
			u.Kernel = "" // that runtime writes no graph that could be compared
		}
	}
	p.sort()
	return p
}

func (p *Plan) leave(n *onnx.Node, why string) {
	p.Left = append(p.Left, Decision{Node: n.Name, Op: n.OpType, Output: n.Outputs[0], Form: Float, Why: why})
}

// add makes u the unit of n.
func (p *Plan) add(n *onnx.Node, u *Unit) {
	u.Node, u.Op = n.Name, n.OpType
	if u.Raw == "" {
		u.Raw = n.Outputs[0]
	}
	if u.Out == "" {
		u.Out = u.Raw
	}
	p.Units = append(p.Units, u)
	p.unitOf[n] = u
	for _, v := range u.outs() {
		p.ints[v] = true
	}
}

// known returns the dtype of a value, Undefined where it is not known.
func (p *Plan) known(value string) tensor.DType {
	if c, ok := p.editor.Constant(value); ok {
		return c.DType
	}
	v, _ := p.shapes.Of(p.graph, value)
	return v.DType
}

// rank returns the number of axes of a value, −1 where it is not known, and whether all of them are fixed.
func (p *Plan) rank(value string) (rank int, fixed bool) {
	if c, ok := p.editor.Constant(value); ok {
		return len(c.Dims), true
	}
	v, ok := p.shapes.Of(p.graph, value)
	if !ok || !v.HasShape {
		return -1, false
	}
	_, fixed = v.Shape()
	return len(v.Dims), fixed
}

// sort puts the units in the order of the graph.
func (p *Plan) sort() {
	order := map[string]int{}
	for i, n := range p.graph.Nodes {
		order[n.Name] = i
	}
	slices.SortStableFunc(p.Units, func(a, b *Unit) int { return order[a.Node] - order[b.Node] })
	slices.SortStableFunc(p.Left, func(a, b Decision) int { return order[a.Node] - order[b.Node] })
}

// Values returns the values that may be quantized, in the order of the graph: those that calibration has to observe,
// so that any choice among the units has its ranges.
func (p *Plan) Values() []string {
	var list []string
	seen := map[string]bool{}
	for _, u := range p.Units {
		for _, v := range slices.Concat(u.In, u.outs()) {
			if !seen[v] {
				seen[v] = true
				list = append(list, v)
			}
		}
	}
	return list
}

// Seeds returns the units that multiply by a weight, in the order of the graph.
func (p *Plan) Seeds() []*Unit {
	var list []*Unit
	for _, u := range p.Units {
		if u.Seed {
			list = append(list, u)
		}
	}
	return list
}
