package static

import (
	"cmp"
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// Memory is the least memory that the activations of the main graph need.
type Memory struct {
	Peak    int64       // bytes
	Node    *onnx.Node  // the node that runs at the peak; nil for a graph without nodes
	Alive   []LiveValue // the tensors alive there, largest first
	Unknown []string    // values of unknown size, which Peak lacks
	Values  int         // values looked at, Unknown included
}

// LiveValue is a tensor that holds memory at the peak. Views carry the name of the tensor whose bytes they share.
type LiveValue struct {
	Name  string
	Bytes int64
}

// Coverage returns the share of values of a known size, 1 where there are none.
func (m *Memory) Coverage() float64 {
	if m.Values == 0 {
		return 1
	}
	return 1 - float64(len(m.Unknown))/float64(m.Values)
}

// span is the life of one piece of memory, in steps of the node order.
type span struct {
	name        string
	first, last int
	bytes       int64
}

// Liveness sweeps over the nodes in the order in which they can run: a tensor lives from its producer to its last
// reader, subgraphs included. Graph inputs count from the start to their last reader (the caller holds them, but a run
// needs them), graph outputs to the end; initializers and Constant outputs do not count. Views (Reshape, Squeeze,
// Unsqueeze, Identity, Flatten) share the bytes of their source. What bodies of control flow need inside is not in it.
func Liveness(m *onnx.Model, s *Shapes) *Memory {
	out := &Memory{}
	if m == nil || m.Graph == nil {
		return out
	}
	spans, steps := out.spans(m.Graph, s)
	starts, ends := make([]int64, len(steps)+1), make([]int64, len(steps)+1)
	for _, p := range spans {
		starts[p.first] = plus(starts[p.first], p.bytes)
		ends[p.last] = plus(ends[p.last], p.bytes)
	}
	live, at := int64(0), -1
	for i := range steps {
		live = plus(live, starts[i])
		if live > out.Peak || at < 0 {
			out.Peak, at = live, i
		}
		live -= ends[i]
	}
	if at < 0 {
		for _, p := range spans {
			out.Peak = plus(out.Peak, p.bytes)
			out.Alive = append(out.Alive, LiveValue{p.name, p.bytes})
		}
		return out
	}
	out.Node = m.Graph.Nodes[steps[at]]
	for _, p := range spans {
		if p.first <= at && at <= p.last && p.bytes > 0 {
			out.Alive = append(out.Alive, LiveValue{p.name, p.bytes})
		}
	}
	slices.SortFunc(out.Alive, func(a, b LiveValue) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Name, b.Name))
	})
	return out
}

// spans returns the memory of the activations and the node order.
func (m *Memory) spans(g *onnx.Graph, s *Shapes) (spans []*span, steps []int) {
	steps = order(g)
	by := map[string]*span{} // a nil entry is a constant
	start := func(name string, step int) {
		p := &span{name: name, first: step, last: step}
		m.Values++
		v, _ := s.Of(g, name)
		n, ok := v.Bytes()
		if !ok && v.DType != tensor.String {
			m.Unknown = append(m.Unknown, name)
		}
		p.bytes = n
		by[name] = p
		spans = append(spans, p)
	}
	for _, t := range g.Initializers {
		by[t.Name] = nil
	}
	for _, v := range g.Inputs {
		if _, constant := by[v.Name]; !constant {
			start(v.Name, 0)
		}
	}
	for step, i := range steps {
		n := g.Nodes[i]
		for _, name := range reads(n) {
			if p := by[name]; p != nil {
				p.last = step
			}
		}
		for j, name := range n.Outputs {
			switch {
			case name == "":
			case n.OpType == "Constant" && domain(n.Domain) == "":
				by[name] = nil
			case j == 0 && domain(n.Domain) == "" && viewOps(n.OpType) && len(n.Inputs) > 0 && known(by, n.Inputs[0]):
				by[name] = by[n.Inputs[0]]
			default:
				start(name, step)
			}
		}
	}
	for _, o := range g.Outputs {
		if p := by[o.Name]; p != nil {
			p.last = max(0, len(steps)-1)
		}
	}
	return spans, steps
}

func known(by map[string]*span, name string) bool { _, ok := by[name]; return ok }
