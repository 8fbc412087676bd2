package surgery

import (
	"math"
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize"
)

// integers returns a constant list, a copy.
func (f *freeing) integers(n node, i int) ([]int64, bool) {
	v, ok := f.editor(n.graph).ConstantValue(input(n.Node, i))
	if !ok || len(v.Shape) > 1 {
		return nil, false
	}
	list, err := tensor.Int64s(v)
	return slices.Clone(list), err == nil
}

// setList gives a node a new constant list as its i-th input, of the type of the old one.
func (f *freeing) setList(n node, i int, list []int64) error {
	e := f.editor(n.graph)
	d := tensor.Int64
	if c, ok := e.Constant(input(n.Node, i)); ok && c.DType.IsInt() {
		d = c.DType
	}
	v, err := tensor.FromInts("", d, tensor.Shape{int64(len(list))}, list)
	if err != nil {
		return err
	}
	name, err := e.AddInitializer(n.Inputs[i]+"_"+f.name, v)
	if err != nil {
		return err
	}
	e.SetInput(n.Node, i, name)
	return nil
}

// insert adds a node that makes one value, named after base, and returns the value.
func insert(e *optimize.Editor, op, base string, inputs []string, attrs ...*onnx.Attribute) string {
	out := e.Unique(base)
	e.Insert(&onnx.Node{Name: e.Unique(out + "_" + op), OpType: op, Inputs: inputs, Outputs: []string{out}, Attrs: attrs})
	return out
}

// list adds a constant list and returns its name.
func list(e *optimize.Editor, base string, values ...int64) (string, error) {
	v, err := tensor.FromInt64("", tensor.Shape{int64(len(values))}, values)
	if err != nil {
		return "", err
	}
	return e.AddInitializer(base, v)
}

// rowCount returns the value that holds the number of rows times a factor, a vector of one element.
func (f *freeing) rowCount(g *onnx.Graph, times int64) (string, error) {
	main := f.editor(f.model.Graph)
	if f.count == "" {
		shape := insert(main, "Shape", f.source.input.Name+"_shape", []string{f.source.input.Name})
		at, err := list(main, f.name+"_axis", int64(f.source.index))
		if err != nil {
			return "", err
		}
		f.count = insert(main, "Gather", f.name+"_count", []string{shape, at}, &onnx.Attribute{Name: "axis", Type: onnx.AttrInt})
		f.depends[shape], f.depends[f.count] = true, true
	}
	if times == 1 {
		return f.count, nil
	}
	e := f.editor(g)
	factor, err := list(e, f.name+"_times", times)
	if err != nil {
		return "", err
	}
	out := insert(e, "Mul", f.name+"_product", []string{f.count, factor})
	f.depends[out] = true
	return out, nil
}

// computed makes the i-th input of a node a list computed in a run: values with a multiple of the number of rows at j.
func (f *freeing) computed(n node, i int, values []int64, j int, times int64) error {
	e := f.editor(n.graph)
	count, err := f.rowCount(n.graph, times)
	if err != nil {
		return err
	}
	parts := []string{count}
	if j > 0 {
		front, err := list(e, n.Inputs[i]+"_front", values[:j]...)
		if err != nil {
			return err
		}
		parts = []string{front, count}
	}
	if j+1 < len(values) {
		back, err := list(e, n.Inputs[i]+"_back", values[j+1:]...)
		if err != nil {
			return err
		}
		parts = append(parts, back)
	}
	out := count
	if len(parts) > 1 {
		out = insert(e, "Concat", n.Inputs[i]+"_"+f.name, parts, &onnx.Attribute{Name: "axis", Type: onnx.AttrInt})
	}
	f.depends[out] = true
	e.SetInput(n.Node, i, out)
	return nil
}

// repeat makes the i-th input of a node, which has one row on an axis, as many rows as there are.
func (f *freeing) repeat(n node, i int, axis, rank int) error {
	if n.opset < 8 {
		return f.blocked(n.Node, "%q must be repeated for each row, which needs opset 8", n.Inputs[i])
	}
	value := n.Inputs[i]
	shape := slices.Repeat([]int64{1}, rank)
	e := f.editor(n.graph)
	expand := &onnx.Node{OpType: "Expand", Inputs: []string{value, value}, Outputs: []string{e.Unique(value + "_" + f.name)}}
	expand.Name = e.Unique(expand.Outputs[0] + "_Expand")
	e.Insert(expand)
	if err := f.computed(node{Node: expand, graph: n.graph}, 1, shape, axis, 1); err != nil {
		return err
	}
	f.depends[expand.Outputs[0]] = true
	e.SetInput(n.Node, i, expand.Outputs[0])
	f.say("%s: %q is repeated for each row", label(n.Node), value)
	return nil
}

// one reports whether a value without rows has the one row of old on an axis.
func (f *freeing) one(n node, i, axis int) bool {
	v, ok := f.now.Of(n.graph, input(n.Node, i))
	if input(n.Node, i) == "" || !ok || n.has[i] || axis >= len(v.Dims) {
		return false
	}
	return f.rows == 1 && v.Dims[axis].Known && v.Dims[axis].Size == 1
}

// concat joins values of one number of rows; those that have one row of old are repeated.
func concat(f *freeing, n node) (bool, error) {
	axis, rank := -1, 0
	for i := range n.Inputs {
		if p, ok := n.at(i); ok {
			v, _ := f.now.Of(n.graph, n.Inputs[i])
			axis, rank = p.axis, len(v.Dims)
		}
	}
	if along := int(n.Int("axis", 1)); axis >= 0 && (along == axis || along+rank == axis && along < 0) {
		return false, f.blocked(n.Node, "it joins its inputs along axis %d, which holds the rows", axis)
	}
	mended := false
	for i := range n.Inputs {
		if axis < 0 || !f.one(n, i, axis) {
			continue
		}
		if err := f.repeat(n, i, axis, rank); err != nil {
			return false, err
		}
		mended = true
	}
	return mended, nil
}

// recurrent takes rows along axis 1, or 0 where its layout says so; states of one row are repeated.
func recurrent(f *freeing, n node) (bool, error) {
	axis := 1 - int(min(n.Int("layout", 0), 1))
	if p, ok := n.at(0); !ok || p.axis != axis {
		if !ok {
			return false, nil
		}
		return false, f.blocked(n.Node, "%q has the rows on axis %d, and the operator takes them on axis %d", n.Inputs[0], p.axis, axis)
	}
	mended := false
	for _, i := range []int{4, 5, 6} {
		at, rank := axis, 3
		if i == 4 { // the lengths of the rows
			at, rank = 0, 1
		}
		if !f.one(n, i, at) {
			continue
		}
		if err := f.repeat(n, i, at, rank); err != nil {
			return false, err
		}
		mended = true
	}
	return mended, nil
}

// expand: a target that holds the old number of rows takes whatever there are.
func expand(f *freeing, n node) (bool, error) {
	p, ok := n.at(0)
	target, constant := f.integers(n, 1)
	if !ok || !constant {
		return false, nil
	}
	v, _ := f.now.Of(n.graph, n.Inputs[0])
	at := len(target) - len(v.Dims) + p.axis
	if at < 0 || target[at] == 1 {
		return false, nil
	}
	if target[at] != f.rows || v.Dims[p.axis].Name != f.name {
		return false, f.blocked(n.Node, "its target %d does not follow the rows of %q", target, n.Inputs[0])
	}
	was := slices.Clone(target)
	target[at] = 1
	f.say("%s: target %d is %d", label(n.Node), was, target)
	return true, f.setList(n, 1, target)
}

// tile: rows must not be repeated.
func tile(f *freeing, n node) (bool, error) {
	p, ok := n.at(0)
	if repeats, constant := f.integers(n, 1); ok && (!constant || p.axis >= len(repeats) || repeats[p.axis] != 1) {
		return false, f.blocked(n.Node, "it repeats the rows of %q", n.Inputs[0])
	}
	return false, nil
}

// slice: one over all rows of old is one over all rows.
func slice(f *freeing, n node) (bool, error) {
	p, ok := n.at(0)
	if !ok {
		return false, nil
	}
	v, _ := f.now.Of(n.graph, n.Inputs[0])
	starts, ends, axes, steps, constant := f.sliced(n, len(v.Dims))
	if !constant {
		return false, nil
	}
	at := slices.IndexFunc(axes, func(a int64) bool { return int(a) == p.axis || int(a)+len(v.Dims) == p.axis && a < 0 })
	if at < 0 || starts[at] == 0 && steps[at] == 1 && ends[at] >= math.MaxInt32 {
		return false, nil
	}
	if starts[at] != 0 && starts[at] != -f.rows || ends[at] < f.rows || steps[at] != 1 || v.Dims[p.axis].Name != f.name {
		return false, f.blocked(n.Node, "it takes some of the rows of %q: %d to %d", n.Inputs[0], starts[at], ends[at])
	}
	starts, ends = slices.Clone(starts), slices.Clone(ends)
	starts[at], ends[at] = 0, math.MaxInt64
	f.say("%s: rows 0 to %d are all rows", label(n.Node), f.rows)
	if n.opset < 10 {
		n.Attr("starts").Ints, n.Attr("ends").Ints = starts, ends
		return true, nil
	}
	if c, _ := f.editor(n.graph).Constant(n.Inputs[2]); c.DType == tensor.Int32 {
		ends[at] = math.MaxInt32
	}
	if err := f.setList(n, 1, starts); err != nil {
		return false, err
	}
	return true, f.setList(n, 2, ends)
}

// sliced returns the constant lists of a Slice, all of one length.
func (f *freeing) sliced(n node, rank int) (starts, ends, axes, steps []int64, ok bool) {
	a, b := true, true
	if n.opset < 10 {
		starts, ends, axes = n.Ints("starts"), n.Ints("ends"), n.Ints("axes")
	} else {
		if starts, a = f.integers(n, 1); !a {
			return
		}
		ends, b = f.integers(n, 2)
		axes, _ = f.integers(n, 3)
		steps, _ = f.integers(n, 4)
		a = a && (axes != nil || input(n.Node, 3) == "") && (steps != nil || input(n.Node, 4) == "")
	}
	if axes == nil {
		axes = span(0, int64(min(rank, len(starts))))
	}
	if steps == nil {
		steps = slices.Repeat([]int64{1}, len(starts))
	}
	return starts, ends, axes, steps, a && b && len(ends) == len(starts) && len(axes) == len(starts) && len(steps) == len(starts)
}

// resize: rows must not be scaled; sizes that hold the old number are computed.
func resize(f *freeing, n node) (bool, error) {
	p, ok := n.at(0)
	if !ok {
		return false, nil
	}
	v, _ := f.now.Of(n.graph, n.Inputs[0])
	last := len(n.Inputs) - 1
	if sizes, constant := f.integers(n, 3); n.OpType == "Resize" && last == 3 && n.Attr("axes") == nil && constant && len(sizes) == len(v.Dims) {
		if sizes[p.axis] != f.rows || v.Dims[p.axis].Name != f.name {
			return false, f.blocked(n.Node, "it resizes %q along the rows", n.Inputs[0])
		}
		f.say("%s: sizes %d are computed from the number of rows", label(n.Node), sizes)
		return true, f.computed(n, 3, sizes, p.axis, 1)
	}
	for _, o := range n.Outputs[:min(1, len(n.Outputs))] {
		y, _ := f.now.Of(n.graph, o)
		if y.HasShape && (len(y.Dims) != len(v.Dims) || y.Dims[p.axis].Name != v.Dims[p.axis].Name) {
			return false, f.blocked(n.Node, "it resizes %q along the rows", n.Inputs[0])
		}
	}
	return false, nil
}
