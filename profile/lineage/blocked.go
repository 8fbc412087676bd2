package lineage

import (
	"slices"

	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
)

// blocked is the domain of the runtime's operators on channels in blocks of 8 or 16.
const blocked = "com.microsoft.nchwc"

// unpad corrects the shapes around blocked convolutions to the channels that the model has. Values and weights in that
// layout are filled up to whole blocks, which takes time and is nobody's arithmetic.
func unpad(s *static.Shapes, g *onnx.Graph) {
	shape := func(name string) tensor.Shape {
		v, _ := s.Of(g, name)
		dims, _ := v.Shape()
		return dims
	}
	channels := realChannels(g, shape)
	for name, n := range channels {
		narrow(s, g, name, 1, n)
	}
	for _, n := range g.Nodes {
		if n.Domain != blocked || n.OpType != "Conv" || len(n.Inputs) < 2 {
			continue
		}
		w := n.Inputs[1]
		if c, ok := channels[first(n.Outputs)]; ok {
			narrow(s, g, w, 0, c)
		}
		if c, ok := channels[n.Inputs[0]]; ok && n.Int("group", 1) == 1 {
			narrow(s, g, w, 1, c)
		}
	}
}

// realChannels goes from the nodes that know the channels of a blocked value, those that change between it and the layout
// of the model and those that convolve it, up to the nodes that made it.
func realChannels(g *onnx.Graph, shape func(string) tensor.Shape) map[string]int64 {
	channels := map[string]int64{}
	lower := func(name string, n int64) {
		if old, ok := channels[name]; n > 0 && (!ok || n < old) {
			channels[name] = n
		}
	}
	for _, n := range slices.Backward(g.Nodes) {
		w := tensor.Shape(nil)
		if n.Domain == blocked && n.OpType == "Conv" && len(n.Inputs) > 1 {
			w = shape(n.Inputs[1])
		}
		made, out := channels[first(n.Outputs)], shape(first(n.Outputs))
		switch {
		case n.OpType == "ReorderInput":
			lower(first(n.Outputs), channelsOf(shape(first(n.Inputs)), n.Int("channels_last", 0) == 1))
		case n.OpType == "ReorderOutput":
			lower(first(n.Inputs), n.Int("channels", 0))
		case len(w) > 1 && n.Int("group", 1) == 1:
			lower(n.Inputs[0], w[1])
			if len(n.Inputs) > 3 {
				lower(n.Inputs[3], made)
			}
		case made > 0:
			for _, v := range n.Inputs {
				if in := shape(v); len(in) == len(out) && len(in) > 1 && in[1] == out[1] {
					lower(v, made)
				}
			}
		}
	}
	return channels
}

// channelsOf returns the channels in a shape of the model, 0 where it is not known.
func channelsOf(shape tensor.Shape, last bool) int64 {
	switch {
	case len(shape) < 3:
		return 0
	case last:
		return shape[len(shape)-1]
	}
	return shape[1]
}

// narrow makes an axis of a value smaller.
func narrow(s *static.Shapes, g *onnx.Graph, name string, axis int, size int64) {
	v, _ := s.Of(g, name)
	shape, ok := v.Shape()
	if !ok || axis >= len(shape) || shape[axis] <= size {
		return
	}
	shape = slices.Clone(shape)
	shape[axis] = size
	s.Observe(g, name, v.DType, shape)
}
