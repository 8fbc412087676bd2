package half

import (
	"math"
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// twin is a constant in both types: an initializer or a node, of which only what is read is kept.
type twin struct {
	used   [2]bool       // which types are read
	tensor *onnx.Tensor  // the float32 elements; nil for a Cast
	nodes  [2]*onnx.Node // that make it; nil for an initializer
	above  bool          // it has finite elements above the range of float16
	below  bool          // or below
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

// measure notes which elements of a constant float16 cannot hold.
func (v *value) measure(d tensor.DType) {
	if d == tensor.Float16 && v.twin.tensor != nil {
		v.twin.above, v.twin.below = excess(v.twin.tensor)
	}
}

// excess tells whether a float32 tensor holds finite elements beyond the range of float16, by sign.
func excess(t *onnx.Tensor) (above, below bool) {
	v, err := t.Value()
	if err != nil {
		return false, false
	}
	defer t.Release()
	f, err := tensor.Floats(v)
	if err != nil {
		return false, false
	}
	for _, x := range f {
		above = above || x > maxFloat16 && x <= math.MaxFloat32
		below = below || x < -maxFloat16 && x >= -math.MaxFloat32
	}
	return above, below
}

// constantNode enters a node of which either type can be had: a constant, or a Cast of what is no float32. It reports
// whether n is one.
func (s *scope) constantNode(u *site) bool {
	t := &twin{}
	switch {
	case len(u.out) != 1 || u.out[0] != float || s.o.DType == tensor.BFloat16 && u.name == "ConstantOfShape" && s.opset < 20:
		return false
	case u.name == "Constant":
		t.tensor = constantOf(u.Node)
	case u.name == "ConstantOfShape":
		t.tensor = floats("", tensor.Shape{1}, 0)
		if a := u.Attr("value"); a != nil {
			t.tensor = a.T
		}
	case u.name == "Cast":
		if in := u.in[0]; in == nil || in.kind != other || s.isText(in.name) {
			return false
		}
	default:
		return false
	}
	if u.name != "Cast" && t.tensor == nil {
		return false
	}
	h := u.Clone()
	t.nodes = [2]*onnx.Node{full: u.Node, half: h}
	v := s.addTwin(u.Outputs[0], t)
	v.measure(s.o.DType)
	v.constant, v.fixed = u.constant || u.name == "Constant", u.fixed
	u.Outputs[0], h.Outputs[0] = v.as[full], v.as[half]
	if u.name == "Cast" {
		setTo(h, s.o.DType)
	}
	s.nodes = append(s.nodes, u.Node, h)
	return true
}

// isText reports whether a value holds strings, which the runtime casts to float32 alone.
func (s *scope) isText(name string) bool {
	v, _ := s.shapes.Of(s.graph, name)
	return v.DType == tensor.String
}

// constantOf returns what a Constant node of float32 holds; nil where it is stored sparsely.
func constantOf(n *onnx.Node) *onnx.Tensor {
	if a := n.Attr("value"); a != nil {
		return a.T
	}
	if a := n.Attr("value_float"); a != nil {
		return floats("", nil, a.F)
	}
	if a := n.Attr("value_floats"); a != nil {
		return floats("", tensor.Shape{int64(len(a.Floats))}, a.Floats...)
	}
	return nil
}

// floats returns a float32 constant of a shape that holds the elements given; it panics for another.
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

// final returns the type that a float value has under its own name in the end.
func (v *value) final() int {
	if v.as[half] == v.name || v.twin != nil && v.twin.used[half] && !v.twin.used[full] {
		return half
	}
	return full
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
