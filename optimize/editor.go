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
	outputs   map[string]bool
	taken     map[string]bool // value and node names of all graphs
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
	e.constants, e.outputs, e.taken = map[string]*onnx.Tensor{}, map[string]bool{}, map[string]bool{}
	inputs := map[string]bool{}
	for _, v := range e.Graph.Inputs {
		inputs[v.Name] = true
	}
	for _, t := range e.Graph.Initializers {
		if !inputs[t.Name] {
			e.constants[t.Name] = t
		}
	}
	for _, n := range e.Graph.Nodes {
		if a := n.Attr("value"); n.OpType == "Constant" && n.Domain == "" && a != nil && a.T != nil && len(n.Outputs) == 1 {
			e.constants[n.Outputs[0]] = a.T
		}
	}
	for _, o := range e.Graph.Outputs {
		e.outputs[o.Name] = true
	}
	e.Model.Walk(func(g *onnx.Graph) {
		for _, v := range slices.Concat(g.Inputs, g.Outputs, g.ValueInfo) {
			e.taken[v.Name] = true
		}
		for _, t := range g.Initializers {
			e.taken[t.Name] = true
		}
		for _, t := range g.Sparse {
			if t.Values != nil {
				e.taken[t.Values.Name] = true
			}
		}
		for _, n := range g.Nodes {
			e.taken[n.Name] = true
			for _, v := range slices.Concat(n.Inputs, n.Outputs) {
				e.taken[v] = true
			}
		}
	})
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
// node. Not an initializer that is also a graph input: a caller may override it.
func (e *Editor) Constant(value string) (*onnx.Tensor, bool) {
	t, ok := e.constants[value]
	return t, ok
}

// ConstantValue is Constant with its elements; false where they cannot be read.
func (e *Editor) ConstantValue(value string) (tensor.Tensor, bool) {
	t, ok := e.constants[value]
	if !ok {
		return tensor.Tensor{}, false
	}
	v, err := t.Value()
	return v, err == nil
}

// Unique returns base, or base with a number behind it where that name is taken, and takes it.
func (e *Editor) Unique(base string) string {
	name := base
	for i := 1; e.taken[name] || name == ""; i++ {
		name = base + "_" + strconv.Itoa(i)
	}
	e.taken[name] = true
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
	e.Graph.Nodes = append(e.Graph.Nodes, n)
	for _, o := range n.Outputs {
		if o != "" {
			e.producers[o] = n
			e.taken[o] = true
		}
	}
	e.taken[n.Name] = true
	e.addReads(n)
}

func (e *Editor) addReads(n *onnx.Node) {
	for i, v := range n.Inputs {
		if v != "" && !slices.Contains(n.Inputs[:i], v) {
			e.consumers[v] = append(e.consumers[v], n)
		}
	}
}

// SetInput makes node n read value as its i-th input.
func (e *Editor) SetInput(n *onnx.Node, i int, value string) {
	old := n.Inputs[i]
	if old == value {
		return
	}
	n.Inputs[i] = value
	if old != "" && !slices.Contains(n.Inputs, old) {
		e.consumers[old] = slices.DeleteFunc(slices.Clone(e.consumers[old]), func(x *onnx.Node) bool { return x == n })
	}
	if value != "" && !slices.Contains(e.consumers[value], n) {
		e.consumers[value] = append(slices.Clone(e.consumers[value]), n)
	}
}

// Remove takes a node out of the graph; values that it made are left without a producer.
func (e *Editor) Remove(n *onnx.Node) {
	if i := slices.Index(e.Graph.Nodes, n); i >= 0 {
		e.Graph.Nodes = slices.Delete(slices.Clone(e.Graph.Nodes), i, i+1)
	}
	for _, o := range n.Outputs {
		if e.producers[o] == n {
			delete(e.producers, o)
			delete(e.constants, o)
		}
	}
	for _, v := range n.Inputs {
		e.consumers[v] = slices.DeleteFunc(slices.Clone(e.consumers[v]), func(x *onnx.Node) bool { return x == n })
	}
}

// Replace makes every reader of value from read value to instead, in subgraphs too. Where from is a graph output, the
// output keeps its name: the producer of to then makes it under the name from, and every reader of to follows; that
// needs a producer in this graph, otherwise an Identity is put in between.
func (e *Editor) Replace(from, to string) {
	for _, n := range slices.Clone(e.consumers[from]) {
		for i, v := range n.Inputs {
			if v == from {
				e.SetInput(n, i, to)
			}
		}
		for _, sub := range n.Subgraphs() {
			renameCaptured(sub, from, to)
		}
	}
	e.consumers[from] = nil
	if !e.outputs[from] {
		return
	}
	p := e.producers[to]
	if p == nil || e.outputs[to] {
		if old := e.producers[from]; old != nil {
			e.Remove(old)
		}
		e.Insert(&onnx.Node{Name: e.Unique(from + "_identity"), OpType: "Identity", Inputs: []string{to}, Outputs: []string{from}})
		return
	}
	if old := e.producers[from]; old != nil && old != p {
		for i, o := range old.Outputs {
			if o == from {
				old.Outputs[i] = e.Unique(from + "_unused")
				e.producers[old.Outputs[i]] = old
			}
		}
	}
	for i, o := range p.Outputs {
		if o == to {
			p.Outputs[i] = from
		}
	}
	delete(e.producers, to)
	e.producers[from] = p
	for _, n := range slices.Clone(e.consumers[to]) {
		for i, v := range n.Inputs {
			if v == to {
				e.SetInput(n, i, from)
			}
		}
		for _, sub := range n.Subgraphs() {
			renameCaptured(sub, to, from)
		}
	}
	e.consumers[to] = nil
}

// renameCaptured renames a value that g takes from the graphs around it; where g defines the name itself, nothing is
// renamed.
func renameCaptured(g *onnx.Graph, from, to string) {
	if slices.Contains(g.Captures(), from) {
		g.RenameValue(from, to)
	}
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
	var need func(value string)
	need = func(value string) {
		n := producers[value]
		if n == nil || needed[n] {
			return
		}
		needed[n] = true
		for _, v := range n.Inputs {
			need(v)
		}
		for _, sub := range n.Subgraphs() {
			for _, v := range sub.Captures() {
				need(v)
			}
		}
	}
	for _, o := range e.Graph.Outputs {
		need(o.Name)
	}
	e.Graph.RemoveNodes(func(n *onnx.Node) bool { return !needed[n] })
}
