package optimize

import (
	"math"
	"slices"

	"infer/model/onnx"
)

// FuseGelu makes one Gelu of x·½·(1 + erf(x/√2)) in the orders in which exporters multiply: that of ONNX from opset 20
// on, else that of com.microsoft, which other runtimes do not know.
func FuseGelu() Pass {
	return local("fuse-gelu", "makes one Gelu of its parts", func(w *Work, e *Editor, n *onnx.Node) bool {
		x, parts, ok := e.matchGelu(n)
		if !ok || !e.private(parts) {
			return false
		}
		out := parts[len(parts)-1].Outputs[0]
		e.Remove(parts[len(parts)-1])
		gelu := &onnx.Node{Name: e.Unique(out + "_Gelu"), OpType: "Gelu", Inputs: []string{x}, Outputs: []string{out}}
		if w.Model.Opset("") < 20 {
			gelu.Domain = "com.microsoft"
			w.importDomain(gelu.Domain)
		}
		e.Insert(gelu)
		return true
	})
}

// importDomain makes the model import version 1 of a domain that it does not import yet.
func (w *Work) importDomain(domain string) {
	if w.Model.Opset(domain) == 0 {
		w.Model.Opsets = append(w.Model.Opsets, onnx.Opset{Domain: domain, Version: 1})
	}
}

// matchGelu finds the Gelu whose Erf is n: what it is of, and its nodes, the one that makes the result last.
func (e *Editor) matchGelu(n *onnx.Node) (x string, parts []*onnx.Node, ok bool) {
	if !is(n, "Erf") {
		return "", nil, false
	}
	scaled := e.maker(input(n, 0), "Div", "Mul")
	sum := e.OnlyReader(output(n, 0))
	if scaled == nil || !is(sum, "Add") || !e.near(other(sum, n.Outputs[0]), 1) {
		return "", nil, false
	}
	switch {
	case len(scaled.Inputs) != 2:
	case scaled.OpType == "Div" && e.near(scaled.Inputs[1], math.Sqrt2),
		scaled.OpType == "Mul" && e.near(scaled.Inputs[1], math.Sqrt2/2):
		x = scaled.Inputs[0]
	case scaled.OpType == "Mul" && e.near(scaled.Inputs[0], math.Sqrt2/2):
		x = scaled.Inputs[1]
	}
	parts = []*onnx.Node{scaled, n, sum}
	if x == "" {
		return "", nil, false
	}
	return e.matchProduct(x, parts)
}

// matchProduct finds the two Muls that multiply what the last part makes by x and by ½, in any order.
func (e *Editor) matchProduct(x string, parts []*onnx.Node) (string, []*onnx.Node, bool) {
	var factors []string
	for len(factors) < 2 {
		last := output(parts[len(parts)-1], 0)
		mul := e.OnlyReader(last)
		if !is(mul, "Mul") {
			return "", nil, false
		}
		factor := other(mul, last)
		if half := e.halfOf(factor, x); half != nil && len(factors) == 0 {
			return x, append(slices.Insert(parts, 0, half), mul), true
		}
		factors, parts = append(factors, factor), append(parts, mul)
	}
	ok := factors[0] == x && e.near(factors[1], 0.5) || factors[1] == x && e.near(factors[0], 0.5)
	return x, parts, ok
}

// halfOf returns the Mul that makes value as half of x, nil where there is none.
func (e *Editor) halfOf(value, x string) *onnx.Node {
	if mul := e.maker(value, "Mul"); mul != nil && e.near(other(mul, x), 0.5) {
		return mul
	}
	return nil
}

// near reports whether value is a constant of one element, want as a float16 or wider number has it, that broadcasts
// nothing.
func (e *Editor) near(value string, want float64) bool {
	c, ok := e.Constant(value)
	v, isScalar := e.scalar(value)
	return ok && isScalar && len(c.Dims) <= 1 && math.Abs(v-want) <= 1e-3*want
}
