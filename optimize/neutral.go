package optimize

import (
	"math"
	"slices"

	"infer/model/onnx"
)

// eliminateNeutral removes nodes of which one operand, a constant, leaves the other one as it is. Not before the fusions,
// which look for these operands too: a normalization has a scale also where it is 1.
func eliminateNeutral() Pass {
	return local("eliminate-neutral", "removes products with 1, sums with 0 and the choice of a Where that is always the same",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			if n.Domain != "" || only(n) == "" || slices.Contains(n.Inputs, "") {
				return false
			}
			x := e.neutral(w, n)
			return x != "" && e.bypass(n, x)
		})
}

// neutral returns the operand that n gives back because the other one, a constant, changes nothing: 1 in a product, 0 in
// a sum, the branch that a Where always takes. It returns "" where n is no such node, or where the constant may make
// the shape larger. A sum with 0 gives 0 for -0, which is rounding.
func (e *Editor) neutral(w *Work, n *onnx.Node) string {
	if n.OpType == "Where" && len(n.Inputs) == 3 {
		c, shape, ok := e.uniform(n.Inputs[0])
		taken := 1
		if c == 0 {
			taken = 2
		}
		if ok && e.keepsShape(w, n.Inputs[taken], shape, n.Outputs[0]) && sameDims(w.known(e, n.Inputs[taken]), w.known(e, n.Outputs[0])) {
			return n.Inputs[taken]
		}
		return ""
	}
	element, either := neutralElement(n.OpType)
	if math.IsNaN(element) || len(n.Inputs) != 2 {
		return ""
	}
	for i := range n.Inputs {
		if i == 0 && !either {
			continue // of a difference or quotient only the second operand has one
		}
		x := n.Inputs[1-i]
		if v, shape, ok := e.uniform(n.Inputs[i]); ok && v == element && x != "" && e.keepsShape(w, x, shape, n.Outputs[0]) {
			return x
		}
	}
	return ""
}

// neutralElement returns the element with which an operator changes nothing, NaN where it has none; either says whether
// both operands may be it.
func neutralElement(op string) (element float64, either bool) {
	switch op {
	case "Mul", "And":
		return 1, true
	case "Add", "Or", "Xor":
		return 0, true
	case "Max":
		return math.Inf(-1), true
	case "Min":
		return math.Inf(1), true
	case "Div", "Pow":
		return 1, false
	case "Sub":
		return 0, false
	}
	return math.NaN(), false
}

// keepsShape reports whether a value x that is broadcast with a constant of a shape stays as large as it is: y is what
// comes of it.
func (e *Editor) keepsShape(w *Work, x string, constant []int64, y string) bool {
	if len(constant) == 0 {
		return true
	}
	v := w.known(e, x)
	return sameDims(v, w.known(e, y)) || v.HasShape && len(constant) <= len(v.Dims) && isUnits(constant)
}

// isUnits reports whether every size is 1.
func isUnits(shape []int64) bool {
	for _, d := range shape {
		if d != 1 {
			return false
		}
	}
	return true
}
