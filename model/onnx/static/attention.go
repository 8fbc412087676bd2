package static

// In this file B is the batch, S the number of queries, L that of the keys which a call brings, P that of the past
// ones and T = P + L; H counts heads and d is the size of one.

func attentionRules() map[string]rule {
	const ms = "com.microsoft:"
	first := func(c *call) { c.like(0, 0, c.dtype(0)) }
	return map[string]rule{
		"Attention": attention23, "ai.onnx.preview:FlexAttention": attention23, "LinearAttention": linearAttention,
		"CausalConvWithState": convWithState, "RotaryEmbedding": first, ms + "RotaryEmbedding": first,
		ms + "Attention": attention, ms + "MultiHeadAttention": multiHead, ms + "GroupQueryAttention": groupQuery,
	}
}

// attention: X (B, S, hidden) and fused weights (hidden, q+k+v); past and present keys and values are (2, B, H, T, d).
func attention(c *call) {
	x, ok := c.dims(0)
	w, okW := c.dims(1)
	if !ok || !okW || len(x) != 3 || len(w) != 2 {
		return
	}
	value := floorDiv(w[1], fixed(3))
	if sizes := c.node.Ints("qkv_hidden_sizes"); len(sizes) == 3 {
		value = fixed(sizes[2])
	}
	c.put(0, c.dtype(0), x[0], x[1], value)
	past, okP := c.dims(4)
	heads := c.node.Int("num_heads", 0)
	switch {
	case okP && len(past) == 5 && c.node.Int("past_present_share_buffer", 0) == 1:
		c.put(1, c.dtype(0), past...)
	case okP && len(past) == 5:
		c.put(1, c.dtype(0), past[0], past[1], past[2], add(past[3], x[1]), past[4])
	case !c.present(4) && heads > 0:
		c.put(1, c.dtype(0), fixed(2), x[0], fixed(heads), x[1], floorDiv(value, fixed(heads)))
	}
}

// multiHead: query (B, S, H·d), key (B, L, H·d) or (B, H, L, d), value likewise; or key and value packed as
// (B, L, H, 2, d), or all three as (B, S, H, 3, d). Past and present are (B, H, T, d).
func multiHead(c *call) {
	q, ok := c.dims(0)
	if !ok || len(q) != 3 && len(q) != 5 {
		return
	}
	heads, length, key, value := unknown, unknown, unknown, unknown // key and value: their size over all heads
	if n := c.node.Int("num_heads", 0); n > 0 {
		heads = fixed(n)
	}
	k, _ := c.dims(1)
	v, _ := c.dims(2)
	switch len(v) {
	case 3:
		value = v[2]
	case 4:
		value = mul(v[1], v[3])
	}
	switch {
	case len(q) == 5:
		length, key = q[1], mul(q[2], q[4])
		value = key
	case len(k) == 5:
		length, key, value = k[1], q[2], q[2]
	case len(k) == 4:
		length, key = k[2], mul(k[1], k[3])
	case len(k) == 3:
		length, key = k[1], k[2]
	}
	c.put(0, c.dtype(0), q[0], q[1], value)
	past, given := c.dims(6)
	switch {
	case given && len(past) == 4 && c.present(8): // a buffer that also holds what is to come
		length = past[2]
	case given && len(past) == 4:
		length = add(past[2], length)
	case c.present(6):
		length = unknown
	}
	c.put(1, c.dtype(0), q[0], heads, length, floorDiv(key, heads))
	c.put(2, c.dtype(0), q[0], heads, length, floorDiv(value, heads))
	c.put(3, c.dtype(0), q[0], heads, q[1], length)
}

// groupQuery: query (B, S, H·d) with key and value (B, S, Hkv·d), or all packed in query. The present is as long as
// the past where that is a buffer, else as the total length that input 6 tells.
func groupQuery(c *call) {
	q, ok := c.dims(0)
	heads, kv := c.node.Int("num_heads", 0), c.node.Int("kv_num_heads", 0)
	if !ok || len(q) != 3 || heads < 1 || kv < 1 || heads > 1<<20 || kv > 1<<20 {
		return
	}
	size := floorDiv(q[2], fixed(heads))
	if !c.present(1) {
		size = floorDiv(q[2], fixed(heads+2*kv))
	}
	c.put(0, c.dtype(0), q[0], q[1], mul(size, fixed(heads)))
	total := unknown
	if v := c.arg(6); v != nil && len(v.ints) == 1 {
		total = v.ints[0]
	}
	for i := range 2 {
		past, okP := c.dims(3 + i)
		length := unknown
		switch {
		case !c.present(3 + i):
			length = total
		case !okP || len(past) != 4:
		case natural(sub(past[2], total)):
			length = past[2]
		case natural(sub(total, past[2])):
			length = total
		}
		c.put(1+i, pickDType(c, 3+i, c.dtype(0)), q[0], fixed(kv), length, size)
	}
}

// attention23 is ONNX's own Attention: rank 4 (B, H, S, d), or rank 3 with heads as attributes.
func attention23(c *call) {
	q, okQ := c.dims(0)
	k, okK := c.dims(1)
	v, okV := c.dims(2)
	if !okQ || !okK || !okV || len(q) != len(k) || len(q) != len(v) {
		return
	}
	var heads, kv, size, value dim
	switch n, m := c.node.Int("q_num_heads", 0), c.node.Int("kv_num_heads", 0); {
	case len(q) == 4:
		heads, kv, size, value = q[1], k[1], k[3], v[3]
		c.put(0, c.dtype(0), q[0], q[1], q[2], value)
	case len(q) == 3 && n > 0 && m > 0:
		heads, kv, size, value = fixed(n), fixed(m), floorDiv(k[2], fixed(m)), floorDiv(v[2], fixed(m))
		c.put(0, c.dtype(0), q[0], q[1], mul(value, heads))
	default:
		c.invalid()
		return
	}
	total := k[len(k)-2]
	if c.present(4) {
		past, ok := c.dims(4)
		if !ok || len(past) != 4 {
			past = make([]dim, 4)
		}
		total = add(total, past[2])
	}
	c.put(1, c.dtype(1), q[0], kv, total, size)
	c.put(2, c.dtype(2), q[0], kv, total, value)
	c.put(3, c.dtype(0), q[0], heads, q[len(q)-2], total)
}

// linearAttention: packed (B, S, H·d) and a state (B, Hkv, dk, dv) in place of past keys.
func linearAttention(c *call) {
	q, okQ := c.dims(0)
	k, okK := c.dims(1)
	v, okV := c.dims(2)
	heads, kv := c.node.Int("q_num_heads", 0), c.node.Int("kv_num_heads", 0)
	if !okQ || !okK || !okV || len(q) != 3 || len(k) != 3 || len(v) != 3 || heads < 1 || kv < 1 {
		return
	}
	value := floorDiv(v[2], fixed(kv))
	c.put(0, c.dtype(0), q[0], q[1], mul(value, fixed(heads)))
	c.put(1, pickDType(c, 3, c.dtype(0)), q[0], fixed(kv), floorDiv(k[2], fixed(kv)), value)
}

func convWithState(c *call) {
	c.like(0, 0, c.dtype(0))
	x, okX := c.dims(0)
	w, okW := c.dims(1)
	if okX && okW && len(x) == 3 && len(w) == 3 {
		c.put(1, c.dtype(0), x[0], x[1], sub(w[2], fixed(1)))
	}
}

// attentionFormulas count all T keys for each query. Where a node is causal, about half of that is needed; kernels
// differ in whether they skip the other half.
func attentionFormulas(m map[string]formula) {
	const ms = "com.microsoft:"
	m["Attention"] = func(c *costCall) {
		heads := c.node.Int("q_num_heads", 0)
		if len(c.shape(0)) == 4 {
			heads = c.at(0, 1)
		}
		t := c.at(1, -2)
		if c.has(4) {
			t = plus(t, c.at(4, 2))
		}
		c.macs(t, plus(c.vol(0), c.vol(y)))
		c.softmax(times(c.at(0, 0), heads, c.at(0, -2), t))
	}
	m[ms+"Attention"], m[ms+"QAttention"] = packedAttention(4), packedAttention(8)
	m[ms+"MultiHeadAttention"] = multiHeadFormula
	m[ms+"GroupQueryAttention"] = func(c *costCall) {
		b, s, dq := c.at(0, 0), c.at(0, 1), c.at(y, 2)
		t := s
		if c.has(3) {
			t = plus(s, c.at(3, 2))
		}
		if v := c.ints(6); len(v) == 1 && v[0] >= 0 { // the past may be a longer buffer
			t = v[0]
		}
		heads := c.node.Int("num_heads", 0)
		c.macs(b, s, t, times(2, dq))
		c.softmax(times(b, heads, s, t))
		if c.node.Int("do_rotary", 0) == 1 && heads > 0 { // as RotaryEmbedding on queries and keys
			c.work.FLOPs = plus(c.work.FLOPs, times(3, b, s, plus(heads, c.node.Int("kv_num_heads", 0)), dq/heads))
		}
	}
	rotary := func(c *costCall) { c.per(y, 3, 0) } // x·cos + x'·sin
	m["RotaryEmbedding"], m[ms+"RotaryEmbedding"] = rotary, rotary
}

// packedAttention is the Attention of com.microsoft, whose one weight projects to queries, keys and values; past is the
// input of those of earlier calls.
func packedAttention(past int) formula {
	return func(c *costCall) {
		b, s, d, all := c.at(0, 0), c.at(0, 1), c.at(0, 2), c.at(1, 1)
		dq, dv := all/3, all/3
		if sizes := c.node.Ints("qkv_hidden_sizes"); len(sizes) == 3 {
			dq, dv = max(sizes[0], 0), max(sizes[2], 0)
		}
		t := s
		switch {
		case c.node.Int("past_present_share_buffer", 0) == 1:
			t = c.told(6)
			t = plus(t, s)
		case c.has(past):
			t = plus(s, c.at(past, 3))
		}
		c.macs(b, s, d, all)
		c.macs(b, s, t, plus(dq, dv))
		c.softmax(times(b, c.node.Int("num_heads", 1), s, t))
	}
}

func multiHeadFormula(c *costCall) {
	b, s, dq := c.at(0, 0), c.at(0, 1), c.at(0, 2)
	t := s
	switch {
	case len(c.shape(0)) == 5:
		dq = times(dq, c.at(0, 4))
	case len(c.shape(1)) == 4:
		t = c.at(1, 2)
	default:
		t = c.at(1, 1)
	}
	switch {
	case c.has(8): // the past is a buffer, filled up to a length that is a value
		t = plus(t, c.told(8))
	case c.has(6):
		t = plus(t, c.at(6, 2))
	}
	c.macs(b, s, t, plus(dq, c.at(y, 2)))
	c.softmax(times(b, c.node.Int("num_heads", 1), s, t))
}

// ints returns the elements of a small constant integer input, nil where there is none.
func (c *costCall) ints(i int) []int64 {
	if !c.has(i) {
		return nil
	}
	v, _ := c.shapes.Of(c.graph, c.node.Inputs[i])
	return v.Ints
}

// told returns the only element of an integer input; 0, with the reason noted, where it is not constant.
func (c *costCall) told(i int) int64 {
	if v := c.ints(i); len(v) == 1 && v[0] >= 0 {
		return v[0]
	}
	c.lack("a length that the formula needs is a value of the run")
	return 0
}

func (c *costCall) softmax(n int64) {
	c.work.FLOPs = plus(c.work.FLOPs, times(4, n))
	c.work.Transcendentals = plus(c.work.Transcendentals, n)
}
