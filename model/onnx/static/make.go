package static

import (
	"math"
	"slices"

	"infer/model/tensor"
)

func shapeOf(c *call) {
	x, ok := c.dims(0)
	if !ok {
		c.put(0, tensor.Int64, unknown)
		return
	}
	n := int64(len(x))
	clamp := func(v int64) int64 {
		if v < 0 {
			v += n
		}
		return min(max(v, 0), n)
	}
	start, end := clamp(c.node.Int("start", 0)), clamp(c.node.Int("end", n))
	c.set(0, vector(tensor.Int64, slices.Clone(x[start:max(start, end)])))
}

func sizeOf(c *call) {
	c.put(0, tensor.Int64)
	if x, ok := c.dims(0); ok {
		c.out[0].setInts([]dim{product(x)})
	}
}

func constant(c *call) {
	for _, a := range c.node.Attrs {
		switch {
		case a.Name == "value" && a.T != nil:
			c.set(0, constVal(a.T))
		case a.Name == "value_int":
			c.put(0, tensor.Int64)
			c.out[0].setInts([]dim{fixed(a.I)})
		case a.Name == "value_ints":
			c.set(0, vector(tensor.Int64, fixedList(a.Ints)))
		case a.Name == "value_float":
			c.put(0, tensor.Float32)
			c.out[0].setFloats([]float64{float64(a.F)})
		case a.Name == "value_floats":
			c.put(0, tensor.Float32, fixed(int64(len(a.Floats))))
			list := make([]float64, len(a.Floats))
			for i, f := range a.Floats {
				list[i] = float64(f)
			}
			c.out[0].setFloats(list)
		case a.Name == "value_string":
			c.put(0, tensor.String)
		case a.Name == "value_strings":
			c.put(0, tensor.String, fixed(int64(len(a.Strings))))
		case a.Name == "sparse_value" && a.Sparse != nil && a.Sparse.Values != nil:
			c.put(0, a.Sparse.Values.DType, fixedList(a.Sparse.Dims)...)
		}
	}
}

func constantOfShape(c *call) {
	value := tensorVal(tensor.Float32)
	if a := c.node.Attr("value"); a != nil && a.T != nil {
		value = constVal(a.T)
	}
	dims, ok := c.elems(0)
	if !ok {
		c.open(0, value.dtype)
		return
	}
	c.put(0, value.dtype, dims...)
	if len(value.ints) == 1 {
		c.out[0].fill(value.ints[0])
	}
}

func rangeOf(c *call) {
	d := c.dtype(0)
	c.put(0, d, unknown)
	part := func(i int) dim {
		if v := c.arg(i); v != nil && len(v.ints) == 1 {
			return v.ints[0]
		}
		return unknown
	}
	start, limit, delta := part(0), part(1), part(2)
	k, ok := delta.fixed()
	span := sub(limit, start)
	if ok && k != 0 && k != math.MinInt64 && span.ok {
		count := ceilDiv(span, fixed(k))
		if k < 0 {
			count = ceilDiv(mul(span, fixed(-1)), fixed(-k))
		}
		if n, known := count.fixed(); known {
			count = fixed(max(n, 0))
		} else if !natural(count) {
			return
		}
		c.put(0, d, count)
		if n, known := count.fixed(); known && n <= maxData {
			ints := make([]dim, n)
			for i := range ints {
				ints[i] = add(start, mul(delta, fixed(int64(i))))
			}
			c.out[0].setInts(ints)
		}
		return
	}
	var f [3]float64
	for i := range f {
		v := c.arg(i)
		if v == nil || len(v.floats) != 1 {
			return
		}
		f[i] = v.floats[0]
	}
	if n := math.Ceil((f[1] - f[0]) / f[2]); n < 1<<40 {
		c.put(0, d, fixed(int64(max(n, 0))))
	}
}

func resize(c *call) {
	x, ok := c.dims(0)
	if !ok {
		c.open(0, c.dtype(0))
		return
	}
	at := make([]int, 0, len(x))
	list := c.node.Ints("axes")
	for i := range x {
		if list == nil {
			at = append(at, i)
		}
	}
	for _, a := range list {
		i, valid := axis(a, len(x))
		if !valid {
			c.invalid()
			return
		}
		at = append(at, i)
	}
	is, iz := 2, 3 // scales, sizes; opset 10 and Upsample have the scales second and no sizes
	if c.node.OpType == "Upsample" || c.opset < 11 {
		is, iz = 1, -1
	}
	out := slices.Clone(x)
	for _, i := range at {
		out[i] = unknown
	}
	defer func() { c.put(0, c.dtype(0), out...) }()
	if sizes, known := c.elems(iz); iz > 0 && c.present(iz) && known && len(sizes) == len(at) {
		policy := c.node.Str("keep_aspect_ratio_policy", "stretch")
		for j, i := range at {
			if policy == "stretch" {
				out[i] = sizes[j]
			} else {
				out[i] = inProportion(x, sizes, at, i, policy == "not_smaller")
			}
		}
		return
	}
	var scales []float64
	if a := c.node.Attr("scales"); a != nil {
		for _, f := range a.Floats {
			scales = append(scales, float64(f))
		}
	} else if v := c.arg(is); v != nil {
		scales = v.floats
	}
	if len(scales) != len(at) {
		return
	}
	for j, i := range at {
		out[i] = scaled(x[i], scales[j])
	}
}

// inProportion returns the size of axis i where all axes get the same scale, the largest or smallest of those that
// sizes ask for.
func inProportion(x, sizes []dim, at []int, i int, largest bool) dim {
	var scale float32
	for j, a := range at {
		n, okN := x[a].fixed()
		s, okS := sizes[j].fixed()
		if !okN || !okS || n < 1 || s < 1 || n > 1<<24 || s > 1<<24 {
			return unknown
		}
		r := float32(s) / float32(n)
		if j == 0 || largest == (r > scale) {
			scale = r
		}
	}
	n, _ := x[i].fixed()
	return fixed(int64(math.Round(float64(scale * float32(n)))))
}

// scaled returns floor(d·scale), the size that Resize gives an axis.
func scaled(d dim, scale float64) dim {
	if scale == math.Trunc(scale) && scale > 0 && scale < 1<<31 {
		return mul(d, fixed(int64(scale)))
	}
	if r := 1 / scale; r == math.Trunc(r) && r > 0 && r < 1<<31 {
		return floorDiv(d, fixed(int64(r)))
	}
	if n, ok := d.fixed(); ok && n >= 0 && n < 1<<24 && scale > 0 && scale < 1<<24 {
		return fixed(int64(float32(n) * float32(scale)))
	}
	return unknown
}

func crop(c *call) {
	x, ok := c.dims(0)
	border, scale := c.node.Ints("border"), c.node.Ints("scale")
	if !ok || len(x) != 4 || len(border) != 4 {
		c.like(0, 0, c.dtype(0))
		c.open(0, c.dtype(0))
		return
	}
	h, w := sub(x[2], fixed(border[1]+border[3])), sub(x[3], fixed(border[0]+border[2]))
	if len(scale) == 2 {
		h, w = fixed(scale[0]), fixed(scale[1])
	}
	c.put(0, c.dtype(0), x[0], x[1], h, w)
}

func centerCropPad(c *call) {
	x, ok := c.dims(0)
	want, known := c.elems(1)
	if !ok || !known {
		c.open(0, c.dtype(0))
		return
	}
	out, list := slices.Clone(x), c.node.Ints("axes")
	if list == nil {
		for i := range x {
			list = append(list, int64(i))
		}
	}
	if len(list) != len(want) {
		c.invalid()
		return
	}
	for j, a := range list {
		i, valid := axis(a, len(x))
		if !valid {
			c.invalid()
			return
		}
		out[i] = want[j]
	}
	c.put(0, c.dtype(0), out...)
}

func col2im(c *call) {
	x, ok := c.dims(0)
	image, okI := c.elems(1)
	block, okB := c.elems(2)
	if ok && okI && okB && len(x) == 3 {
		c.put(0, c.dtype(0), append([]dim{x[0], floorDiv(x[1], product(block))}, image...)...)
	}
}

func random(c *call) {
	c.put(0, c.attrDType("dtype", tensor.Float32), fixedList(c.node.Ints("shape"))...)
}

func randomLike(c *call) { c.like(0, 0, c.attrDType("dtype", c.dtype(0))) }
