package optimize

import (
	"math"
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// factors is a product taken apart: a number times values, over values. Multiplications that nothing else reads are part
// of it, in whatever order an exporter wrote them.
type factors struct {
	number float64
	over   []string // numerator; a value to the power of three is in it thrice
	under  []string // denominator
	nodes  []*onnx.Node
}

// maxFactors bounds how far a product is taken apart: nothing that passes look for is longer.
const maxFactors = 6

// factorsOf takes the product that n makes apart; false where n is none. Numbers are constants of one element that do not
// broadcast anything.
func (e *Editor) factorsOf(n *onnx.Node) (f factors, ok bool) {
	f.number = 1
	if !is(n, "Mul", "Div", "Pow", "Reciprocal") || only(n) == "" {
		return f, false
	}
	e.takeApart(&f, n, false)
	return f, len(f.over)+len(f.under) <= maxFactors
}

// takeApart adds what n multiplies to f; inverse says that f divides by it.
func (e *Editor) takeApart(f *factors, n *onnx.Node, inverse bool) {
	f.nodes = append(f.nodes, n)
	switch {
	case is(n, "Reciprocal") && input(n, 0) != "":
		e.factor(f, n, n.Inputs[0], !inverse)
	case is(n, "Pow") && len(n.Inputs) == 2:
		for range e.exponent(n) {
			e.factor(f, n, n.Inputs[0], inverse)
		}
	case len(n.Inputs) == 2:
		e.factor(f, n, n.Inputs[0], inverse)
		e.factor(f, n, n.Inputs[1], inverse != (n.OpType == "Div"))
	}
}

// exponent returns the exponent of a Pow with a small positive whole one, 0 for another.
func (e *Editor) exponent(n *onnx.Node) int {
	if p, ok := e.number(input(n, 1)); ok && (p == 2 || p == 3) {
		return int(p)
	}
	return 0
}

// factor adds a value that reader reads to f: its own factors where it is a product that nothing else reads.
func (e *Editor) factor(f *factors, reader *onnx.Node, value string, inverse bool) {
	if c, ok := e.number(value); ok {
		if inverse {
			c = 1 / c
		}
		f.number *= c
		return
	}
	p := e.Producer(value)
	product := is(p, "Mul", "Div", "Reciprocal") || is(p, "Pow") && e.exponent(p) > 0
	if product && only(p) == value && e.OnlyReader(value) == reader && len(f.over)+len(f.under) < maxFactors {
		e.takeApart(f, p, inverse)
		return
	}
	if inverse {
		f.under = append(f.under, value)
	} else {
		f.over = append(f.over, value)
	}
}

// number returns the element of a constant that broadcasts nothing: of one element along one axis at most.
func (e *Editor) number(value string) (float64, bool) {
	c, ok := e.Constant(value)
	if !ok || len(c.Dims) > 1 {
		return math.NaN(), false
	}
	return e.scalar(value)
}

// isNumber reports whether value is a constant that is close to want.
func (e *Editor) isNumber(value string, want float64) bool {
	v, ok := e.number(value)
	c, _ := e.Constant(value)
	return ok && nearly(v, want, c.DType)
}

// nearly reports whether x is want up to the rounding of constants in a dtype.
func nearly(x, want float64, d tensor.DType) bool {
	tolerance := 1e-6
	if d == tensor.Float16 || d == tensor.BFloat16 {
		tolerance = 1e-2
	}
	return math.Abs(x-want) <= tolerance*math.Abs(want)
}

// are reports whether the factors are number times these values over those, in any order.
func (f factors) are(number float64, d tensor.DType, over, under []string) bool {
	return nearly(f.number, number, d) && sameSet(f.over, over) && sameSet(f.under, under)
}

// sameSet reports whether two lists have the same elements as often.
func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
