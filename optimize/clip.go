package optimize

import (
	"math"

	"infer/model/onnx"
	"infer/model/tensor"
)

// fuseReluClip makes one node of two that bound the same value in a row, and a Relu of a Clip that bounds from below
// by 0 alone. What the largest float32 bounds counts as unbounded, as exporters write it.
func fuseReluClip() Pass {
	return local("fuse-relu-clip", "makes one of Relu and Clip in a row, and a Relu of a Clip at 0",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			if w.Model.Opset("") < 11 || only(n) == "" {
				return false // the bounds were attributes
			}
			b, ok := e.bounds(n)
			if !ok {
				return false
			}
			p := e.Producer(n.Inputs[0])
			first, ok := e.bounds(p)
			if !ok || e.OnlyReader(n.Inputs[0]) != n || first.lo > first.hi || b.lo > b.hi {
				return n.OpType == "Clip" && b.isRelu() && e.setBounds(n, b)
			}
			x := p.Inputs[0]
			if !e.setBounds(n, first.then(b)) {
				return false
			}
			e.Remove(p)
			e.SetInput(n, 0, x)
			return true
		})
}

// interval is what a Relu or Clip keeps its values in.
type interval struct {
	lo, hi float64
	dtype  tensor.DType // of the bounds of a Clip; Undefined where it has none
}

// bounds returns the interval of a Relu or of a Clip with constant bounds.
func (e *Editor) bounds(n *onnx.Node) (interval, bool) {
	b := interval{lo: math.Inf(-1), hi: math.Inf(1)}
	switch {
	case n == nil || input(n, 0) == "":
		return b, false
	case is(n, "Relu"):
		b.lo = 0
		return b, true
	case !is(n, "Clip"):
		return b, false
	}
	for i, bound := range []*float64{&b.lo, &b.hi} {
		name := input(n, i+1)
		if name == "" {
			continue
		}
		v, _, d, ok := e.floats(name)
		if !ok || len(v) != 1 || math.IsNaN(float64(v[0])) {
			return b, false
		}
		*bound, b.dtype = float64(v[0]), d
		if math.Abs(*bound) >= math.MaxFloat32 {
			*bound = math.Inf(int(math.Copysign(1, *bound)))
		}
	}
	return b, true
}

// then returns the interval of next after b: what b keeps within its bounds is all that next sees.
func (b interval) then(next interval) interval {
	clamp := func(x float64) float64 { return min(max(x, next.lo), next.hi) }
	both := interval{lo: clamp(b.lo), hi: clamp(b.hi), dtype: next.dtype}
	if both.dtype == tensor.Undefined {
		both.dtype = b.dtype
	}
	return both
}

func (b interval) isRelu() bool { return b.lo == 0 && math.IsInf(b.hi, 1) }

// setBounds makes n the Relu or Clip of an interval.
func (e *Editor) setBounds(n *onnx.Node, b interval) bool {
	names := []string{"", ""}
	for i, bound := range []float64{b.lo, b.hi} {
		if math.IsInf(bound, 2*i-1) || b.isRelu() {
			continue
		}
		name, err := e.addFloats(n.Outputs[0]+[]string{"_min", "_max"}[i], b.dtype, tensor.Shape{}, []float32{float32(bound)})
		if err != nil {
			return false
		}
		names[i] = name
	}
	for i := 1; i < len(n.Inputs); i++ {
		e.SetInput(n, i, "")
	}
	n.Inputs = n.Inputs[:1]
	if b.isRelu() {
		n.OpType = "Relu"
		return true
	}
	n.OpType = "Clip"
	for i, name := range names {
		if name != "" {
			e.setLastInput(n, i+1, name)
		}
	}
	return true
}
