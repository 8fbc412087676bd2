package affine

import (
	"math"

	"infer/internal/fault"
	"infer/model/tensor"
)

// Bias is a bias in int32, with zero point 0 and the scale of the products that it is added to.
type Bias struct {
	Data     []int32
	Scales   []float32 // scale of the input × scale of the weight: one, or one an element
	Adjusted int       // channels of the weight whose scale had to grow
}

// QuantizeBias quantizes the bias of a product of an input, of scale input, and w, which was made of the elements x.
// Where w is per channel, the bias has one element a channel.
//
// A bias so large that it overflows int32 at that scale makes the scale of w's channel grow until it fits, and the
// channel is quantized anew from x; as in ONNX Runtime, only a weight of Int8 or Int16 whose zero points are all 0 is
// changed, and the bias is clipped otherwise. A NaN or an infinity in the bias is an error, and so is a length that
// does not fit.
func QuantizeBias(bias []float32, input float32, w *Weight, x []float32) (*Bias, error) {
	if w.Axis != PerTensor && len(bias) != len(w.Scales) {
		return nil, fault.New(fault.Internal, "", "a bias of %d elements for a weight of %d channels", len(bias), len(w.Scales))
	}
	if err := finite(bias, len(bias)); err != nil {
		return nil, fault.Wrap(err, "bias")
	}
	b := &Bias{Data: make([]int32, len(bias)), Scales: make([]float32, len(w.Scales))}
	growable := w.centred()
	lo, hi := fullRange(w.DType)
	for c := range b.Scales {
		if growable && w.grow(c, input, w.biasBound(bias, c)) {
			w.fillChannel(x, c, lo, hi)
			b.Adjusted++
		}
		b.Scales[c] = input * w.Scales[c]
	}
	for i, v := range bias {
		b.Data[i] = biasLevel(v, b.Scales[i%len(b.Scales)])
	}
	return b, nil
}

// centred reports whether w is of Int8 or Int16 and has no zero point but 0.
func (w *Weight) centred() bool {
	for _, z := range w.Zeros {
		if z != 0 {
			return false
		}
	}
	return w.DType == tensor.Int8 || w.DType == tensor.Int16
}

// biasBound returns the smallest scale at which the bias of a channel fits int32, and 0.01 % more. The tool doubles
// the bias of a channel in float32, that of a whole tensor in float64.
func (w *Weight) biasBound(bias []float32, c int) float64 {
	const margin, levels = 1.0001, 1<<32 - 2 // from -(2^31-1) to 2^31-1
	if w.Axis != PerTensor {
		return float64(margin*(2*abs(bias[c]))) / levels
	}
	var most float64
	for _, v := range bias {
		most = max(most, float64(abs(v)))
	}
	return margin * (2 * most) / levels
}

func abs(v float32) float32 { return max(v, -v) }

// grow makes the scale of a channel as large as it takes for input × scale to reach bound, and reports whether it had
// to. A product that underflows stays.
func (w *Weight) grow(c int, input float32, bound float64) bool {
	product := float64(input) * float64(w.Scales[c])
	if !(0 < product && product < bound) {
		return false
	}
	w.Scales[c] = float32(float64(w.Scales[c]) * (bound / product))
	return true
}

// biasLevel returns clip(roundEven(v/scale)) of int32; 0 for 0, also where the scale has underflowed to 0.
func biasLevel(v, scale float32) int32 {
	if v == 0 {
		return 0
	}
	q := math.RoundToEven(float64(v) / float64(scale))
	return int32(min(max(q, math.MinInt32), math.MaxInt32))
}
