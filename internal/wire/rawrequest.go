package wire

import (
	"infer/internal/fault"
	"infer/model/tensor"
)

// decodeRaw reads a raw binary request: the whole body is the only input. Its shape is that of the model's input, with
// one open axis deduced from the size; of two open ones the first is the batch axis and becomes 1. Outputs are binary.
func (r *Request) decodeRaw(body []byte, model string, inputs []Port, l Limits) error {
	r.Binary = true
	if len(inputs) != 1 {
		return fault.New(fault.Usage, "", "Raw request must only have 1 input (found 1) to be deduced but got %d inputs in '%s' model configuration", len(inputs), model)
	}
	port := &inputs[0]
	p := place{"input", port.Name, model}
	shape := r.arena.shape(len(port.Shape))
	copy(shape, port.Shape)
	r.Inputs = append(r.Inputs, tensor.Tensor{Name: port.Name, DType: port.DType, Shape: shape})
	t := &r.Inputs[0]
	if t.DType == tensor.String {
		return r.rawString(t, body, p)
	}
	size := elementSize(t.DType)
	if size == 0 {
		return fault.New(fault.Unsupported, "", "%s has dtype %s, which the protocol cannot carry", p, t.DType)
	}
	if err := deduce(shape, len(body), size, p, l); err != nil {
		return err
	}
	return r.arena.raw(t, body, p, l)
}

// rawString makes the whole body the one string of t.
func (r *Request) rawString(t *tensor.Tensor, body []byte, p place) error {
	one := len(t.Shape) > 0
	for axis, d := range t.Shape {
		if axis == 0 && d < 0 && len(t.Shape) > 1 { // the batch axis
			d = 1
			t.Shape[0] = 1
		}
		one = one && d == 1
	}
	if !one {
		return fault.New(fault.Usage, "", "For BYTE datatype raw input '%s', the model must have input shape [1]", t.Name)
	}
	if err := r.arena.charge(int64(stringSize) + int64(len(body))); err != nil {
		return err
	}
	t.Strings = r.arena.strings(1)
	t.Strings[0] = view(body)
	return nil
}

// deduce sets the open axis of shape to what n bytes of elements of a size hold.
func deduce(shape tensor.Shape, n, size int, p place, l Limits) error {
	open, count := -1, 0
	for axis, d := range shape {
		if d < 0 {
			open, count = axis, count+1
		}
	}
	if count == 2 && shape[0] < 0 {
		shape[0], count = 1, 1
	}
	switch count {
	case 0:
		return nil
	case 1:
		shape[open] = 1
	default:
		return fault.New(fault.Usage, "", "The shape of the raw input '%s' can not be deduced because there are more than one variable-sized dimension", p.name)
	}
	others, err := elements(shape, p, l)
	if err != nil {
		return err
	}
	if row := others * int64(size); row > 0 && int64(n)%row == 0 {
		shape[open] = int64(n) / row
	}
	return nil // a size that does not fit is found when the elements are taken
}
