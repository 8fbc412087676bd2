package static

import (
	"slices"

	"infer/model/tensor"
)

func moveRules() map[string]rule {
	return map[string]rule{
		"Reshape": reshape, "Flatten": flatten, "Squeeze": squeeze, "Unsqueeze": unsqueeze, "Transpose": transpose,
		"Concat": func(c *call) { c.concat(0, 1, c.dtype(0)) }, "Split": split, "Expand": expand, "Tile": tile, "Pad": pad,
		"DepthToSpace": depthToSpace, "SpaceToDepth": spaceToDepth, "Shape": shapeOf, "Size": sizeOf,
		"ConstantOfShape": constantOfShape, "Range": rangeOf, "Constant": constant, "EyeLike": func(c *call) {
			c.like(0, 0, c.attrDType("dtype", c.dtype(0)))
		},
		"Resize": resize, "Upsample": resize, "Crop": crop, "CenterCropPad": centerCropPad, "Col2Im": col2im,
		"RandomNormal": random, "RandomUniform": random, "RandomNormalLike": randomLike, "RandomUniformLike": randomLike,
		"Bernoulli": randomLike,
		"Multinomial": func(c *call) {
			if d, ok := c.dims(0); ok && len(d) == 2 {
				c.put(0, c.attrDType("dtype", tensor.Int32), d[0], fixed(c.node.Int("sample_size", 1)))
			}
		},
	}
}

// keep copies the elements of input 0 to output 0: for operators that only change the shape.
func (c *call) keep() {
	if x := c.arg(0); x != nil && len(c.out) > 0 && c.out[0] != nil {
		c.out[0].setInts(x.ints)
		c.out[0].setFloats(x.floats)
		if x.ints == nil {
			c.out[0].ints = nil
		}
		if x.floats == nil {
			c.out[0].floats = nil
		}
	}
}

func reshape(c *call) {
	d := c.dtype(0)
	var want []dim
	if list := c.node.Ints("shape"); c.opset < 5 && list != nil {
		want = fixedList(list)
	} else if elems, ok := c.elems(1); ok {
		want = slices.Clone(elems)
	} else {
		c.open(0, d)
		return
	}
	x, ranked := c.dims(0)
	rest, infer := fixed(1), -1
	total := product(x)
	if !ranked {
		total = unknown
	}
	for i, w := range want {
		switch {
		case w.is(0) && c.node.Int("allowzero", 0) == 0:
			want[i] = unknown
			if ranked && i < len(x) {
				want[i] = x[i]
				if r, ok := exact(total, x[i]); ok { // the same axis on both sides cancels
					total = r
					continue
				}
			}
			rest = mul(rest, want[i])
		case w.is(-1):
			if infer >= 0 {
				c.invalid()
			}
			infer = i
			want[i] = unknown
		default:
			rest = mul(rest, w)
		}
	}
	if infer >= 0 {
		if q, ok := exact(total, rest); ok {
			want[infer] = q
		} else if n, ok := rest.fixed(); ok && n > 0 && len(total.terms) > 0 {
			want[infer] = floorDiv(total, rest)
		} else if len(rest.terms) > 0 && total.ok && len(total.terms) > 0 {
			want[infer] = floorDiv(total, rest)
		}
	} else if i := single(want); i >= 0 && ranked { // one unknown size follows from the others
		others := append(slices.Clone(want[:i]), want[i+1:]...)
		if q, ok := exact(product(x), product(others)); ok {
			want[i] = q
		}
	}
	c.put(0, d, want...)
	c.keep()
}

// single returns the index of the only unknown dimension, -1 where there is none or more than one.
func single(ds []dim) int {
	at := -1
	for i, d := range ds {
		if !d.ok {
			if at >= 0 {
				return -1
			}
			at = i
		}
	}
	return at
}

func flatten(c *call) {
	x, ok := c.dims(0)
	a := c.node.Int("axis", 1)
	if a < 0 {
		a += int64(len(x))
	}
	if !ok {
		c.put(0, c.dtype(0), unknown, unknown)
		return
	}
	if a < 0 || a > int64(len(x)) {
		c.invalid()
		return
	}
	c.put(0, c.dtype(0), product(x[:a]), product(x[a:]))
	c.keep()
}

// axes returns the indices of the axes of a list; false where one is out of range or occurs twice.
func axes(list []int64, rank int) (map[int]bool, bool) {
	set := map[int]bool{}
	for _, a := range list {
		i, ok := axis(a, rank)
		if !ok || set[i] {
			return nil, false
		}
		set[i] = true
	}
	return set, true
}

func squeeze(c *call) {
	c.open(0, c.dtype(0))
	x, ok := c.dims(0)
	list, given, known := c.listArg("axes", 1)
	if !ok || !known {
		return
	}
	set, valid := axes(list, len(x))
	if !valid {
		c.invalid()
		return
	}
	out := []dim{}
	for i, d := range x {
		switch n, fixed := d.fixed(); {
		case given && set[i]:
		case !given && !fixed:
			return
		case !given && n == 1:
		default:
			out = append(out, d)
		}
	}
	c.put(0, c.dtype(0), out...)
	c.keep()
}

func unsqueeze(c *call) {
	c.open(0, c.dtype(0))
	x, ok := c.dims(0)
	list, given, known := c.listArg("axes", 1)
	if !ok || !known || !given || len(list) > maxRank {
		return
	}
	set, valid := axes(list, len(x)+len(list))
	if !valid {
		c.invalid()
		return
	}
	out := []dim{}
	for i := range len(x) + len(list) {
		if set[i] {
			out = append(out, fixed(1))
		} else {
			out, x = append(out, x[0]), x[1:]
		}
	}
	c.put(0, c.dtype(0), out...)
	c.keep()
}

func transpose(c *call) {
	x, ok := c.dims(0)
	if !ok {
		c.open(0, c.dtype(0))
		return
	}
	perm := c.node.Ints("perm")
	if len(perm) == 0 {
		for i := range x {
			perm = append(perm, int64(len(x)-1-i))
		}
	}
	if _, valid := axes(perm, len(x)); !valid || len(perm) != len(x) {
		c.invalid()
		return
	}
	out := make([]dim, len(x))
	for i, p := range perm {
		a, _ := axis(p, len(x))
		out[i] = x[a]
	}
	c.put(0, c.dtype(0), out...)
	switch v := c.arg(0); {
	case len(x) < 2:
		c.keep()
	case len(x) == 2 && perm[0] != 0 && v.ints != nil:
		rows, okR := x[0].fixed()
		cols, okC := x[1].fixed()
		if !okR || !okC || len(v.ints) == 0 || rows*cols != int64(len(v.ints)) { // with no elements the other axis may be of any size
			return
		}
		ints := make([]dim, 0, len(v.ints))
		for j := range cols {
			for i := range rows {
				ints = append(ints, v.ints[i*cols+j])
			}
		}
		c.out[0].setInts(ints)
	case len(x) == 2 && v.ints != nil:
		c.keep()
	}
}

// concat joins the inputs first, first+step, ….
func (c *call) concat(first, step int, d tensor.DType) {
	c.open(0, d)
	var out []dim
	sum, at := fixed(0), 0
	ints, floats, isInts, isFloats := []dim{}, []float64{}, true, true
	for i := first; i < len(c.in); i += step {
		x, ok := c.dims(i)
		if !ok {
			return
		}
		if out == nil {
			out = slices.Clone(x)
			if at, ok = axis(c.node.Int("axis", 1), len(x)); !ok {
				c.invalid()
				return
			}
		}
		if len(x) != len(out) {
			c.invalid()
			return
		}
		for j := range out {
			if n, ok := x[j].fixed(); ok && j != at {
				out[j] = fixed(n)
			} else if !out[j].ok {
				out[j] = x[j]
			}
		}
		sum = add(sum, x[at])
		v := c.arg(i)
		part := v.ints
		if part == nil && v.dtype.IsInt() && len(x) == 1 {
			if n, ok := x[0].fixed(); ok && n <= maxRank { // unknown elements of a known count
				part = make([]dim, n)
			}
		}
		ints, floats = append(ints, part...), append(floats, v.floats...)
		isInts = isInts && (part != nil || v.empty()) && len(ints) <= maxData
		isFloats = isFloats && v.floats != nil && len(floats) <= maxData
	}
	if out == nil {
		return
	}
	out[at] = sum
	c.put(0, d, out...)
	if len(out) == 1 && isInts && !isFloats {
		c.out[0].setInts(ints)
	}
	if len(out) == 1 && isFloats {
		c.out[0].setFloats(floats)
	}
}

func split(c *call) {
	x, ok := c.dims(0)
	for i := range c.out {
		c.open(i, c.dtype(0))
	}
	if !ok {
		return
	}
	a, valid := axis(c.node.Int("axis", 0), len(x))
	sizes, given, known := c.listArg("split", 1)
	if !valid || given && known && len(sizes) < len(c.out) {
		c.invalid()
		return
	}
	n := int64(c.node.Int("num_outputs", int64(len(c.out))))
	chunk := unknown
	if n > 0 {
		chunk = ceilDiv(x[a], fixed(n))
	}
	offset := int64(0)
	for i := range c.out {
		out := slices.Clone(x)
		switch {
		case given && !known:
			out[a] = unknown
		case given:
			out[a] = fixed(sizes[i])
		case int64(i) == n-1: // the last one takes what is left
			out[a] = sub(x[a], mul(chunk, fixed(n-1)))
		default:
			out[a] = chunk
		}
		c.put(i, c.dtype(0), out...)
		if k, ok := out[a].fixed(); ok && len(x) == 1 && c.arg(0).ints != nil && k >= 0 && offset+k <= int64(len(c.arg(0).ints)) {
			c.out[i].setInts(c.arg(0).ints[offset : offset+k])
			offset += k
		}
	}
}

func expand(c *call) {
	x, ok := c.dims(0)
	want, known := c.elems(1)
	if !ok || !known {
		c.open(0, c.dtype(0))
		return
	}
	c.put(0, c.dtype(0), broadcast(x, want)...)
	if v := c.arg(0); len(v.ints) == 1 {
		c.out[0].fill(v.ints[0])
	}
}

// fill gives a small integer tensor the same element everywhere.
func (v *val) fill(e dim) {
	if n, ok := product(v.dims).fixed(); ok && n >= 0 && n <= maxData {
		v.ints = slices.Repeat([]dim{e}, int(n))
	}
}

func tile(c *call) {
	x, ok := c.dims(0)
	times, known := c.elems(1)
	if !ok || !known || c.opset < 6 {
		c.like(0, 0, c.dtype(0))
		if ok && len(c.out) > 0 {
			c.put(0, c.dtype(0), make([]dim, len(x))...)
		}
		return
	}
	if len(times) != len(x) {
		c.invalid()
		return
	}
	out := make([]dim, len(x))
	for i := range x {
		out[i] = mul(x[i], times[i])
	}
	c.put(0, c.dtype(0), out...)
}

func pad(c *call) {
	x, ok := c.dims(0)
	if !ok {
		c.open(0, c.dtype(0))
		return
	}
	var pads []dim
	if list := c.node.Ints("pads"); list != nil {
		pads = fixedList(list)
	} else if list := c.node.Ints("paddings"); list != nil {
		pads = fixedList(list)
	} else if pads, ok = c.elems(1); !ok {
		c.put(0, c.dtype(0), make([]dim, len(x))...)
		return
	}
	at := make([]int, len(x))
	for i := range at {
		at[i] = i
	}
	if c.present(3) {
		list, known := c.consts(3)
		if !known {
			c.put(0, c.dtype(0), make([]dim, len(x))...)
			return
		}
		at = at[:0]
		for _, a := range list {
			i, valid := axis(a, len(x))
			if !valid {
				c.invalid()
				return
			}
			at = append(at, i)
		}
	}
	if len(pads) != 2*len(at) {
		c.invalid()
		return
	}
	out := slices.Clone(x)
	for j, i := range at {
		out[i] = add(out[i], add(pads[j], pads[len(at)+j]))
	}
	c.put(0, c.dtype(0), out...)
}

func depthToSpace(c *call) {
	x, ok := c.dims(0)
	b := fixed(c.node.Int("blocksize", 1))
	if ok && len(x) == 4 {
		c.put(0, c.dtype(0), x[0], floorDiv(x[1], mul(b, b)), mul(x[2], b), mul(x[3], b))
	}
}

func spaceToDepth(c *call) {
	x, ok := c.dims(0)
	b := fixed(c.node.Int("blocksize", 1))
	if ok && len(x) == 4 {
		c.put(0, c.dtype(0), x[0], mul(x[1], mul(b, b)), floorDiv(x[2], b), floorDiv(x[3], b))
	}
}
