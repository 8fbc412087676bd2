package half

import (
	"slices"

	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
	"infer/optimize"
)

// newConverter returns the state of a conversion of m.
func newConverter(m *onnx.Model, shapes *static.Shapes, o Options) *converter {
	c := &converter{
		model: m, o: o, opset: m.Opset(""), ops: operators(), shapes: shapes,
		names: optimize.NewEditor(m, m.Graph), calls: map[string]bool{}, renames: map[string]string{},
	}
	if c.opset == 0 {
		c.opset = 13 // a model of other domains alone: the version of the Casts
	}
	for _, f := range m.Functions {
		c.calls[f.Domain+":"+f.Name] = true
	}
	return c
}

// kind returns what inference knows about the type of a value.
func (s *scope) kind(name string) kind {
	v, ok := s.shapes.Of(s.graph, name)
	switch {
	case !ok || v.Kind != onnx.KindTensor || v.DType == tensor.Undefined:
		return unknown
	case v.DType == tensor.Float32:
		return float
	}
	return other
}

// public returns the type that inputs and outputs of the graph have.
func (s *scope) public() int {
	if s.keepIO {
		return full
	}
	return half
}

// graph rewrites one graph and those inside it.
func (c *converter) graph(g *onnx.Graph, outer *scope) error {
	s := &scope{
		converter: c, graph: g, outer: outer, keepIO: c.o.KeepIO || outer != nil,
		values: map[string]*value{}, outputs: map[string]bool{}, consumers: g.Consumers(),
	}
	for _, o := range g.Outputs {
		s.outputs[o.Name] = true
	}
	if err := s.begin(); err != nil {
		return err
	}
	for _, n := range g.Nodes {
		if err := s.node(n); err != nil {
			return err
		}
	}
	for _, o := range g.Outputs {
		if v, _ := s.find(o.Name); v != nil && v.kind == float {
			s.retype(o, s.public())
			o.Name = s.read(o.Name, s.public()) // another name only where a body gives out a value of a graph around it
		}
	}
	for _, i := range g.ValueInfo {
		if v := s.values[i.Name]; v != nil && v.kind == float && v.final() == half {
			s.retype(i, half)
		}
	}
	return s.settle()
}

// retype declares a value of the graph in a type.
func (s *scope) retype(v *onnx.ValueInfo, as int) {
	if v.Type == nil || v.Type.Kind != onnx.KindTensor {
		return
	}
	v.Type = v.Type.Clone()
	v.Type.DType = s.dtype(as)
}

// begin enters the inputs and constants of the graph.
func (s *scope) begin() error {
	inputs := map[string]bool{}
	for _, i := range s.graph.Inputs {
		inputs[i.Name] = true
		v := s.define(i.Name, s.kind(i.Name))
		if v.kind == float && s.public() == half {
			v.native, v.as = half, [2]string{half: i.Name}
			s.retype(i, half)
		}
	}
	for i, t := range s.graph.Initializers {
		switch {
		case inputs[t.Name]: // a default that a caller may override
			if t.DType != tensor.Float32 || s.public() == full {
				continue
			}
			h, err := s.rounded(t, t.Name)
			if err != nil {
				return err
			}
			s.graph.Initializers[i] = h
		case t.DType == tensor.Float32:
			s.addTwin(t.Name, &twin{tensor: t}).measure(s.o.DType)
		default:
			s.define(t.Name, other).constant = true
		}
	}
	for _, t := range s.graph.Sparse {
		if t.Values != nil {
			s.define(t.Values.Name, s.kind(t.Values.Name))
		}
	}
	return nil
}

// site is a node and what is known about its values, as they are in the given model.
type site struct {
	*onnx.Node
	name     string // of the operator, with its domain in front unless it is ai.onnx
	def      operator
	listed   bool     // def is its definition
	in       []*value // nil for an omitted input
	out      []kind
	constant bool // computes on constants alone
	fixed    bool // computes on shapes and constants alone
}

// at looks a node up.
func (s *scope) at(n *onnx.Node) *site {
	u := &site{Node: n, name: n.OpType}
	if domain := n.Domain; domain != "" && domain != "ai.onnx" {
		u.name = domain + "." + n.OpType
	}
	u.def, u.listed = s.ops[u.name]
	inputs, constants := 0, 0
	u.fixed = true
	for _, name := range n.Inputs {
		v, _ := s.find(name)
		if v == nil && name != "" {
			v = &value{name: name, kind: unknown}
		}
		u.in = append(u.in, v)
		if v == nil {
			continue
		}
		inputs++
		if v.constant {
			constants++
		}
		u.fixed = u.fixed && (v.constant || v.fixed)
	}
	u.constant = inputs > 0 && constants == inputs
	u.fixed = u.fixed && inputs > 0 && !u.constant || u.name == "Shape" || u.name == "Size"
	for _, name := range n.Outputs {
		if name == "" {
			u.out = append(u.out, other)
			continue
		}
		u.out = append(u.out, s.kind(name))
	}
	return u
}

// floats reports whether the node reads or makes a float32 tensor whose type matters.
func (u *site) floats() bool {
	for i, v := range u.in {
		if v != nil && v.kind == float && !slices.Contains(u.def.asIs, i) {
			return true
		}
	}
	return slices.Contains(u.out, float)
}

// node converts one node.
func (s *scope) node(n *onnx.Node) error {
	s.plain(n)
	u := s.at(n)
	if len(n.Subgraphs()) > 0 {
		return s.control(u)
	}
	if s.constantNode(u) {
		return nil
	}
	if !u.floats() {
		s.emit(u, half)
		return nil
	}
	why := s.keep(u)
	if why == "" {
		s.result.Nodes++
		s.emit(u, half)
		return nil
	}
	s.result.Float++
	label := n.Name
	if label == "" {
		label = slices.Concat(n.Outputs, []string{""})[0]
	}
	s.result.Kept = append(s.result.Kept, Kept{Node: label, Op: u.name, Why: why})
	s.emit(u, full)
	return nil
}

// plain makes a Cast of a CastLike whose type is known: what it is like may change its type.
func (s *scope) plain(n *onnx.Node) {
	if n.OpType != "CastLike" || n.Domain != "" || len(n.Inputs) != 2 {
		return
	}
	d := tensor.Undefined
	if v, _ := s.find(n.Inputs[1]); v != nil && v.kind == float {
		d = tensor.Float32
	} else if t, ok := s.shapes.Of(s.graph, n.Inputs[1]); ok && t.Kind == onnx.KindTensor {
		d = t.DType
	}
	if d == tensor.Undefined {
		return
	}
	n.OpType, n.Inputs = "Cast", n.Inputs[:1]
	n.Attrs = append(n.Attrs, &onnx.Attribute{Name: "to", Type: onnx.AttrInt, I: int64(d)})
}

// control converts the graphs inside a node. What goes in and comes out stays float32.
func (s *scope) control(u *site) error {
	for i, name := range u.Inputs {
		u.Inputs[i] = s.read(name, full)
	}
	for _, g := range u.Subgraphs() {
		if err := s.converter.graph(g, s); err != nil {
			return err
		}
	}
	u.in = nil
	s.emit(u, full)
	return nil
}

// setTo sets the type that a Cast makes.
func setTo(n *onnx.Node, d tensor.DType) {
	for i, a := range n.Attrs {
		if a.Name == "to" {
			n.Attrs[i] = &onnx.Attribute{Name: "to", Type: onnx.AttrInt, I: int64(d)}
		}
	}
}

// emit adds a node that computes in a type, with its inputs and outputs in the types that its definition gives them.
func (s *scope) emit(u *site, as int) {
	for i, v := range u.in {
		switch {
		case v == nil || v.kind != float:
		case slices.Contains(u.def.asIs, i):
			u.Inputs[i] = s.readAny(v, u.def.moves)
		case as == half && slices.Contains(u.def.floatIn, i):
			u.Inputs[i] = s.read(v.name, full)
		default:
			u.Inputs[i] = s.read(v.name, as)
		}
	}
	if u.name == "Cast" && as == half && u.out[0] == float {
		setTo(u.Node, s.o.DType)
	}
	s.nodes = append(s.nodes, u.Node)
	for i, k := range u.out {
		name := u.Outputs[i]
		if name == "" {
			continue
		}
		v := s.define(name, k)
		v.constant, v.fixed = u.constant, u.fixed
		if k != float {
			continue
		}
		v.native = as
		if slices.Contains(u.def.floatOut, i) {
			v.native = full
		}
		s.inherit(v, u)
		v.as = [2]string{}
		if public := s.public(); s.outputs[name] && v.native != public {
			u.Outputs[i] = s.unique(name, v.native)
			v.as[v.native] = u.Outputs[i]
			s.cast(v, public, name)
		} else {
			v.as[v.native] = name
		}
	}
}

// readAny returns a name of a value whose type does not matter to the reader: float32 of a constant that is to be
// exact, else the type in which it is made.
func (s *scope) readAny(v *value, exact bool) string {
	switch {
	case v.twin == nil:
		return s.read(v.name, v.native)
	case exact:
		return s.read(v.name, full)
	}
	return s.read(v.name, half)
}
