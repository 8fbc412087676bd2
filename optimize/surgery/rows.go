package surgery

import (
	"fmt"
	"slices"

	"infer/model/tensor"
)

// take returns rows of t along an axis, in the order given; a row may come twice. It fails for containers and for types
// under 8 bits.
func take(t tensor.Tensor, axis int, rows []int64) (tensor.Tensor, error) {
	if axis >= len(t.Shape) || t.DType >= tensor.Sequence || t.DType != tensor.String && t.DType.Bits() < 8 {
		return t, fmt.Errorf("tensor %q: a %s of shape %s has no rows on axis %d", t.Name, t.DType, t.Shape, axis)
	}
	outer, err := t.Shape[:axis].Elements()
	if err != nil {
		return t, err
	}
	inner, err := t.Shape[axis+1:].Elements()
	if err != nil {
		return t, err
	}
	out := tensor.Tensor{Name: t.Name, DType: t.DType, Shape: t.Shape.Clone()}
	out.Shape[axis] = int64(len(rows))
	width := inner * int64(t.DType.Bits()/8)
	for o := range outer {
		for _, r := range rows {
			at := o*t.Shape[axis] + r
			if t.DType == tensor.String {
				out.Strings = append(out.Strings, t.Strings[at*inner:(at+1)*inner]...)
			} else {
				out.Data = append(out.Data, t.Data[at*width:(at+1)*width]...)
			}
		}
	}
	return out, nil
}

// join puts tensors of one type and one shape but for the size of an axis behind each other along it.
func join(list []tensor.Tensor, axis int) (tensor.Tensor, error) {
	out := list[0]
	if axis >= len(out.Shape) || out.DType >= tensor.Sequence || out.DType != tensor.String && out.DType.Bits() < 8 {
		return out, fmt.Errorf("tensor %q: a %s of shape %s has no rows on axis %d", out.Name, out.DType, out.Shape, axis)
	}
	out.Shape, out.Data, out.Strings = out.Shape.Clone(), nil, nil
	out.Shape[axis] = 0
	for _, t := range list {
		rest := slices.Delete(t.Shape.Clone(), axis, axis+1)
		if len(t.Shape) != len(out.Shape) || !rest.Equal(slices.Delete(out.Shape.Clone(), axis, axis+1)) {
			return out, fmt.Errorf("tensor %q: runs give it the shapes %s and %s", out.Name, list[0].Shape, t.Shape)
		}
		out.Shape[axis] += t.Shape[axis]
	}
	outer, err := out.Shape[:axis].Elements()
	if err != nil {
		return out, err
	}
	for o := range outer {
		for _, t := range list {
			n, m := int64(len(t.Strings))/outer, int64(len(t.Data))/outer
			out.Strings = append(out.Strings, t.Strings[o*n:(o+1)*n]...)
			out.Data = append(out.Data, t.Data[o*m:(o+1)*m]...)
		}
	}
	return out, nil
}

// span of rows from one to before another, of which there are only limit: the last one stands in for those beyond.
func rowRange(from, to, limit int64) []int64 {
	var list []int64
	for r := from; r < to; r++ {
		list = append(list, min(r, limit-1))
	}
	return list
}
