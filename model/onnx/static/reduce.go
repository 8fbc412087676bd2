package static

import (
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

func reduceRules() map[string]rule {
	m := map[string]rule{"ArgMax": argMax, "ArgMin": argMax}
	for _, op := range []string{"L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "Sum", "SumSquare"} {
		m["Reduce"+op] = reduce
	}
	return m
}

func reduce(c *call) {
	c.open(0, c.dtype(0))
	x, ok := c.dims(0)
	list, given, known := c.listArg("axes", 1)
	keep := c.node.Int("keepdims", 1) == 1
	if !ok {
		return
	}
	if !known {
		if keep {
			c.put(0, c.dtype(0), make([]dim, len(x))...)
		}
		return
	}
	if (!given || len(list) == 0) && c.node.Int("noop_with_empty_axes", 0) == 1 {
		c.put(0, c.dtype(0), x...)
		return
	}
	set, valid := axes(list, len(x))
	if !valid {
		c.invalid()
		return
	}
	out := []dim{}
	for i, d := range x {
		switch reduced := len(list) == 0 || set[i]; {
		case !reduced:
			out = append(out, d)
		case keep:
			out = append(out, fixed(1))
		}
	}
	c.put(0, c.dtype(0), out...)
	c.reduceData()
}

// reduceData follows the elements of a whole vector.
func (c *call) reduceData() {
	v := c.arg(0)
	if v == nil || len(v.ints) == 0 || len(v.dims) != 1 || !product(c.out[0].dims).is(1) {
		return
	}
	acc := v.ints[0]
	for _, e := range v.ints[1:] {
		switch c.node.OpType {
		case "ReduceProd":
			acc = mul(acc, e)
		case "ReduceSum":
			acc = add(acc, e)
		case "ReduceMax":
			acc = intOp("Max", acc, e)
		case "ReduceMin":
			acc = intOp("Min", acc, e)
		default:
			return
		}
	}
	switch c.node.OpType {
	case "ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin":
		c.out[0].setInts([]dim{acc})
	}
}

func argMax(c *call) {
	x, ok := c.dims(0)
	if !ok {
		c.open(0, tensor.Int64)
		return
	}
	a, valid := axis(c.node.Int("axis", 0), len(x))
	if !valid {
		c.invalid()
		return
	}
	out := slices.Clone(x)
	if c.node.Int("keepdims", 1) == 1 {
		out[a] = fixed(1)
	} else {
		out = slices.Delete(out, a, a+1)
	}
	c.put(0, tensor.Int64, out...)
}

func recurrentRules() map[string]rule {
	return map[string]rule{
		"LSTM": func(c *call) { c.recurrent(2) }, "GRU": func(c *call) { c.recurrent(1) }, "RNN": func(c *call) { c.recurrent(1) },
		"com.microsoft:DynamicQuantizeLSTM": func(c *call) { c.recurrent(2) },
	}
}

// recurrent sets Y (steps x directions x batch x hidden) and states final states. The hidden size is that of the
// attribute, else the last axis of R, input 2.
func (c *call) recurrent(states int) {
	x, ok := c.dims(0)
	if !ok || len(x) != 3 {
		return
	}
	hidden := unknown
	if h := c.node.Int("hidden_size", 0); h > 0 {
		hidden = fixed(h)
	} else if r, ok := c.dims(2); ok && len(r) == 3 && c.node.OpType != "DynamicQuantizeLSTM" {
		hidden = r[2]
	}
	directions := fixed(1)
	if c.node.Str("direction", "forward") == "bidirectional" {
		directions = fixed(2)
	}
	d := c.dtype(0)
	if c.node.Int("layout", 0) == 1 {
		c.put(0, d, x[0], x[1], directions, hidden)
		for i := range states {
			c.put(1+i, d, x[0], directions, hidden)
		}
		return
	}
	c.put(0, d, x[0], directions, x[1], hidden)
	for i := range states {
		c.put(1+i, d, directions, x[1], hidden)
	}
}

func quantRules() map[string]rule {
	zero := func(c *call, i int, def tensor.DType) tensor.DType {
		if c.present(i) {
			return c.dtype(i)
		}
		return def
	}
	quantize := func(c *call) {
		def := tensor.Uint8
		if d := tensor.DType(c.node.Int("output_dtype", 0)); d.Valid() {
			def = d
		}
		c.like(0, 0, zero(c, 2, def))
	}
	dequantize := func(c *call) { c.like(0, 0, c.attrDType("output_dtype", c.dtype(1))) }
	elementwise := func(c *call) {
		c.broadcastAll(c.dtype(0), 0, 3)
	}
	return map[string]rule{
		"QuantizeLinear": quantize, "com.microsoft:QuantizeLinear": quantize,
		"DequantizeLinear": dequantize, "com.microsoft:DequantizeLinear": dequantize,
		"DynamicQuantizeLinear": func(c *call) {
			c.like(0, 0, tensor.Uint8)
			c.put(1, tensor.Float32)
			c.put(2, tensor.Uint8)
		},
		"com.microsoft:QLinearAdd": elementwise, "com.microsoft:QLinearMul": elementwise,
		"com.microsoft:QLinearConcat":     func(c *call) { c.concat(2, 3, c.dtype(1)) },
		"com.microsoft:QLinearReduceMean": reduceQuantized,
	}
}

func reduceQuantized(c *call) {
	list := c.node.Ints("axes")
	x, ok := c.dims(0)
	set, valid := axes(list, len(x))
	if !ok || !valid {
		return
	}
	out := []dim{}
	for i, d := range x {
		switch {
		case len(list) > 0 && !set[i]:
			out = append(out, d)
		case c.node.Int("keepdims", 1) == 1:
			out = append(out, fixed(1))
		}
	}
	c.put(0, c.dtype(0), out...)
}

func contribRules() map[string]rule {
	first := func(c *call) { c.like(0, 0, c.dtype(0)) }
	skip := func(c *call) {
		c.like(0, 0, c.dtype(0))
		c.like(3, 0, c.dtype(0))
	}
	return map[string]rule{
		"com.microsoft:SkipLayerNormalization": skip, "com.microsoft:SkipSimplifiedLayerNormalization": skip,
		"com.microsoft:SkipGroupNorm": first,
		"com.microsoft:EmbedLayerNormalization": func(c *call) {
			ids, ok := c.dims(0)
			words, okW := c.dims(2)
			if ok && okW && len(ids) == 2 && len(words) == 2 {
				c.put(0, c.dtype(2), ids[0], ids[1], words[1])
				c.put(1, tensor.Int32, ids[0])
				c.put(2, c.dtype(2), ids[0], ids[1], words[1])
			}
		},
	}
}

// sequenceRules cover sequences as far as their items agree.
func sequenceRules() map[string]rule {
	list := func(c *call, item *val) { c.set(0, &val{kind: onnx.KindSequence, elem: item}) }
	return map[string]rule{
		"SequenceEmpty":     func(c *call) { list(c, nil) },
		"SequenceConstruct": func(c *call) { list(c, common(c.in)) },
		"SplitToSequence":   func(c *call) { list(c, c.part()) },
		"SequenceInsert": func(c *call) {
			if s := c.arg(0); s != nil && s.elem != nil {
				list(c, common([]*val{s.elem, c.arg(1)}))
			} else {
				list(c, nil)
			}
		},
		"SequenceErase":  func(c *call) { c.set(0, c.arg(0)) },
		"SequenceLength": func(c *call) { c.put(0, tensor.Int64) },
		"SequenceAt": func(c *call) {
			c.dependent()
			if s := c.arg(0); s != nil && s.elem != nil {
				c.set(0, s.elem)
			}
		},
		"ConcatFromSequence": concatSequence,
		"Optional":           func(c *call) { c.set(0, &val{kind: onnx.KindOptional, elem: c.arg(0)}) },
		"OptionalHasElement": func(c *call) { c.put(0, tensor.Bool) },
		"OptionalGetElement": func(c *call) {
			if s := c.arg(0); s != nil && s.kind == onnx.KindOptional {
				c.set(0, s.elem)
			} else {
				c.set(0, s)
			}
		},
	}
}

// part is an item of what SplitToSequence makes: without sizes as input 1, slices of size 1, whose axis goes where
// keepdims is 0.
func (c *call) part() *val {
	x, ok := c.dims(0)
	a, valid := axis(c.node.Int("axis", 0), len(x))
	if !ok || !valid {
		return unranked(c.dtype(0))
	}
	out := slices.Clone(x)
	switch {
	case c.present(1):
		out[a] = unknown
	case c.node.Int("keepdims", 1) == 0:
		out = slices.Delete(out, a, a+1)
	default:
		out[a] = fixed(1)
	}
	return tensorVal(c.dtype(0), out...)
}

// concatSequence joins items of an unknown number, along an axis of theirs or a new one.
func concatSequence(c *call) {
	c.dependent()
	s := c.arg(0)
	if s == nil || s.elem == nil || !s.elem.ranked {
		return
	}
	out, isNew := slices.Clone(s.elem.dims), c.node.Int("new_axis", 0) == 1
	rank := len(out)
	if isNew {
		rank++
	}
	a, valid := axis(c.node.Int("axis", 0), rank)
	switch {
	case !valid:
		c.invalid()
		return
	case isNew:
		out = slices.Insert(out, a, unknown)
	default:
		out[a] = unknown
	}
	c.put(0, s.elem.dtype, out...)
}

// common returns what holds for each of the values: equal parts stay, others become unknown. nil for none.
func common(vs []*val) *val {
	var out *val
	for i, v := range vs {
		if v == nil || v.kind == onnx.KindNone {
			return nil
		}
		if i == 0 {
			copied := *v
			copied.dims, copied.floats, copied.ints = slices.Clone(v.dims), nil, nil
			if len(vs) == 1 {
				copied.floats, copied.ints = v.floats, v.ints
			}
			out = &copied
			continue
		}
		if v.kind != out.kind {
			return nil
		}
		if v.dtype != out.dtype {
			out.dtype = tensor.Undefined
		}
		if out.elem != nil || v.elem != nil {
			out.elem = common([]*val{out.elem, v.elem})
		}
		if !v.ranked || !out.ranked || len(v.dims) != len(out.dims) {
			out.ranked, out.dims = false, nil
			continue
		}
		for j := range out.dims {
			if !same(out.dims[j], v.dims[j]) {
				out.dims[j] = unknown
			}
		}
	}
	return out
}
