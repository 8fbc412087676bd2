package optimize

import (
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// maxStemChannels is the most input channels for which a convolution counts as a stem. Integer kernels take four
// channels at a time; with fewer they fall back to one that copies single elements.
const maxStemChannels = 3

// SpaceToDepthStem turns a convolution of stride 2 over few channels, as image models begin with, into SpaceToDepth and
// a convolution of stride 1 over four times the channels. Each output is the sum of the same products and of zeros.
// Only where height and width are known and even.
func SpaceToDepthStem() Pass {
	return local("space-to-depth-stem", "moves the stride of the first convolution into its channels, which integer kernels need",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			s, ok := e.matchStem(w, n)
			if !ok {
				return false
			}
			weight, err := e.AddInitializer(n.Inputs[1]+"_stem", s.weight())
			if err != nil {
				return false
			}
			out := e.Unique(n.Inputs[0] + "_depth")
			e.Insert(&onnx.Node{
				Name: e.Unique(out + "_SpaceToDepth"), OpType: "SpaceToDepth", Inputs: []string{n.Inputs[0]}, Outputs: []string{out},
				Attrs: []*onnx.Attribute{intAttr("blocksize", 2)},
			})
			e.SetInput(n, 0, out)
			e.SetInput(n, 1, weight)
			setAttr(n, intsAttr("kernel_shape", s.kernel[0]/2, s.kernel[1]/2))
			setAttr(n, intsAttr("strides", 1, 1))
			setAttr(n, intsAttr("pads", s.begin[0], s.begin[1], s.end[0], s.end[1]))
			return true
		})
}

// stem is a convolution that SpaceToDepthStem applies to. Arrays are by spatial axis.
type stem struct {
	values     []float32 // of the weight [out, in, height, width]
	shape      tensor.Shape
	front      [2]int64 // zeros in front of the kernel, so that it begins at an even place
	kernel     [2]int64 // its size with zeros around it, even
	begin, end [2]int64 // pads of the new convolution
}

func (e *Editor) matchStem(w *Work, n *onnx.Node) (s stem, ok bool) {
	if !is(n, "Conv") || n.Int("group", 1) != 1 || n.Str("auto_pad", "NOTSET") != "NOTSET" || !slices.Equal(n.Ints("strides"), []int64{2, 2}) {
		return s, false
	}
	if d := n.Ints("dilations"); d != nil && !slices.Equal(d, []int64{1, 1}) {
		return s, false
	}
	in, known := w.Shapes().Of(w.Model.Graph, n.Inputs[0])
	v, constant := e.ConstantValue(n.Inputs[1])
	if !known || !constant || v.DType != tensor.Float32 || len(in.Dims) != 4 || len(v.Shape) != 4 || v.Shape[1] > maxStemChannels {
		return s, false
	}
	var err error
	if s.values, err = tensor.Floats(v); err != nil {
		return s, false
	}
	s.shape = v.Shape
	pads := n.Ints("pads")
	if pads == nil {
		pads = make([]int64, 4)
	}
	for i := range 2 {
		size := in.Dims[2+i]
		if !size.Known || size.Size%2 != 0 || len(pads) != 4 || pads[i] < 0 || pads[2+i] < 0 || v.Shape[2+i] < 3 {
			return s, false
		}
		// Output o reads the inputs 2o + k − pad. With an even pad that is block o + k/2 − pad/2 at place k mod 2.
		s.front[i] = pads[i] % 2
		s.kernel[i] = v.Shape[2+i] + s.front[i]
		s.kernel[i] += s.kernel[i] % 2
		s.begin[i] = (pads[i] + s.front[i]) / 2
		outputs := (size.Size+pads[i]+pads[2+i]-v.Shape[2+i])/2 + 1
		s.end[i] = outputs - 1 + s.kernel[i]/2 - size.Size/2 - s.begin[i]
		if s.end[i] < 0 {
			return s, false
		}
	}
	return s, true
}

// weight returns the kernel with its places of a block among the channels, in the order of SpaceToDepth: place by
// place, all channels of each.
func (s stem) weight() tensor.Tensor {
	outs, ins, h, w := s.shape[0], s.shape[1], s.shape[2], s.shape[3]
	kh, kw := s.kernel[0]/2, s.kernel[1]/2
	shape := tensor.Shape{outs, 4 * ins, kh, kw}
	v := make([]float32, outs*4*ins*kh*kw)
	for o := range outs {
		for c := range ins {
			for y := range h {
				for x := range w {
					row, col := y+s.front[0], x+s.front[1]
					channel := (row%2*2+col%2)*ins + c
					v[((o*4*ins+channel)*kh+row/2)*kw+col/2] = s.values[((o*ins+c)*h+y)*w+x]
				}
			}
		}
	}
	t, _ := tensor.FromFloat32("", shape, v) // the length is that of the shape
	return t
}
