package static

import (
	"fmt"
	"slices"
	"testing"

	"infer/model/onnx"
)

const ms = "com.microsoft:"

// TestAttentionShapes has the shapes that ONNX Runtime 1.30 computes, or states where its processor kernels lack the
// form, and those of the operators' definitions.
func TestAttentionShapes(t *testing.T) {
	h2 := attrs("num_heads", 2)
	q4kv2 := attrs("q_num_heads", 4, "kv_num_heads", 2)
	group := attrs("num_heads", 2, "kv_num_heads", 1)
	tests := []struct {
		op     string
		attrs  []*onnx.Attribute
		inputs []any
		want   []string
	}{
		{ms + "Attention", h2, []any{"b x s x 12", "12 x 48", "48"}, []string{"b x s x 16", "2 x b x 2 x s x 8"}},
		{ms + "Attention", h2, []any{"b x s x 12", "12 x 48", "48", "-", "2 x b x 2 x p x 8"}, []string{"b x s x 16", "2 x b x 2 x p + s x 8"}},
		{ms + "Attention", attrs("num_heads", 2, "past_present_share_buffer", 1), []any{"b x s x 12", "12 x 48", "48", "-", "2 x b x 2 x p x 8", "-", "1"},
			[]string{"b x s x 16", "2 x b x 2 x p x 8"}},
		{ms + "Attention", attrs("num_heads", 2, "qkv_hidden_sizes", list{16, 16, 6}), []any{"2 x 3 x 12", "12 x 38", "38"}, []string{"2 x 3 x 6"}},
		{ms + "MultiHeadAttention", h2, []any{"b x s x 16", "b x l x 16", "b x l x 6"}, []string{"b x s x 6", "b x 2 x l x 8", "b x 2 x l x 3", "b x 2 x s x l"}},
		{ms + "MultiHeadAttention", h2, []any{"b x s x 16", "b x 2 x l x 8", "b x 2 x l x 8"}, []string{"b x s x 16", "b x 2 x l x 8", "b x 2 x l x 8"}},
		{ms + "MultiHeadAttention", h2, []any{"b x s x 16", "b x s x 16", "b x s x 16", "-", "-", "-", "b x 2 x p x 8", "b x 2 x p x 8"},
			[]string{"b x s x 16", "b x 2 x p + s x 8", "b x 2 x p + s x 8", "b x 2 x s x p + s"}},
		{ms + "MultiHeadAttention", h2, []any{"b x 1 x 16", "b x 1 x 16", "b x 1 x 16", "-", "-", "-", "b x 2 x p x 8", "b x 2 x p x 8", "1"},
			[]string{"b x 1 x 16", "b x 2 x p x 8", "b x 2 x p x 8"}},
		{ms + "MultiHeadAttention", h2, []any{"b x s x 2 x 3 x 8"}, []string{"b x s x 16", "b x 2 x s x 8", "b x 2 x s x 8"}},
		{ms + "MultiHeadAttention", h2, []any{"b x s x 16", "b x l x 2 x 2 x 8"}, []string{"b x s x 16", "b x 2 x l x 8", "b x 2 x l x 8"}},
		{ms + "MultiHeadAttention", h2, []any{"b x s x 16"}, []string{"b x s x ?"}},
		{ms + "MultiHeadAttention", nil, []any{"b x s x 16", "b x l x 16", "b x l x 16"}, []string{"b x s x 16", "b x ? x l x ?"}},
		{ms + "GroupQueryAttention", group, []any{"2 x 3 x 16", "2 x 3 x 8", "2 x 3 x 8", "-", "-", "2", list{3}},
			[]string{"2 x 3 x 16", "2 x 1 x 3 x 8", "2 x 1 x 3 x 8"}},
		{ms + "GroupQueryAttention", group, []any{"2 x 1 x 16", "2 x 1 x 8", "2 x 1 x 8", "2 x 1 x 4 x 8", "2 x 1 x 4 x 8", "2", list{5}},
			[]string{"2 x 1 x 16", "2 x 1 x 5 x 8", "2 x 1 x 5 x 8"}},
		{ms + "GroupQueryAttention", group, []any{"2 x 1 x 16", "2 x 1 x 8", "2 x 1 x 8", "2 x 1 x 9 x 8", "2 x 1 x 9 x 8", "2", list{5}},
			[]string{"2 x 1 x 16", "2 x 1 x 9 x 8", "2 x 1 x 9 x 8"}},
		{ms + "GroupQueryAttention", group, []any{"b x s x 32", "-", "-", "-", "-", "b", list{7}}, []string{"b x s x 16", "b x 1 x 7 x 8"}},
		{ms + "GroupQueryAttention", group, []any{"b x 1 x 16", "b x 1 x 8", "b x 1 x 8", "b x 1 x p x 8", "b x 1 x p x 8", "b", "1"},
			[]string{"b x 1 x 16", "b x 1 x ? x 8"}}, // the total length is a value of the run
		{"Attention", nil, []any{"b x 4 x s x 8", "b x 2 x l x 8", "b x 2 x l x 6"}, []string{"b x 4 x s x 6", "b x 2 x l x 8", "b x 2 x l x 6", "b x 4 x s x l"}},
		{"Attention", q4kv2, []any{"b x s x 32", "b x l x 16", "b x l x 12", "-", "b x 2 x p x 8", "b x 2 x p x 6"},
			[]string{"b x s x 24", "b x 2 x l + p x 8", "b x 2 x l + p x 6", "b x 4 x s x l + p"}},
		{"Attention", nil, []any{"b x s x 32", "b x l x 16", "b x l x 12"}, []string{"?"}}, // rank 3 needs the heads
		{"LinearAttention", q4kv2, []any{"b x s x 32", "b x s x 16", "b x s x 12"}, []string{"b x s x 24", "b x 2 x 8 x 6"}},
		{"CausalConvWithState", nil, []any{"b x 4 x l", "4 x 1 x 3"}, []string{"b x 4 x l", "b x 4 x 2"}},
		{"RotaryEmbedding", nil, []any{"b x 4 x s x 8", "9 x 4", "9 x 4", "b x s"}, []string{"b x 4 x s x 8"}},
		{ms + "RotaryEmbedding", nil, []any{"b x s x 32", "b x s", "9 x 4", "9 x 4"}, []string{"b x s x 32"}},
	}
	for _, c := range tests {
		t.Run(fmt.Sprintf("%s %v", c.op, c.inputs), func(t *testing.T) {
			m := one(c.op, 24, c.attrs, len(c.want), c.inputs...)
			s := Infer(m, nil)
			var got []string
			for _, name := range m.Graph.Nodes[0].Outputs {
				v, _ := s.Of(m.Graph, name)
				got = append(got, v.String())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// TestAttentionCost: MACs are B·S·T·(Dq+Dv) and the Softmax takes four operations and one exponential for each of its
// B·H·S·T elements.
func TestAttentionCost(t *testing.T) {
	h2 := attrs("num_heads", 2)
	group := attrs("num_heads", 2, "kv_num_heads", 1)
	tests := []struct {
		name       string
		op         string
		attrs      []*onnx.Attribute
		inputs     []any
		macs, soft int64 // soft: the elements of the Softmax
		more       int64 // other operations
	}{
		{"fused weights and past", ms + "Attention", h2, []any{"1 x 3 x 8", "8 x 24", "24", "-", "2 x 1 x 2 x 4 x 4"},
			3*8*24 + 3*7*(8+8), 2 * 3 * 7, 0}, // T = 3 + 4
		{"fused weights, sizes", ms + "Attention", attrs("num_heads", 2, "qkv_hidden_sizes", list{16, 16, 6}), []any{"2 x 3 x 12", "12 x 38", "38"},
			2*3*12*38 + 2*3*3*(16+6), 2 * 2 * 3 * 3, 0},
		{"cross", ms + "MultiHeadAttention", h2, []any{"2 x 3 x 16", "2 x 5 x 16", "2 x 5 x 6"}, 2 * 3 * 5 * (16 + 6), 2 * 2 * 3 * 5, 0},
		{"keys of rank 4", ms + "MultiHeadAttention", h2, []any{"2 x 3 x 16", "2 x 2 x 5 x 8", "2 x 2 x 5 x 8"}, 2 * 3 * 5 * (16 + 16), 2 * 2 * 3 * 5, 0},
		{"packed", ms + "MultiHeadAttention", h2, []any{"2 x 3 x 2 x 3 x 8"}, 2 * 3 * 3 * (16 + 16), 2 * 2 * 3 * 3, 0},
		{"packed keys and values", ms + "MultiHeadAttention", h2, []any{"2 x 3 x 16", "2 x 5 x 2 x 2 x 8"}, 2 * 3 * 5 * (16 + 16), 2 * 2 * 3 * 5, 0},
		{"past", ms + "MultiHeadAttention", h2, []any{"2 x 3 x 16", "2 x 3 x 16", "2 x 3 x 16", "-", "-", "-", "2 x 2 x 4 x 8", "2 x 2 x 4 x 8"},
			2 * 3 * 7 * (16 + 16), 2 * 2 * 3 * 7, 0}, // T = 4 + 3
		{"buffer", ms + "MultiHeadAttention", h2, []any{"2 x 1 x 16", "2 x 1 x 16", "2 x 1 x 16", "-", "-", "-", "2 x 2 x 9 x 8", "2 x 2 x 9 x 8", list{4}},
			2 * 1 * 5 * (16 + 16), 2 * 2 * 1 * 5, 0}, // T = 4 + 1, though the buffer holds 9
		{"unknown", ms + "MultiHeadAttention", h2, []any{"2 x 1 x 16", "2 x 1 x 16", "2 x 1 x 16", "-", "-", "-", "2 x 2 x 9 x 8", "2 x 2 x 9 x 8", "1"}, 0, 0, 0},
		{"shared heads", "Attention", nil, []any{"1 x 4 x 3 x 8", "1 x 2 x 5 x 8", "1 x 2 x 5 x 6"}, 3 * 5 * (4*8 + 4*6), 4 * 3 * 5, 0},
		{"shared heads, rank 3, past", "Attention", attrs("q_num_heads", 4, "kv_num_heads", 2), []any{"1 x 3 x 32", "1 x 5 x 16", "1 x 5 x 12", "-", "1 x 2 x 4 x 8", "1 x 2 x 4 x 6"},
			3 * 9 * (32 + 24), 4 * 3 * 9, 0}, // T = 5 + 4
		{"causal counts in full", "Attention", attrs("is_causal", 1), []any{"1 x 2 x 3 x 8", "1 x 2 x 3 x 8", "1 x 2 x 3 x 8"}, 3 * 3 * 32, 2 * 3 * 3, 0},
		{"groups", ms + "GroupQueryAttention", group, []any{"1 x 3 x 16", "1 x 3 x 8", "1 x 3 x 8", "-", "-", "1", list{3}}, 3 * 3 * (16 + 16), 2 * 3 * 3, 0},
		{"groups, past", ms + "GroupQueryAttention", group, []any{"1 x 1 x 16", "1 x 1 x 8", "1 x 1 x 8", "1 x 1 x 4 x 8", "1 x 1 x 4 x 8", "1", ""},
			1 * 5 * (16 + 16), 2 * 1 * 5, 0}, // T = 1 + 4
		{"groups, buffer", ms + "GroupQueryAttention", group, []any{"1 x 1 x 16", "1 x 1 x 8", "1 x 1 x 8", "1 x 1 x 9 x 8", "1 x 1 x 9 x 8", "1", list{5}},
			1 * 5 * (16 + 16), 2 * 1 * 5, 0},
		{"groups, packed and rotated", ms + "GroupQueryAttention", attrs("num_heads", 2, "kv_num_heads", 1, "do_rotary", 1), []any{"1 x 3 x 32", "-", "-", "-", "-", "1", list{3}},
			3 * 3 * (16 + 16), 2 * 3 * 3, 3 * 3 * (2 + 1) * 8}, // x·cos + x'·sin on 2 + 1 heads of 8
		{"rotation", ms + "RotaryEmbedding", nil, []any{"2 x 3 x 16", "1", "9 x 4", "9 x 4"}, 0, 0, 3 * 96},
		{"rotation, ONNX", "RotaryEmbedding", nil, []any{"2 x 2 x 3 x 8", "9 x 4", "9 x 4", "2 x 3"}, 0, 0, 3 * 96},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			m := one(c.op, 24, c.attrs, 1, c.inputs...)
			got := Cost(m, Infer(m, nil)).Nodes[0]
			if got.Known != (c.name != "unknown") {
				t.Fatalf("known %v: %s", got.Known, got.Reason)
			}
			if w := got.Work; w.MACs != c.macs || w.FLOPs != 4*c.soft+c.more || w.Transcendentals != c.soft {
				t.Errorf("%d MACs, %d FLOPs, %d transcendentals; want %d, %d, %d", w.MACs, w.FLOPs, w.Transcendentals, c.macs, 4*c.soft+c.more, c.soft)
			}
		})
	}
}
