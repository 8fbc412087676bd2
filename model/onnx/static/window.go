package static

import (
	"slices"

	"infer/model/tensor"
)

func windowRules() map[string]rule {
	conv := func(c *call) { c.conv(0, 1, c.dtype(0), false) }
	pool := func(c *call) { c.pool(0, c.dtype(0), false) }
	global := func(c *call) { c.global(c.dtype(0), false) }
	return map[string]rule{
		"Conv":                            conv,
		"com.microsoft:FusedConv":         conv,
		"com.microsoft.nchwc:Conv":        conv,
		"ConvInteger":                     func(c *call) { c.conv(0, 1, tensor.Int32, false) },
		"QLinearConv":                     func(c *call) { c.conv(0, 3, c.dtype(7), false) },
		"com.microsoft:QLinearConv":       func(c *call) { c.conv(0, 3, c.dtype(7), c.node.Int("channels_last", 0) == 1) },
		"com.microsoft:NhwcFusedConv":     func(c *call) { c.conv(0, 1, c.dtype(0), true) },
		"ConvTranspose":                   convTranspose,
		"MaxPool":                         pool,
		"AveragePool":                     pool,
		"LpPool":                          pool,
		"com.microsoft.nchwc:MaxPool":     pool,
		"com.microsoft.nchwc:AveragePool": pool,
		"com.microsoft:NhwcMaxPool":       func(c *call) { c.pool(0, c.dtype(0), true) },
		"com.microsoft:QLinearAveragePool": func(c *call) {
			c.pool(0, c.dtype(0), c.node.Int("channels_last", 0) == 1)
		},
		"GlobalAveragePool":                     global,
		"GlobalMaxPool":                         global,
		"GlobalLpPool":                          global,
		"com.microsoft.nchwc:GlobalMaxPool":     global,
		"com.microsoft.nchwc:GlobalAveragePool": global,
		"com.microsoft:QLinearGlobalAveragePool": func(c *call) {
			c.global(c.dtype(0), c.node.Int("channels_last", 0) == 1)
		},
		"com.microsoft.nchwc:ReorderInput": reorderInput, "com.microsoft.nchwc:Upsample": upsampleBlocked,
		"com.microsoft.nchwc:ReorderOutput": func(c *call) {
			d, ok := c.dims(0)
			if n := c.node.Int("channels", 0); ok && len(d) > 2 && n > 0 {
				d = slices.Clone(d)
				d[1] = fixed(n)
				if c.node.Int("channels_last", 0) == 1 {
					d = toLast(d)
				}
				c.put(0, c.dtype(0), d...)
			}
		},
		"DeformConv": conv,
		"MaxUnpool":  maxUnpool,
		"MaxRoiPool": func(c *call) {
			x, okX := c.dims(0)
			r, okR := c.dims(1)
			if p := c.node.Ints("pooled_shape"); okX && okR && len(p) == 2 && len(x) == 4 && len(r) == 2 {
				c.put(0, c.dtype(0), r[0], x[1], fixed(p[0]), fixed(p[1]))
			}
		},
		"RoiAlign": func(c *call) {
			x, okX := c.dims(0)
			r, okR := c.dims(1)
			if okX && okR && len(x) == 4 && len(r) == 2 {
				c.put(0, c.dtype(0), r[0], x[1], fixed(c.node.Int("output_height", 1)), fixed(c.node.Int("output_width", 1)))
			}
		},
	}
}

// reorderInput packs channels into blocks of 8 or 16, as the processor has it: a count that fills both is certain.
func reorderInput(c *call) {
	d, ok := c.dims(0)
	if !ok || len(d) < 3 {
		return
	}
	if c.node.Int("channels_last", 0) == 1 {
		d = toFirst(d)
	}
	d = slices.Clone(d)
	if n, known := d[1].fixed(); !known || n%16 != 0 {
		d[1] = unknown
	}
	c.put(0, c.dtype(0), d...)
}

func upsampleBlocked(c *call) {
	d, ok := c.dims(0)
	scales := c.node.Ints("scales")
	if !ok || len(scales) != len(d) {
		return
	}
	d = slices.Clone(d)
	for i, s := range scales {
		d[i] = mul(d[i], fixed(s))
	}
	c.put(0, c.dtype(0), d...)
}

// window is what convolutions and pools share: one entry for each spatial axis.
type window struct {
	kernel             []dim
	strides, dilations []int64
	pads               []int64 // begins, then ends
	autoPad            string
	ceil               bool
}

// window reads the attributes for n spatial axes; false where their lengths or values do not fit.
func (c *call) window(kernel []dim) (window, bool) {
	n := len(kernel)
	list := func(name string, count int, def int64) []int64 {
		v := c.node.Ints(name)
		if len(v) == 0 {
			v = make([]int64, count)
			for i := range v {
				v[i] = def
			}
		}
		return v
	}
	w := window{
		kernel: kernel, strides: list("strides", n, 1), dilations: list("dilations", n, 1), pads: list("pads", 2*n, 0),
		autoPad: c.node.Str("auto_pad", "NOTSET"), ceil: c.node.Int("ceil_mode", 0) == 1,
	}
	if len(w.strides) != n || len(w.dilations) != n || len(w.pads) != 2*n {
		return w, false
	}
	for i := range n {
		if w.strides[i] < 1 || w.dilations[i] < 1 {
			return w, false
		}
	}
	return w, true
}

// extent is the input span of the window on spatial axis i: (k-1)·dilation + 1.
func (w window) extent(i int) dim {
	return add(mul(sub(w.kernel[i], fixed(1)), fixed(w.dilations[i])), fixed(1))
}

// size returns the output size of spatial axis i for an input size. Ref: ONNX MaxPool and Conv, output_spatial_shape.
func (w window) size(i int, in dim) dim {
	s := fixed(w.strides[i])
	switch w.autoPad {
	case "SAME_UPPER", "SAME_LOWER":
		return ceilDiv(in, s)
	case "VALID":
		return add(floorDiv(sub(in, w.extent(i)), s), fixed(1))
	}
	n := len(w.kernel)
	span := sub(add(in, add(fixed(w.pads[i]), fixed(w.pads[n+i]))), w.extent(i))
	if !w.ceil {
		return add(floorDiv(span, s), fixed(1))
	}
	out := add(ceilDiv(span, s), fixed(1))
	last, begin := mul(sub(out, fixed(1)), s), add(in, fixed(w.pads[i]))
	x, okX := last.fixed()
	y, okY := begin.fixed()
	switch {
	case !okX || !okY:
		if w.strides[i] == 1 {
			return out
		}
		return unknown // whether the last window starts in the padding depends on the size
	case x >= y:
		return sub(out, fixed(1))
	}
	return out
}

// spatial applies the window to a shape N x C x D1… and returns it with channels in place of C.
func (w window) spatial(x []dim, channels dim) []dim {
	out := []dim{x[0], channels}
	for i := range w.kernel {
		out = append(out, w.size(i, x[2+i]))
	}
	return out
}

// toFirst and toLast move the channel axis.
func toFirst(x []dim) []dim {
	n := len(x)
	return append([]dim{x[0], x[n-1]}, x[1:n-1]...)
}

func toLast(x []dim) []dim { return append(append([]dim{x[0]}, x[2:]...), x[1]) }

func (c *call) conv(ix, iw int, d tensor.DType, last bool) {
	x, okX := c.dims(ix)
	k, okW := c.dims(iw)
	if !okX || !okW {
		c.open(0, d)
		return
	}
	if len(x) < 3 || len(x) != len(k) {
		c.invalid()
		return
	}
	if last {
		x = toFirst(x)
	}
	w, ok := c.window(k[2:])
	if !ok {
		c.invalid()
		return
	}
	out := w.spatial(x, k[0])
	if last {
		out = toLast(out)
	}
	c.put(0, d, out...)
}

func fixedList(list []int64) []dim {
	out := make([]dim, len(list))
	for i, n := range list {
		out[i] = fixed(n)
	}
	return out
}

func (c *call) pool(i int, d tensor.DType, last bool) {
	x, ok := c.dims(i)
	if !ok {
		c.open(0, d)
		return
	}
	k := fixedList(c.node.Ints("kernel_shape"))
	if len(x) < 3 || len(k) != len(x)-2 {
		c.invalid()
		return
	}
	if last {
		x = toFirst(x)
	}
	w, ok := c.window(k)
	if !ok {
		c.invalid()
		return
	}
	out := w.spatial(x, x[1])
	if last {
		out = toLast(out)
	}
	c.put(0, d, out...)
	c.put(1, tensor.Int64, out...)
}

func (c *call) global(d tensor.DType, last bool) {
	x, ok := c.dims(0)
	if !ok || len(x) < 2 {
		c.open(0, d)
		return
	}
	out := slices.Clone(x)
	for i := range out {
		if i >= 2 && !last || last && i >= 1 && i < len(x)-1 {
			out[i] = fixed(1)
		}
	}
	c.put(0, d, out...)
}

// convTranspose: out = stride·(in-1) + output_padding + extent - pads, or output_shape.
func convTranspose(c *call) {
	d := c.dtype(0)
	x, okX := c.dims(0)
	k, okW := c.dims(1)
	if !okX || !okW {
		c.open(0, d)
		return
	}
	if len(x) < 3 || len(x) != len(k) {
		c.invalid()
		return
	}
	w, ok := c.window(k[2:])
	n := len(w.kernel)
	extra, shape := c.node.Ints("output_padding"), c.node.Ints("output_shape")
	if !ok || len(extra) != 0 && len(extra) != n || len(shape) != 0 && len(shape) != n {
		c.invalid()
		return
	}
	out := []dim{x[0], mul(k[1], fixed(c.node.Int("group", 1)))}
	for i := range n {
		switch {
		case len(shape) > 0:
			out = append(out, fixed(shape[i]))
			continue
		case w.autoPad == "SAME_UPPER" || w.autoPad == "SAME_LOWER":
			out = append(out, mul(x[2+i], fixed(w.strides[i])))
			continue
		}
		size := add(mul(sub(x[2+i], fixed(1)), fixed(w.strides[i])), w.extent(i))
		if len(extra) > 0 {
			size = add(size, fixed(extra[i]))
		}
		if w.autoPad != "VALID" {
			size = sub(size, add(fixed(w.pads[i]), fixed(w.pads[n+i])))
		}
		out = append(out, size)
	}
	c.put(0, d, out...)
}

// maxUnpool undoes a pool: stride·(in-1) + kernel - pads, or the whole shape as input 2.
func maxUnpool(c *call) {
	x, ok := c.dims(0)
	if !ok {
		c.open(0, c.dtype(0))
		return
	}
	if c.present(2) {
		out, known := c.elems(2)
		if !known || len(out) != len(x) {
			out = make([]dim, len(x))
		}
		c.put(0, c.dtype(0), out...)
		return
	}
	k := fixedList(c.node.Ints("kernel_shape"))
	w, ok := c.window(k)
	if !ok || len(x) < 3 || len(k) != len(x)-2 {
		c.invalid()
		return
	}
	out := []dim{x[0], x[1]}
	for i := range k {
		pads := add(fixed(w.pads[i]), fixed(w.pads[len(k)+i]))
		out = append(out, sub(add(mul(sub(x[2+i], fixed(1)), fixed(w.strides[i])), k[i]), pads))
	}
	c.put(0, c.dtype(0), out...)
}
