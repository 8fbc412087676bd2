package optimize

import (
	"encoding/binary"
	"math"
	"slices"

	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
)

// known returns what is known of a value for all inputs that the model may be given. A value that a pass has just made
// is not known yet: a pass that changes the shape of a value gives it a new name.
func (w *Work) known(e *Editor, value string) static.Value {
	v, _ := w.Declared().Of(e.Graph, value)
	return v
}

// sameDim reports whether two axes are known to have the same size: equal sizes or the same dynamic axis.
func sameDim(x, y onnx.Dim) bool {
	return x.Known && y.Known && x.Size == y.Size || !x.Known && !y.Known && x.Name != "" && x.Name == y.Name
}

// isUnit reports whether an axis is known to have one element.
func isUnit(d onnx.Dim) bool { return d.Known && d.Size == 1 }

// axisOf returns the index of an axis, which counts from the end where it is negative; false where the rank lacks it.
func axisOf(axis int64, rank int) (int, bool) {
	if axis < 0 {
		axis += int64(rank)
	}
	return int(axis), axis >= 0 && axis < int64(rank)
}

// axesOf returns the indices of axes in rising order; false where the rank lacks one or one occurs twice.
func axesOf(axes []int64, rank int) ([]int, bool) {
	var list []int
	for _, a := range axes {
		i, ok := axisOf(a, rank)
		if !ok || slices.Contains(list, i) {
			return nil, false
		}
		list = append(list, i)
	}
	slices.Sort(list)
	return list, true
}

// axes returns the axes that n is given as an attribute, or as input 1 in newer versions; given is false where it is
// given none, ok is false where they are not constant.
func (e *Editor) axes(n *onnx.Node) (list []int64, given, ok bool) {
	if a := n.Attr("axes"); a != nil {
		return a.Ints, true, a.Type == onnx.AttrInts
	}
	if input(n, 1) == "" {
		return nil, false, true
	}
	list, ok = e.ints(n.Inputs[1])
	return list, true, ok
}

// permutation returns the perm of a Transpose; false where it is not one. Without the attribute the axes are reversed.
func permutation(n *onnx.Node, x static.Value) ([]int64, bool) {
	perm := n.Ints("perm")
	if perm == nil {
		if !x.HasShape {
			return nil, false
		}
		for i := range x.Dims {
			perm = append(perm, int64(len(x.Dims)-1-i))
		}
	}
	seen := make([]bool, len(perm))
	for _, p := range perm {
		if p < 0 || p >= int64(len(perm)) || seen[p] {
			return nil, false
		}
		seen[p] = true
	}
	return perm, !x.HasShape || len(perm) == len(x.Dims)
}

// inOrder reports whether p is 0, 1, 2 and so on.
func inOrder(p []int64) bool {
	for i, x := range p {
		if x != int64(i) {
			return false
		}
	}
	return true
}

// uniform returns the element of a constant whose elements are all the same, bit by bit, and its shape. The 64-bit
// integers beyond 2⁵³ are rounded.
func (e *Editor) uniform(value string) (float64, tensor.Shape, bool) {
	c, ok := e.Constant(value)
	if !ok || c.DType.Bits() == 0 || c.DType.Bits()%8 != 0 {
		return 0, nil, false
	}
	t, err := c.Value()
	size := c.DType.Bits() / 8
	if err != nil || len(t.Data) < size || t.Check() != nil {
		return 0, nil, false
	}
	for i := size; i < len(t.Data); i += size {
		if string(t.Data[i:i+size]) != string(t.Data[:size]) {
			return 0, nil, false
		}
	}
	v, ok := scalarOf(tensor.Tensor{DType: t.DType, Shape: tensor.Shape{}, Data: t.Data[:size]})
	return v, t.Shape, ok
}

// scalarOf returns the element of a tensor of one element.
func scalarOf(t tensor.Tensor) (float64, bool) {
	switch {
	case t.DType == tensor.Float64:
		return math.Float64frombits(binary.LittleEndian.Uint64(t.Data)), true
	case t.DType.IsFloat():
		v, err := tensor.Floats(t)
		return float64(v[0]), err == nil
	}
	v, err := tensor.Int64s(t)
	if err != nil {
		return 0, false
	}
	return float64(v[0]), true
}
