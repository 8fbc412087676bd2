package onnx

import "slices"

// Walk calls f for g and then for each graph inside it, outer ones first.
func (g *Graph) Walk(f func(*Graph)) {
	f(g)
	for _, n := range g.Nodes {
		for _, sub := range n.Subgraphs() {
			sub.Walk(f)
		}
	}
}

// Walk calls f for the main graph and every graph inside it or inside a function's body, outer ones first.
func (m *Model) Walk(f func(*Graph)) {
	if m.Graph != nil {
		m.Graph.Walk(f)
	}
	for _, fn := range m.Functions {
		for _, n := range fn.Nodes {
			for _, sub := range n.Subgraphs() {
				sub.Walk(f)
			}
		}
	}
}

// Tensors calls f for every tensor of the model: initializers, attribute values, the parts of sparse tensors, in
// subgraphs and functions too. It stops at the first error and returns it.
func (m *Model) Tensors(f func(*Tensor) error) error {
	var err error
	visit := func(ts ...*Tensor) {
		for _, t := range ts {
			if err == nil && t != nil {
				err = f(t)
			}
		}
	}
	sparse := func(ss ...*SparseTensor) {
		for _, s := range ss {
			if s != nil {
				visit(s.Values, s.Indices)
			}
		}
	}
	attrs := func(as []*Attribute) {
		for _, a := range as {
			visit(a.T)
			visit(a.Tensors...)
			sparse(a.Sparse)
			sparse(a.Sparses...)
		}
	}
	graph := func(g *Graph) {
		visit(g.Initializers...)
		sparse(g.Sparse...)
		for _, n := range g.Nodes {
			attrs(n.Attrs)
		}
	}
	m.Walk(graph)
	for _, fn := range m.Functions {
		attrs(fn.AttrProtos)
		for _, a := range fn.AttrProtos {
			for _, g := range append(slices.Clone(a.Graphs), a.G) {
				if g != nil {
					g.Walk(graph)
				}
			}
		}
		for _, n := range fn.Nodes {
			attrs(n.Attrs)
		}
	}
	return err
}

// Producers maps each value that a node of g makes to that node; inputs and initializers are not in it.
func (g *Graph) Producers() map[string]*Node {
	by := make(map[string]*Node, len(g.Nodes))
	for _, n := range g.Nodes {
		for _, o := range n.Outputs {
			if o != "" {
				by[o] = n
			}
		}
	}
	return by
}

// Consumers maps each value to the nodes of g that read it, in graph order and each once: as an input, or from
// inside a subgraph of theirs. Graph outputs are not in it.
func (g *Graph) Consumers() map[string][]*Node {
	by := make(map[string][]*Node, len(g.Nodes))
	for _, n := range g.Nodes {
		for _, v := range n.reads() {
			by[v] = append(by[v], n)
		}
	}
	return by
}

// reads returns the values that a node needs, each once: its inputs, then what its subgraphs take from outside.
func (n *Node) reads() []string {
	var names []string
	seen := map[string]bool{}
	add := func(v string) {
		if v != "" && !seen[v] {
			seen[v] = true
			names = append(names, v)
		}
	}
	for _, v := range n.Inputs {
		add(v)
	}
	for _, sub := range n.Subgraphs() {
		for _, v := range sub.Captures() {
			add(v)
		}
	}
	return names
}

// Captures returns the values that g takes from the graphs around it, each once, in the order of use.
func (g *Graph) Captures() []string {
	var names []string
	seen := g.defined()
	add := func(v string) {
		if v != "" && !seen[v] {
			seen[v] = true
			names = append(names, v)
		}
	}
	for _, n := range g.Nodes {
		for _, v := range n.reads() {
			add(v)
		}
	}
	for _, o := range g.Outputs {
		add(o.Name)
	}
	return names
}

// defined returns the names that g itself gives a value to.
func (g *Graph) defined() map[string]bool {
	names := map[string]bool{}
	for _, v := range g.Inputs {
		names[v.Name] = true
	}
	for _, t := range g.Initializers {
		names[t.Name] = true
	}
	for _, s := range g.Sparse {
		names[s.name()] = true
	}
	for _, n := range g.Nodes {
		for _, o := range n.Outputs {
			names[o] = true
		}
	}
	return names
}

// name returns the name of a sparse initializer, which its values carry.
func (s *SparseTensor) name() string {
	if s.Values == nil {
		return ""
	}
	return s.Values.Name
}

// RenameValue gives a value of g a new name wherever g defines, declares or reads it, and in the subgraphs that take
// it from g. The new name must be free. Quantization annotations, which stay undecoded, keep the old one.
func (g *Graph) RenameValue(from, to string) {
	swap := func(names []string) {
		for i := range names {
			if names[i] == from {
				names[i] = to
			}
		}
	}
	infos := func(list []*ValueInfo) {
		for _, v := range list {
			if v.Name == from {
				v.Name = to
			}
		}
	}
	infos(g.Inputs)
	infos(g.Outputs)
	infos(g.ValueInfo)
	for _, t := range g.Initializers {
		if t.Name == from {
			t.Name = to
		}
	}
	for _, s := range g.Sparse {
		if s.Values != nil && s.Values.Name == from {
			s.Values.Name = to
		}
	}
	for _, n := range g.Nodes {
		swap(n.Inputs)
		swap(n.Outputs)
		for _, sub := range n.Subgraphs() {
			if !sub.defined()[from] {
				sub.RenameValue(from, to)
			}
		}
	}
}

// RemoveNodes drops the nodes of g for which drop is true and returns how many. Values that they made are left
// without a producer: whoever calls it has seen to that.
func (g *Graph) RemoveNodes(drop func(*Node) bool) int {
	before := len(g.Nodes)
	g.Nodes = slices.DeleteFunc(g.Nodes, drop)
	return before - len(g.Nodes)
}

// Clone returns a deep copy that shares only bytes with m: tensor data, attribute strings and unknown fields.
func (m *Model) Clone() *Model {
	c := *m
	c.Graph = m.Graph.Clone()
	c.Opsets = slices.Clone(m.Opsets)
	c.Metadata = slices.Clone(m.Metadata)
	c.Functions = cloneAll(m.Functions, (*Function).clone)
	return &c
}

// Clone returns a deep copy as Model.Clone does. A nil graph stays nil.
func (g *Graph) Clone() *Graph {
	if g == nil {
		return nil
	}
	c := *g
	c.Nodes = cloneAll(g.Nodes, (*Node).Clone)
	c.Initializers = cloneAll(g.Initializers, (*Tensor).Clone)
	c.Sparse = cloneAll(g.Sparse, (*SparseTensor).clone)
	c.Inputs = cloneAll(g.Inputs, (*ValueInfo).Clone)
	c.Outputs = cloneAll(g.Outputs, (*ValueInfo).Clone)
	c.ValueInfo = cloneAll(g.ValueInfo, (*ValueInfo).Clone)
	c.Metadata = slices.Clone(g.Metadata)
	return &c
}

// Clone returns a deep copy as Model.Clone does.
func (n *Node) Clone() *Node {
	c := *n
	c.Inputs, c.Outputs = slices.Clone(n.Inputs), slices.Clone(n.Outputs)
	c.Attrs = cloneAll(n.Attrs, (*Attribute).Clone)
	c.Metadata = slices.Clone(n.Metadata)
	return &c
}

// Clone returns a deep copy as Model.Clone does.
func (a *Attribute) Clone() *Attribute {
	c := *a
	c.T, c.G, c.TP, c.Sparse = a.T.Clone(), a.G.Clone(), a.TP.Clone(), a.Sparse.clone()
	c.Floats, c.Ints, c.Strings = slices.Clone(a.Floats), slices.Clone(a.Ints), slices.Clone(a.Strings)
	c.Tensors = cloneAll(a.Tensors, (*Tensor).Clone)
	c.Graphs = cloneAll(a.Graphs, (*Graph).Clone)
	c.Sparses = cloneAll(a.Sparses, (*SparseTensor).clone)
	c.TPs = cloneAll(a.TPs, (*Type).Clone)
	return &c
}

// Clone returns a copy that shares the elements. A nil tensor stays nil.
func (t *Tensor) Clone() *Tensor {
	if t == nil {
		return nil
	}
	c := *t
	c.Dims = t.Dims.Clone()
	c.Metadata = slices.Clone(t.Metadata)
	if t.External != nil {
		x := *t.External
		c.External = &x
	}
	return &c
}

// Clone returns a deep copy. A nil type stays nil.
func (t *Type) Clone() *Type {
	if t == nil {
		return nil
	}
	c := *t
	c.Dims = slices.Clone(t.Dims)
	c.Elem = t.Elem.Clone()
	return &c
}

// Clone returns a deep copy.
func (v *ValueInfo) Clone() *ValueInfo {
	c := *v
	c.Type = v.Type.Clone()
	c.Metadata = slices.Clone(v.Metadata)
	return &c
}

func (s *SparseTensor) clone() *SparseTensor {
	if s == nil {
		return nil
	}
	c := *s
	c.Values, c.Indices, c.Dims = s.Values.Clone(), s.Indices.Clone(), slices.Clone(s.Dims)
	return &c
}

func (f *Function) clone() *Function {
	c := *f
	c.Inputs, c.Outputs = slices.Clone(f.Inputs), slices.Clone(f.Outputs)
	c.AttrNames = slices.Clone(f.AttrNames)
	c.AttrProtos = cloneAll(f.AttrProtos, (*Attribute).Clone)
	c.Nodes = cloneAll(f.Nodes, (*Node).Clone)
	c.Opsets = slices.Clone(f.Opsets)
	c.ValueInfo = cloneAll(f.ValueInfo, (*ValueInfo).Clone)
	c.Metadata = slices.Clone(f.Metadata)
	return &c
}

// cloneAll copies a list item by item.
func cloneAll[T any](list []*T, clone func(*T) *T) []*T {
	if list == nil {
		return nil
	}
	c := make([]*T, len(list))
	for i, t := range list {
		c[i] = clone(t)
	}
	return c
}
