package emit

import (
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/quantize/affine"
)

// lstm rewrites an LSTM with constant weights to com.microsoft DynamicQuantizeLSTM. That operator takes the weights of
// each direction transposed, W as [directions, in, 4·hidden] and R as [directions, hidden, 4·hidden], and scales and
// zero points of shape [directions] or [directions, 4·hidden] behind the eight inputs of LSTM.
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
	for i, what := range []string{"W", "R"} {
		t, owner := s.find(inputs[1+i])
		if t == nil || t.DType != tensor.Float32 || len(t.Dims) != 3 {
			n.leave("its " + what + " is no constant of float32")
			return nil
		}
		weights = append(weights, constant{t, owner})
	}
	for i, c := range weights {
		w, err := d.directions(c)
		if err != nil {
			return n.refuse(err)
		}
	}
	for i, c := range weights {
		q, err := d.gates(s, c)
		if err != nil {
			return n.refuse(err)
		}
		inputs[1+i] = q.data
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
