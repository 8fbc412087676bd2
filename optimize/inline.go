package optimize

import (
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// inlineBranches puts the branch that an If always takes in its place, and what is left of a Loop that runs once or
// never.
func inlineBranches() Pass {
	return local("inline-branches", "puts the branch that an If always takes in its place, and the body of a Loop that runs once",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			switch {
			case is(n, "If"):
				return e.inlineIf(w, n)
			case is(n, "Loop"):
				return e.inlineLoop(w, n)
			}
			return false
		})
}

// inlineIf puts the branch that n, an If, always takes in its place.
func (e *Editor) inlineIf(w *Work, n *onnx.Node) bool {
	cond := w.known(e, input(n, 0)).Ints
	if len(cond) != 1 {
		return false
	}
	branch := n.Attr("then_branch")
	if cond[0] == 0 {
		branch = n.Attr("else_branch")
	}
	if branch == nil || branch.G == nil || len(branch.G.Inputs) > 0 || len(branch.G.Outputs) != len(n.Outputs) {
		return false
	}
	return e.inline(n, branch.G, nil, branch.G.Outputs)
}

// inlineLoop puts the body of n, a Loop that runs once and collects nothing, in its place, and what it starts from in
// the place of one that never runs.
func (e *Editor) inlineLoop(w *Work, n *onnx.Node) bool {
	trips, runs := w.known(e, input(n, 0)).Ints, w.known(e, input(n, 1)).Ints
	a := n.Attr("body")
	if a == nil || a.G == nil || len(n.Inputs) < 2 || len(a.G.Inputs) != len(n.Inputs) || slices.Contains(n.Inputs[2:], "") {
		return false
	}
	state := len(n.Inputs) - 2
	if len(a.G.Outputs) != 1+len(n.Outputs) || len(n.Outputs) != state {
		return false // what it collects has another shape
	}
	never := len(trips) == 1 && trips[0] <= 0 || len(runs) == 1 && runs[0] == 0
	once := len(trips) == 1 && trips[0] == 1 && (n.Inputs[1] == "" || len(runs) == 1 && runs[0] != 0)
	switch {
	case never:
		body := &onnx.Graph{}
		for _, v := range n.Inputs[2:] {
			body.Outputs = append(body.Outputs, &onnx.ValueInfo{Name: v})
		}
		return e.inline(n, body, nil, body.Outputs)
	case once:
		return e.inlineOnce(n, a.G)
	}
	return false
}

// inlineOnce puts the body of n, a Loop that runs once, in its place.
func (e *Editor) inlineOnce(n *onnx.Node, body *onnx.Graph) bool {
	if !e.shrinks(n, body, body.Outputs[1:]) {
		return false
	}
	values := []tensor.Tensor{{DType: tensor.Int64, Data: make([]byte, 8)}, {DType: tensor.Bool, Data: []byte{1}}}
	inputs := []string{"", ""}
	for i, v := range values {
		v.Shape = tensor.Shape{}
		if t := body.Inputs[i].Type; t != nil && t.HasShape && len(t.Dims) == 1 {
			v.Shape = tensor.Shape{1}
		}
		name, err := e.AddInitializer(n.Outputs[0]+"_"+body.Inputs[i].Name, v)
		if err != nil {
			return false
		}
		inputs[i] = name
	}
	return e.inline(n, body, append(inputs, n.Inputs[2:]...), body.Outputs[1:])
}

// inline puts the nodes of g, a graph of n, in the place of n: its inputs become the values given, its outputs those of
// n. Names that are taken outside of g change. It does nothing where more nodes would be left.
func (e *Editor) inline(n *onnx.Node, g *onnx.Graph, inputs []string, outputs []*onnx.ValueInfo) bool {
	if !e.shrinks(n, g, outputs) {
		return false
	}
	e.Remove(n)
	e.taken = nil // what g alone names is free now
	for _, name := range ownNames(g) {
		if e.names()[name] {
			g.RenameValue(name, e.Unique(name))
		}
	}
	for _, v := range g.Inputs {
		g.RenameValue(v.Name, e.Unique(v.Name)) // a name of its own while it is replaced
	}
	e.Graph.Initializers = append(e.Graph.Initializers, g.Initializers...)
	e.Graph.Sparse = append(e.Graph.Sparse, g.Sparse...)
	e.Graph.ValueInfo = append(e.Graph.ValueInfo, g.ValueInfo...)
	for _, t := range g.Initializers {
		e.constants[t.Name] = t
	}
	for _, inner := range g.Nodes {
		if e.names()[inner.Name] && inner.Name != "" {
			inner.Name = e.Unique(inner.Name)
		}
		e.Insert(inner)
	}
	stands := map[string]string{} // what an output of g is called now
	for i, v := range g.Inputs {
		e.redirect(v.Name, inputs[i])
		stands[v.Name] = inputs[i]
	}
	e.handOver(n.Outputs, outputs, stands)
	return true
}

// handOver gives the readers of outputs what made stands for, under the names that it goes by now.
func (e *Editor) handOver(outputs []string, made []*onnx.ValueInfo, stands map[string]string) {
	for i, y := range outputs {
		if y == "" {
			continue
		}
		v := made[i].Name
		if s, ok := stands[v]; ok {
			v = s
		}
		p := e.producers[v]
		e.Replace(y, v)
		if p != nil && e.producers[y] == p { // it makes the output itself now
			stands[made[i].Name], stands[v] = y, y
		}
	}
}

// ownNames returns the names of the values that g makes or stores.
func ownNames(g *onnx.Graph) []string {
	var names []string
	for _, t := range g.Initializers {
		names = append(names, t.Name)
	}
	for _, s := range g.Sparse {
		if s.Values != nil {
			names = append(names, s.Values.Name)
		}
	}
	for _, n := range g.Nodes {
		for _, o := range n.Outputs {
			if o != "" {
				names = append(names, o)
			}
		}
	}
	return names
}

// shrinks reports whether no node more is there when the nodes of g stand in the place of n: each output of the graph
// around that nothing in g makes for it alone takes an Identity. A graph with annotations, which know values by their
// names, stays.
func (e *Editor) shrinks(n *onnx.Node, g *onnx.Graph, outputs []*onnx.ValueInfo) bool {
	if len(g.Unknown) > 0 {
		return false
	}
	count := func(g *onnx.Graph) (nodes int) {
		g.Walk(func(g *onnx.Graph) { nodes += len(g.Nodes) })
		return nodes
	}
	before, after := 1, count(g)
	for _, sub := range n.Subgraphs() {
		before += count(sub)
	}
	producers, used := g.Producers(), map[string]bool{}
	for i, y := range n.Outputs {
		v := outputs[i].Name
		if e.IsOutput(y) && (producers[v] == nil || used[v]) {
			after++
		}
		used[v] = true
	}
	return after <= before
}
