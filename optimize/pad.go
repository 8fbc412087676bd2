package optimize

import (
	"math"
	"slices"

	"infer/model/onnx"
)

// foldPad takes a Pad along spatial axes into the pads of the Conv, AveragePool or MaxPool that alone reads it: zeros
// into those of a Conv, and of an AveragePool that counts them; into those of a MaxPool what is never the maximum.
func foldPad() Pass {
	return local("fold-pad", "takes a Pad into the pads of the Conv, AveragePool or MaxPool behind it",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			p, ok := e.matchPad(w, n)
			if !ok {
				return false
			}
			reader := e.OnlyReader(n.Outputs[0])
			if reader == nil || reader.Domain != "" || input(reader, 0) != n.Outputs[0] || only(reader) == "" {
				return false
			}
			sum, ok := p.with(reader)
			if !ok || !e.padFits(w, n, reader, p, sum) {
				return false
			}
			if reader.OpType == "AveragePool" {
				setAttr(reader, intAttr("count_include_pad", 1))
			}
			dropAttr(reader, "auto_pad")
			setAttr(reader, intsAttr("pads", sum...))
			e.Remove(n)
			e.SetInput(reader, 0, n.Inputs[0])
			return true
		})
}

// padding is what a Pad adds to the spatial axes, which are those behind the first two.
type padding struct {
	begin, end []int64
	value      float64
}

// matchPad returns what a Pad of constants adds; false where it adds to other axes or takes away.
func (e *Editor) matchPad(w *Work, n *onnx.Node) (p padding, ok bool) {
	if !is(n, "Pad") || input(n, 0) == "" || only(n) == "" || n.Str("mode", "constant") != "constant" {
		return p, false
	}
	pads, attr := n.Ints("pads"), true
	p.value = float64(n.Float("value", 0))
	if w.Model.Opset("") >= 11 {
		pads, attr = e.ints(input(n, 1))
		p.value = 0
		if v := input(n, 2); attr && v != "" {
			p.value, attr = e.scalar(v)
		}
	}
	rank := len(pads) / 2
	if axes := input(n, 3); attr && axes != "" {
		x := w.known(e, n.Inputs[0])
		list, constant := e.ints(axes)
		if !constant || !x.HasShape {
			return p, false
		}
		rank = len(x.Dims)
		if pads, attr = spreadPads(pads, list, rank); !attr {
			return p, false
		}
	}
	negative := func(x int64) bool { return x < 0 || x > math.MaxInt32 }
	if !attr || rank < 3 || len(pads) != 2*rank || slices.ContainsFunc(pads, negative) ||
		pads[0]+pads[1]+pads[rank]+pads[rank+1] != 0 {
		return p, false
	}
	p.begin, p.end = pads[2:rank], pads[rank+2:]
	return p, true
}

// spreadPads returns the pads of all axes where those of some are given.
func spreadPads(pads, axes []int64, rank int) ([]int64, bool) {
	all := make([]int64, 2*rank)
	if len(pads) != 2*len(axes) {
		return nil, false
	}
	for i, a := range axes {
		if a < 0 {
			a += int64(rank)
		}
		if a < 0 || a >= int64(rank) {
			return nil, false
		}
		all[a], all[int64(rank)+a] = pads[i], pads[len(axes)+i]
	}
	return all, true
}

// with returns the pads of an operator with those of p around them.
func (p padding) with(n *onnx.Node) ([]int64, bool) {
	rank := len(p.begin)
	sum := slices.Concat(p.begin, p.end)
	switch n.Str("auto_pad", "NOTSET") {
	case "VALID":
		return sum, true
	case "", "NOTSET":
	default:
		return nil, false // as much as the size of what is padded asks for
	}
	own := n.Ints("pads")
	if own == nil {
		return sum, true
	}
	if len(own) != 2*rank {
		return nil, false
	}
	for i, x := range own {
		if sum[i] += x; x < 0 || x > math.MaxInt32 {
			return nil, false
		}
	}
	return sum, true
}

// padFits reports whether the reader of a Pad computes the same with the pads sum.
// The largest float32 counts as infinite, as exporters write it.
func (e *Editor) padFits(w *Work, n, reader *onnx.Node, p padding, sum []int64) bool {
	switch reader.OpType {
	case "Conv":
		return p.value == 0
	case "AveragePool":
		own := reader.Ints("pads")
		bare := reader.Str("auto_pad", "NOTSET") == "VALID" || !slices.ContainsFunc(own, func(x int64) bool { return x != 0 })
		return p.value == 0 && (bare || reader.Int("count_include_pad", 0) == 1) && w.Model.Opset("") >= 7 && shorter(sum, reader)
	case "MaxPool":
		least := math.Inf(-1)
		if b, ok := e.bounds(e.Producer(n.Inputs[0])); ok {
			least = b.lo
		}
		return p.value <= max(least, -math.MaxFloat32) && shorter(sum, reader)
	}
	return false
}

// shorter reports whether pads are shorter than the window of a pooling, which then never sees pads alone. Windows that
// hang over the end are left alone: how far they may depends on what is padding.
func shorter(pads []int64, n *onnx.Node) bool {
	kernel := n.Ints("kernel_shape")
	if 2*len(kernel) != len(pads) || n.Int("ceil_mode", 0) != 0 || n.Attr("dilations") != nil {
		return false
	}
	for i, p := range pads {
		if p >= kernel[i%len(kernel)] {
			return false
		}
	}
	return true
}
