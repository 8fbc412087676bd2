package optimize

import (
	"slices"

	"infer/model/onnx"
	"infer/model/onnx/static"
)

// keepsOne are the reductions that give an element back where they reduce it alone.
var keepsOne = map[string]bool{"ReduceSum": true, "ReduceMean": true, "ReduceMax": true, "ReduceMin": true, "ReduceProd": true}

// mergeViews makes one node of two that change a shape and leave the elements in their order, next to each other or with
// elementwise nodes between them, which then work on what the first one read.
func mergeViews() Pass {
	return local("merge-views", "makes one of Reshape, Flatten, Squeeze, Unsqueeze and others that only change a shape in a row",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			if !e.isView(w, n) {
				return false
			}
			r, ok := e.rowTo(w, n, e.isView)
			if !ok {
				return false
			}
			merged, same := e.mergedView(w, r)
			return (merged != nil || same) && e.mergeRow(r, merged)
		})
}

// isView reports whether n changes the shape of its first input alone: the elements stay and keep their order.
func (e *Editor) isView(w *Work, n *onnx.Node) bool {
	if n.Domain != "" || input(n, 0) == "" || only(n) == "" {
		return false
	}
	switch n.OpType {
	case "Reshape", "Flatten", "Squeeze", "Unsqueeze":
		return true
	}
	x := w.known(e, n.Inputs[0])
	if !x.HasShape {
		return false
	}
	switch {
	case n.OpType == "Transpose":
		perm, ok := permutation(n, x)
		perm = slices.DeleteFunc(slices.Clone(perm), func(p int64) bool { return ok && isUnit(x.Dims[p]) })
		return ok && slices.IsSorted(perm)
	case n.OpType == "Gather":
		axis, ok := axisOf(n.Int("axis", 0), len(x.Dims))
		at, constant := e.ints(input(n, 1))
		return ok && constant && len(at) == 1 && isUnit(x.Dims[axis])
	case n.OpType == "Expand":
		return sameDims(withoutUnits(x), withoutUnits(w.known(e, n.Outputs[0])))
	case keepsOne[n.OpType]:
		reduced, ok := e.reduced(n, x)
		return ok && !slices.ContainsFunc(reduced, func(a int) bool { return !isUnit(x.Dims[a]) })
	}
	return false
}

// withoutUnits returns v without its axes of one element.
func withoutUnits(v static.Value) static.Value {
	v.Dims = slices.DeleteFunc(slices.Clone(v.Dims), isUnit)
	return v
}

// reduced returns the axes over which n, a reduction of x, reduces, in rising order.
func (e *Editor) reduced(n *onnx.Node, x static.Value) ([]int, bool) {
	axes, given, ok := e.reducedAxes(n)
	if !ok || !x.HasShape {
		return nil, false
	}
	if !given || len(axes) == 0 {
		if n.Int("noop_with_empty_axes", 0) != 0 {
			return nil, true
		}
		all := make([]int, len(x.Dims))
		for i := range all {
			all[i] = i
		}
		return all, true
	}
	return axesOf(axes, len(x.Dims))
}

// mergedView returns the node that does what the first and the last of a row of views do, without its data and its
// output; same says that together they do nothing.
func (e *Editor) mergedView(w *Work, r row) (merged *onnx.Node, same bool) {
	x, y := w.known(e, r.first.Inputs[0]), w.known(e, r.last.Outputs[0])
	if sameDims(x, y) {
		return nil, true
	}
	opset := w.Model.Opset("")
	op, axes, ok := e.mergedAxes(r.first, r.last, x)
	switch {
	case ok && op == "":
		return nil, true
	case !r.alone:
		return nil, false
	case ok:
		return e.axesNode(op, r.last.Outputs[0], axes, opset)
	case opset < 5: // the shape was an attribute
		return nil, false
	}
	if r.last.OpType == "Reshape" && e.fits(r.last, x, w.known(e, r.last.Inputs[0])) {
		return &onnx.Node{OpType: "Reshape", Inputs: []string{"", r.last.Inputs[1]}, Attrs: r.last.Attrs}, false
	}
	sizes, ok := target(x, y)
	if !ok {
		return nil, false
	}
	shape, err := e.addInts(r.last.Outputs[0]+"_shape", sizes...)
	if err != nil {
		return nil, false
	}
	return &onnx.Node{OpType: "Reshape", Inputs: []string{"", shape}}, false
}

// axesNode returns a Squeeze or Unsqueeze, in the form of an opset.
func (e *Editor) axesNode(op, base string, axes []int64, opset int64) (*onnx.Node, bool) {
	if opset < 13 {
		return &onnx.Node{OpType: op, Inputs: []string{""}, Attrs: []*onnx.Attribute{intsAttr("axes", axes...)}}, false
	}
	name, err := e.addInts(base+"_axes", axes...)
	if err != nil {
		return nil, false
	}
	return &onnx.Node{OpType: op, Inputs: []string{"", name}}, false
}

// fits reports whether the constant shape of a Reshape of value v gives the same for one of x: it copies no size of v
// that x does not have at the same place.
func (e *Editor) fits(n *onnx.Node, x, v static.Value) bool {
	sizes, ok := e.ints(input(n, 1))
	if !ok {
		return false
	}
	for i, s := range sizes {
		if s == 0 && n.Int("allowzero", 0) == 0 && !(i < len(x.Dims) && i < len(v.Dims) && sameDim(x.Dims[i], v.Dims[i])) {
			return false
		}
	}
	return true
}

// target returns what a Reshape of x to the shape y is given: sizes, 0 where y has the size that x has on the same axis,
// and -1 for one other size that is not known. A dynamic axis is taken to have an element: no -1 can be told beside a 0
// that copies no elements.
func target(x, y static.Value) ([]int64, bool) {
	if !y.HasShape || y.Kind != onnx.KindTensor {
		return nil, false
	}
	dynamic := 0
	for _, d := range y.Dims {
		if d.Known && d.Size == 0 {
			return nil, false // would copy
		}
		if !d.Known {
			dynamic++
		}
	}
	sizes := make([]int64, len(y.Dims))
	free := 0
	for i, d := range y.Dims {
		switch {
		case d.Known:
			sizes[i] = d.Size
		case dynamic > 1 && x.HasShape && i < len(x.Dims) && sameDim(x.Dims[i], d):
		default:
			sizes[i] = -1
			free++
		}
	}
	return sizes, free <= 1
}

// mergedAxes returns the Squeeze or Unsqueeze that does what two of them do to a value x, "" where they do nothing.
func (e *Editor) mergedAxes(first, last *onnx.Node, x static.Value) (op string, axes []int64, ok bool) {
	rank := len(x.Dims)
	if !x.HasShape {
		rank = 64 // more than any has: axes that count from the front are told apart all the same
	}
	at := make([]int, rank) // the axes, each by its index in x; -1 for a new one
	for i := range at {
		at[i] = i
	}
	for _, n := range []*onnx.Node{first, last} {
		list, given, constant := e.axes(n)
		if !is(n, "Squeeze", "Unsqueeze") || !given || !constant || len(list) > 32 {
			return "", nil, false
		}
		if !x.HasShape && slices.ContainsFunc(list, func(a int64) bool { return a < 0 || a >= 32 }) {
			return "", nil, false
		}
		if at, ok = follow(at, n.OpType, list); !ok {
			return "", nil, false
		}
	}
	return axesNodeOf(refill(at, rank), rank)
}

// follow does to a list of axes what a Squeeze or Unsqueeze does.
func follow(at []int, op string, axes []int64) ([]int, bool) {
	if op == "Squeeze" {
		list, ok := axesOf(axes, len(at))
		for _, a := range slices.Backward(list) {
			at = slices.Delete(at, a, a+1)
		}
		return at, ok
	}
	list, ok := axesOf(axes, len(at)+len(axes))
	for _, a := range list {
		at = slices.Insert(at, a, -1)
	}
	return at, ok
}

// refill makes a new axis the one that was taken away from the same place: both have one element.
func refill(at []int, rank int) []int {
	at = slices.Clone(at)
	last := -1
	for i, a := range at {
		if a >= 0 {
			last = a
			continue
		}
		next := rank
		for _, b := range at[i:] {
			if b >= 0 {
				next = b
				break
			}
		}
		if last+1 < next {
			last++
			at[i] = last
		}
	}
	return at
}

// axesNodeOf returns the one operator that makes the axes at of 0 to rank-1; ok is false where it takes two.
func axesNodeOf(at []int, rank int) (op string, axes []int64, ok bool) {
	var added, removed []int64
	for i, a := range at {
		if a < 0 {
			added = append(added, int64(i))
		}
	}
	for a := range rank {
		if !slices.Contains(at, a) {
			removed = append(removed, int64(a))
		}
	}
	switch {
	case added == nil && removed == nil:
		return "", nil, true
	case removed == nil:
		return "Unsqueeze", added, true
	case added == nil:
		return "Squeeze", removed, true
	}
	return "", nil, false
}
