package half

import (
	"slices"

	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
	"infer/optimize"
)

// converter is the state of one Convert call.
type converter struct {
	model   *onnx.Model
	o       Options
	opset   int64
	ops     map[string]operator
	shapes  *static.Shapes
	names   *optimize.Editor  // only for names that are free in the whole model
	calls   map[string]bool   // the model's own functions, "domain:name"
	renames map[string]string // constants that get their name back, by the name that they have for now
	cut     int               // values that are clipped before their Cast
	result  Result
}

// The two types of a value that was float32, as indices.
const (
	full = iota // float32
	half
)

// value is what is known about one value of a graph.
type value struct {
	name   string // in the given model
	kind   kind
	native int       // the type in which it is made, of kind float
	twin   *twin     // a constant of which either type can be had without a Cast; nil: made as native
	as     [2]string // the names under which it can be read, by type; "" where there is none yet

	constant  bool // it follows from constants alone
	fixed     bool // it follows from shapes and constants alone
	large     bool // it may hold finite numbers beyond float16
	squared   bool // it is a sum of squares or the like, and no calibration says how large
	quantized bool // a DequantizeLinear made it
}

// kind tells apart what conversion means for a value.
type kind int

const (
	unknown kind = iota // no tensor, or its type is not known: whoever touches it stays float32
	other               // a tensor of another type
	float               // a float32 tensor
)

// twin is a constant in both types: an initializer or a node, of which only what is read is kept.
type twin struct {
	used   [2]bool
	tensor *onnx.Tensor // the float32 elements; nil for a Cast
	nodes  [2]*onnx.Node
	above  bool // it has finite elements above, or below, the range of float16
	below  bool
}

// scope is a graph that is being converted, inside the scope around it.
type scope struct {
	*converter
	graph     *onnx.Graph
	outer     *scope
	keepIO    bool
	values    map[string]*value
	order     []*value // the twins, in the order in which they appeared
	outputs   map[string]bool
	consumers map[string][]*onnx.Node
	nodes     []*onnx.Node // the converted graph so far
}

// find returns a value and the scope that defines it; nil for a name that none does.
func (s *scope) find(name string) (*value, *scope) {
	for ; s != nil; s = s.outer {
		if v := s.values[name]; v != nil {
			return v, s
		}
	}
	return nil, nil
}

// read returns the name under which a value can be read as a type, after putting a Cast where it is defined if need be.
func (s *scope) read(name string, as int) string {
	v, owner := s.find(name)
	if v == nil || v.kind != float {
		return name
	}
	if v.twin != nil {
		v.twin.used[as] = true
	} else if v.as[as] == "" {
		owner.cast(v, as, owner.unique(name, as))
	}
	return v.as[as]
}

// unique returns a free name for a value in another type.
func (s *scope) unique(name string, as int) string {
	d := s.dtype(as)
	return s.names.Unique(name + "_" + d.String())
}

func (c *converter) dtype(as int) tensor.DType {
	if as == half {
		return c.o.DType
	}
	return tensor.Float32
}

// cast puts in a Cast that makes v as a type under a name. Where the number may be larger than float16, it is cut first:
// an infinity becomes a NaN soon.
func (s *scope) cast(v *value, as int, name string) {
	from := v.as[v.native]
	if as == half && (v.large || v.squared) && s.o.DType == tensor.Float16 {
		from = s.clip(from)
		s.cut++
	}
	to := &onnx.Attribute{Name: "to", Type: onnx.AttrInt, I: int64(s.dtype(as))}
	s.nodes = append(s.nodes, &onnx.Node{
		Name: s.names.Unique(name + "_cast"), OpType: "Cast", Inputs: []string{from}, Outputs: []string{name}, Attrs: []*onnx.Attribute{to},
	})
	v.as[as] = name
	s.result.Casts++
}

// clip puts in a Clip of a float32 value to the range of float16 and returns its output.
func (s *scope) clip(value string) string {
	n := &onnx.Node{OpType: "Clip", Inputs: []string{value}, Outputs: []string{s.names.Unique(value + "_cut")}}
	n.Name = s.names.Unique(n.Outputs[0] + "_clip")
	for _, bound := range []struct {
		name string
		x    float32
	}{{"min", -maxFloat16}, {"max", maxFloat16}} {
		if s.opset < 11 {
			n.Attrs = append(n.Attrs, &onnx.Attribute{Name: bound.name, Type: onnx.AttrFloat, F: bound.x})
			continue
		}
		t := floats(s.names.Unique(n.Name+"_"+bound.name), nil, bound.x)
		s.graph.Initializers = append(s.graph.Initializers, t)
		n.Inputs = append(n.Inputs, t.Name)
	}
	s.nodes = append(s.nodes, n)
	return n.Outputs[0]
}

// floats returns a float32 constant of a shape that holds the elements given.
func floats(name string, shape tensor.Shape, x ...float32) *onnx.Tensor {
	v, err := tensor.FromFloat32(name, shape, x)
	if err != nil {
		panic(err)
	}
	t, err := onnx.NewTensor(name, v)
	if err != nil {
		panic(err)
	}
	return t
}

// define enters a value of this graph and returns it.
func (s *scope) define(name string, k kind) *value {
	v := &value{name: name, kind: k}
	v.as[full] = name
	s.values[name] = v
	return v
}

// addTwin enters a constant of which either type can be had. The name goes to the type that an output of the graph
// must have, else to float32 for now: see settle.
func (s *scope) addTwin(name string, t *twin) *value {
	v := s.define(name, float)
	v.twin, v.constant = t, true
	own, alt := full, half
	if s.outputs[name] && !s.keepIO {
		own, alt = half, full
	}
	v.as[own], v.as[alt] = name, s.unique(name, alt)
	if s.outputs[name] {
		t.used[own] = true
	}
	s.order = append(s.order, v)
	return v
}

// settle keeps of every twin of the graph what is read. One that is read in half precision alone gets its name back.
func (s *scope) settle() error {
	drop := map[*onnx.Node]bool{}
	stored := map[string]*value{}
	for _, v := range s.order {
		t := v.twin
		if t.used[half] && !t.used[full] && v.as[full] == v.name {
			s.renames[v.as[half]] = v.name
		}
		if t.nodes[full] == nil {
			stored[v.name] = v
			continue
		}
		drop[t.nodes[full]] = !t.used[full] && t.used[half]
		drop[t.nodes[half]] = !t.used[half]
		if t.used[half] && t.used[full] {
			t.nodes[half].Name = s.names.Unique(v.as[half] + "_constant")
		}
		if t.used[half] && t.tensor != nil {
			h, err := s.rounded(t.tensor, t.tensor.Name)
			if err != nil {
				return err
			}
			t.nodes[half].Attrs = []*onnx.Attribute{{Name: "value", Type: onnx.AttrTensor, T: h}}
		}
	}
	s.graph.Nodes = slices.DeleteFunc(s.nodes, func(n *onnx.Node) bool { return drop[n] })
	return s.store(stored)
}

// store writes the initializers of the graph in the types that are read.
func (s *scope) store(twins map[string]*value) error {
	var list []*onnx.Tensor
	for _, t := range s.graph.Initializers {
		v := twins[t.Name]
		if v == nil {
			list = append(list, t)
			continue
		}
		if v.twin.used[full] || !v.twin.used[half] {
			f := t
			if v.as[full] != t.Name {
				f = t.Clone()
				f.Name = v.as[full]
			}
			list = append(list, f)
		}
		if v.twin.used[half] {
			h, err := s.rounded(t, v.as[half])
			if err != nil {
				return err
			}
			list = append(list, h)
		}
	}
	s.graph.Initializers = list
	return nil
}

// rename gives the constants that are read in half precision alone their names back.
func (c *converter) rename() {
	swap := func(names []string) {
		for i, n := range names {
			if to, ok := c.renames[n]; ok {
				names[i] = to
			}
		}
	}
	c.model.Graph.Walk(func(g *onnx.Graph) {
		for _, t := range g.Initializers {
			if to, ok := c.renames[t.Name]; ok {
				t.Name = to
			}
		}
		for _, n := range g.Nodes {
			swap(n.Inputs)
			swap(n.Outputs)
		}
		for _, o := range g.Outputs {
			if to, ok := c.renames[o.Name]; ok {
				o.Name = to
			}
		}
	})
}
