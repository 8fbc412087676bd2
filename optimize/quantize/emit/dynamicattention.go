package emit

import (
	"slices"

	"infer/model/tensor"
)

// attention rewrites com.microsoft Attention to com.microsoft QAttention, which quantizes the product with the weights
// of the query, key and value, [hidden, 3·hidden], and computes attention itself in float.
//
//	Attention:  input, weights, bias, mask, past, attention bias, past length
//	QAttention: input, weights, bias, input scale, weight scale, mask, input zero point, weight zero point, past
//
// Ref: onnxruntime docs/ContribOperators.md.
func (d *dynamic) attention(n *decided) error {
	s, node := n.scope, n.node
	t, owner := s.find(input(node, 1))
	switch {
	case t == nil || t.DType != tensor.Float32 || len(t.Dims) != 2:
		n.leave("its weights are no float32 constant")
	case input(node, 2) == "":
		n.leave("it has no bias, which the integer kernel needs")
	case input(node, 5) != "" || input(node, 6) != "":
		n.leave("the integer kernel takes no attention bias and no past length")
	case node.Attr("qkv_hidden_sizes") != nil:
		n.leave("the integer kernel has one size for query, key and value")
	}
	if n.Form == Float {
		return nil
	}
	w, err := d.matrix(s, &matrix{constant: constant{t, owner}, dims: t.Dims, alpha: 1})
	if err != nil {
		return n.refuse(err)
	}
	q := s.quantizeInput(node.Inputs[0])
	inputs := []string{q.value, w.values, node.Inputs[2], q.scale, w.scale, input(node, 3), q.zero, w.zero, input(node, 4)}
	for inputs[len(inputs)-1] == "" {
		inputs = inputs[:len(inputs)-1]
	}
	s.Remove(node)
	integer := s.microsoftOperator("QAttention", inputs, node.Outputs, slices.Clone(node.Attrs)...)
	integer.Name = node.Name
	s.Insert(integer)
	n.become(Dynamic, "QAttention", constant{t, owner})
	return nil
}
