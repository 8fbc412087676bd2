package affine

import (
	"iter"
	"math"

	"infer/internal/fault"
	"infer/model/tensor"
)

// PerTensor is the axis of a weight that has one scale for all.
const PerTensor = -1

// Weight is a quantized constant. It owns its slices.
type Weight struct {
	Grid
	Shape  tensor.Shape
	Axis   int       // the axis of channels, or PerTensor
	Scales []float32 // one a channel
	Zeros  []int32   // one a channel
	Data   []byte    // of DType and Shape, as in tensor.Tensor
}

// layout is how the channels lie in row-major elements: [outer, channels, inner].
type layout struct{ outer, channels, inner int }

// QuantizeWeight quantizes the row-major elements x of a shape, per channel along an axis (0 ≤ axis < rank) or
// PerTensor. A channel of zeros gets scale 1. A NaN or an infinity is an error, and so is an axis that shape lacks; it
// panics where Supports is false.
func QuantizeWeight(x []float32, shape tensor.Shape, axis int, g Grid) (*Weight, error) {
	l, err := layoutOf(shape, axis)
	if err != nil {
		return nil, err
	}
	if err := finite(x, l.outer*l.channels*l.inner); err != nil {
		return nil, err
	}
	size, err := tensor.ByteSize(g.DType, shape)
	if err != nil {
		return nil, err
	}
	w := &Weight{
		Grid: g, Shape: shape.Clone(), Axis: axis,
		Scales: make([]float32, l.channels), Zeros: make([]int32, l.channels), Data: make([]byte, size),
	}
	los, his := l.ranges(x)
	for c := range w.Scales {
		p := g.Fit(float64(los[c]), float64(his[c]))
		w.Scales[c], w.Zeros[c] = p.Scale, p.Zero
	}
	w.fill(x)
	return w, nil
}

func layoutOf(shape tensor.Shape, axis int) (layout, error) {
	n, err := shape.Elements()
	if err != nil {
		return layout{}, err
	}
	if axis == PerTensor {
		return layout{1, 1, int(n)}, nil
	}
	if axis < 0 || axis >= len(shape) {
		return layout{}, fault.New(fault.Usage, "", "shape %s has no axis %d", shape, axis)
	}
	outer, _ := shape[:axis].Elements()
	inner, _ := shape[axis+1:].Elements()
	return layout{int(outer), int(shape[axis]), int(inner)}, nil
}

// finite reports a count of elements other than n, and the first element that is no number.
func finite(x []float32, n int) error {
	if len(x) != n {
		return fault.New(fault.Internal, "", "%d elements where the shape has %d", len(x), n)
	}
	const exponent = 0x7f800000 // all ones in NaN and infinities
	for i, v := range x {
		if math.Float32bits(v)&exponent == exponent {
			return fault.New(fault.Unsupported, "leave the nodes that use it in float", "element %d is %v, which has no quantized form", i, v)
		}
	}
	return nil
}

// ranges returns the least and the greatest element of each channel, and 0.
func (l layout) ranges(x []float32) (los, his []float32) {
	los, his = make([]float32, l.channels), make([]float32, l.channels)
	c, r := 0, 0
	for _, v := range x {
		if v < los[c] {
			los[c] = v
		}
		if v > his[c] {
			his[c] = v
		}
		if r++; r == l.inner {
			r = 0
			if c++; c == l.channels {
				c = 0
			}
		}
	}
	return los, his
}

// layout returns how the channels lie in Data.
func (w *Weight) layout() layout {
	l, _ := layoutOf(w.Shape, w.Axis) // whoever made w has seen to that
	return l
}

// spread writes the scale and zero point of each of the elements from at on.
func (w *Weight) spread(scales, zeros []float32, l layout, at int) {
	c, r := at/l.inner%l.channels, at%l.inner
	for i := range scales {
		scales[i], zeros[i] = w.Scales[c], float32(w.Zeros[c])
		if r++; r == l.inner {
			r = 0
			if c++; c == l.channels {
				c = 0
			}
		}
	}
}

// fill quantizes x into Data.
func (w *Weight) fill(x []float32) {
	var scales, zeros [chunk]float32
	var q [chunk]int32
	l := w.layout()
	lo, hi := fullRange(w.DType)
	for at := 0; at < len(x); at += chunk {
		part := x[at:min(at+chunk, len(x))]
		w.spread(scales[:len(part)], zeros[:len(part)], l, at)
		for i, v := range part {
			q[i] = level(v, scales[i], zeros[i], float32(lo), float32(hi))
		}
		store(w.Data, w.DType, at, q[:len(part)])
	}
}

// Dequantize returns the numbers that the weight stands for, row-major.
func (w *Weight) Dequantize() []float32 {
	var scales, zeros [chunk]float32
	var q [chunk]int32
	l := w.layout()
	x := make([]float32, l.outer*l.channels*l.inner)
	for at := 0; at < len(x); at += chunk {
		part := x[at:min(at+chunk, len(x))]
		w.spread(scales[:len(part)], zeros[:len(part)], l, at)
		load(q[:len(part)], w.DType, w.Data, at)
		for i := range part {
			part[i] = (float32(q[i]) - zeros[i]) * scales[i]
		}
	}
	return x
}

// fillChannel quantizes the elements of a channel of x by its scale and zero point as they are now, clipping to lo and
// hi.
func (w *Weight) fillChannel(x []float32, c int, lo, hi int32) {
	l, p := w.layout(), Params{w.DType, w.Scales[c], w.Zeros[c]}
	for at := range l.runs(c) {
		p.put(w.Data, at, x[at:at+l.inner], float32(lo), float32(hi))
	}
}

// runs yields where the runs of inner elements of a channel start.
func (l layout) runs(c int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for o := range l.outer {
			if !yield((o*l.channels + c) * l.inner) {
				return
			}
		}
	}
}

// Transposed returns the weight with its last two axes swapped, as DynamicQuantizeLSTM wants W and R. It shares the
// scales and zero points. The dtype has 8 or 16 bits and the rank is 2 or more; it panics otherwise.
func (w *Weight) Transposed() *Weight {
	rank := len(w.Shape)
	t := *w
	t.Shape, t.Data = w.Shape.Clone(), make([]byte, len(w.Data))
	t.Shape[rank-2], t.Shape[rank-1] = w.Shape[rank-1], w.Shape[rank-2]
	if w.Axis >= rank-2 {
		t.Axis = 2*rank - 3 - w.Axis
	}
	rows, cols, size := int(w.Shape[rank-2]), int(w.Shape[rank-1]), w.DType.Bits()/8
	if size == 0 {
		panic("affine: Transposed of " + w.DType.String())
	}
	matrix := rows * cols * size
	for m := 0; m < len(w.Data); m += matrix {
		for r := range rows {
			for c := range cols {
				copy(t.Data[m+(c*rows+r)*size:][:size], w.Data[m+(r*cols+c)*size:])
			}
		}
	}
	return &t
}
