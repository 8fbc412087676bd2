package optimize

import (
	"slices"
	"strconv"

	"infer/model/onnx"
	"infer/model/tensor"
)

// Editor edits one graph with indices that stay true while it does: who makes a value, who reads it, which values are
// constant, which names are taken. Whoever edits nodes past it calls Reindex. It is for one goroutine.
type Editor struct {
	Model *onnx.Model
	Graph *onnx.Graph

	producers map[string]*onnx.Node
	consumers map[string][]*onnx.Node // nodes of Graph that read a value, from inside their subgraphs too
	constants map[string]*onnx.Tensor // initializers that no caller can override, and Constant nodes
	captured  map[string]*onnx.Tensor // those of the graphs around
	outputs   map[string]bool
	taken     map[string]bool // value and node names of all graphs; nil until one is asked for
}

// NewEditor returns an editor of g, a graph of m.
func NewEditor(m *onnx.Model, g *onnx.Graph) *Editor {
	e := &Editor{Model: m, Graph: g}
	e.Reindex()
	return e
}

// Reindex builds the indices again.
func (e *Editor) Reindex() {
	e.producers, e.consumers = e.Graph.Producers(), e.Graph.Consumers()
	e.constants, e.captured = map[string]*onnx.Tensor{}, map[string]*onnx.Tensor{}
	e.outputs, e.taken = map[string]bool{}, nil
	addConstants(e.constants, e.Graph)
	if e.Model.Graph != nil {
		for _, g := range enclosing(e.Model.Graph, e.Graph) {
			addConstants(e.captured, g)
		}
	}
	for _, o := range e.Graph.Outputs {
		e.outputs[o.Name] = true
	}
}

// enclosing returns the graphs around g, from root inwards; none where root does not hold g.
func enclosing(root, g *onnx.Graph) []*onnx.Graph {
	for _, n := range root.Nodes {
		for _, sub := range n.Subgraphs() {
			if sub == g {
				return []*onnx.Graph{root}
			}
			if inner := enclosing(sub, g); inner != nil {
				return append([]*onnx.Graph{root}, inner...)
			}
		}
	}
	return nil
}

// addConstants adds the constants of g to those around it, of which g hides what it gives a value of its own.
func addConstants(to map[string]*onnx.Tensor, g *onnx.Graph) {
	for _, t := range g.Initializers {
		to[t.Name] = t
	}
	for _, v := range g.Inputs {
		delete(to, v.Name) // a default at most
	}
	for _, n := range g.Nodes {
		for _, o := range n.Outputs {
			delete(to, o)
		}
		if t := constantValue(n); t != nil {
			to[n.Outputs[0]] = t
		}
	}
}

// constantValue returns the tensor of a Constant node, nil where it has another kind of value.
func constantValue(n *onnx.Node) *onnx.Tensor {
	if a := n.Attr("value"); n.OpType == "Constant" && n.Domain == "" && a != nil && len(n.Outputs) == 1 && n.Outputs[0] != "" {
		return a.T
	}
	return nil
}

// names returns the names that are taken.
func (e *Editor) names() map[string]bool {
	if e.taken == nil {
		e.taken = map[string]bool{}
		e.Model.Walk(e.take)
		e.Graph.Walk(e.take) // a graph outside the model, such as the body of a function
	}
	return e.taken
}

// take marks the names in g as taken.
func (e *Editor) take(g *onnx.Graph) {
	for _, v := range slices.Concat(g.Inputs, g.Outputs, g.ValueInfo) {
		e.taken[v.Name] = true
	}
	for _, t := range g.Initializers {
		e.taken[t.Name] = true
	}
	for _, s := range g.Sparse {
		if s.Values != nil {
			e.taken[s.Values.Name] = true
		}
	}
	for _, n := range g.Nodes {
		e.taken[n.Name] = true
		for _, v := range n.Inputs {
			e.taken[v] = true
		}
		for _, v := range n.Outputs {
			e.taken[v] = true
		}
	}
}

// Producer returns the node that makes a value, nil for inputs, initializers and values of outer graphs.
func (e *Editor) Producer(value string) *onnx.Node { return e.producers[value] }

// Consumers returns the nodes that read a value, each once, in no particular order; graph outputs are not in it.
func (e *Editor) Consumers(value string) []*onnx.Node { return e.consumers[value] }

// IsOutput reports whether a value is an output of the graph.
func (e *Editor) IsOutput(value string) bool { return e.outputs[value] }

// OnlyReader returns the one node that reads value, nil where there are none or several, where it is also a graph
// output, or where the node reads it twice or in a subgraph.
func (e *Editor) OnlyReader(value string) *onnx.Node {
	c := e.consumers[value]
	if len(c) != 1 || e.outputs[value] {
		return nil
	}
	count := 0
	for _, v := range c[0].Inputs {
		if v == value {
			count++
		}
	}
	if count != 1 || len(c[0].Subgraphs()) > 0 {
		return nil
	}
	return c[0]
}

// Constant returns the tensor of a value that is the same in every run: an initializer, or the value of a Constant
// node, in this graph or taken from one around it. Not an initializer that is also a graph input: a caller may override
// it.
func (e *Editor) Constant(value string) (*onnx.Tensor, bool) {
	t, ok := e.constants[value]
	if !ok && e.producers[value] == nil {
		t, ok = e.captured[value]
	}
	return t, ok
}

// ConstantValue is Constant with its elements; false where they cannot be read.
func (e *Editor) ConstantValue(value string) (tensor.Tensor, bool) {
	t, ok := e.Constant(value)
	if !ok {
		return tensor.Tensor{}, false
	}
	v, err := t.Value()
	return v, err == nil
}

// Unique returns base, or base with a number behind it where that name is taken, and takes it.
func (e *Editor) Unique(base string) string {
	name, taken := base, e.names()
	for i := 1; taken[name] || name == ""; i++ {
		name = base + "_" + strconv.Itoa(i)
	}
	taken[name] = true
	return name
}

// AddInitializer adds a constant under a name like base and returns the name.
func (e *Editor) AddInitializer(base string, v tensor.Tensor) (string, error) {
	t, err := onnx.NewTensor(e.Unique(base), v)
	if err != nil {
		return "", err
	}
	e.Graph.Initializers = append(e.Graph.Initializers, t)
	e.constants[t.Name] = t
	return t.Name, nil
}

// Insert adds a node at the end of the graph; Finish puts it in its place.
func (e *Editor) Insert(n *onnx.Node) {
	taken := e.names()
	e.Graph.Nodes = append(e.Graph.Nodes, n)
	for _, o := range n.Outputs {
		if o != "" {
			e.producers[o] = n
			taken[o] = true
		}
	}
	taken[n.Name] = true
	for _, sub := range n.Subgraphs() {
		sub.Walk(e.take)
	}
	if t := constantValue(n); t != nil {
		e.constants[n.Outputs[0]] = t
	}
	for _, v := range reads(n) {
		e.consumers[v] = append(slices.Clip(e.consumers[v]), n)
	}
}

// reads returns the values that a node needs, each once: its inputs, then what its subgraphs take from outside.
func reads(n *onnx.Node) []string {
	var names []string
	add := func(list []string) {
		for _, v := range list {
			if v != "" && !slices.Contains(names, v) {
				names = append(names, v)
			}
		}
	}
	add(n.Inputs)
	for _, sub := range n.Subgraphs() {
		add(sub.Captures())
	}
	return names
}

// SetInput makes node n read value as its i-th input.
func (e *Editor) SetInput(n *onnx.Node, i int, value string) {
	old := n.Inputs[i]
	n.Inputs[i] = value
	if old != "" && !slices.Contains(reads(n), old) {
		e.unread(n, old)
	}
	if value != "" && !slices.Contains(e.consumers[value], n) {
		e.consumers[value] = append(slices.Clip(e.consumers[value]), n)
	}
}

// unread takes n off the list of those that read value.
func (e *Editor) unread(n *onnx.Node, value string) {
	e.consumers[value] = slices.DeleteFunc(slices.Clone(e.consumers[value]), func(x *onnx.Node) bool { return x == n })
}

// Remove takes a node out of the graph; values that it made are left without a producer. A loop over Graph.Nodes may
// remove: it goes on over the list that it began with.
func (e *Editor) Remove(n *onnx.Node) {
	if i := slices.Index(e.Graph.Nodes, n); i >= 0 {
		e.Graph.Nodes = slices.Concat(e.Graph.Nodes[:i], e.Graph.Nodes[i+1:])
	}
	for _, o := range n.Outputs {
		if e.producers[o] == n {
			delete(e.producers, o)
			delete(e.constants, o)
		}
	}
	for _, v := range reads(n) {
		e.unread(n, v)
	}
}

// Replace makes every reader of value from read value to instead, in subgraphs too; they differ. Where from is a graph
// output, the output keeps its name: the producer of to then makes it under the name from, and every reader of to
// follows; where that cannot be (to is a graph output itself, or nothing in this graph makes it) an Identity is put in
// between.
func (e *Editor) Replace(from, to string) {
	e.redirect(from, to)
	if !e.outputs[from] {
		return
	}
	e.detach(from, from+"_unused")
	p := e.producers[to]
	if p == nil || e.outputs[to] {
		e.Insert(&onnx.Node{Name: e.Unique(from + "_identity"), OpType: "Identity", Inputs: []string{to}, Outputs: []string{from}})
		return
	}
	e.moveOutput(p, to, from)
	e.redirect(to, from)
}

// redirect makes every reader of from read to.
func (e *Editor) redirect(from, to string) {
	for _, n := range e.consumers[from] {
		for i, v := range n.Inputs {
			if v == from {
				n.Inputs[i] = to
			}
		}
		for _, sub := range n.Subgraphs() {
			e.renameCaptured(sub, from, to)
		}
		if !slices.Contains(e.consumers[to], n) {
			e.consumers[to] = append(slices.Clip(e.consumers[to]), n)
		}
	}
	delete(e.consumers, from)
}

// detach gives a value that a node makes another name, like base, so that another node can make the value; readers
// stay. It returns the new name, "" where no node of this graph makes the value.
func (e *Editor) detach(value, base string) string {
	p := e.producers[value]
	if p == nil {
		return ""
	}
	name := e.Unique(base)
	e.moveOutput(p, value, name)
	return name
}

// moveOutput makes p make its value from under the name to.
func (e *Editor) moveOutput(p *onnx.Node, from, to string) {
	p.Outputs[slices.Index(p.Outputs, from)] = to
	delete(e.producers, from)
	e.producers[to] = p
	if c, ok := e.constants[from]; ok {
		delete(e.constants, from)
		e.constants[to] = c
	}
}

// renameCaptured renames a value that g takes from the graphs around it. Where g or a graph in it has a value of its
// own under the new name, that one gets another name first.
func (e *Editor) renameCaptured(g *onnx.Graph, from, to string) {
	if !slices.Contains(g.Captures(), from) {
		return
	}
	if defines(g, to) {
		g.RenameValue(to, e.Unique(to))
	}
	for _, o := range g.Outputs {
		if o.Name == from {
			o.Name = to
		}
	}
	for _, n := range g.Nodes {
		for i, v := range n.Inputs {
			if v == from {
				n.Inputs[i] = to
			}
		}
		for _, sub := range n.Subgraphs() {
			e.renameCaptured(sub, from, to)
		}
	}
}

// defines reports whether g itself gives a value of a name.
func defines(g *onnx.Graph, name string) bool {
	return slices.ContainsFunc(g.Inputs, func(v *onnx.ValueInfo) bool { return v.Name == name }) ||
		g.Initializer(name) != nil || g.Producers()[name] != nil ||
		slices.ContainsFunc(g.Sparse, func(s *onnx.SparseTensor) bool { return s.Values != nil && s.Values.Name == name })
}

// Finish removes nodes whose values nobody needs, initializers and stated types that nothing uses, and puts the nodes
// in topological order. It fails for a graph with a cycle.
func (e *Editor) Finish() error {
	e.dropDead()
	e.Reindex()
	used := map[string]bool{}
	for v, readers := range e.consumers {
		used[v] = len(readers) > 0
	}
	inputs := map[string]bool{}
	for _, v := range e.Graph.Inputs {
		inputs[v.Name] = true
	}
	e.Graph.Initializers = slices.DeleteFunc(e.Graph.Initializers, func(t *onnx.Tensor) bool {
		return !used[t.Name] && !e.outputs[t.Name] && !inputs[t.Name]
	})
	e.Graph.ValueInfo = slices.DeleteFunc(e.Graph.ValueInfo, func(v *onnx.ValueInfo) bool { return e.producers[v.Name] == nil })
	err := e.Graph.SortNodes()
	e.Reindex()
	return err
}

// dropDead removes the nodes of which neither a node nor the graph's outputs need a value.
func (e *Editor) dropDead() {
	needed := map[*onnx.Node]bool{}
	producers := e.Graph.Producers()
	var open []string // values whose producer is still to be looked at: a chain may be as long as the graph
	for _, o := range e.Graph.Outputs {
		open = append(open, o.Name)
	}
	for len(open) > 0 {
		n := producers[open[len(open)-1]]
		open = open[:len(open)-1]
		if n != nil && !needed[n] {
			needed[n] = true
			open = append(open, reads(n)...)
		}
	}
	e.Graph.RemoveNodes(func(n *onnx.Node) bool { return !needed[n] })
}
