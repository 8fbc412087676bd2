package optimize

import (
	"slices"
	"strings"

	"infer/model/onnx"
	"infer/model/onnx/static"
)

// mergeReductions lets a reduction keep the axes that it reduces, or drop them, where the node behind it does so.
func mergeReductions() Pass {
	return local("merge-reductions", "lets a reduction keep or drop axes in the place of the Squeeze, Unsqueeze or Reshape behind it",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			if !is(n, "Squeeze", "Unsqueeze", "Reshape", "Flatten") || input(n, 0) == "" || only(n) == "" {
				return false
			}
			a, y := n.Inputs[0], n.Outputs[0]
			p := e.Producer(a)
			if p == n || !isReduction(p) || only(p) == "" || input(p, 0) == "" || e.OnlyReader(a) != n || !e.turns(w, p, n) {
				return false
			}
			keep := p.Int("keepdims", 1)
			e.Remove(n)
			setAttr(p, intAttr("keepdims", 1-keep))
			e.moveOutput(p, a, y)
			return true
		})
}

// isReduction reports whether n reduces over axes and may keep them.
func isReduction(n *onnx.Node) bool {
	return n != nil && n.Domain == "" && (strings.HasPrefix(n.OpType, "Reduce") || is(n, "ArgMax", "ArgMin"))
}

// turns reports whether n makes of what the reduction p gives what p with the other keepdims would.
func (e *Editor) turns(w *Work, p, n *onnx.Node) bool {
	keep := p.Int("keepdims", 1)
	if keep != 0 && keep != 1 {
		return false
	}
	x := w.known(e, p.Inputs[0])
	if axes, ok := e.reduced(p, x); ok && len(axes) > 0 && sameDims(w.known(e, n.Outputs[0]), afterReduction(x, axes, keep == 0)) {
		return true
	}
	op := "Squeeze"
	if keep == 0 {
		op = "Unsqueeze"
	}
	// Both name axes of what the reduction has where it keeps them, so they need no rank where they are written alike.
	reduced, given, constant := e.reducedAxes(p)
	axes, named, known := e.axes(n)
	if !is(n, op) || !given || !constant || !named || !known || len(reduced) == 0 {
		return false
	}
	if x.HasShape {
		r, ok := axesOf(reduced, len(x.Dims))
		a, same := axesOf(axes, len(x.Dims))
		return ok && same && slices.Equal(r, a)
	}
	return slices.Equal(slices.Sorted(slices.Values(reduced)), slices.Sorted(slices.Values(axes)))
}

// reducedAxes is axes for reductions, of which some take one axis.
func (e *Editor) reducedAxes(n *onnx.Node) (list []int64, given, ok bool) {
	if is(n, "ArgMax", "ArgMin") {
		return []int64{n.Int("axis", 0)}, true, true
	}
	return e.axes(n)
}

// afterReduction returns what is known of x reduced over axes, which are in rising order.
func afterReduction(x static.Value, axes []int, keep bool) static.Value {
	y := static.Value{Kind: x.Kind, HasShape: true}
	for i, d := range x.Dims {
		switch {
		case !slices.Contains(axes, i):
			y.Dims = append(y.Dims, d)
		case keep:
			y.Dims = append(y.Dims, onnx.Fixed(1))
		}
	}
	return y
}
