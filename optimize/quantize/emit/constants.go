package emit

import (
	"fmt"
	"slices"

	"infer/internal/fault"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/quantize/affine"
)

// weight quantizes the weight of a unit, and its bias.
func (w *staticWriter) weight(u *Unit, n *onnx.Node) error {
	x, shape, err := w.elements(u.Weight)
	if err != nil {
		return err
	}
	axis := u.Axis
	if !w.options.PerChannel {
		axis = affine.PerTensor
	}
	q, err := affine.QuantizeWeight(x, shape, axis, w.plan.Target.Weight)
	if err != nil {
		return fault.Wrap(err, "weight %q", u.Weight)
	}
	adjusted := 0
	if u.Bias != "" {
		if adjusted, err = w.bias(u, n, q, x); err != nil {
			return err
		}
	}
	w.out.Weights = append(w.out.Weights, Weight{
		Node: u.Node, Name: u.Weight, Shape: shape, DType: q.DType, Axis: axis, Scales: q.Scales,
		SQNR: affine.SQNR(x, q.Dequantize()), Adjusted: adjusted,
	})
	var name string
	if adjusted > 0 { // as no other node has it
		name, err = w.constant(u.Weight, q)
	} else {
		name, err = w.shared(u.Weight, q)
	}
	if err != nil {
		return err
	}
	w.editor.SetInput(n, u.WeightAt, name)
	return nil
}

// operand quantizes a constant that a unit reads like an activation.
func (w *staticWriter) operand(u *Unit, n *onnx.Node) error {
	x, shape, err := w.elements(u.Constant)
	if err != nil {
		return err
	}
	q, err := affine.QuantizeWeight(x, shape, affine.PerTensor, w.plan.Target.Activation)
	if err != nil {
		return fault.Wrap(err, "operand %q", u.Constant)
	}
	name, err := w.shared(u.Constant, q)
	if err != nil {
		return err
	}
	w.editor.SetInput(n, u.ConstantAt, name)
	return nil
}

// elements returns the elements of a float32 constant.
func (w *staticWriter) elements(name string) ([]float32, tensor.Shape, error) {
	v, ok := w.editor.ConstantValue(name)
	if !ok {
		return nil, nil, fmt.Errorf("constant %q cannot be read", name)
	}
	x, err := tensor.Floats(v)
	return x, v.Shape, err
}

// bias quantizes the bias of a unit to int32 and returns how many channels of q had to grow for it.
func (w *staticWriter) bias(u *Unit, n *onnx.Node, q *affine.Weight, x []float32) (int, error) {
	b, _, err := w.elements(u.Bias)
	if err != nil {
		return 0, err
	}
	if w.options.Bias != nil {
		if shift := w.options.Bias(u, x, q.Dequantize(), q.Shape); len(shift) == len(b) {
			b = slices.Clone(b)
			for i := range b {
				b[i] += shift[i]
			}
		}
	}
	r, err := affine.QuantizeBias(b, w.params[u.In[0]].Scale, q, x)
	if err != nil {
		return 0, fault.Wrap(err, "bias %q", u.Bias)
	}
	data := make([]int64, len(r.Data))
	for i, v := range r.Data {
		data[i] = int64(v)
	}
	t, err := tensor.FromInts("", tensor.Int32, tensor.Shape{int64(len(data))}, data)
	if err != nil {
		return 0, err
	}
	axis := 0
	if q.Axis == affine.PerTensor {
		axis = affine.PerTensor
	}
	name, err := w.dequantize(u.Bias, t, r.Scales, nil, axis)
	if err != nil {
		return 0, err
	}
	reader := n
	if u.BiasNode != "" {
		reader = w.nodes[u.BiasNode]
	}
	w.editor.SetInput(reader, slices.Index(reader.Inputs, u.Bias), name)
	return r.Adjusted, nil
}

// shared is constant, made once for all nodes that read the constant base alike.
func (w *staticWriter) shared(base string, q *affine.Weight) (string, error) {
	key := constantKey{base, q.Axis, q.DType}
	if name, ok := w.constants[key]; ok {
		return name, nil
	}
	name, err := w.constant(base, q)
	w.constants[key] = name
	return name, err
}

// constant stores q and returns the name of the float value that it stands for.
func (w *staticWriter) constant(base string, q *affine.Weight) (string, error) {
	return w.dequantize(base, tensor.Tensor{DType: q.DType, Shape: q.Shape, Data: q.Data}, q.Scales, q.Zeros, q.Axis)
}

// dequantize stores integers, with one scale and zero point or one for each index of an axis, and returns the name of
// the float value that they stand for. No zero points are zeros.
func (w *staticWriter) dequantize(base string, v tensor.Tensor, scales []float32, zeros []int32, axis int) (string, error) {
	var shape tensor.Shape
	var attrs []*onnx.Attribute
	if axis != affine.PerTensor {
		shape = tensor.Shape{int64(len(scales))}
		attrs = append(attrs, integer("axis", int64(axis)))
	}
	s, err := tensor.FromFloat32("", shape, scales)
	if err != nil {
		return "", err
	}
	points := make([]int64, len(scales))
	for i, z := range zeros {
		points[i] = int64(z)
	}
	z, err := tensor.FromInts("", v.DType, shape, points)
	if err != nil {
		return "", err
	}
	var names [3]string
	for i, c := range []struct {
		suffix string
		value  tensor.Tensor
	}{{"_quantized", v}, {"_scale", s}, {"_zero_point", z}} {
		if names[i], err = w.editor.AddInitializer(base+c.suffix, c.value); err != nil {
			return "", err
		}
	}
	out := w.editor.Unique(base + "_dequantized")
	w.insert("DequantizeLinear", base, names[:], out, attrs...)
	return out, nil
}
