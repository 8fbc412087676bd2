package static

import (
	"cmp"
	"math"
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// Work is what a computation takes. All counts saturate at the largest int64.
type Work struct {
	MACs            int64 // multiply-accumulates of contractions
	FLOPs           int64 // other floating-point operations: the total is 2·MACs + FLOPs
	Transcendentals int64 // exp, log, erf, tanh, pow, sqrt, …
	BytesIn         int64 // activations read, each input once
	BytesWeights    int64 // constants read, in their stored dtype
	BytesOut        int64 // activations written
}

// Operations returns 2·MACs + FLOPs + Transcendentals.
func (w Work) Operations() int64 {
	return plus(times(2, w.MACs), plus(w.FLOPs, w.Transcendentals))
}

// Plus returns w with o added by times.
func (w Work) Plus(o Work, by float64) Work {
	scaled := func(n int64) int64 {
		if v := float64(n) * by; v < math.MaxInt64 {
			return int64(math.Round(v))
		}
		return math.MaxInt64
	}
	w.add(Work{MACs: scaled(o.MACs), FLOPs: scaled(o.FLOPs), Transcendentals: scaled(o.Transcendentals),
		BytesIn: scaled(o.BytesIn), BytesWeights: scaled(o.BytesWeights), BytesOut: scaled(o.BytesOut)}, 1)
	return w
}

func (w *Work) add(o Work, by int64) {
	w.MACs = plus(w.MACs, times(by, o.MACs))
	w.FLOPs = plus(w.FLOPs, times(by, o.FLOPs))
	w.Transcendentals = plus(w.Transcendentals, times(by, o.Transcendentals))
	w.BytesIn = plus(w.BytesIn, times(by, o.BytesIn))
	w.BytesWeights = plus(w.BytesWeights, times(by, o.BytesWeights))
	w.BytesOut = plus(w.BytesOut, times(by, o.BytesOut))
}

// plus and times saturate: their operands are not negative.
func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func times(list ...int64) int64 {
	p := int64(1)
	for _, n := range list {
		if n <= 0 {
			return 0
		}
	}
	for _, n := range list {
		if p > math.MaxInt64/n {
			return math.MaxInt64
		}
		p *= n
	}
	return p
}

// NodeCost is the work of one node.
type NodeCost struct {
	Node   *onnx.Node
	Graph  *onnx.Graph
	Work   Work
	Known  bool   // there is a formula and the sizes that it needs are known
	Bound  bool   // an upper bound: the dearer branch of an If
	Reason string // why not Known
}

// Costs is the work of a model.
type Costs struct {
	Nodes      []NodeCost // of the main graph, in file order; subgraphs are in the node that holds them
	Total      Work       // over the known nodes of the main graph
	Covered    int        // nodes of the main graph with a known cost
	Params     int64      // elements of all initializers and Constant nodes, subgraphs included
	ParamBytes int64      // their bytes as stored
	MainNodes  int        // nodes of the main graph
	AllNodes   int        // with those of subgraphs
	Ops        []OpCount  // the operators of all graphs, most frequent first
	Bounded    bool       // Total holds an upper bound
}

// OpCount is how often an operator occurs in all graphs.
type OpCount struct {
	Op    string // with its domain in front unless it is ai.onnx: "com.microsoft.FusedConv"
	Count int
}

// Coverage returns the share of the main graph's nodes with a known cost, 1 for a graph without nodes.
func (c *Costs) Coverage() float64 {
	if c.MainNodes == 0 {
		return 1
	}
	return float64(c.Covered) / float64(c.MainNodes)
}

// Cost counts the work of m at the shapes that Infer has found. The formulas are those at the type formula; a node with a dynamic axis that was not bound is not covered.
func Cost(m *onnx.Model, s *Shapes) *Costs {
	out := &Costs{}
	if m == nil || m.Graph == nil {
		return out
	}
	out.count(m)
	k := &costing{shapes: s}
	for _, n := range m.Graph.Nodes {
		c := k.node(m.Graph, n, 0)
		out.Nodes = append(out.Nodes, c)
		out.Bounded = out.Bounded || c.Bound
		if c.Known {
			out.Covered++
			out.Total.add(c.Work, 1)
		}
	}
	return out
}

// count fills what needs no shapes.
func (c *Costs) count(m *onnx.Model) {
	ops := map[string]int{}
	c.MainNodes = len(m.Graph.Nodes)
	param := func(t *onnx.Tensor) {
		n, err := t.Dims.Elements()
		if err != nil {
			return
		}
		c.Params = plus(c.Params, n)
		if b, err := t.ByteSize(); err == nil {
			c.ParamBytes = plus(c.ParamBytes, b)
		}
	}
	m.Graph.Walk(func(g *onnx.Graph) {
		c.AllNodes += len(g.Nodes)
		for _, t := range g.Initializers {
			param(t)
		}
		for _, sp := range g.Sparse {
			if sp.Values != nil {
				param(sp.Values)
			}
		}
		for _, n := range g.Nodes {
			name := n.OpType
			if d := domain(n.Domain); d != "" {
				name = d + "." + name
			}
			ops[name]++
			if a := n.Attr("value"); n.OpType == "Constant" && a != nil && a.T != nil {
				param(a.T)
			}
		}
	})
	for op, n := range ops {
		c.Ops = append(c.Ops, OpCount{op, n})
	}
	slices.SortFunc(c.Ops, func(a, b OpCount) int { return cmp.Or(b.Count-a.Count, cmp.Compare(a.Op, b.Op)) })
}

// costing walks nodes.
type costing struct {
	shapes    *Shapes
	constants map[*onnx.Graph]map[string]bool
	formulas  map[string]formula
}

func (k *costing) node(g *onnx.Graph, n *onnx.Node, depth int) NodeCost {
	out := NodeCost{Node: n, Graph: g}
	if k.formulas == nil {
		k.formulas, k.constants = formulas(), map[*onnx.Graph]map[string]bool{}
	}
	if depth > maxNested {
		out.Reason = "nested too deep"
		return out
	}
	if body := k.shapes.bodies[n]; body != nil {
		return k.bodyCost(out, body, 1, depth)
	}
	switch ruleKey(n.Domain, n.OpType) {
	case "If":
		if g := k.shapes.taken[n]; g != nil {
			return k.bodyCost(out, g, 1, depth)
		}
		return k.branches(out, n, depth)
	case "Loop", "Scan":
		trips, ok := k.shapes.trips[n]
		a := n.Attr("body")
		if !ok || a == nil || a.G == nil {
			out.Reason = "the trip count is not known"
			return out
		}
		return k.bodyCost(out, a.G, trips, depth)
	}
	f, ok := k.formulas[ruleKey(n.Domain, n.OpType)]
	if !ok {
		out.Reason = "no formula for the operator"
		return out
	}
	c := &costCall{costing: k, graph: g, node: n}
	f(c)
	if moves(n) {
		c.traffic()
	}
	out.Work, out.Reason, out.Known = c.work, c.missing, c.missing == ""
	if !out.Known {
		out.Work = Work{}
	}
	return out
}

// bodyCost is the sum over a graph, times the trips. One unknown node makes it unknown.
func (k *costing) bodyCost(out NodeCost, g *onnx.Graph, trips int64, depth int) NodeCost {
	out.Known = true
	for _, n := range g.Nodes {
		c := k.node(g, n, depth+1)
		out.Bound = out.Bound || c.Bound
		if !c.Known {
			return NodeCost{Node: out.Node, Graph: out.Graph, Reason: "inside: " + n.OpType + ": " + c.Reason}
		}
		out.Work.add(c.Work, trips)
	}
	return out
}

// branches is the dearer one of an If.
func (k *costing) branches(out NodeCost, n *onnx.Node, depth int) NodeCost {
	for i, g := range n.Subgraphs() {
		c := k.bodyCost(NodeCost{Node: n, Graph: out.Graph}, g, 1, depth)
		if !c.Known {
			return c
		}
		if i == 0 || c.Work.Operations() > out.Work.Operations() {
			out = c
		}
	}
	out.Known, out.Bound = true, true
	return out
}

// isConstant reports whether a value is an initializer or the output of a Constant, here or in a graph around.
func (k *costing) isConstant(g *onnx.Graph, name string) bool {
	for ; g != nil; g = k.shapes.outer[g] {
		set, ok := k.constants[g]
		if !ok {
			set = map[string]bool{}
			for _, t := range g.Initializers {
				set[t.Name] = true
			}
			for _, n := range g.Nodes {
				if n.OpType == "Constant" && len(n.Outputs) > 0 {
					set[n.Outputs[0]] = true
				}
			}
			k.constants[g] = set
		}
		if set[name] {
			return true
		}
	}
	return false
}

// bytes returns the size of a value as it is moved; strings, sequences and maps count as nothing.
func (c *costCall) bytes(name string) int64 {
	v, ok := c.shapes.Of(c.graph, name)
	if !ok || v.Kind != onnx.KindTensor && v.Kind != onnx.KindNone {
		if !ok {
			c.lack("the size of " + name + " is not known")
		}
		return 0
	}
	if v.DType == tensor.String {
		return 0
	}
	n, ok := v.Bytes()
	if !ok {
		c.lack("the size of " + name + " is not known")
	}
	return n
}

// traffic counts each distinct input and every output once.
func (c *costCall) traffic() {
	seen := map[string]bool{"": true}
	for _, name := range c.node.Inputs {
		if seen[name] {
			continue
		}
		seen[name] = true
		if c.isConstant(c.graph, name) {
			c.work.BytesWeights = plus(c.work.BytesWeights, c.bytes(name))
		} else {
			c.work.BytesIn = plus(c.work.BytesIn, c.bytes(name))
		}
	}
	for _, name := range c.node.Outputs {
		if name != "" {
			c.work.BytesOut = plus(c.work.BytesOut, c.bytes(name))
		}
	}
}
