package half

import (
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

// scope is a graph that is being converted, inside the scope around it.
type scope struct {
	*converter
	graph     *onnx.Graph
	outer     *scope
	keepIO    bool
	values    map[string]*value
	order     []*value // the twins, in the order in which they appeared
	outputs   map[string]bool
	consumers map[string][]*onnx.Node // of the given graph
	nodes     []*onnx.Node            // the converted graph so far
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
	return s.names.Unique(name + "_" + s.dtype(as).String())
}

// dtype returns the dtype behind an index.
func (c *converter) dtype(as int) tensor.DType {
	if as == half {
		return c.o.DType
	}
	return tensor.Float32
}

// cast puts in a Cast that makes v as a type under a name. Where the numbers may be larger than float16, they are cut to
// its range first: a Cast makes them infinite, and a row of masks that are all infinite has a softmax of NaN.
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

// define enters a value of this graph and returns it.
func (s *scope) define(name string, k kind) *value {
	v := &value{name: name, kind: k}
	v.as[full] = name
	s.values[name] = v
	return v
}
