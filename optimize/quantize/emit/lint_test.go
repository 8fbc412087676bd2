package emit

import (
	"maps"
	"slices"
	"testing"

	"infer/model/onnx"
)

func TestOriginalName(t *testing.T) {
	decided := map[string]bool{"conv": true, "conv_token_1": true, "p/MatMulAddFusion": true, "_token_": true}
	for name, want := range map[string]string{
		"conv":                     "conv",
		"conv_token_7":             "conv",
		"conv_token_1":             "conv_token_1",
		"conv_token_1_token_9":     "conv_token_1",
		"p/MatMulAddFusion":        "p/MatMulAddFusion",
		"p/MatMulAddFusion_token_": "p/MatMulAddFusion",
		"conv/MatMulAddFusion/DuplicateDQ_token_3": "conv",
		"_token_":      "_token_",
		"other":        "other",
		"other_token_": "other_token_",
		"":             "",
	} {
		if got := originalName(name, decided); got != want {
			t.Errorf("%q is %q, not %q", name, got, want)
		}
	}
}

// TestCompare: what counts as the predicted operator.
func TestCompare(t *testing.T) {
	g := &onnx.Graph{Nodes: []*onnx.Node{
		named(op("QuantizeLinear", "x s u", "x_q"), "x_QuantizeLinear"),
		named(op("NhwcMaxPool", "x_q", "m"), "pool_token_1"),
		named(op("DequantizeLinear", "m s u", "d"), "m_DequantizeLinear"),
		named(op("Reshape", "d shape", "e"), "reshape"),
		named(op("Conv", "e w", "c"), "conv"),
		named(op("QGemm", "c w", "y_quantized"), "made_of_several"),
	}}
	decide := func(node, op, out, predicted string) Decision {
		return Decision{Node: node, Op: op, Output: out, Form: Static, Predicted: predicted}
	}
	l := compare(g, []Decision{
		decide("pool", "MaxPool", "m", "MaxPool"),
		decide("reshape", "Reshape", "e", "Reshape"),       // it moves floats
		decide("transpose", "Transpose", "t", "Transpose"), // the runtime found nothing to move
		decide("conv", "Conv", "c", "QLinearConv"),
		decide("matmul", "MatMul", "y", "QGemm"),
		decide("gone", "Conv", "g", "QLinearConv"),
		{Node: "left", Op: "Conv", Output: "l", Form: Float, Why: "because"},
		{Node: "stored", Op: "Gather", Output: "st", Form: Stored},
	})
	want := &Lint{
		Actual:    map[string]string{"pool": "NhwcMaxPool", "reshape": "Reshape", "transpose": "", "conv": "Conv", "matmul": "QGemm", "gone": ""},
		Predicted: 6, Fused: 3, Islands: 2,
		Mismatches: []string{
			"reshape (Reshape): predicted Reshape, the runtime made Reshape on floats",
			"conv (Conv): predicted QLinearConv, the runtime made Conv",
			"gone (Conv): predicted QLinearConv, the runtime made nothing of that name",
		},
	}
	if !maps.Equal(l.Actual, want.Actual) || l.Predicted != want.Predicted || l.Fused != want.Fused || l.Islands != want.Islands || !slices.Equal(l.Mismatches, want.Mismatches) {
		t.Errorf("%+v, not %+v", l, want)
	}
}
