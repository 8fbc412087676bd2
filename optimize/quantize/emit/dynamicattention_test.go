package emit

import (
	"testing"

	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// attention returns a model of one com.microsoft Attention of 4 heads, 64 wide.
func attention(node *onnx.Node, more ...*onnx.Tensor) *onnx.Model {
	node.Domain = microsoft
	node.Attrs = append(node.Attrs, enginetest.Int("num_heads", 4))
	m := graph([]*onnx.ValueInfo{enginetest.Value("x", tensor.Float32, "batch", 5, 64)}, []string{"y"}, []*onnx.Node{node},
		append(more, weight("w", 1, 64, 192), enginetest.Initializer(normal("b", 2, 1, 192)))...)
	m.Opsets = append(m.Opsets, onnx.Opset{Domain: microsoft, Version: 1})
	return m
}

func TestDynamicAttention(t *testing.T) {
	lengths, err := tensor.FromInts("lengths", tensor.Int32, tensor.Shape{2}, []int64{5, 3})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		inputs []string
		attrs  []*onnx.Attribute
		o      DynamicOptions
	}{
		{"plain", enginetest.Names("x", "w", "b"), nil, DynamicOptions{Reduced: true}},
		{"mask, per channel", enginetest.Names("x", "w", "b", "lengths"), nil, DynamicOptions{Reduced: true, PerChannel: true}},
		{"uint8, causal", enginetest.Names("x", "w", "b"), []*onnx.Attribute{enginetest.Int("unidirectional", 1)}, DynamicOptions{WeightDType: tensor.Uint8}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := attention(enginetest.Node("Attention", c.inputs, enginetest.Names("y"), c.attrs...), enginetest.Initializer(lengths))
			r := try(t, m, []tensor.Tensor{normal("x", 3, 1, 2, 5, 64)}, dynamically(c.o))
			r.check(t, least, map[string]int{"QAttention": 1, "DynamicQuantizeLinear": 1, "Attention": 0})
		})
	}
}
