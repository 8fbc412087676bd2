package static

import (
	"math"
	"slices"

	"infer/model/tensor"
)

func indexRules() map[string]rule {
	first := func(c *call) { c.like(0, 0, c.dtype(0)) }
	return map[string]rule{
		"Gather": gather, "GatherND": gatherND, "GatherElements": func(c *call) { c.like(0, 1, c.dtype(0)) },
		"Scatter": first, "ScatterElements": first, "ScatterND": first, "TensorScatter": first,
		"Slice": slice, "TopK": topK, "OneHot": oneHot,
		"NonZero": func(c *call) {
			c.dependent()
			if x, ok := c.dims(0); ok {
				c.put(0, tensor.Int64, fixed(int64(len(x))), unknown)
			} else {
				c.put(0, tensor.Int64, unknown, unknown)
			}
		},
		"NonMaxSuppression": func(c *call) {
			c.dependent()
			c.put(0, tensor.Int64, unknown, fixed(3))
		},
		"Unique": func(c *call) {
			c.dependent()
			if x, ok := c.dims(0); ok && c.node.Attr("axis") != nil {
				if a, valid := axis(c.node.Int("axis", 0), len(x)); valid {
					out := slices.Clone(x)
					out[a] = unknown
					c.put(0, c.dtype(0), out...)
				}
			} else {
				c.put(0, c.dtype(0), unknown)
			}
			for i := 1; i < len(c.out); i++ {
				c.put(i, tensor.Int64, unknown)
			}
		},
		"Compress": compress,
	}
}

// compress keeps the slices, or without an axis the elements, for which the condition holds.
func compress(c *call) {
	c.dependent()
	kept := unknown
	if cond, ok := c.consts(1); ok && len(c.in) > 1 {
		kept = fixed(0)
		for _, n := range cond {
			if n != 0 {
				kept = add(kept, fixed(1))
			}
		}
	}
	c.put(0, c.dtype(0), kept)
	if c.node.Attr("axis") == nil {
		return
	}
	x, ok := c.dims(0)
	a, valid := axis(c.node.Int("axis", 0), len(x))
	switch {
	case !ok:
		c.open(0, c.dtype(0))
	case !valid:
		c.invalid()
		c.open(0, c.dtype(0))
	default:
		out := slices.Clone(x)
		out[a] = kept
		c.put(0, c.dtype(0), out...)
	}
}

func gather(c *call) {
	x, okX := c.dims(0)
	idx, okI := c.dims(1)
	if !okX || !okI {
		c.open(0, c.dtype(0))
		return
	}
	a, valid := axis(c.node.Int("axis", 0), len(x))
	if !valid {
		c.invalid()
		return
	}
	c.put(0, c.dtype(0), slices.Concat(x[:a], idx, x[a+1:])...)
	list, ok := c.consts(1)
	v := c.arg(0)
	if !ok || len(x) != 1 || v.ints == nil && v.floats == nil {
		return
	}
	ints, floats := []dim{}, []float64{}
	for _, i := range list {
		at, valid := axis(i, max(len(v.ints), len(v.floats)))
		switch {
		case !valid:
			return
		case v.ints != nil:
			ints = append(ints, v.ints[at])
		default:
			floats = append(floats, v.floats[at])
		}
	}
	if v.ints != nil {
		c.out[0].setInts(ints)
	} else {
		c.out[0].setFloats(floats)
	}
}

func gatherND(c *call) {
	x, okX := c.dims(0)
	idx, okI := c.dims(1)
	b := c.node.Int("batch_dims", 0)
	c.open(0, c.dtype(0))
	if !okX || !okI || len(idx) == 0 {
		return
	}
	k, ok := idx[len(idx)-1].fixed()
	if !ok {
		return
	}
	if b < 0 || k < 0 || b > int64(len(x)) || k > int64(len(x))-b {
		c.invalid()
		return
	}
	c.put(0, c.dtype(0), slices.Concat(idx[:len(idx)-1], x[b+k:])...)
}

// toEnd is the smallest end that is taken to mean the end of a dynamic axis: exporters write 10⁹, 2³¹-1 or 2⁶³-1.
const toEnd = 1_000_000_000

// bounds are the start, end and step of a Slice on one axis.
type bounds struct{ start, end, step dim }

func slice(c *call) {
	x, ok := c.dims(0)
	if !ok {
		c.open(0, c.dtype(0))
		return
	}
	out, at, cut, ok := c.sliceArgs(x)
	if !ok {
		c.put(0, c.dtype(0), out...)
		return
	}
	for j, i := range at {
		out[i] = sliced(x[i], cut[j])
	}
	c.put(0, c.dtype(0), out...)
	v := c.arg(0)
	if len(at) == 1 && len(x) > 1 && v.ints != nil {
		c.sliceMatrix(at[0], cut[0])
		return
	}
	if len(x) != 1 || len(at) != 1 || v.ints == nil && v.floats == nil {
		return
	}
	n, known := out[0].fixed()
	s, okS := cut[0].start.fixed()
	step, okT := cut[0].step.fixed()
	size := int64(max(len(v.ints), len(v.floats)))
	if !known || !okS || !okT || n < 0 {
		return
	}
	s = clampStart(s, size, step)
	ints, floats := []dim{}, []float64{}
	for range n {
		if s < 0 || s >= size {
			return
		}
		if v.ints != nil {
			ints = append(ints, v.ints[s])
		} else {
			floats = append(floats, v.floats[s])
		}
		s += step
	}
	if v.ints != nil {
		c.out[0].setInts(ints)
	} else {
		c.out[0].setFloats(floats)
	}
}

// sliceMatrix follows the elements of a tensor of several axes that is cut along one.
func (c *call) sliceMatrix(at int, b bounds) {
	v, out := c.arg(0), c.out[0]
	n, okN := out.dims[at].fixed()
	size, okX := v.dims[at].fixed()
	s, okS := b.start.fixed()
	step, okT := b.step.fixed()
	inner, okI := product(v.dims[at+1:]).fixed()
	outer, okO := product(v.dims[:at]).fixed()
	if !okN || !okX || !okS || !okT || !okI || !okO || n < 0 || n > size || len(v.ints) == 0 { // with no elements the other axes may be of any size
		return
	}
	first, ints := clampStart(s, size, step), []dim{}
	for o := range outer {
		for k := range n {
			from := (o*size + first + k*step) * inner
			if from < 0 || from+inner > int64(len(v.ints)) {
				return
			}
			ints = append(ints, v.ints[from:from+inner]...)
		}
	}
	out.setInts(ints)
}

// sliceArgs returns a copy of x in which the axes that the Slice may change are unknown, the axes, and their bounds;
// false where the axes or their number are not known.
func (c *call) sliceArgs(x []dim) (out []dim, at []int, cut []bounds, ok bool) {
	var starts, ends, steps []dim
	list, given, known := c.listArg("axes", 3)
	if a := c.node.Ints("starts"); a != nil && c.opset < 10 {
		starts, ends = fixedList(a), fixedList(c.node.Ints("ends"))
	} else {
		var okS, okE bool
		starts, okS = c.elems(1)
		ends, okE = c.elems(2)
		known = known && okS && okE
	}
	all := make([]dim, len(x))
	if c.present(4) {
		var okT bool
		if steps, okT = c.elems(4); !okT {
			return all, nil, nil, false
		}
	}
	if !known {
		return all, nil, nil, false
	}
	if !given {
		for i := range starts {
			list = append(list, int64(i))
		}
	}
	out = slices.Clone(x)
	if len(starts) != len(list) || len(ends) != len(list) || steps != nil && len(steps) != len(list) {
		c.invalid()
		return all, nil, nil, false
	}
	if _, valid := axes(list, len(x)); !valid {
		c.invalid()
		return all, nil, nil, false
	}
	for j, a := range list {
		i, _ := axis(a, len(x))
		b := bounds{starts[j], ends[j], fixed(1)}
		if steps != nil {
			b.step = steps[j]
		}
		out[i] = unknown
		at, cut = append(at, i), append(cut, b)
	}
	return out, at, cut, true
}

func clampStart(s, n, step int64) int64 {
	if s < 0 {
		s += n
	}
	if step < 0 {
		return min(max(s, -1), n-1)
	}
	return min(max(s, 0), n)
}

// sliced returns the size that is left of an axis. Dynamic sizes are taken as large enough for nothing: only forms
// that hold for every size are answered.
func sliced(d dim, b bounds) dim {
	step, ok := b.step.fixed()
	if !ok || step == 0 || step == math.MinInt64 {
		return unknown
	}
	n, okN := d.fixed()
	s, okS := b.start.fixed()
	e, okE := b.end.fixed()
	if okN && okS && okE {
		return slicedFixed(n, s, e, step)
	}
	if step == -1 && okS && s == -1 && okE && e <= -toEnd {
		return d // the whole axis, reversed
	}
	if step < 1 {
		return unknown
	}
	count := unknown
	switch {
	case okS && s == 0 && (okE && e >= toEnd || same(b.end, d)):
		count = d
	case okS && s == 0 && okN && natural(b.end) && !okE:
		count = atMost(n, b.end)
	case okS && okE && s == 0 && e == 0:
		count = fixed(0)
	case okS && s == 0 && okE && e > 0:
		count = atMost(e, d)
	case okS && s >= 0 && (okE && e >= toEnd || same(b.end, d)):
		if rest := sub(d, fixed(s)); natural(rest) {
			count = rest
		}
	case okS && s == 0 && okE && e < 0:
		if rest := add(d, fixed(e)); natural(rest) {
			count = rest
		}
	case natural(b.start) && natural(b.end) && natural(sub(d, b.end)) && natural(sub(b.end, b.start)):
		count = sub(b.end, b.start)
	}
	return ceilDiv(count, fixed(step))
}

func slicedFixed(n, s, e, step int64) dim {
	s = clampStart(s, n, step)
	if e < 0 && e > math.MinInt64+n {
		e += n
	}
	if step > 0 {
		e = min(max(e, 0), n)
		return fixed(max(0, -floorInt(s-e, step)))
	}
	e = min(max(e, -1), n-1)
	return fixed(max(0, -floorInt(e-s, -step)))
}

func topK(c *call) {
	x, ok := c.dims(0)
	if !ok {
		c.open(0, c.dtype(0))
		c.open(1, tensor.Int64)
		return
	}
	a, valid := axis(c.node.Int("axis", -1), len(x))
	if !valid {
		c.invalid()
		return
	}
	out := slices.Clone(x)
	out[a] = unknown
	if k := c.node.Attr("k"); k != nil && c.opset < 10 {
		out[a] = fixed(k.I)
	} else if v := c.arg(1); v != nil && len(v.ints) == 1 {
		out[a] = v.ints[0]
	}
	c.put(0, c.dtype(0), out...)
	c.put(1, tensor.Int64, out...)
}

func oneHot(c *call) {
	x, ok := c.dims(0)
	if !ok {
		c.open(0, c.dtype(2))
		return
	}
	a, valid := axis(c.node.Int("axis", -1), len(x)+1)
	if !valid {
		c.invalid()
		return
	}
	depth := unknown
	if v := c.arg(1); v != nil && len(v.ints) == 1 {
		depth = v.ints[0]
	} else if v != nil && len(v.floats) == 1 && v.floats[0] >= 0 && v.floats[0] < 1<<31 {
		depth = fixed(int64(v.floats[0]))
	}
	c.put(0, c.dtype(2), slices.Insert(slices.Clone(x), a, depth)...)
}
