package lineage

import "infer/model/onnx"

// index answers questions about the model as written. Names that several nodes or graphs share are in none of its maps
// by name: they would match by chance.
type index struct {
	scopes   map[*onnx.Graph]*scope
	position map[*onnx.Node]int    // in file order, bodies after the node that holds them
	traced   map[*onnx.Node]string // RuntimeName
	fixed    map[*onnx.Node]bool   // every output is a constant or follows from shapes alone
	named    map[string]*onnx.Node // nil: several have the name
	makers   map[string]*onnx.Node // over all graphs, as the runtime may move a body into the graph around it; nil: several
}

// scope is one graph as written.
type scope struct {
	outer  *scope
	makers map[string]*onnx.Node   // nil for an input or initializer
	users  map[string][]*onnx.Node // nodes that read a value as an input
	still  map[string]bool         // values that are constants or follow from shapes alone
}

func newIndex(g *onnx.Graph) *index {
	x := &index{
		scopes: map[*onnx.Graph]*scope{}, position: map[*onnx.Node]int{}, traced: map[*onnx.Node]string{},
		fixed: map[*onnx.Node]bool{}, named: map[string]*onnx.Node{}, makers: map[string]*onnx.Node{},
	}
	x.add(g, nil)
	return x
}

// add indexes a graph and its subgraphs.
func (x *index) add(g *onnx.Graph, outer *scope) {
	s := &scope{outer: outer, makers: map[string]*onnx.Node{}, users: map[string][]*onnx.Node{}, still: map[string]bool{}}
	x.scopes[g] = s
	for _, v := range g.Inputs {
		s.makers[v.Name] = nil
	}
	for _, t := range g.Initializers {
		s.makers[t.Name], s.still[t.Name] = nil, true
	}
	index := 0
	for _, n := range g.Nodes {
		x.position[n], x.traced[n] = len(x.position), RuntimeName(n, index)
		if n.OpType != "Constant" {
			index++
		}
		once(x.named, n.Name, n)
		x.fixed[n] = s.settled(n)
		for _, v := range n.Inputs {
			s.users[v] = append(s.users[v], n)
		}
		for _, v := range n.Outputs {
			if v == "" {
				continue
			}
			s.makers[v], s.still[v] = n, x.fixed[n]
			once(x.makers, v, n)
		}
		for _, sub := range n.Subgraphs() {
			x.add(sub, s)
		}
	}
}

// once adds what a name stands for; a second one makes it stand for nothing.
func once(m map[string]*onnx.Node, name string, n *onnx.Node) {
	if name == "" {
		return
	}
	if _, taken := m[name]; taken {
		n = nil
	}
	m[name] = n
}

// settled reports whether the outputs of n follow from constants and shapes alone, so that a session computes them once
// where the shapes are known.
func (s *scope) settled(n *onnx.Node) bool {
	if n.OpType == "Shape" || n.OpType == "Size" {
		return true
	}
	for _, v := range n.Inputs {
		if v != "" && !s.isStill(v) {
			return false
		}
	}
	for _, sub := range n.Subgraphs() {
		for _, v := range sub.Captures() {
			if !s.isStill(v) {
				return false
			}
		}
	}
	return true
}

func (s *scope) isStill(v string) bool {
	for ; s != nil; s = s.outer {
		if _, here := s.makers[v]; here {
			return s.still[v]
		}
	}
	return false
}

// has reports whether the graph, or one around it, has a value.
func (s *scope) has(v string) bool {
	for ; s != nil; s = s.outer {
		if _, here := s.makers[v]; here {
			return true
		}
	}
	return false
}

// maker returns the node that makes a value of the graph, or of the only other graph that has it.
func (x *index) maker(s *scope, v string) *onnx.Node {
	if n, here := s.makers[v]; here {
		return n
	}
	if s.has(v) {
		return nil // of a graph around: none of this graph's work
	}
	return x.makers[v]
}
