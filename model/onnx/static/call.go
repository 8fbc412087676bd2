package static

import (
	"maps"
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// rule infers the outputs of one operator; what it does not set stays unknown.
type rule func(c *call)

// rules returns the table of all operators, keyed by ruleKey.
func rules() map[string]rule {
	all := map[string]rule{}
	for _, family := range []func() map[string]rule{
		elementwiseRules, matrixRules, windowRules, moveRules, indexRules, reduceRules, recurrentRules,
		quantRules, contribRules, attentionRules, controlRules, sequenceRules, mlRules, signalRules,
		trainingRules, textRules,
	} {
		maps.Copy(all, family())
	}
	return all
}

// call is one node with its inputs, while a rule works on it.
type call struct {
	*inferer
	scope  *scope
	node   *onnx.Node
	opset  int64 // the version of the node's domain that holds here
	in     []*val
	out    []*val
	reason Reason
}

// arg returns input i, nil where it is omitted.
func (c *call) arg(i int) *val {
	if i < 0 || i >= len(c.in) {
		return nil
	}
	return c.in[i]
}

// dims returns the shape of input i; false where the rank is unknown.
func (c *call) dims(i int) ([]dim, bool) {
	if v := c.arg(i); v != nil && v.ranked {
		return v.dims, true
	}
	return nil, false
}

func (c *call) dtype(i int) tensor.DType {
	if v := c.arg(i); v != nil {
		return v.dtype
	}
	return tensor.Undefined
}

// set gives output i its value, if the node has that output.
func (c *call) set(i int, v *val) {
	if i < len(c.out) {
		c.out[i] = v
	}
}

// put sets output i to a tensor.
func (c *call) put(i int, d tensor.DType, dims ...dim) { c.set(i, tensorVal(d, dims...)) }

// open sets output i to a tensor of unknown rank.
func (c *call) open(i int, d tensor.DType) { c.set(i, unranked(d)) }

// like sets output i to the shape of input j.
func (c *call) like(i, j int, d tensor.DType) {
	if dims, ok := c.dims(j); ok {
		c.put(i, d, dims...)
	} else {
		c.open(i, d)
	}
}

func (c *call) invalid() { c.reason = Invalid }

func (c *call) dependent() { c.reason = DataDependent }

// why returns the reason of a gap.
func (c *call) why() Reason {
	if c.reason != "" {
		return c.reason
	}
	for _, v := range c.in {
		if v != nil && !v.complete() {
			return UnknownInput
		}
	}
	for _, v := range c.in {
		if v != nil && v.dtype == tensor.Undefined && v.kind == onnx.KindTensor {
			return UnknownInput
		}
	}
	return DataDependent
}

// axis returns a possibly negative axis as an index into rank axes.
func axis(a int64, rank int) (int, bool) {
	if a < 0 {
		a += int64(rank)
	}
	return int(a), a >= 0 && a < int64(rank)
}

// consts returns the elements of integer input i where all are constant; false otherwise, also where it is omitted.
func (c *call) consts(i int) ([]int64, bool) {
	v := c.arg(i)
	if v == nil || v.ints == nil && !v.empty() {
		return nil, false
	}
	out := make([]int64, len(v.ints))
	for j, d := range v.ints {
		n, ok := d.fixed()
		if !ok {
			return nil, false
		}
		out[j] = n
	}
	return out, true
}

// empty reports whether v has no elements for certain.
func (v *val) empty() bool { return v.ranked && product(v.dims).is(0) }

// present reports whether optional input i is given.
func (c *call) present(i int) bool { return c.arg(i) != nil }

// listArg returns an integer list that older opsets have as an attribute and newer ones as input i. given is false
// where neither is there, ok where it is not constant.
func (c *call) listArg(name string, i int) (list []int64, given, ok bool) {
	if a := c.node.Attr(name); a != nil && a.Type == onnx.AttrInts {
		return a.Ints, true, true
	}
	if i < 0 || !c.present(i) {
		return nil, false, true
	}
	list, ok = c.consts(i)
	return list, true, ok
}

// elems returns the elements of integer input i, each known or not; its count must be known.
func (c *call) elems(i int) ([]dim, bool) {
	v := c.arg(i)
	if v == nil || !v.ranked || len(v.dims) > 1 {
		return nil, false
	}
	if v.ints != nil {
		return v.ints, true
	}
	n, ok := product(v.dims).fixed()
	if !ok || n < 0 || n > maxRank {
		return nil, false
	}
	return make([]dim, n), true
}

// broadcast combines two shapes by ONNX's multidirectional rule; a size that cannot be told is unknown.
func broadcast(a, b []dim) []dim {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := slices.Clone(a)
	for i, y := range b {
		at := len(a) - len(b) + i
		out[at] = broadcastDim(a[at], y)
	}
	return out
}

func broadcastDim(x, y dim) dim {
	nx, fx := x.fixed()
	ny, fy := y.fixed()
	switch {
	case same(x, y), y.is(1):
		return x
	case x.is(1):
		return y
	case fx && fy:
		return unknown
	case fx && nx > 1: // y is 1 or nx
		return x
	case fy && ny > 1:
		return y
	case capped(y, x): // min(n, x) with n > 1 fits x only where it is x
		return x
	case capped(x, y):
		return y
	}
	return unknown
}

// broadcastAll sets output 0 to the broadcast of the inputs from..to.
func (c *call) broadcastAll(d tensor.DType, idx ...int) {
	var dims []dim
	for _, i := range idx {
		x, ok := c.dims(i)
		if !ok {
			c.open(0, d)
			return
		}
		dims = broadcast(dims, x)
	}
	c.put(0, d, dims...)
}
