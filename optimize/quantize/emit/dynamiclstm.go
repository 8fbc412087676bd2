package emit

import (
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/quantize/affine"
)

// lstm rewrites an LSTM with constant weights to com.microsoft DynamicQuantizeLSTM. That operator takes the weights of
// each direction transposed, W as [directions, in, 4·hidden] and R as [directions, hidden, 4·hidden], and their scales
// and zero points, of shape [directions] or [directions, 4·hidden], behind the eight inputs of LSTM.
// Ref: onnxruntime docs/ContribOperators.md.
func (d *dynamic) lstm(n *decided) error {
	s, node := n.scope, n.node
	if node.Int("layout", 0) != 0 {
		n.leave("the integer kernel has no layout 1 (batch first)")
		return nil
	}
	inputs := make([]string, 8, 12)
	copy(inputs, node.Inputs)
	var weights []constant
	var forms []integers
	for i, what := range []string{"W", "R"} {
		t, owner := s.find(inputs[1+i])
		if t == nil || t.DType != tensor.Float32 || len(t.Dims) != 3 {
			n.leave("its " + what + " is no float32 constant")
			return nil
		}
		g, err := d.gates(t)
		if err != nil {
			return n.refuse(err)
		}
		weights, forms = append(weights, constant{t, owner}), append(forms, g)
	}
	for i, g := range forms {
		q, err := s.add(weights[i], g, true)
		if err != nil {
			return err
		}
		inputs[1+i] = q.values
		inputs = append(inputs, q.scale, q.zero)
	}
	s.Remove(node)
	integer := s.microsoftOperator("DynamicQuantizeLSTM", inputs, node.Outputs)
	integer.Name = node.Name
	for _, a := range node.Attrs {
		if a.Name != "layout" {
			integer.Attrs = append(integer.Attrs, a)
		}
	}
	s.Insert(integer)
	n.become(Dynamic, "DynamicQuantizeLSTM", weights...)
	return nil
}

// gates quantizes W or R, [directions, 4·hidden, n], each direction by itself, and transposes it.
func (d *dynamic) gates(t *onnx.Tensor) (integers, error) {
	x, err := floats(t)
	if err != nil {
		return integers{}, err
	}
	defer t.Release()
	directions, rows, cols := t.Dims[0], t.Dims[1], t.Dims[2]
	axis, shape := affine.PerTensor, tensor.Shape{directions}
	if d.options.PerChannel {
		axis, shape = 0, tensor.Shape{directions, rows}
	}
	all := integers{shape: shape}
	for direction := range slices.Chunk(x, max(1, int(rows*cols))) {
		w, err := d.weight(direction, tensor.Shape{rows, cols}, axis)
		if err != nil {
			return integers{}, err
		}
		one := integersOf(w.Transposed(), nil)
		all.data.Data = append(all.data.Data, one.data.Data...)
		all.scales, all.zeros = append(all.scales, one.scales...), append(all.zeros, one.zeros...)
	}
	all.data.DType, all.data.Shape = d.options.WeightDType, tensor.Shape{directions, cols, rows}
	return all, nil
}
