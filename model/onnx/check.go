package onnx

import (
	"fmt"
	"strings"

	"infer/internal/fault"
	"infer/model/tensor"
)

// maxIR is the highest IR version that may be meant: a larger number is damage. ONNX is at 14.
const maxIR = 1000

// Check reports the first fault of a model's structure, without reading tensor bytes: versions, values defined twice
// or never, cycles, tensors whose data do not fit their dims. It knows no operators. Nodes out of order pass (see
// SortNodes), as do all other liberties that ONNX Runtime takes. Errors are of kind fault.Internal, or
// fault.Unsupported where the versions are the reason.
func (m *Model) Check() error {
	if m.Graph == nil {
		return fault.New(fault.Unsupported, again, "not an ONNX model: it holds no graph")
	}
	if err := m.checkVersions(); err != nil {
		return err
	}
	if len(m.Graph.Outputs) == 0 {
		return broken("the graph has no outputs")
	}
	if err := m.Graph.check(scope{where: "the graph"}); err != nil {
		return err
	}
	for _, fn := range m.Functions {
		if err := fn.asGraph().check(scope{where: fmt.Sprintf("function %q", fn.Name)}); err != nil {
			return err
		}
	}
	return m.Tensors(func(t *Tensor) error {
		switch newer := len(t.Unknown) != len(stripFields(t.Unknown, 2)); {
		case t.DType.Valid():
			return t.checkData()
		case t.DType == tensor.Undefined && !newer:
			return broken("tensor %q has no data type", t.Name)
		}
		return nil // a data type newer than this program: the runtime may know it
	})
}

// broken is the error of a damaged or wrongly made model.
func broken(format string, args ...any) error {
	return fault.New(fault.Internal, again, "invalid model: %w", fmt.Errorf(format, args...))
}

func (m *Model) checkVersions() error {
	if m.IRVersion < 1 || m.IRVersion > maxIR {
		return fault.New(fault.Unsupported, again, "invalid model: its IR version is %d", m.IRVersion)
	}
	if len(m.Opsets) == 0 {
		hint := again
		if m.IRVersion < 3 {
			hint = "such files are from 2017: export the model again with a newer exporter"
		}
		return fault.New(fault.Unsupported, hint, "the model has IR version %d and no opset import, so its operators have no defined meaning", m.IRVersion)
	}
	for _, o := range m.Opsets {
		if o.Version < 1 {
			return fault.New(fault.Unsupported, again, "the model imports opset %d of domain %q, and the first one is 1", o.Version, o.Domain)
		}
	}
	return nil
}

// asGraph returns the body of a function as a graph that shares its nodes.
func (f *Function) asGraph() *Graph {
	g := &Graph{Name: f.Name, Nodes: f.Nodes}
	for _, name := range f.Inputs {
		g.Inputs = append(g.Inputs, &ValueInfo{Name: name})
	}
	for _, name := range f.Outputs {
		g.Outputs = append(g.Outputs, &ValueInfo{Name: name})
	}
	return g
}

// scope is what a graph sees from outside.
type scope struct {
	where string // what the graph is, for messages
	names map[string]bool
	outer *scope
}

func (s *scope) has(name string) bool {
	for ; s != nil; s = s.outer {
		if s.names[name] {
			return true
		}
	}
	return false
}

// check looks at g and its subgraphs; s is where g stands, with names still unset.
func (g *Graph) check(s scope) error {
	if err := g.checkUnique(s.where); err != nil {
		return err
	}
	s.names = g.defined()
	for _, n := range g.Nodes {
		if n.OpType == "" {
			return broken("%s has no operator type", n.label())
		}
		for _, in := range n.Inputs {
			if in != "" && !s.has(in) {
				return broken("%s reads %q, which nothing in %s produces", n.label(), in, s.where)
			}
		}
		for _, sub := range n.Subgraphs() {
			if err := sub.check(scope{where: "a subgraph of " + n.label(), outer: &s}); err != nil {
				return err
			}
		}
	}
	for _, o := range g.Outputs {
		if o.Name != "" && !s.has(o.Name) {
			return broken("output %q is produced by nothing in %s", o.Name, s.where)
		}
	}
	_, err := g.order()
	return err
}

// checkUnique reports values that are defined twice. An initializer may have the name of an input (its default, and
// the rule up to IR version 3), and may be stored twice alike.
func (g *Graph) checkUnique(where string) error {
	seen := map[string]string{}
	define := func(name, what string) error {
		if name == "" {
			return nil
		}
		if before := seen[name]; before != "" {
			return broken("value %q of %s is defined twice: as %s and as %s", name, where, before, what)
		}
		seen[name] = what
		return nil
	}
	for _, v := range g.Inputs {
		if err := define(v.Name, "an input"); err != nil {
			return err
		}
	}
	stored := map[string]*Tensor{}
	for _, t := range g.Initializers {
		if t.Name == "" {
			continue
		}
		if o := stored[t.Name]; o != nil && (o.DType != t.DType || !o.Dims.Equal(t.Dims)) {
			return broken("initializer %q is stored twice, as %s %s and as %s %s", t.Name, o.DType, o.Dims, t.DType, t.Dims)
		}
		stored[t.Name] = t
	}
	for name := range stored {
		seen[name] = "an initializer"
	}
	for _, s := range g.Sparse {
		seen[s.name()] = "a sparse initializer"
	}
	for _, n := range g.Nodes {
		for _, o := range n.Outputs {
			if n.OpType == "Constant" && stored[o] != nil {
				continue // a runtime takes both for initializers
			}
			if err := define(o, "an output of "+n.label()); err != nil {
				return err
			}
		}
	}
	return nil
}

// label names a node in a message: by its name, else by what it makes.
func (n *Node) label() string {
	op := n.OpType
	if op == "" {
		op = "operator"
	}
	switch {
	case n.Name != "":
		return fmt.Sprintf("node %q (%s)", n.Name, op)
	case len(n.Outputs) > 0:
		return fmt.Sprintf("the %s node that makes %q", op, n.Outputs[0])
	}
	return fmt.Sprintf("a %s node without outputs", op)
}

// order returns the indices of g's nodes so that each comes after those it reads from, keeping the given order where
// it can. A cycle is an error that names its nodes.
func (g *Graph) order() ([]int, error) {
	maker := map[string]int{}
	for i, n := range g.Nodes {
		for _, o := range n.Outputs {
			if o != "" {
				maker[o] = i
			}
		}
	}
	needs := func(i int) []int {
		var from []int
		for _, v := range g.Nodes[i].reads() {
			if j, ok := maker[v]; ok {
				from = append(from, j)
			}
		}
		return from
	}
	s := sorter{state: make([]byte, len(g.Nodes)), needs: needs}
	for start := range g.Nodes {
		if path := s.visit(start); path != nil {
			return nil, g.cycle(path)
		}
	}
	return s.sorted, nil
}

// sorter walks nodes depth first, without recursion: a chain may be as long as the graph.
type sorter struct {
	state  []byte
	needs  func(node int) []int
	sorted []int
	stack  []sortFrame
}

type sortFrame struct {
	node int
	left []int
}

// The states of a node in a sorter.
const (
	sortFresh = iota
	sortOpen
	sortDone
)

// visit appends a node after all that it needs; it returns a cycle where there is one.
func (s *sorter) visit(node int) (cycle []int) {
	enter := func(n int) {
		s.state[n] = sortOpen
		s.stack = append(s.stack, sortFrame{n, s.needs(n)})
	}
	if s.state[node] == sortFresh {
		enter(node)
	}
	for len(s.stack) > 0 {
		top := &s.stack[len(s.stack)-1]
		if len(top.left) == 0 {
			s.state[top.node] = sortDone
			s.sorted = append(s.sorted, top.node)
			s.stack = s.stack[:len(s.stack)-1]
			continue
		}
		next := top.left[0]
		top.left = top.left[1:]
		switch s.state[next] {
		case sortFresh:
			enter(next)
		case sortOpen:
			cycle = []int{next}
			for i := len(s.stack) - 1; s.stack[i].node != next; i-- {
				cycle = append(cycle, s.stack[i].node)
			}
			return append(cycle, next)
		}
	}
	return nil
}

// cycle is the error of a cycle, in the direction that values flow.
func (g *Graph) cycle(path []int) error {
	const most = 6
	var names []string
	for i, n := range path {
		if i == most {
			names = append(names, fmt.Sprintf("… %d more", len(path)-most))
			break
		}
		names = append(names, g.Nodes[n].label())
	}
	return broken("the graph has a cycle: %s", strings.Join(names, " → "))
}

// SortNodes puts the nodes of g and of its subgraphs in topological order, as ONNX wants them, moving no more than
// it must. It fails for a graph with a cycle.
func (g *Graph) SortNodes() error {
	var err error
	g.Walk(func(sub *Graph) {
		sorted, e := sub.order()
		if e != nil {
			err = e
			return
		}
		nodes := make([]*Node, len(sorted))
		for i, at := range sorted {
			nodes[i] = sub.Nodes[at]
		}
		sub.Nodes = nodes
	})
	return err
}
