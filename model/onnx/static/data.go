package static

import (
	"math"

	"infer/model/tensor"
)

// setInts gives v its elements where they fit its shape.
func (v *val) setInts(ints []dim) {
	if v != nil && v.fits(len(ints)) {
		v.ints = ints
	}
}

func (v *val) setFloats(floats []float64) {
	if v != nil && v.fits(len(floats)) {
		v.floats = floats
	}
}

func truth(b bool) dim {
	if b {
		return fixed(1)
	}
	return fixed(0)
}

func mapInts(list []dim, f func(dim) dim) []dim {
	out := make([]dim, len(list))
	for i, d := range list {
		out[i] = f(d)
	}
	return out
}

// pick returns element i of a list that is broadcast to n elements; unknown where the lengths do not allow it.
func pick[T any](list []T, i, n int) (zero T) {
	switch len(list) {
	case n:
		return list[i]
	case 1:
		return list[0]
	}
	return zero
}

// unaryData follows the elements through an elementwise operator.
func unaryData(op string, x, out *val) {
	switch {
	case out == nil:
	case op == "Neg" && x.ints != nil:
		out.setInts(mapInts(x.ints, func(d dim) dim { return sub(fixed(0), d) }))
	case op == "Abs" && x.ints != nil:
		out.setInts(mapInts(x.ints, func(d dim) dim {
			if natural(d) {
				return d
			}
			if n, ok := d.fixed(); ok && n != math.MinInt64 {
				return fixed(-n)
			}
			return unknown
		}))
	case op == "Not" && x.ints != nil:
		out.setInts(mapInts(x.ints, func(d dim) dim {
			if n, ok := d.fixed(); ok {
				return truth(n == 0)
			}
			return unknown
		}))
	case x.floats != nil:
		f := map[string]func(float64) float64{"Floor": math.Floor, "Ceil": math.Ceil, "Round": math.RoundToEven, "Neg": func(v float64) float64 { return -v }}[op]
		if f == nil {
			return
		}
		list := make([]float64, len(x.floats))
		for i, v := range x.floats {
			list[i] = f(v)
		}
		out.setFloats(list)
	}
}

// natural reports whether d is not negative whatever the sizes of the dynamic axes.
func natural(d dim) bool {
	for _, t := range d.terms {
		if t.k < 0 {
			return false
		}
	}
	return d.ok && d.c >= 0
}

// binaryData follows the elements through an operator of two operands, one of which may be a single element.
func binaryData(op string, a, b *val, outs []*val) {
	if len(outs) == 0 || outs[0] == nil || a == nil || b == nil {
		return
	}
	out := outs[0]
	switch {
	case a.ints != nil && b.ints != nil:
		n := max(len(a.ints), len(b.ints))
		if len(a.ints) == 0 || len(b.ints) == 0 || len(a.dims) > 1 || len(b.dims) > 1 {
			return
		}
		ints := make([]dim, n)
		for i := range ints {
			ints[i] = intOp(op, pick(a.ints, i, n), pick(b.ints, i, n))
		}
		out.setInts(ints)
	case a.floats != nil && b.floats != nil:
		n := max(len(a.floats), len(b.floats))
		if len(a.floats) == 0 || len(b.floats) == 0 || len(a.dims) > 1 || len(b.dims) > 1 || out.dtype == tensor.Bool {
			return
		}
		floats := make([]float64, n)
		for i := range floats {
			v, ok := floatOp(op, pick(a.floats, i, n), pick(b.floats, i, n))
			if !ok {
				return
			}
			if out.dtype == tensor.Float32 {
				v = float64(float32(v))
			}
			floats[i] = v
		}
		out.setFloats(floats)
	}
}

func floatOp(op string, a, b float64) (float64, bool) {
	switch op {
	case "Add":
		return a + b, true
	case "Sub":
		return a - b, true
	case "Mul":
		return a * b, true
	case "Div":
		return a / b, true
	case "Max":
		return max(a, b), true
	case "Min":
		return min(a, b), true
	}
	return 0, false
}

func intOp(op string, a, b dim) dim {
	switch op {
	case "Add":
		return add(a, b)
	case "Sub":
		return sub(a, b)
	case "Mul":
		return mul(a, b)
	}
	if x, ok := a.fixed(); ok {
		if y, ok := b.fixed(); ok {
			return fixedOp(op, x, y)
		}
	}
	switch {
	case op == "Div" && natural(a) && natural(b):
		return floorDiv(a, b)
	case op == "Equal" && same(a, b):
		return fixed(1)
	case op == "Equal" && differ(a, b):
		return fixed(0)
	case (op == "Max" || op == "Min") && same(a, b):
		return a
	}
	return unknown
}

// differ reports whether a and b cannot be equal: a dynamic size is never negative.
func differ(a, b dim) bool {
	neg := func(d dim) bool { n, ok := d.fixed(); return ok && n < 0 }
	return natural(a) && neg(b) || natural(b) && neg(a)
}

func fixedOp(op string, x, y int64) dim {
	switch op {
	case "Div":
		if y == 0 || y == -1 {
			return unknown
		}
		return fixed(x / y)
	case "Mod":
		if y <= 0 {
			return unknown
		}
		return fixed(x - floorInt(x, y)*y)
	case "Max":
		return fixed(max(x, y))
	case "Min":
		return fixed(min(x, y))
	case "Equal":
		return truth(x == y)
	case "Less":
		return truth(x < y)
	case "Greater":
		return truth(x > y)
	case "LessOrEqual":
		return truth(x <= y)
	case "GreaterOrEqual":
		return truth(x >= y)
	case "And":
		return truth(x != 0 && y != 0)
	case "Or":
		return truth(x != 0 || y != 0)
	}
	return unknown
}
