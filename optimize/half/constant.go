package half

import (
	"encoding/binary"
	"math"

	"infer/model/onnx"
	"infer/model/tensor"
)

// rounded returns t, a float32 tensor, in the half type under a new name, and counts what did not fit. Of a large model
// the elements are rounded once more when they are written.
func (c *converter) rounded(t *onnx.Tensor, name string) (*onnx.Tensor, error) {
	d := c.o.DType
	data, clamped, flushed, err := roundTensor(t, d)
	if err != nil {
		return nil, err
	}
	c.result.Clamped += clamped
	c.result.Flushed += flushed
	var h *onnx.Tensor
	if c.o.Deferred {
		h = onnx.Deferred(name, d, t.Dims, func() ([]byte, error) {
			data, _, _, err := roundTensor(t, d)
			return data, err
		})
	} else if h, err = onnx.NewTensor(name, tensor.Tensor{DType: d, Shape: t.Dims, Data: data}); err != nil {
		return nil, err
	}
	h.Doc, h.Metadata = t.Doc, t.Metadata
	return h, nil
}

// roundTensor is round of the elements of a tensor, whose memory it gives back.
func roundTensor(t *onnx.Tensor, d tensor.DType) (data []byte, clamped, flushed int64, err error) {
	v, err := t.Value()
	if err != nil {
		return nil, 0, 0, err
	}
	defer t.Release()
	f, err := tensor.Floats(v)
	if err != nil {
		return nil, 0, 0, err
	}
	data, clamped, flushed = round(f, d)
	return data, clamped, flushed, nil
}

// round returns f in the half type d, to nearest with ties to even, except that a finite number stays finite (clamped
// counts those that are cut to the largest) and a number other than zero stays one (flushed counts those that become
// the smallest of their sign). Infinities, NaN and the sign of zero are kept.
func round(f []float32, d tensor.DType) (data []byte, clamped, flushed int64) {
	bits, most := tensor.Float16Bits, uint16(0x7bff)
	if d == tensor.BFloat16 {
		bits, most = tensor.BFloat16Bits, 0x7f7f
	}
	largest, _ := limit(d)
	data = make([]byte, 2*len(f))
	for i, x := range f {
		h := bits(x)
		sign, magnitude := h&0x8000, h&0x7fff
		switch {
		case magnitude == most+1 && !math.IsInf(float64(x), 0): // most+1 is infinity
			h = sign | most
		case magnitude == 0 && x != 0:
			h = sign | 1
			flushed++
		}
		if math.Abs(float64(x)) > largest && !math.IsInf(float64(x), 0) {
			clamped++
		}
		binary.LittleEndian.PutUint16(data[2*i:], h)
	}
	return data, clamped, flushed
}
