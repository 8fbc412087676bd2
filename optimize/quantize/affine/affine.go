// Package affine owns the numbers of affine quantization, real = scale × (q − zero point): which integers a tensor may
// use, the scale and zero point of a range, quantized weights, biases and blocks, and the error that all this makes.
// But for Refine, its results are those of ONNX Runtime 1.30's quantizers, bit for bit (scripts/quantizer-check.sh).
package affine

import (
	"math"

	"infer/model/tensor"
)

// Grid says which integers stand for the numbers of a tensor.
type Grid struct {
	DType     tensor.DType // Uint8, Int8, Uint16, Int16, Uint4 or Int4
	Symmetric bool         // the range is widened to [-a, a], and the zero point is the middle level
	Reduced   bool         // half of the levels: for kernels that saturate (x64 without VNNI)
}

// Supports reports whether a Grid can be of dtype d.
func Supports(d tensor.DType) bool {
	switch d {
	case tensor.Uint8, tensor.Int8, tensor.Uint16, tensor.Int16, tensor.Uint4, tensor.Int4:
		return true
	}
	return false
}

// fullRange returns the lowest and highest value of a supported dtype. It panics for another.
func fullRange(d tensor.DType) (lo, hi int32) {
	if !Supports(d) {
		panic("affine: no levels of " + d.String())
	}
	n := int32(1) << d.Bits()
	if signed(d) {
		return -n / 2, n/2 - 1
	}
	return 0, n - 1
}

func signed(d tensor.DType) bool { return d == tensor.Int8 || d == tensor.Int16 || d == tensor.Int4 }

// Levels returns the lowest and highest integer that a range is spread over. Quantize may go beyond a reduced or
// symmetric grid by its rounding: it clips to the range of the dtype. Levels panics where Supports is false.
//
//	dtype   full           symmetric      reduced
//	uint8   0..255         0..255         0..127
//	int8    -128..127      -127..127      -64..64
//	uint16  0..65535       0..65535       0..32767
//	int16   -32768..32767  -32767..32767  -16384..16384
//	uint4   0..15          0..15          0..7
//	int4    -8..7          -8..7          -4..3
func (g Grid) Levels() (lo, hi int32) {
	lo, hi = fullRange(g.DType)
	switch {
	case g.Reduced && g.DType == tensor.Int4:
		return -4, 3
	case g.Reduced && lo < 0:
		return lo / 2, -lo / 2
	case g.Reduced:
		return 0, hi / 2
	case g.Symmetric && lo < 0 && g.DType != tensor.Int4:
		return lo + 1, hi
	}
	return lo, hi
}

// Params is the scale and zero point of one tensor or channel: real = Scale × (q − Zero).
type Params struct {
	DType tensor.DType
	Scale float32 // > 0
	Zero  int32   // a level of DType
}

// smallest is the smallest normal float32.
const smallest = 0x1p-126

// Fit returns the parameters with which g covers the range of a tensor and zero. A range whose scale would be no
// normal float32 (all zero, NaN) gets scale 1 and zero point 0; an infinite one ends at the largest float32.
//
// As ONNX Runtime's compute_scale_zp does, it takes the width of the range in float32 and all else in float64; a width
// over the largest float32, for which that tool gives an infinite scale, is taken in float64 too.
func (g Grid) Fit(lo, hi float64) Params {
	qlo, qhi := g.Levels()
	rlo := float32(max(min(lo, 0), -math.MaxFloat32))
	rhi := float32(min(max(hi, 0), math.MaxFloat32))
	if g.Symmetric {
		rhi = max(-rlo, rhi)
		rlo = -rhi
	}
	width := float64(rhi - rlo)
	if math.IsInf(width, 0) {
		width = float64(rhi) - float64(rlo)
	}
	scale := width / float64(qhi-qlo)
	if !(scale >= smallest) { // NaN too
		return Params{DType: g.DType, Scale: 1}
	}
	zero := float64(qlo) - float64(rlo)/scale
	if g.Symmetric { // never from the scale: the zero points of all channels are equal
		zero = float64(qlo+qhi) / 2
	}
	return Params{DType: g.DType, Scale: float32(scale), Zero: int32(math.RoundToEven(zero))}
}

// Quantize writes q = clip(roundEven(x/Scale) + Zero) to dst, which holds tensor.ByteSize bytes of the dtype: little
// endian, 4-bit types packed low nibble first. It clips to the range of the dtype; NaN becomes its lowest value, as in
// the runtime's kernels for x64. Ref: ONNX QuantizeLinear, opset 21.
func (p Params) Quantize(dst []byte, x []float32) {
	lo, hi := fullRange(p.DType)
	p.put(dst, 0, x, float32(lo), float32(hi))
}

// Fake writes to dst what x becomes when it is quantized and dequantized. dst and x have equal length and may be the
// same; it panics if lengths differ.
func (p Params) Fake(dst, x []float32) {
	if len(dst) != len(x) {
		panic("affine: lengths differ")
	}
	lo, hi := fullRange(p.DType)
	zero := float32(p.Zero)
	for i, v := range x {
		dst[i] = (float32(level(v, p.Scale, zero, float32(lo), float32(hi))) - zero) * p.Scale
	}
}

// SQNR returns the ratio of the signal x to the noise x−y in decibels, 10·log10(Σx² / Σ(x−y)²). It is +Inf where both
// are equal, also all zero, and −Inf for noise on an all-zero x. It panics if lengths differ.
func SQNR(x, y []float32) float64 {
	if len(x) != len(y) {
		panic("affine: lengths differ")
	}
	var signal, noise float64
	for i, v := range x {
		d := float64(v) - float64(y[i])
		signal += float64(v) * float64(v)
		noise += d * d
	}
	if noise == 0 {
		return math.Inf(1)
	}
	return 10 * math.Log10(signal/noise)
}
