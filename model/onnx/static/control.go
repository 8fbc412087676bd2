package static

import (
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

func controlRules() map[string]rule {
	return map[string]rule{"If": ifRule, "Loop": loop, "Scan": scan}
}

// body infers a subgraph whose inputs are given and returns its outputs.
func (c *call) body(g *onnx.Graph, inputs []*val) []*val {
	if c.scope.depth >= maxNested {
		return make([]*val, len(g.Outputs))
	}
	sc := &scope{graph: g, outer: c.scope, vals: map[string]*val{}, depth: c.scope.depth + 1}
	for i, v := range g.Inputs {
		var given *val
		if i < len(inputs) {
			given = inputs[i]
		}
		sc.vals[v.Name] = c.merge(v.Name, given, v.Type)
		if sc.vals[v.Name] == nil {
			sc.vals[v.Name] = &val{}
		}
	}
	c.graph(sc)
	out := make([]*val, len(g.Outputs))
	for i, o := range g.Outputs {
		out[i] = sc.lookup(o.Name)
	}
	return out
}

// ifRule gives what both branches agree on, or the outputs of the branch that a constant condition takes.
func ifRule(c *call) {
	a, b := c.node.Attr("then_branch"), c.node.Attr("else_branch")
	if a == nil || b == nil || a.G == nil || b.G == nil {
		c.invalid()
		return
	}
	if cond, ok := c.consts(0); ok && len(cond) == 1 {
		g := a.G
		if cond[0] == 0 {
			g = b.G
		}
		c.taken[c.node] = g
		for i, v := range c.body(g, nil) {
			c.set(i, v)
		}
		return
	}
	then, other := c.body(a.G, nil), c.body(b.G, nil)
	for i := range c.out {
		if i < len(then) && i < len(other) {
			if v := common([]*val{then[i], other[i]}); v != nil {
				c.set(i, v)
			}
		}
	}
	c.dependent()
}

// loop infers the body once with what is stable over the iterations: the initial state where the body gives it back
// with the same shape, else only what the body declares.
func loop(c *call) {
	a := c.node.Attr("body")
	if a == nil || a.G == nil || len(a.G.Inputs) < 2 {
		c.invalid()
		return
	}
	c.dependent()
	trips, known := c.consts(0)
	state := len(a.G.Inputs) - 2
	in := []*val{tensorVal(tensor.Int64), tensorVal(tensor.Bool)}
	for i := range state {
		in = append(in, carried(c.arg(2+i)))
	}
	out := c.stable(a.G, in, 2, 1)
	count := unknown
	if known && len(trips) == 1 && trips[0] >= 0 && c.runsOn(a.G) {
		count = fixed(trips[0])
		c.trips[c.node] = trips[0]
	}
	for i := range c.out {
		if 1+i >= len(out) || out[1+i] == nil {
			continue
		}
		v := *out[1+i]
		v.ints, v.floats = nil, nil
		if i >= state && v.ranked {
			v.dims = append([]dim{count}, v.dims...)
		}
		c.set(i, &v)
	}
}

// runsOn reports whether the condition of a loop stays true: it starts true or is absent, and the body passes it on.
func (c *call) runsOn(g *onnx.Graph) bool {
	if c.present(1) {
		if v, ok := c.consts(1); !ok || len(v) != 1 || v[0] == 0 {
			return false
		}
	}
	if len(g.Outputs) == 0 {
		return false
	}
	name := g.Outputs[0].Name
	for range len(g.Nodes) + 1 {
		if name == g.Inputs[1].Name {
			return true
		}
		i := slices.IndexFunc(g.Nodes, func(n *onnx.Node) bool { return n.OpType == "Identity" && slices.Contains(n.Outputs, name) })
		if i < 0 || len(g.Nodes[i].Inputs) == 0 {
			break
		}
		name = g.Nodes[i].Inputs[0]
	}
	v, ok := c.Of(g, g.Outputs[0].Name)
	return ok && len(v.Ints) == 1 && v.Ints[0] != 0
}

// carried drops the elements of a value that a body may change.
func carried(v *val) *val {
	if v == nil {
		return nil
	}
	out := *v
	out.ints, out.floats = nil, nil
	return &out
}

// maxStable is the depth from which on loops in loops are looked at only once: the work is exponential in it.
const maxStable = 4

// stable infers a body, and again with what an iteration does not change where it changes the state. States start at
// input first and output firstOut.
func (c *call) stable(g *onnx.Graph, in []*val, first, firstOut int) []*val {
	if c.scope.depth >= maxStable {
		for i := first; i < len(in); i++ {
			in[i] = nil // what the body declares has to do
		}
		return c.body(g, in)
	}
	for range 3 {
		gaps := len(c.Gaps)
		out := c.body(g, in)
		changed := false
		for i := first; i < len(in); i++ {
			o := firstOut + i - first
			if in[i] == nil || o >= len(out) || i >= len(g.Inputs) {
				continue
			}
			joined := common([]*val{in[i], out[o]})
			if joined == nil || !alike(joined, in[i]) {
				in[i], changed = joined, true
			}
		}
		if !changed {
			return out
		}
		c.Gaps = c.Gaps[:gaps]
	}
	return c.body(g, in)
}

func alike(a, b *val) bool {
	if a.dtype != b.dtype || a.ranked != b.ranked || len(a.dims) != len(b.dims) {
		return false
	}
	for i := range a.dims {
		if a.dims[i].ok != b.dims[i].ok || a.dims[i].ok && !same(a.dims[i], b.dims[i]) {
			return false
		}
	}
	return true
}

// scan infers the body with the states and one slice of each scanned input (opset 9 and later, where the axes are
// attributes and there is no batch axis).
func scan(c *call) {
	a := c.node.Attr("body")
	count := c.node.Int("num_scan_inputs", 0)
	state := int64(len(c.in)) - count
	if a == nil || a.G == nil || count < 1 || state < 0 || c.opset < 9 {
		c.dependent()
		return
	}
	along, outAlong := c.node.Ints("scan_input_axes"), c.node.Ints("scan_output_axes")
	length := unknown
	var in []*val
	for i, v := range c.in {
		v = carried(v)
		if j := i - int(state); j >= 0 && v != nil && v.ranked {
			ax := int64(0)
			if j < len(along) {
				ax = along[j]
			}
			at, valid := axis(ax, len(v.dims))
			if !valid {
				c.invalid()
				return
			}
			if v.dims[at].ok {
				length = v.dims[at]
			}
			v.dims = slices.Delete(slices.Clone(v.dims), at, at+1)
		}
		in = append(in, v)
	}
	if n, ok := length.fixed(); ok {
		c.trips[c.node] = n
	}
	out := c.body(a.G, in)
	for i := range c.out {
		if i >= len(out) || out[i] == nil {
			continue
		}
		v := carried(out[i])
		if j := i - int(state); j >= 0 && v.ranked {
			ax := int64(0)
			if j < len(outAlong) {
				ax = outAlong[j]
			}
			at, valid := axis(ax, len(v.dims)+1)
			if !valid {
				continue
			}
			v.dims = slices.Insert(slices.Clone(v.dims), at, length)
		}
		c.set(i, v)
	}
}

// function infers a call of a function of the model by inlining a copy of its body.
func (c *call) function(f *onnx.Function) {
	key := f.Domain + ":" + f.Name + ":" + f.Overload
	if c.calling[key] || c.inlined+len(f.Nodes) > maxInlined || c.scope.depth >= maxNested {
		c.reason = UnknownOperator
		return
	}
	c.calling[key] = true
	c.inlined += len(f.Nodes)
	defer delete(c.calling, key)
	g := &onnx.Graph{Name: f.Name, ValueInfo: f.ValueInfo}
	for _, n := range f.Nodes {
		g.Nodes = append(g.Nodes, c.instantiate(f, n))
	}
	sc := &scope{graph: g, vals: map[string]*val{}, depth: c.scope.depth + 1}
	for i, name := range f.Inputs {
		v := c.arg(i)
		if v == nil {
			v = &val{}
		}
		sc.vals[name] = v
		g.Inputs = append(g.Inputs, &onnx.ValueInfo{Name: name})
	}
	for _, name := range f.Outputs {
		g.Outputs = append(g.Outputs, &onnx.ValueInfo{Name: name})
	}
	saved := c.current
	if len(f.Opsets) > 0 {
		c.current = opsets(f.Opsets)
	}
	c.graph(sc)
	c.current = saved
	c.bodies[c.node] = g
	for i, name := range f.Outputs {
		c.set(i, sc.vals[name])
	}
}

// instantiate copies a node of a function with its attribute references replaced by what the call gives.
func (c *call) instantiate(f *onnx.Function, n *onnx.Node) *onnx.Node {
	out := n.Clone()
	attrs := out.Attrs[:0]
	for _, a := range out.Attrs {
		if a.RefName == "" {
			attrs = append(attrs, a)
			continue
		}
		given := c.node.Attr(a.RefName)
		for _, p := range f.AttrProtos {
			if given == nil && p.Name == a.RefName {
				given = p
			}
		}
		if given != nil {
			copied := *given
			copied.Name = a.Name
			attrs = append(attrs, &copied)
		}
	}
	out.Attrs = attrs
	return out
}
