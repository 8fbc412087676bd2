package static

import (
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// graph infers all nodes of the scope's graph. The caller has put the graph's inputs into the scope.
func (in *inferer) graph(sc *scope) {
	g := sc.graph
	for _, t := range g.Initializers {
		if v, input := sc.vals[t.Name]; input && sc.depth == 0 && v != nil && in.model.IRVersion >= 4 {
			continue // a default that a caller may replace: not a constant
		}
		sc.vals[t.Name] = constVal(t)
	}
	for _, s := range g.Sparse {
		if s.Values != nil {
			v := tensorVal(s.Values.DType)
			for _, d := range s.Dims {
				v.dims = append(v.dims, dimOf(onnx.Fixed(d)))
			}
			sc.vals[s.Values.Name] = v
		}
	}
	stated := map[string]*onnx.Type{}
	for _, list := range [][]*onnx.ValueInfo{g.ValueInfo, g.Outputs} {
		for _, v := range list {
			stated[v.Name] = v.Type
		}
	}
	if sc.outer != nil {
		in.outer[g] = sc.outer.graph
	}
	for _, i := range order(g) {
		in.node(sc, g.Nodes[i], stated)
	}
	values := make(map[string]Value, len(sc.vals))
	for name, v := range sc.vals {
		values[name] = v.public()
	}
	in.values[g] = values
}

// order returns the indices of the nodes so that producers come first, moving none that is in place. Nodes on a
// cycle come last.
func order(g *onnx.Graph) []int {
	maker := map[string]int{}
	for i, n := range g.Nodes {
		for _, o := range n.Outputs {
			if o != "" {
				maker[o] = i
			}
		}
	}
	users, missing := make([][]int, len(g.Nodes)), make([]int, len(g.Nodes))
	for i, n := range g.Nodes {
		for _, name := range reads(n) {
			if j, ok := maker[name]; ok && j != i {
				users[j] = append(users[j], i)
				missing[i]++
			}
		}
	}
	sorted, done := make([]int, 0, len(g.Nodes)), make([]bool, len(g.Nodes))
	for start := range g.Nodes {
		for stack := []int{start}; len(stack) > 0; {
			i := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if done[i] || missing[i] > 0 {
				continue
			}
			done[i] = true
			sorted = append(sorted, i)
			for _, u := range users[i] {
				if missing[u]--; u < start {
					stack = append(stack, u)
				}
			}
		}
	}
	for i := range g.Nodes {
		if !done[i] {
			sorted = append(sorted, i)
		}
	}
	return sorted
}

// reads returns the values that a node takes from its graph, those that its subgraphs capture included.
func reads(n *onnx.Node) []string {
	names := n.Inputs
	for _, sub := range n.Subgraphs() {
		names = slices.Concat(names, sub.Captures())
	}
	return names
}

// node infers one node and puts its outputs into the scope.
func (in *inferer) node(sc *scope, n *onnx.Node, stated map[string]*onnx.Type) {
	c := &call{inferer: in, scope: sc, node: n, opset: in.current[domain(n.Domain)], out: make([]*val, max(len(n.Outputs), 1))} // rules write to the first
	for _, name := range n.Inputs {
		var v *val
		if name != "" {
			v = sc.lookup(name)
			if v == nil {
				v = &val{}
			}
		}
		c.in = append(c.in, v)
	}
	if c.opset == 0 {
		c.opset = 1 // files of IR version 1 import nothing
	}
	if in.visits++; in.visits > maxVisits {
		c.reason = UnknownInput
	} else if r, ok := in.rules[ruleKey(n.Domain, n.OpType)]; ok {
		r(c)
	} else if f := in.funcs[domain(n.Domain)+":"+n.OpType+":"+n.Overload]; f != nil {
		c.function(f)
	} else {
		c.reason = UnknownOperator
	}
	gap := ""
	for i, name := range n.Outputs {
		if name == "" {
			continue
		}
		v := in.merge(name, c.out[i], stated[name])
		sc.vals[name] = v
		if !v.complete() && gap == "" {
			gap = name
		}
	}
	if gap != "" {
		in.Gaps = append(in.Gaps, Gap{Node: n, Graph: sc.graph, Output: gap, Reason: c.why()})
	}
}

func ruleKey(dom, op string) string {
	if dom = domain(dom); dom != "" {
		return dom + ":" + op
	}
	return op
}

// merge fills what inference left open with what the file states. A stated size that contradicts an inferred one is
// a warning.
func (in *inferer) merge(name string, v *val, t *onnx.Type) *val {
	d := in.declared(t, 0)
	if v != nil {
		v = v.checked()
	}
	if d == nil || d.kind == onnx.KindNone {
		return v
	}
	if v == nil || v.kind == onnx.KindNone {
		v = &val{kind: d.kind, elem: d.elem}
	} else if v.kind != d.kind {
		in.warn("value %q is stated as something else than it is", name)
		return v
	}
	out := *v
	if out.elem == nil {
		out.elem = d.elem
	}
	if out.dtype == tensor.Undefined {
		out.dtype = d.dtype
	} else if d.dtype != tensor.Undefined && d.dtype != out.dtype {
		in.warn("value %q is stated as %s, and it is %s", name, d.dtype, out.dtype)
	}
	if !d.ranked || in.stale {
		return &out
	}
	if !out.ranked {
		out.ranked, out.dims = true, d.dims
		return &out
	}
	if len(out.dims) != len(d.dims) {
		in.warn("value %q is stated with %d axes, and it has %d", name, len(d.dims), len(out.dims))
		return &out
	}
	out.dims = slices.Clone(out.dims)
	for i, x := range out.dims {
		if !x.ok {
			out.dims[i] = d.dims[i]
			continue
		}
		a, known := x.fixed()
		if b, stated := d.dims[i].fixed(); known && stated && a != b {
			in.warn("value %q is stated with size %d on axis %d, and it has %d", name, b, i, a)
		}
	}
	return &out
}

// checked drops what cannot be: negative sizes and ranks beyond all reason.
func (v *val) checked() *val {
	if len(v.dims) > maxRank {
		return unranked(v.dtype)
	}
	for i, d := range v.dims {
		if n, ok := d.fixed(); ok && n < 0 {
			out := *v
			out.dims = slices.Clone(v.dims)
			out.dims[i], out.ints, out.floats = unknown, nil, nil
			return out.checked()
		}
	}
	return v
}
