package emit

import (
	"fmt"
	"slices"
	"strconv"

	"infer/internal/fault"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
	"infer/optimize"
)

// scope is one graph of a model: its editor, and the graph around it.
type scope struct {
	*optimize.Editor
	outer *scope // nil for the main graph
}

// scopes returns the main graph of m and the graphs inside its nodes, outer ones first.
func scopes(m *onnx.Model) []*scope {
	var list []*scope
	var add func(g *onnx.Graph, outer *scope)
	add = func(g *onnx.Graph, outer *scope) {
		s := &scope{optimize.NewEditor(m, g), outer}
		list = append(list, s)
		for _, n := range g.Nodes {
			for _, sub := range n.Subgraphs() {
				add(sub, s)
			}
		}
	}
	add(m.Graph, nil)
	return list
}

// find returns the tensor of a value that is the same in every run, defined in this graph or in one around it, and the
// scope that defines it; nil where there is none.
func (s *scope) find(value string) (*onnx.Tensor, *scope) {
	t, ok := s.Constant(value)
	if !ok {
		return nil, nil
	}
	for s.outer != nil {
		if outer, _ := s.outer.Constant(value); outer != t {
			break
		}
		s = s.outer
	}
	return t, s
}

// addTo adds a constant to owner, a graph that s sees, and returns its name.
func (s *scope) addTo(owner *scope, base string, v tensor.Tensor) (string, error) {
	t, err := onnx.NewTensor(s.Unique(base), v)
	if err != nil {
		return "", err
	}
	owner.Graph.Initializers = append(owner.Graph.Initializers, t)
	return t.Name, nil
}

// rewrite goes over the nodes of a model and gathers what was decided about them.
type rewrite struct {
	model  *onnx.Model
	scopes []*scope
	shapes *static.Shapes // of the float model
	list   []*decided
}

// decided is a decision in the making, about one node of one graph.
type decided struct {
	Decision
	node    *onnx.Node
	scope   *scope
	weights []constant // what it no longer reads
}

// constant is a tensor that a graph defines.
type constant struct {
	tensor *onnx.Tensor
	owner  *scope
}

func newRewrite(m *onnx.Model) *rewrite {
	return &rewrite{model: m, scopes: scopes(m), shapes: static.Infer(m, nil)}
}

// rank returns the number of axes that a value of the float model has, -1 where it is not known.
func (r *rewrite) rank(s *scope, value string) int {
	if t, _ := s.find(value); t != nil {
		return len(t.Dims)
	}
	if v, ok := r.shapes.Of(s.Graph, value); ok && v.HasShape {
		return len(v.Dims)
	}
	return -1
}

// each calls f for every picked node, graph by graph, and keeps what it decides: a decision that f gave no form is none.
func (r *rewrite) each(pick func(*onnx.Node) bool, f func(*decided) error) error {
	for _, s := range r.scopes {
		s.Reindex() // the names that the graphs before it took
		for _, n := range slices.Clone(s.Graph.Nodes) {
			if len(n.Outputs) == 0 || pick != nil && !pick(n) {
				continue
			}
			d := &decided{Decision: Decision{Node: n.Name, Op: n.OpType, Output: n.Outputs[0]}, node: n, scope: s}
			if err := f(d); err != nil {
				return fault.Wrap(err, "quantize %s", d.label())
			}
			if d.Form != "" {
				r.list = append(r.list, d)
			}
		}
	}
	return nil
}

// label names the node for people.
func (d *decided) label() string {
	if d.Node != "" {
		return d.Op + " " + d.Node
	}
	return d.Op + " of " + d.Output
}

// leave decides that the node stays in float.
func (d *decided) leave(why string) { d.Form, d.Why = Float, why }

// become decides on a form, for a node whose constant weights were replaced; predicted is what the runtime makes of it.
func (d *decided) become(f Form, predicted string, weights ...constant) {
	d.Form, d.Predicted, d.weights, d.Weight = f, predicted, weights, weights[0].tensor.Name
}

// refuse decides that the node stays in float where err is that its weight has no integer form, and returns err
// otherwise.
func (d *decided) refuse(err error) error {
	if fault.KindOf(err) != fault.Unsupported {
		return err
	}
	d.leave("its weight: " + err.Error())
	return nil
}

// finish drops what nothing needs any more, and returns the decisions, with a note where a constant is still needed as
// it was.
func (r *rewrite) finish() ([]Decision, error) {
	if slices.ContainsFunc(r.list, func(d *decided) bool { return d.Form != Float }) {
		for _, s := range slices.Backward(r.scopes) { // what inner graphs read, outer ones must keep
			if err := s.Finish(); err != nil {
				return nil, err
			}
		}
	}
	list := make([]Decision, len(r.list))
	for i, d := range r.list {
		for _, w := range d.weights {
			if kept, _ := w.owner.Constant(w.tensor.Name); kept == w.tensor {
				d.Note = fmt.Sprintf("the float copy of %q stays, which other nodes read", w.tensor.Name)
			}
		}
		list[i] = d.Decision
	}
	return list, nil
}

// need reports a model whose operator set is older than what a rewriting writes.
func need(m *onnx.Model, what string, opset int64) error {
	if have := m.Opset(""); have < opset {
		return fault.New(fault.Unsupported, "upgrade to opset "+strconv.FormatInt(opset, 10)+" first", "%s needs opset %d, and the model has %d", what, opset, have)
	}
	return nil
}
