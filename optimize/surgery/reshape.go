package surgery

import (
	"cmp"
	"slices"

	"infer/model/onnx"
	"infer/model/onnx/static"
)

// flatten tells where the rows of a Flatten go.
func flatten(f *freeing, n node) (bool, error) {
	p, ok := n.at(0)
	if !ok {
		return false, nil
	}
	was, _ := f.before.Of(n.graph, n.Inputs[0])
	axis := n.Int("axis", 1)
	if axis < 0 {
		axis += int64(len(was.Dims))
	}
	from := 0
	if int64(p.axis) >= axis {
		from = int(axis)
	}
	before, known := elements(was, from, p.axis)
	if !known {
		return false, f.blocked(n.Node, "the sizes of the axes in front of the rows of %q are not known", n.Inputs[0])
	}
	for _, o := range n.Outputs {
		f.outer[o] = before * p.outer
	}
	return false, nil
}

// elements returns the product of the sizes of axes from one to before another.
func elements(v static.Value, from, to int) (int64, bool) {
	product := int64(1)
	for _, d := range v.Dims[min(from, len(v.Dims)):min(to, len(v.Dims))] {
		if !d.Known || d.Size < 1 || product > (1<<62)/d.Size {
			return 0, false
		}
		product *= d.Size
	}
	return product, true
}

// reshape sees where the rows of a Reshape go: the elements in front of a row stay in front of it, so they are on the
// output axis in front of which there are as many, or a divisor of that. A target that holds the old number is mended.
func reshape(f *freeing, n node) (bool, error) {
	p, ok := n.at(0)
	if !ok || len(n.Outputs) == 0 || len(n.Inputs) < 2 {
		return false, nil
	}
	in, _ := f.before.Of(n.graph, n.Inputs[0])
	out, _ := f.before.Of(n.graph, n.Outputs[0])
	front, known := elements(in, 0, p.axis)
	if !known || !in.HasShape || !out.HasShape {
		return false, f.blocked(n.Node, "the shapes of what it reads and makes are not known")
	}
	spots := f.spots(out, front*p.outer)
	now, found, err := f.place(n.graph, n.Outputs[0])
	target, constant := f.integers(n, 1)
	if err != nil && !constant {
		return false, f.blocked(n.Node, "%v", err)
	}
	if found && (!constant || len(spots) == 0 || now.axis == spots[0].axis) {
		for _, s := range spots {
			if s.axis == now.axis {
				f.outer[n.Outputs[0]] = s.outer
				return false, nil
			}
		}
		return false, f.blocked(n.Node, "its target puts the rows of %q on axis %d, where they would be mixed", n.Inputs[0], now.axis)
	}
	if len(spots) == 0 {
		return false, f.blocked(n.Node, "the rows of %q, %s, are on no axis of its result, %s", n.Inputs[0], in, out)
	}
	if constant && len(target) == len(out.Dims) {
		return true, f.retarget(n, p, spots[0], target, out)
	}
	return f.replacePiece(n, spots[0], out)
}

// spots returns the axes of a result that the rows can be on, the best first: one of their own, then one that holds more,
// with as little of that in front of the rows as can be.
func (f *freeing) spots(out static.Value, front int64) []place {
	var own, shared []place
	for j, d := range out.Dims {
		before, known := elements(out, 0, j)
		if !known || !d.Known || front%before != 0 {
			continue
		}
		s := place{j, front / before}
		switch {
		case d.Size < 1 || s.outer > d.Size || d.Size%(s.outer*f.rows) != 0:
		case s.outer == 1 && d.Size == f.rows:
			own = append(own, s)
		default:
			shared = append(shared, s)
		}
	}
	slices.SortStableFunc(shared, func(a, b place) int { return cmp.Compare(a.outer, b.outer) })
	return append(own, shared...)
}

// retarget puts the number of rows into the constant target of a Reshape: 0 copies it, -1 computes it, and where both
// are taken it is read from the input of the model.
func (f *freeing) retarget(n node, from, to place, target []int64, out static.Value) error {
	was := slices.Clone(target)
	in, _ := f.now.Of(n.graph, n.Inputs[0])
	if in.Dims[from.axis].Name == f.name && out.Dims[to.axis].Size == f.rows && from.axis == to.axis && n.Int("allowzero", 0) == 0 {
		target[to.axis] = 0
	} else {
		if open := slices.Index(target, -1); open >= 0 && out.Dims[open].Known && !f.counts(n.graph, n.Inputs[0]) {
			target[open] = out.Dims[open].Size
		}
		if slices.Contains(target, -1) {
			f.say("%s: target %d is computed from the number of rows", label(n.Node), was)
			return f.computed(n, 1, was, to.axis, out.Dims[to.axis].Size/f.rows)
		}
		target[to.axis] = -1
	}
	f.say("%s: target %d is %d", label(n.Node), was, target)
	return f.setList(n, 1, target)
}

// counts reports whether a value had axes of unknown size before: then a -1 stands for more than one number.
func (f *freeing) counts(g *onnx.Graph, value string) bool {
	v, _ := f.before.Of(g, value)
	return slices.ContainsFunc(v.Dims, func(d onnx.Dim) bool { return !d.Known })
}

// replacePiece mends a target that a Concat puts together, one element of which is the old number of rows.
func (f *freeing) replacePiece(n node, to place, out static.Value) (bool, error) {
	e := f.editor(n.graph)
	c := e.Producer(n.Inputs[1])
	if c == nil || c.OpType != "Concat" || c.Domain != "" || !out.Dims[to.axis].Known {
		return false, f.blocked(n.Node, "its target, %q, does not follow the rows", n.Inputs[1])
	}
	at := 0
	for i, part := range c.Inputs {
		v, _ := f.now.Of(n.graph, part)
		size, known := elements(v, 0, len(v.Dims))
		if !known || len(v.Dims) != 1 {
			break
		}
		if at == to.axis && size == 1 && len(v.Ints) == 1 && v.Ints[0] == out.Dims[to.axis].Size {
			count, err := f.rowCount(n.graph, out.Dims[to.axis].Size/f.rows)
			if err != nil {
				return false, err
			}
			parts := slices.Clone(c.Inputs)
			parts[i] = count
			target := insert(e, "Concat", n.Inputs[1]+"_"+f.name, parts, &onnx.Attribute{Name: "axis", Type: onnx.AttrInt})
			f.depends[target] = true
			e.SetInput(n.Node, 1, target)
			f.say("%s: element %d of its target is computed from the number of rows", label(n.Node), to.axis)
			return true, nil
		}
		at += int(size)
	}
	return false, f.blocked(n.Node, "its target, %q, does not follow the rows", n.Inputs[1])
}
