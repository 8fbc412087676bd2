package optimize

import (
	"math"
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// fuseActivation makes one operator of the parts that exporters write activations in, where the model's opset has it:
// HardSigmoid, HardSwish from 14, Mish from 18, Gelu by erf or tanh from 20, Swish from 24.
func fuseActivation() Pass {
	return local("fuse-activation", "makes one Gelu, Swish, Mish, HardSwish or HardSigmoid of its parts, where the opset has it",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			f, ok := e.factorsOf(n)
			if !ok || len(f.under) > 0 {
				return false
			}
			for _, special := range f.over {
				a, ok := e.matchActivation(w, f, special)
				if ok && w.Model.Opset("") >= a.since && e.fuseParts(a, f, n) {
					return true
				}
			}
			return false
		})
}

// activation is an activation that was found in parts.
type activation struct {
	op    string
	since int64 // the opset that it came with
	x     string
	attrs []*onnx.Attribute
	inner []*onnx.Node // those beside the product, in any order
}

// fuseParts puts an activation in the place of its parts, where nothing else reads what they make.
func (e *Editor) fuseParts(a activation, f factors, n *onnx.Node) bool {
	parts := slices.Concat(a.inner, f.nodes[1:], []*onnx.Node{n})
	if !e.private(parts) {
		return false
	}
	out := n.Outputs[0]
	e.Remove(n)
	e.Insert(&onnx.Node{Name: e.Unique(out + "_" + a.op), OpType: a.op, Inputs: []string{a.x}, Outputs: []string{out}, Attrs: a.attrs})
	return true
}

// matchActivation finds the activation that a product with the factor special is.
func (e *Editor) matchActivation(w *Work, f factors, special string) (activation, bool) {
	p := e.Producer(special)
	x, d := firstInput(p), w.known(e, special).DType
	switch {
	case p == nil || only(p) != special || x == "" || !d.IsFloat():
	case is(p, "Add"):
		return e.matchGeluProduct(f, p, d)
	case is(p, "Clip"):
		return e.matchHard(f, p, d)
	case is(p, "HardSigmoid"):
		a := activation{op: "HardSwish", since: 14, x: x, inner: []*onnx.Node{p}}
		half := nearly(float64(p.Float("alpha", 0.2)), 1.0/6, d) && nearly(float64(p.Float("beta", 0.5)), 0.5, d)
		return a, half && f.are(1, d, []string{x, special}, nil)
	case is(p, "Tanh"):
		soft := e.maker(x, "Softplus")
		if soft == nil {
			return activation{}, false
		}
		a := activation{op: "Mish", since: 18, x: firstInput(soft), inner: []*onnx.Node{soft, p}}
		return a, a.x != "" && f.are(1, d, []string{a.x, special}, nil)
	case is(p, "Sigmoid"):
		return e.matchSwish(f, p, d)
	}
	return activation{}, false
}

// firstInput is the first input of a node that may be nil.
func firstInput(n *onnx.Node) string {
	if n == nil {
		return ""
	}
	return input(n, 0)
}

// matchSwish finds x·Sigmoid(alpha·x), of which p is the Sigmoid.
func (e *Editor) matchSwish(f factors, p *onnx.Node, d tensor.DType) (activation, bool) {
	special := p.Outputs[0]
	a := activation{op: "Swish", since: 24, x: p.Inputs[0], inner: []*onnx.Node{p}}
	if f.are(1, d, []string{a.x, special}, nil) {
		return a, true
	}
	inner, ok := e.factorsOf(e.Producer(a.x))
	if !ok || len(inner.over) != 1 || len(inner.under) != 0 {
		return a, false
	}
	a.x, a.inner = inner.over[0], append(inner.nodes, p)
	a.attrs = []*onnx.Attribute{floatAttr("alpha", float32(inner.number))}
	return a, f.are(1, d, []string{a.x, special}, nil)
}

// matchHard finds the HardSwish x·Clip(x + 3, 0, 6)/6, and the HardSigmoid Clip(x + b, 0, c)/c, of which p is the Clip.
func (e *Editor) matchHard(f factors, p *onnx.Node, d tensor.DType) (activation, bool) {
	b, ok := e.bounds(p)
	sum := e.maker(p.Inputs[0], "Add")
	if !ok || sum == nil || len(sum.Inputs) != 2 || b.lo != 0 || !(b.hi > 0) || math.IsInf(b.hi, 1) {
		return activation{}, false
	}
	for i, x := range sum.Inputs {
		shift, ok := e.number(sum.Inputs[1-i])
		if !ok || x == "" {
			continue
		}
		inner := []*onnx.Node{sum, p}
		if nearly(shift, 3, d) && b.hi == 6 && f.are(1.0/6, d, []string{x, p.Outputs[0]}, nil) {
			return activation{op: "HardSwish", since: 14, x: x, inner: inner}, true
		}
		attrs := []*onnx.Attribute{floatAttr("alpha", float32(1/b.hi)), floatAttr("beta", float32(shift/b.hi))}
		return activation{op: "HardSigmoid", since: 6, x: x, inner: inner, attrs: attrs}, f.are(1/b.hi, d, []string{p.Outputs[0]}, nil)
	}
	return activation{}, false
}

// matchGeluProduct finds the Gelu ½·x·(1 + g(x)) of which the sum is the last factor.
func (e *Editor) matchGeluProduct(f factors, sum *onnx.Node, d tensor.DType) (activation, bool) {
	if len(f.over) != 2 || len(sum.Inputs) != 2 {
		return activation{}, false
	}
	x := f.over[0]
	if x == sum.Outputs[0] {
		x = f.over[1]
	}
	for i, g := range sum.Inputs {
		p := e.maker(g, "Erf", "Tanh")
		if p == nil || !e.isNumber(sum.Inputs[1-i], 1) || !f.are(0.5, d, []string{x, sum.Outputs[0]}, nil) {
			continue
		}
		inner, ok := e.factorsOf(e.Producer(firstInput(p)))
		a := activation{op: "Gelu", since: 20, x: x, inner: append(slices.Clone(inner.nodes), p, sum)}
		if is(p, "Erf") {
			return a, ok && inner.are(math.Sqrt2/2, d, []string{x}, nil)
		}
		a.attrs = []*onnx.Attribute{stringAttr("approximate", "tanh")}
		polynomial, ok2 := e.matchCubic(inner, x, d)
		a.inner = append(a.inner, polynomial...)
		return a, ok && ok2
	}
	return activation{}, false
}

// cubic is the factor of x³ in the approximation of Gelu by tanh. Ref: Hendrycks and Gimpel, Gaussian Error Linear
// Units, 2016, section 2.
const cubic = 0.044715

// matchCubic returns the nodes that make √(2/π)·(x + 0.044715·x³), or √(2/π)·x·(1 + 0.044715·x²), beside the product f.
func (e *Editor) matchCubic(f factors, x string, d tensor.DType) ([]*onnx.Node, bool) {
	if !nearly(f.number, math.Sqrt(2/math.Pi), d) || len(f.under) > 0 || len(f.over) < 1 || len(f.over) > 2 {
		return nil, false
	}
	for _, s := range f.over {
		sum := e.maker(s, "Add")
		if sum == nil || len(sum.Inputs) != 2 {
			continue
		}
		for i, term := range sum.Inputs {
			power, ok := e.factorsOf(e.Producer(term))
			other := sum.Inputs[1-i]
			factored := len(f.over) == 2
			switch {
			case !ok:
				continue
			case factored && sameSet(f.over, []string{x, s}) && e.isNumber(other, 1) && power.are(cubic, d, []string{x, x}, nil),
				!factored && other == x && power.are(cubic, d, []string{x, x, x}, nil):
				return append(power.nodes, sum), true
			}
		}
	}
	return nil, false
}
