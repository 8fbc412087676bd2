package optimize

import (
	"infer/model/onnx"
)

// moveShapes lets Shape read the first of the values that have the same shape, so that several become one, and take the
// part that is cut out of its result, from opset 15 on.
func moveShapes() Pass {
	return local("move-shapes", "lets Shape read the earliest value of the same shape, and give the part that is needed alone",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			if is(n, "Shape") && input(n, 0) != "" {
				return e.readEarlier(w, n)
			}
			return w.Model.Opset("") >= 15 && e.partOfShape(w, n)
		})
}

// maxEarlier is how many nodes back a value of the same shape is looked for.
const maxEarlier = 1000

// readEarlier lets n, a Shape, read the earliest value of the same shape among those that its input is made of.
func (e *Editor) readEarlier(w *Work, n *onnx.Node) bool {
	v := n.Inputs[0]
	x := w.known(e, v)
	for range maxEarlier {
		p := e.Producer(v)
		if p == nil {
			break
		}
		earlier := ""
		for _, u := range p.Inputs {
			if u != "" && sameDims(w.known(e, u), x) {
				earlier = u
				break
			}
		}
		if earlier == "" {
			break
		}
		v = earlier
	}
	if v == n.Inputs[0] {
		return false
	}
	e.SetInput(n, 0, v)
	return true
}

// partOfShape makes n, which takes consecutive sizes out of a shape, a Shape that gives these.
func (e *Editor) partOfShape(w *Work, n *onnx.Node) bool {
	if input(n, 0) == "" || only(n) == "" {
		return false
	}
	from, start, end, ok := n.Inputs[0], int64(0), int64(0), false
	switch {
	case is(n, "Slice"):
		start, end, ok = e.sizesOf(w, n)
	case is(n, "Gather") && n.Int("axis", 0) == 0:
		at, constant := e.ConstantValue(input(n, 1))
		list, known := e.ints(input(n, 1))
		if ok = constant && known && len(at.Shape) == 1 && len(list) == 1; ok {
			start, end = list[0], list[0]+1
		}
	case is(n, "Unsqueeze"):
		g := e.Producer(from)
		axes, given, constant := e.axes(n)
		if !is(g, "Gather") || g.Int("axis", 0) != 0 || input(g, 0) == "" || e.OnlyReader(from) != n || !given || !constant || len(axes) != 1 || axes[0] != 0 && axes[0] != -1 {
			return false
		}
		at, constant := e.ConstantValue(input(g, 1))
		list, known := e.ints(input(g, 1))
		if ok = constant && known && len(at.Shape) == 0 && len(list) == 1; ok {
			from, start, end = g.Inputs[0], list[0], list[0]+1
		}
	}
	p := e.Producer(from)
	if !ok || !is(p, "Shape") || input(p, 0) == "" || len(p.Attrs) > 0 {
		return false
	}
	s := &onnx.Node{Name: n.Name, OpType: "Shape", Inputs: p.Inputs[:1:1], Outputs: n.Outputs}
	if start != 0 {
		s.Attrs = append(s.Attrs, intAttr("start", start))
	}
	if end != 0 && end < maxAxes { // 0 is behind the last one, which has the index -1
		s.Attrs = append(s.Attrs, intAttr("end", end))
	}
	e.Remove(n)
	e.Insert(s)
	return true
}

// maxAxes is more than the axes of any tensor.
const maxAxes = 64

// sizesOf returns which elements of a vector n, a Slice, takes.
func (e *Editor) sizesOf(w *Work, n *onnx.Node) (start, end int64, ok bool) {
	lists, ok := e.sliceLists(n, w.Model.Opset(""))
	starts, ends, axes, steps := lists[0], lists[1], lists[2], lists[3]
	if !ok || len(starts) != 1 || axes != nil && axes[0] != 0 && axes[0] != -1 || steps != nil && steps[0] != 1 || ends[0] == 0 {
		return 0, 0, false
	}
	return starts[0], ends[0], true
}
