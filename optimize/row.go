package optimize

import (
	"slices"

	"infer/model/onnx"
)

// row is two nodes of one kind with elementwise nodes between them, which read one value each.
type row struct {
	first, last *onnx.Node
	between     []*onnx.Node // in the order of the computation
	alone       bool         // what first makes is read by the row alone, or by others that can do without it too
}

// maxBetween is how many elementwise nodes a row may have.
const maxBetween = 8

// rowTo finds the row that ends in last, a node of a kind that reads its data first.
func (e *Editor) rowTo(w *Work, last *onnx.Node, kind func(*Work, *onnx.Node) bool) (r row, ok bool) {
	r.last = last
	v, reader, rank := last.Inputs[0], last, 0
	for len(r.between) <= maxBetween {
		p := e.Producer(v)
		if p == nil || p == last || only(p) != v || slices.Contains(r.between, p) {
			return r, false
		}
		if kind(w, p) {
			r.first, r.alone = p, len(r.between) > 0 || e.allOfKind(w, v, kind)
			return r, len(r.between) == 0 || e.OnlyReader(v) == reader && e.hasRank(w, p.Inputs[0], rank)
		}
		at, constant := e.through(p)
		if at < 0 || e.OnlyReader(v) != reader || !e.hasRank(w, p.Inputs[at], constant) {
			return r, false
		}
		rank = max(rank, constant)
		r.between = slices.Insert(r.between, 0, p)
		v, reader = p.Inputs[at], p
	}
	return r, false
}

// allOfKind reports whether all who read value are nodes of a kind that read it as their data alone.
func (e *Editor) allOfKind(w *Work, value string, kind func(*Work, *onnx.Node) bool) bool {
	return !e.IsOutput(value) && !slices.ContainsFunc(e.Consumers(value), func(n *onnx.Node) bool {
		return len(n.Subgraphs()) > 0 || n.Inputs[0] != value || slices.Contains(n.Inputs[1:], value) || !kind(w, n)
	})
}

// hasRank reports whether a value is known to have at least so many axes.
func (e *Editor) hasRank(w *Work, value string, rank int) bool {
	v := w.known(e, value)
	return rank == 0 || v.HasShape && len(v.Dims) >= rank
}

// unary are operators that compute each element of their first input alone.
var unary = map[string]bool{
	"Abs": true, "Acos": true, "Asin": true, "Atan": true, "Cast": true, "Ceil": true, "Celu": true, "Clip": true, "Cos": true, "Cosh": true,
	"Elu": true, "Erf": true, "Exp": true, "Floor": true, "Gelu": true, "HardSigmoid": true, "HardSwish": true, "IsInf": true, "IsNaN": true,
	"LeakyRelu": true, "Log": true, "Mish": true, "Neg": true, "Not": true, "Reciprocal": true, "Relu": true, "Round": true, "Selu": true,
	"Sigmoid": true, "Sign": true, "Sin": true, "Sinh": true, "Softplus": true, "Softsign": true, "Sqrt": true, "Tan": true, "Tanh": true,
	"ThresholdedRelu": true,
}

// broadcasting are operators of two operands that are broadcast.
var broadcasting = map[string]bool{
	"Add": true, "And": true, "Div": true, "Equal": true, "Greater": true, "GreaterOrEqual": true, "Less": true, "LessOrEqual": true,
	"Max": true, "Min": true, "Mul": true, "Or": true, "Pow": true, "PRelu": true, "Sub": true, "Xor": true,
}

// through returns which input of an elementwise node gives its output the shape, -1 where n is another node or several
// inputs do. The other operand may be a constant of one element, whose rank is returned.
func (e *Editor) through(n *onnx.Node) (at, rank int) {
	switch {
	case n.Domain != "" || only(n) == "" || input(n, 0) == "" || n.Attr("axis") != nil || n.Attr("broadcast") != nil:
	case unary[n.OpType]:
		return 0, 0
	case !broadcasting[n.OpType] || len(n.Inputs) != 2 || n.Inputs[1] == "":
	default:
		for i := range 2 {
			c, ok := e.Constant(n.Inputs[i])
			_, both := e.Constant(n.Inputs[1-i])
			if ok && !both && isUnits(c.Dims) && (i == 1 || n.OpType != "PRelu") {
				return 1 - i, len(c.Dims)
			}
		}
	}
	return -1, 0
}

// mergeRow puts merged in the place of the first and the last node of a row, with the nodes between in front of it; nil
// where the two do nothing together. It does so only where a node less is left then or later.
func (e *Editor) mergeRow(r row, merged *onnx.Node) bool {
	data, made, y := r.first.Inputs[0], r.first.Outputs[0], r.last.Outputs[0]
	if !r.alone && (merged != nil || !e.replaceable(y, data)) {
		return false
	}
	for _, n := range r.between {
		at, _ := e.through(n)
		e.SetInput(n, at, data)
		data = e.detach(n.Outputs[0], n.Outputs[0]+"_moved") // its shape is another one now
	}
	e.Remove(r.last)
	if len(e.Consumers(made)) == 0 && !e.IsOutput(made) {
		e.Remove(r.first)
	}
	if merged == nil {
		e.Replace(y, data)
		return true
	}
	merged.Name, merged.Outputs, merged.Inputs[0] = r.last.Name, []string{y}, data
	e.Insert(merged)
	return true
}
