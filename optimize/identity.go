package optimize

import (
	"slices"
	"strings"

	"infer/model/onnx"
	"infer/model/onnx/static"
)

// eliminateIdentity removes nodes whose output is their first input, by their operator or provably by the shapes that
// the model declares.
func eliminateIdentity() Pass {
	return local("eliminate-identity", "removes nodes that change nothing, such as Identity, Dropout and a Reshape to the same shape",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			x, y := input(n, 0), output(n, 0)
			return n.Domain == "" && x != "" && y != "" && e.unchanged(w, n) && e.bypass(n, x)
		})
}

// bypass takes n away and gives the readers of its first output the value x, which is the same. It does nothing where
// others read another output of n, or where another node had to make a graph output.
func (e *Editor) bypass(n *onnx.Node, x string) bool {
	y := n.Outputs[0]
	for _, o := range n.Outputs[1:] {
		if o != "" && (len(e.Consumers(o)) > 0 || e.IsOutput(o)) {
			return false
		}
	}
	if x == y || !e.replaceable(y, x) {
		return false
	}
	e.Remove(n)
	e.Replace(y, x)
	return true
}

// replaceable reports whether Replace needs no node to give readers of y the value x: an output needs one that makes it.
func (e *Editor) replaceable(y, x string) bool {
	return !e.IsOutput(y) || e.Producer(x) != nil && !e.IsOutput(x)
}

// unchanged reports whether the first output of n is its first input.
func (e *Editor) unchanged(w *Work, n *onnx.Node) bool {
	x, y := w.known(e, n.Inputs[0]), w.known(e, n.Outputs[0])
	return e.changesNothing(n, w.Model.Opset(""), x, y) || sameDims(x, y) && e.isView(w, n)
}

// changesNothing reports whether the first output y of n is its first input x.
func (e *Editor) changesNothing(n *onnx.Node, opset int64, x, y static.Value) bool {
	switch n.OpType {
	case "Identity":
		return true
	case "Dropout":
		return e.isInference(n, opset)
	case "Cast":
		a := n.Attr("to")
		return a != nil && x.Kind == onnx.KindTensor && x.DType.Valid() && a.I == int64(x.DType)
	case "CastLike":
		return x.Kind == onnx.KindTensor && x.DType.Valid() && x.DType == y.DType
	case "Concat", "Sum", "Max", "Min", "Mean":
		return len(n.Inputs) == 1
	case "Expand", "Tile":
		return sameDims(x, y) || n.OpType == "Tile" && e.isAll(input(n, 1), 1) && opset >= 6
	case "Split":
		return len(n.Outputs) == 1 && sameDims(x, y)
	case "Transpose":
		perm, ok := permutation(n, x)
		return ok && inOrder(perm)
	case "Pad":
		if opset < 11 {
			return isZero(n.Ints("pads"))
		}
		pads, _ := e.ints(input(n, 1))
		return isZero(pads)
	case "Slice":
		return sameDims(x, y) && e.forward(n)
	case "Gather":
		return sameDims(x, y) && e.takesAll(n, x)
	}
	return strings.HasPrefix(n.OpType, "Reduce") && n.Int("noop_with_empty_axes", 0) != 0 && e.reducesNothing(n)
}

// isAll reports whether every element of a constant is k; not for one without elements.
func (e *Editor) isAll(value string, k float64) bool {
	v, _, ok := e.uniform(value)
	return ok && v == k
}

// isZero reports whether there are numbers and all are 0.
func isZero(list []int64) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(x int64) bool { return x != 0 })
}

// isInference reports whether a Dropout drops nothing. Up to opset 6 an attribute said so, which is not looked at.
func (e *Editor) isInference(n *onnx.Node, opset int64) bool {
	training := input(n, 2)
	if opset < 7 || training == "" {
		return opset >= 7
	}
	v, ok := e.ints(training)
	return ok && len(v) == 1 && v[0] == 0
}

// forward reports whether a Slice takes every element in its order: with a negative step one that takes them all
// reverses them.
func (e *Editor) forward(n *onnx.Node) bool {
	steps := input(n, 4)
	if steps == "" {
		return true
	}
	v, ok := e.ints(steps)
	return ok && !slices.ContainsFunc(v, func(s int64) bool { return s < 0 })
}

// takesAll reports whether a Gather takes all elements of its axis in their order.
func (e *Editor) takesAll(n *onnx.Node, x static.Value) bool {
	axis, ok := axisOf(n.Int("axis", 0), len(x.Dims))
	list, constant := e.ints(input(n, 1))
	return ok && constant && x.Dims[axis].Known && x.Dims[axis].Size == int64(len(list)) && inOrder(list)
}

// reducesNothing reports whether a reduction that takes no axes for none is given none, and is one that keeps an
// element that it reduces alone.
func (e *Editor) reducesNothing(n *onnx.Node) bool {
	axes, given, ok := e.axes(n)
	return ok && (!given || len(axes) == 0) && keepsOne[n.OpType]
}
