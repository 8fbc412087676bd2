package emit

import (
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/quantize/affine"
)

// integers is a constant as 8-bit integers.
type integers struct {
	data   tensor.Tensor
	scales []float32
	zeros  []byte       // zero points, of the dtype of data
	shape  tensor.Shape // of the scales and of the zero points
}

// integersOf returns the parts of w, with scales of a shape.
func integersOf(w *affine.Weight, shape tensor.Shape) integers {
	zeros := make([]byte, len(w.Zeros))
	for i, z := range w.Zeros {
		zeros[i] = byte(z)
	}
	return integers{tensor.Tensor{DType: w.DType, Shape: w.Shape, Data: w.Data}, w.Scales, zeros, shape}
}

// quantized is a constant in integers, by the names of its parts.
type quantized struct {
	integers
	values, scale string
	zero          string // "" where all zero points are 0 and none was asked for
	beside        constant
}

// add adds the parts of q beside the constant c that they stand for; zero points that are 0 only where asked for.
func (s *scope) add(c constant, q integers, zero bool) (*quantized, error) {
	added := &quantized{integers: q, beside: c}
	var err error
	if added.values, err = s.addTo(c.owner, c.tensor.Name+"_quantized", q.data); err != nil {
		return nil, err
	}
	if added.scale, err = s.addScales(c, q.scales, q.shape); err != nil {
		return nil, err
	}
	if zero || slices.ContainsFunc(q.zeros, func(z byte) bool { return z != 0 }) {
		zeros := tensor.Tensor{DType: q.data.DType, Shape: q.shape, Data: q.zeros}
		added.zero, err = s.addTo(c.owner, c.tensor.Name+"_zero_point", zeros)
	}
	return added, err
}

// addScales adds scales of the constant c.
func (s *scope) addScales(c constant, scales []float32, shape tensor.Shape) (string, error) {
	v, err := tensor.FromFloat32("", shape, scales)
	if err != nil {
		return "", err
	}
	return s.addTo(c.owner, c.tensor.Name+"_scale", v)
}

// floats returns the elements of a float32 tensor, where they lie where that is possible.
func floats(t *onnx.Tensor) ([]float32, error) {
	v, err := t.Value()
	if err != nil {
		return nil, err
	}
	return tensor.Floats(v)
}
