package optimize

import (
	"slices"

	"infer/model/onnx"
	"infer/model/onnx/static"
)

// eliminateIdentity removes nodes whose output is their first input, by their operator or provably by the shapes that
// the model declares.
func eliminateIdentity() Pass {
	return local("eliminate-identity", "removes nodes that change nothing, such as Identity, Dropout and a Reshape to the same shape",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			x, y := input(n, 0), output(n, 0)
			if n.Domain != "" || x == "" || y == "" || x == y || !e.changesNothing(n, w.Model.Opset(""), w.Declared()) {
				return false
			}
			for _, o := range n.Outputs[1:] {
				if o != "" && (len(e.Consumers(o)) > 0 || e.IsOutput(o)) {
					return false
				}
			}
			if e.IsOutput(y) && (e.Producer(x) == nil || e.IsOutput(x)) {
				return false // an output needs a node that makes it
			}
			e.Remove(n)
			e.Replace(y, x)
			return true
		})
}

// changesNothing reports whether the first output of n is its first input.
func (e *Editor) changesNothing(n *onnx.Node, opset int64, s *static.Shapes) bool {
	x, _ := s.Of(e.Graph, n.Inputs[0])
	y, _ := s.Of(e.Graph, n.Outputs[0])
	switch n.OpType {
	case "Identity":
		return true
	case "Dropout":
		return e.isInference(n, opset)
	case "Cast":
		a := n.Attr("to")
		return a != nil && x.Kind == onnx.KindTensor && x.DType.Valid() && a.I == int64(x.DType)
	case "Concat", "Sum", "Max", "Min", "Mean":
		return len(n.Inputs) == 1
	case "Reshape", "Flatten", "Expand", "Squeeze", "Unsqueeze", "Tile":
		return sameDims(x, y)
	case "Split":
		return len(n.Outputs) == 1 && sameDims(x, y)
	case "Transpose":
		return keepsOrder(n.Ints("perm"), x)
	case "Pad":
		pads := n.Ints("pads")
		if opset >= 11 {
			pads, _ = e.ints(input(n, 1))
		}
		return len(pads) > 0 && !slices.ContainsFunc(pads, func(p int64) bool { return p != 0 })
	case "Slice":
		return sameDims(x, y) && e.forward(n)
	}
	return false
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

// keepsOrder reports whether a permutation leaves every axis where it is. Without one the axes are reversed.
func keepsOrder(perm []int64, x static.Value) bool {
	if len(perm) == 0 {
		return x.HasShape && len(x.Dims) < 2
	}
	for i, p := range perm {
		if p != int64(i) {
			return false
		}
	}
	return true
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
