package optimize

import (
	"infer/model/onnx"
	"infer/model/tensor"
)

// mergeCasts lets a Cast read what another Cast, which loses nothing, was made from.
func mergeCasts() Pass {
	return local("merge-casts", "makes one of two Casts in a row where the first one loses nothing",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			to, ok := castTo(n)
			if !ok {
				return false
			}
			p := e.Producer(n.Inputs[0])
			by, ok := castTo(p)
			if !ok || p == n {
				return false
			}
			x := w.known(e, p.Inputs[0])
			if x.Kind != onnx.KindTensor || !widens(x.DType, by) || !sameRoundings(x.DType, by, to) {
				return false
			}
			if x.DType == to && e.bypass(n, p.Inputs[0]) {
				return true
			}
			e.SetInput(n, 0, p.Inputs[0])
			return true
		})
}

// castTo returns the dtype to which n, a Cast without other settings, casts.
func castTo(n *onnx.Node) (tensor.DType, bool) {
	if !is(n, "Cast") || only(n) == "" || input(n, 0) == "" || len(n.Attrs) != 1 || n.Attrs[0].Type != onnx.AttrInt {
		return 0, false
	}
	return tensor.DType(n.Attrs[0].I), n.Attrs[0].Name == "to"
}

// bits returns how many bits of an integer a dtype holds exactly, 0 for a dtype that is not looked at; signed says
// whether negative ones too. Ref: IEEE 754, the significands of binary16, bfloat16, binary32 and binary64.
func bits(d tensor.DType) (n int, signed bool) {
	switch d {
	case tensor.Bool:
		return 1, false
	case tensor.Uint8, tensor.Uint16, tensor.Uint32, tensor.Uint64:
		return d.Bits(), false
	case tensor.Int8, tensor.Int16, tensor.Int32, tensor.Int64:
		return d.Bits() - 1, true
	case tensor.BFloat16:
		return 8, true
	case tensor.Float16:
		return 11, true
	case tensor.Float32:
		return 24, true
	case tensor.Float64:
		return 53, true
	}
	return 0, false
}

// widens reports whether a cast from one dtype to another keeps every number.
func widens(from, to tensor.DType) bool {
	n, signed := bits(from)
	m, both := bits(to)
	switch {
	case n == 0 || m == 0:
		return false
	case from == to:
		return true
	case from.IsFloat() && to.IsFloat():
		return n < m && !(from == tensor.BFloat16 && to == tensor.Float16) // whose exponents are smaller
	case from.IsFloat() || to == tensor.Bool:
		return false
	}
	return n <= m && (both || !signed)
}

// sameRoundings reports whether a cast to a dtype gives the same for numbers of dtype x as for the same numbers of dtype
// by. What is out of the range of an integer type does not: an integer wraps around, a float has no defined result.
func sameRoundings(x, by, to tensor.DType) bool {
	n, _ := bits(to)
	return n > 0 && (x.IsFloat() == by.IsFloat() || to.IsFloat() || to == x || to == tensor.Bool || widens(x, to))
}
