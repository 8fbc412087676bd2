package static

import (
	"testing"

	"infer/model/onnx"
	"infer/model/tensor"
)

func TestObserve(t *testing.T) {
	m := one("NonZero", 13, nil, 1, "2 x 3")
	out := m.Graph.Nodes[0].Outputs[0]
	s := Infer(m, nil)
	if v, _ := s.Of(m.Graph, out); v.HasShape {
		if _, known := v.Shape(); known {
			t.Fatalf("inference knows what only a run can: %v", v)
		}
	}
	s.Observe(m.Graph, out, tensor.Int64, tensor.Shape{2, 5})
	if v, ok := s.Of(m.Graph, out); !ok || v.String() != "2 x 5" || v.DType != tensor.Int64 {
		t.Errorf("observed value is %v %v, %v", v.DType, v, ok)
	}
}

// TestCalls: the body of a loop costs one trip, the loop itself nothing of its own.
func TestCalls(t *testing.T) {
	body := one("Add", 17, nil, 1, "2 x 3", "2 x 3").Graph
	m := one("Neg", 17, nil, 1, "4")
	loop := &onnx.Node{OpType: "Loop", Outputs: []string{"l"}, Attrs: []*onnx.Attribute{{Name: "body", Type: onnx.AttrGraph, G: body}}}
	m.Graph.Nodes = append(m.Graph.Nodes, loop)
	s := Infer(m, nil)
	for _, v := range append(body.Nodes[0].Inputs, body.Nodes[0].Outputs...) {
		s.Observe(body, v, tensor.Float32, tensor.Shape{2, 3})
	}
	calls := Calls(m, s)
	if len(calls) != 3 {
		t.Fatalf("%d calls, want 3", len(calls))
	}
	if c := calls[0]; !c.Known || c.Work != (Work{FLOPs: 4, BytesIn: 16, BytesOut: 16}) {
		t.Errorf("Neg costs %+v", c)
	}
	if c := calls[1]; c.Known || c.Reason == "" {
		t.Errorf("Loop costs %+v", c)
	}
	if c := calls[2]; !c.Known || c.Work != (Work{FLOPs: 6, BytesIn: 48, BytesOut: 24}) {
		t.Errorf("Add costs %+v", c)
	}
}

func TestFormulasOfTheRuntime(t *testing.T) {
	for _, c := range []struct {
		name string
		m    *onnx.Model
		macs int64
	}{
		{"QGemm", one("com.microsoft:QGemm", 17, nil, 1, "2 x 3", "", "", "3 x 4"), 2 * 4 * 3},
		{"FusedMatMul with the batch inside", one("com.microsoft:FusedMatMul", 17, attrs("transA", 1, "transBatchA", 1), 1, "3 x 2 x 5", "2 x 3 x 4"), 2 * 5 * 4 * 3},
		{"MatMulBnb4", one("com.microsoft:MatMulBnb4", 17, attrs("K", 6, "N", 4), 1, "2 x 6"), 2 * 4 * 6},
		{"QAttention", one("com.microsoft:QAttention", 17, attrs("num_heads", 2), 1, "1 x 3 x 8", "8 x 24"), 3*8*24 + 9*16},
		{"NhwcConv", one("com.microsoft:NhwcConv", 17, nil, 1, "1 x 4 x 4 x 3", "8 x 3 x 1 x 1"), 16 * 8 * 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Infer(c.m, nil)
			n := c.m.Graph.Nodes[0]
			out := map[string]tensor.Shape{"MatMulBnb4": {2, 4}, "QAttention": {1, 3, 8}, "NhwcConv": {1, 4, 4, 8}, "QGemm": {2, 4}, "FusedMatMul": {2, 5, 4}}[n.OpType]
			s.Observe(c.m.Graph, n.Outputs[0], tensor.Float32, out)
			if got := Calls(c.m, s)[0]; !got.Known || got.Work.MACs != c.macs {
				t.Errorf("%+v, want %d multiply-accumulates", got, c.macs)
			}
		})
	}
}
