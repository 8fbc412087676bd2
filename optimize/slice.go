package optimize

import (
	"slices"

	"infer/model/onnx"
	"infer/model/onnx/static"
)

// cut is what a Slice takes of one axis. Bounds count from the end where they are negative.
type cut struct {
	axis             int64
	start, end, step int64
}

// mergeSlices makes one Slice of two that cut different axes, or the same one without leaving anything out.
func mergeSlices() Pass {
	return local("merge-slices", "makes one of two Slices in a row", func(w *Work, e *Editor, n *onnx.Node) bool {
		last, ok := e.cuts(w, n)
		if !ok {
			return false
		}
		a := n.Inputs[0]
		p := e.Producer(a)
		first, ok := e.cuts(w, p)
		if !ok || p == n || e.IsOutput(a) {
			return false
		}
		for _, r := range e.Consumers(a) { // p has to go, or a node more works than before
			cuts, ok := e.cuts(w, r)
			if _, merged := mergedCuts(first, cuts); !ok || !merged || r.Inputs[0] != a {
				return false
			}
		}
		cuts, _ := mergedCuts(first, last)
		merged, ok := e.sliceNode(n, p.Inputs[0], cuts, w.Model.Opset(""))
		if !ok {
			return false
		}
		e.Remove(n)
		if len(e.Consumers(a)) == 0 {
			e.Remove(p)
		}
		e.Insert(merged)
		return true
	})
}

// cuts returns what n, a Slice, takes of each axis that it names; false for another node, and where it is not constant.
// Bounds count from the start where the size of the axis is known, axes where the rank is.
func (e *Editor) cuts(w *Work, n *onnx.Node) ([]cut, bool) {
	if !is(n, "Slice") || only(n) == "" || input(n, 0) == "" {
		return nil, false
	}
	lists, ok := e.sliceLists(n, w.Model.Opset(""))
	if !ok {
		return nil, false
	}
	starts, ends, axes, steps := lists[0], lists[1], lists[2], lists[3]
	x := w.known(e, n.Inputs[0])
	var cuts []cut
	for i := range starts {
		c := cut{int64(i), starts[i], ends[i], 1}
		if axes != nil {
			c.axis = axes[i]
		}
		if steps != nil {
			c.step = steps[i]
		}
		if c, ok = c.counted(x); !ok || slices.ContainsFunc(cuts, func(d cut) bool { return d.axis == c.axis }) {
			return nil, false
		}
		cuts = append(cuts, c)
	}
	return cuts, true
}

// sliceLists returns starts, ends, axes and steps of a Slice, nil for those that it does not have; all others are
// equally long.
func (e *Editor) sliceLists(n *onnx.Node, opset int64) (lists [4][]int64, ok bool) {
	if opset < 10 {
		lists[0], lists[1], lists[2] = n.Ints("starts"), n.Ints("ends"), n.Ints("axes")
	} else {
		for i := range lists {
			if name := input(n, i+1); name != "" {
				if lists[i], ok = e.ints(name); !ok {
					return lists, false
				}
			}
		}
	}
	for i, l := range lists {
		if len(l) != len(lists[0]) && (i == 1 || l != nil) {
			return lists, false
		}
	}
	return lists, len(lists[0]) > 0
}

// counted returns c with an axis and bounds that count from the start; false where it is not known which axis that is.
func (c cut) counted(x static.Value) (cut, bool) {
	if !x.HasShape {
		return c, c.axis >= 0 && c.step != 0
	}
	axis, ok := axisOf(c.axis, len(x.Dims))
	if !ok || c.step == 0 {
		return c, false
	}
	c.axis = int64(axis)
	if d := x.Dims[axis]; d.Known && c.step > 0 {
		for _, b := range []*int64{&c.start, &c.end} {
			if *b < 0 {
				*b += d.Size
			}
			*b = min(max(*b, 0), d.Size)
		}
	}
	return c, true
}

// mergedCuts returns the cuts that do what first and then last does.
func mergedCuts(first, last []cut) ([]cut, bool) {
	merged := slices.Clone(first)
	for _, b := range last {
		i := slices.IndexFunc(merged, func(a cut) bool { return a.axis == b.axis })
		if i < 0 {
			merged = append(merged, b)
			continue
		}
		a := &merged[i]
		if a.step != 1 || b.step < 1 || min(a.start, a.end, b.start, b.end) < 0 {
			return nil, false
		}
		a.start, a.end, a.step = saturate(a.start, b.start), min(a.end, saturate(a.start, b.end)), b.step
	}
	return merged, true
}

// sliceNode returns a Slice of x in the place of n.
func (e *Editor) sliceNode(n *onnx.Node, x string, cuts []cut, opset int64) (*onnx.Node, bool) {
	var lists [4][]int64
	for _, c := range cuts {
		for i, v := range []int64{c.start, c.end, c.axis, c.step} {
			lists[i] = append(lists[i], v)
		}
	}
	merged := &onnx.Node{Name: n.Name, OpType: "Slice", Inputs: []string{x}, Outputs: n.Outputs}
	if opset < 10 {
		merged.Attrs = []*onnx.Attribute{intsAttr("starts", lists[0]...), intsAttr("ends", lists[1]...), intsAttr("axes", lists[2]...)}
		return merged, true
	}
	for i, name := range []string{"_starts", "_ends", "_axes", "_steps"} {
		v, err := e.addInts(n.Outputs[0]+name, lists[i]...)
		if err != nil {
			return nil, false
		}
		merged.Inputs = append(merged.Inputs, v)
	}
	return merged, true
}

// splitSlices makes one Split of the Slices that take a value apart along one axis.
func splitSlices() Pass {
	return local("split-slices", "makes one Split of the Slices that take a value apart", func(w *Work, e *Editor, n *onnx.Node) bool {
		c, size, ok := e.part(w, n)
		if !ok || c.start != 0 {
			return false
		}
		x := n.Inputs[0]
		nodes, outputs, sizes := []*onnx.Node{}, []string{}, []int64{}
		for at := int64(0); at < size; {
			i := slices.IndexFunc(e.Consumers(x), func(r *onnx.Node) bool {
				d, _, ok := e.part(w, r)
				return ok && r.Inputs[0] == x && d.axis == c.axis && d.start == at
			})
			if i < 0 {
				return false
			}
			r := e.Consumers(x)[i]
			d, _, _ := e.part(w, r)
			nodes, outputs, sizes = append(nodes, r), append(outputs, r.Outputs[0]), append(sizes, d.end-d.start)
			at = d.end
		}
		if len(nodes) < 2 {
			return false
		}
		return e.split(nodes, outputs, x, c.axis, sizes, w.Model.Opset(""))
	})
}

// part returns what n takes of its input and the size of that axis, where n is a Slice of one axis that leaves nothing
// out between its bounds, and the size is known.
func (e *Editor) part(w *Work, n *onnx.Node) (c cut, size int64, ok bool) {
	cuts, ok := e.cuts(w, n)
	if !ok || len(cuts) != 1 || cuts[0].step != 1 {
		return c, 0, false
	}
	c = cuts[0]
	x := w.known(e, n.Inputs[0])
	if !x.HasShape || c.axis >= int64(len(x.Dims)) || !x.Dims[c.axis].Known {
		return c, 0, false
	}
	return c, x.Dims[c.axis].Size, c.start < c.end
}

// split puts a Split of x in the place of nodes.
func (e *Editor) split(nodes []*onnx.Node, outputs []string, x string, axis int64, sizes []int64, opset int64) bool {
	s := &onnx.Node{OpType: "Split", Inputs: []string{x}, Outputs: outputs, Attrs: []*onnx.Attribute{intAttr("axis", axis)}}
	if opset < 13 {
		s.Attrs = append(s.Attrs, intsAttr("split", sizes...))
	} else {
		name, err := e.addInts(x+"_split", sizes...)
		if err != nil {
			return false
		}
		s.Inputs = append(s.Inputs, name)
	}
	for _, n := range nodes {
		e.Remove(n)
	}
	s.Name = e.Unique(x + "_Split")
	e.Insert(s)
	return true
}
