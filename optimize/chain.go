package optimize

import (
	"math"
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// fuseChains makes one node of two of a kind in a row: sums, products, maxima and minima with constants, two negations,
// and what is the same when it is done twice.
func fuseChains() Pass {
	return local("fuse-chains", "makes one of sums, products, maxima and minima with constants in a row, and none of two negations",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			if only(n) == "" || input(n, 0) == "" {
				return false
			}
			switch {
			case is(n, "Add", "Sub", "Mul", "Div"):
				return e.fuseNegation(n) || e.joinConstants(w, n)
			case is(n, "Max", "Min"):
				return e.joinBounds(n)
			case is(n, "Not", "Neg"):
				p := e.maker(n.Inputs[0], n.OpType)
				return p != nil && input(p, 0) != "" && e.bypass(n, p.Inputs[0])
			case is(n, "Relu", "Abs", "Ceil", "Floor", "Round", "Sign"):
				return e.maker(n.Inputs[0], n.OpType) != nil && e.bypass(n, n.Inputs[0])
			case is(n, "Where"):
				return e.fuseNot(n)
			}
			return false
		})
}

// fuseNegation writes x + (-y) as x - y, and x - (-y) as x + y.
func (e *Editor) fuseNegation(n *onnx.Node) bool {
	if !is(n, "Add", "Sub") || len(n.Inputs) != 2 {
		return false
	}
	for i := range n.Inputs {
		neg := e.maker(n.Inputs[i], "Neg")
		if neg == nil || e.OnlyReader(n.Inputs[i]) != n || input(neg, 0) == "" || n.OpType == "Sub" && i == 0 {
			continue
		}
		other := n.Inputs[1-i]
		e.SetInput(n, 1, neg.Inputs[0])
		e.SetInput(n, 0, other)
		n.OpType = map[string]string{"Add": "Sub", "Sub": "Add"}[n.OpType]
		e.Remove(neg)
		return true
	}
	return false
}

// fuseNot swaps the branches of a Where that chooses by a Not.
func (e *Editor) fuseNot(n *onnx.Node) bool {
	not := e.maker(n.Inputs[0], "Not")
	if not == nil || len(n.Inputs) != 3 || input(not, 0) == "" || e.OnlyReader(n.Inputs[0]) != n {
		return false
	}
	yes, no := n.Inputs[1], n.Inputs[2]
	e.SetInput(n, 1, no)
	e.SetInput(n, 2, yes)
	e.SetInput(n, 0, not.Inputs[0])
	e.Remove(not)
	return true
}

// link is a node that adds a constant to x, c - x where it is negative, or multiplies x by one.
type link struct {
	x        string
	sum      bool
	negative bool // of a sum: it is c - x
	values   []float64
	shape    tensor.Shape
	dtype    tensor.DType
}

// link returns what n, an Add, Sub, Mul or Div, does to the operand that is not constant.
func (e *Editor) link(n *onnx.Node) (l link, ok bool) {
	if n == nil || len(n.Inputs) != 2 || only(n) == "" {
		return l, false
	}
	for i, x := range n.Inputs {
		v, shape, d, constant := e.floats(n.Inputs[1-i])
		if _, both := e.Constant(x); !constant || both || x == "" || n.OpType == "Div" && i == 1 {
			continue
		}
		l = link{x: x, sum: is(n, "Add", "Sub"), shape: shape, dtype: d, values: make([]float64, len(v))}
		l.negative = n.OpType == "Sub" && i == 1
		for j, f := range v {
			switch l.values[j] = float64(f); {
			case n.OpType == "Sub" && i == 0:
				l.values[j] = -l.values[j]
			case n.OpType == "Div":
				l.values[j] = 1 / l.values[j]
			}
		}
		return l, true
	}
	return l, false
}

// joinConstants makes one node of two sums, or of two products, with constants. The order of float operations changes, so
// it keeps to constants for which that is rounding: sums that do not cancel, and products far from overflow.
func (e *Editor) joinConstants(w *Work, n *onnx.Node) bool {
	inRow := func(x string) bool { return is(e.Producer(x), "Add", "Sub", "Mul", "Div") && e.OnlyReader(x) == n }
	if !slices.ContainsFunc(n.Inputs, inRow) {
		return false // before constants are read, which may be large
	}
	last, ok := e.link(n)
	if !ok || !inRow(last.x) {
		return false
	}
	p := e.Producer(last.x)
	first, ok := e.link(p)
	if !ok || first.sum != last.sum || first.dtype != last.dtype || len(w.known(e, first.x).Dims) < max(len(first.shape), len(last.shape)) {
		return false
	}
	both, ok := first.then(last)
	if !ok {
		return false
	}
	c, err := e.addFloats(n.Outputs[0]+"_constant", both.dtype, both.shape, both.float32s())
	if err != nil {
		return false
	}
	op, inputs := "Mul", []string{first.x, c}
	if both.sum {
		op = "Add"
	}
	if both.negative {
		op, inputs = "Sub", []string{c, first.x}
	}
	out := n.Outputs[0]
	e.Remove(n)
	e.Remove(p)
	e.Insert(&onnx.Node{Name: n.Name, OpType: op, Inputs: inputs, Outputs: []string{out}})
	return true
}

// then returns both links as one, whose constant is no larger than the larger of them.
func (l link) then(next link) (link, bool) {
	both := link{x: l.x, sum: l.sum, negative: l.negative != next.negative, dtype: l.dtype, shape: l.shape}
	if len(next.values) > len(l.values) {
		both.shape = next.shape
	}
	n := max(len(l.values), len(next.values))
	if len(l.values) != 1 && len(next.values) != 1 && !l.shape.Equal(next.shape) || min(len(l.values), len(next.values)) == 0 {
		return both, false
	}
	for i := range n {
		a, b := l.values[i%len(l.values)], next.values[i%len(next.values)]
		if next.negative {
			a = -a
		}
		x := a * b
		ok := moderate(a) && moderate(b) && moderate(x)
		if both.sum {
			x = a + b
			ok = math.Abs(x) >= max(math.Abs(a), math.Abs(b))/2 && !math.IsInf(x, 0)
		}
		if !ok {
			return both, false
		}
		both.values = append(both.values, x)
	}
	return both, representable(both.dtype, both.float32s())
}

func (l link) float32s() []float32 {
	list := make([]float32, len(l.values))
	for i, x := range l.values {
		list[i] = float32(x)
	}
	return list
}

// moderate reports whether a factor is neither so large nor so small that the order of products decides about overflow.
func moderate(x float64) bool { return math.Abs(x) > 1e-6 && math.Abs(x) < 1e6 }

// joinBounds makes one Max of two, or one Min, with a constant of one element each.
func (e *Editor) joinBounds(n *onnx.Node) bool {
	for i, x := range n.Inputs {
		p := e.maker(x, n.OpType)
		if len(n.Inputs) != 2 || p == nil || len(p.Inputs) != 2 || e.OnlyReader(x) != n {
			continue
		}
		c, ok := e.scalar(n.Inputs[1-i])
		if !ok {
			continue
		}
		for j := range p.Inputs {
			b, ok := e.scalar(p.Inputs[j])
			if !ok || p.Inputs[1-j] == "" || math.IsNaN(b) || math.IsNaN(c) {
				continue
			}
			keep := n.Inputs[1-i]
			if n.OpType == "Max" && b > c || n.OpType == "Min" && b < c {
				keep = p.Inputs[j]
			}
			if !e.ranksAlike(n.Inputs[1-i], p.Inputs[j]) {
				continue
			}
			inner := p.Inputs[1-j]
			e.SetInput(n, i, inner)
			e.SetInput(n, 1-i, keep)
			e.Remove(p)
			return true
		}
	}
	return false
}

// ranksAlike reports whether two constants of one element have the same rank: the one that is kept broadcasts like both.
func (e *Editor) ranksAlike(a, b string) bool {
	x, okX := e.Constant(a)
	y, okY := e.Constant(b)
	return okX && okY && len(x.Dims) == len(y.Dims)
}
