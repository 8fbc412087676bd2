package emit

import (
	"testing"

	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

func names(name string, v ...string) *onnx.Attribute {
	a := &onnx.Attribute{Name: name, Type: onnx.AttrStrings}
	for _, s := range v {
		a.Strings = append(a.Strings, []byte(s))
	}
	return a
}

func text(name, v string) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrString, S: []byte(v)}
}

func TestDynamicLSTM(t *testing.T) {
	const steps, batch, in, hidden = 6, 2, 32, 64
	tests := []struct {
		name   string
		inputs []string // from the fifth on
		attrs  []*onnx.Attribute
		dirs   int64
		o      DynamicOptions
	}{
		{"plain", nil, nil, 1, DynamicOptions{Reduced: true}},
		{"per channel", nil, nil, 1, DynamicOptions{Reduced: true, PerChannel: true}},
		{"best scale", nil, nil, 1, DynamicOptions{Reduced: true, PerChannel: true, BestScale: true}},
		{"uint8", nil, nil, 1, DynamicOptions{WeightDType: tensor.Uint8}},
		{"uint8 per channel", nil, nil, 1, DynamicOptions{WeightDType: tensor.Uint8, PerChannel: true}},
		{"two directions", nil, []*onnx.Attribute{text("direction", "bidirectional")}, 2, DynamicOptions{Reduced: true, PerChannel: true}},
		{"states and peepholes", []string{"", "h", "c", "P"}, nil, 1, DynamicOptions{Reduced: true}},
		{"other activations", nil, []*onnx.Attribute{names("activations", "HardSigmoid", "Softsign", "Tanh")}, 1, DynamicOptions{Reduced: true}},
		{"clip", nil, []*onnx.Attribute{{Name: "clip", Type: onnx.AttrFloat, F: 0.5}}, 1, DynamicOptions{Reduced: true}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			std := 1.0 / 8 // 1/√hidden
			node := enginetest.Node("LSTM", append(enginetest.Names("x", "W", "R", "B"), c.inputs...),
				enginetest.Names("y", "yh", "yc"), append(c.attrs, enginetest.Int("hidden_size", hidden))...)
			m := graph([]*onnx.ValueInfo{enginetest.Value("x", tensor.Float32, steps, "batch", in)}, []string{"y", "yh", "yc"}, []*onnx.Node{node},
				enginetest.Initializer(normal("W", 1, std, c.dirs, 4*hidden, in)), enginetest.Initializer(normal("R", 2, std, c.dirs, 4*hidden, hidden)),
				enginetest.Initializer(normal("B", 3, 1, c.dirs, 8*hidden)), enginetest.Initializer(normal("h", 4, 1, c.dirs, batch, hidden)),
				enginetest.Initializer(normal("c", 5, 1, c.dirs, batch, hidden)), enginetest.Initializer(normal("P", 6, std, c.dirs, 3*hidden)))
			r := try(t, m, []tensor.Tensor{normal("x", 7, 1, steps, batch, in)}, dynamically(c.o))
			r.check(t, least, map[string]int{"DynamicQuantizeLSTM": 1, "LSTM": 0})
		})
	}
}
