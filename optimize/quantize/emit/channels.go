package emit

import (
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// channels are the axes of a constant that have a scale for each index: from the first to the last.
type channels struct{ first, last int }

// channelsOf returns the channels of the i-th input of a node, of the shape dims: those of its outputs where the
// operator has such, otherwise the first axis of more than one index. False for a vector, in whatever shape, and for a
// bias.
func channelsOf(n *onnx.Node, i int, dims tensor.Shape) (channels, bool) {
	long := func(d int64) bool { return d > 1 }
	first := slices.IndexFunc(dims, long)
	if first < 0 || !slices.ContainsFunc(dims[first+1:], long) {
		return channels{}, false
	}
	axis := first
	switch rank := len(dims); {
	case n.Domain != "":
	case is(n, "LSTM"), is(n, "GRU"), is(n, "RNN"): // [directions, gates × hidden, in]
		return channels{0, 1}, i == 1 || i == 2
	case is(n, "Conv"):
		axis = 0
	case is(n, "ConvTranspose") && n.Int("group", 1) == 1: // [in, out, …]
		axis = 1
	case is(n, "ConvTranspose"):
		axis = 0
	case is(n, "Gemm") && i == 1 && n.Int("transB", 0) == 0:
		axis = 1
	case is(n, "MatMul") && i == 1:
		axis = rank - 1
	case is(n, "MatMul"):
		axis = rank - 2
	case is(n, "Gather") && i == 0:
		axis = int(n.Int("axis", 0)+int64(rank)) % rank
	}
	return channels{axis, axis}, true
}

// scales returns the shape of the scales, which multiply the constant.
func (c channels) scales(dims tensor.Shape) tensor.Shape {
	shape := slices.Repeat(tensor.Shape{1}, len(dims))
	copy(shape[c.first:c.last+1], dims[c.first:])
	return shape
}

// folded returns dims with the channels as one axis, and that axis.
func (c channels) folded(dims tensor.Shape) (tensor.Shape, int) {
	size, _ := dims[c.first : c.last+1].Elements()
	return slices.Concat(dims[:c.first], tensor.Shape{size}, dims[c.last+1:]), c.first
}
