package static

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"infer/model/onnx"
	"infer/model/tensor"
	"infer/testdata/arch"
)

// typed is a declared float32 value; dims such as "batch x 3 x ?".
func typed(name, dims string, d tensor.DType) *onnx.ValueInfo {
	t := &onnx.Type{Kind: onnx.KindTensor, DType: d, HasShape: dims != "unranked"}
	for _, p := range strings.Split(dims, " x ") {
		var n int64
		switch _, err := fmt.Sscanf(p, "%d", &n); {
		case dims == "" || dims == "unranked":
		case err == nil:
			t.Dims = append(t.Dims, onnx.Fixed(n))
		case p == "?":
			t.Dims = append(t.Dims, onnx.Dim{})
		default:
			t.Dims = append(t.Dims, onnx.Symbol(p))
		}
	}
	return &onnx.ValueInfo{Name: name, Type: t}
}

func ints(name string, v ...int64) *onnx.Tensor {
	var data []byte
	for _, n := range v {
		data = binary.LittleEndian.AppendUint64(data, uint64(n))
	}
	t, err := onnx.NewTensor(name, tensor.Tensor{DType: tensor.Int64, Shape: tensor.Shape{int64(len(v))}, Data: data})
	if err != nil {
		panic(err)
	}
	return t
}

func floats(name string, v ...float32) *onnx.Tensor {
	var data []byte
	for _, f := range v {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(f))
	}
	t, err := onnx.NewTensor(name, tensor.Tensor{DType: tensor.Float32, Shape: tensor.Shape{int64(len(v))}, Data: data})
	if err != nil {
		panic(err)
	}
	return t
}

func attrs(list ...any) (out []*onnx.Attribute) {
	for i := 0; i < len(list); i += 2 {
		a := &onnx.Attribute{Name: list[i].(string)}
		switch v := list[i+1].(type) {
		case int:
			a.Type, a.I = onnx.AttrInt, int64(v)
		case []int64:
			a.Type, a.Ints = onnx.AttrInts, v
		case string:
			a.Type, a.S = onnx.AttrString, []byte(v)
		case []float32:
			a.Type, a.Floats = onnx.AttrFloats, v
		}
		out = append(out, a)
	}
	return out
}

// one returns a model of one node. Inputs: a shape is a float32 input, an int list or *onnx.Tensor a constant, "-" omitted.
func one(op string, opset int64, at []*onnx.Attribute, outs int, inputs ...any) *onnx.Model {
	dom, name, found := strings.Cut(op, ":")
	if !found {
		dom, name = "", op
	}
	n := &onnx.Node{OpType: name, Domain: dom, Attrs: at}
	g := &onnx.Graph{Nodes: []*onnx.Node{n}}
	for i, in := range inputs {
		v := fmt.Sprintf("i%d", i)
		switch x := in.(type) {
		case string:
			if x == "-" {
				v = ""
			} else {
				g.Inputs = append(g.Inputs, typed(v, x, tensor.Float32))
			}
		case []int64:
			g.Initializers = append(g.Initializers, ints(v, x...))
		case *onnx.Tensor:
			x.Name = v
			g.Initializers = append(g.Initializers, x)
		}
		n.Inputs = append(n.Inputs, v)
	}
	for i := range outs {
		n.Outputs = append(n.Outputs, fmt.Sprintf("o%d", i))
	}
	return &onnx.Model{IRVersion: 8, Graph: g, Opsets: []onnx.Opset{{Version: opset}, {Domain: "com.microsoft", Version: 1}, {Domain: "ai.onnx.ml", Version: 3}}}
}

type list = []int64

func TestRules(t *testing.T) {
	tests := []struct {
		op     string
		opset  int64
		attrs  []*onnx.Attribute
		inputs []any
		want   []string
	}{
		{"Add", 17, nil, []any{"batch x 1 x 4", "3 x 1"}, []string{"batch x 3 x 4"}},
		{"Add", 17, nil, []any{"a", "b"}, []string{"?"}},
		{"Add", 17, nil, []any{"a", "5"}, []string{"5"}},
		{"Relu", 17, nil, []any{"unranked"}, []string{"?"}},
		{"Where", 17, nil, []any{"3 x 1", "1 x n", "n"}, []string{"3 x n"}},
		{"MatMul", 17, nil, []any{"b x 12 x s x 64", "b x 12 x 64 x s"}, []string{"b x 12 x s x s"}},
		{"MatMul", 17, nil, []any{"4", "2 x 4 x 3"}, []string{"2 x 3"}},
		{"MatMul", 17, nil, []any{"4", "4"}, []string{"scalar"}},
		{"Gemm", 17, attrs("transA", 1, "transB", 1), []any{"3 x n", "5 x 3"}, []string{"n x 5"}},
		{"com.microsoft:FusedMatMul", 17, attrs("transB", 1), []any{"2 x 3 x 4", "2 x 5 x 4"}, []string{"2 x 3 x 5"}},
		{"com.microsoft:MatMulNBits", 17, attrs("K", 32, "N", 7), []any{"b x s x 32", "7 x 1 x 16"}, []string{"b x s x 7"}},
		{"Einsum", 17, attrs("equation", "bij, bjk -> bik"), []any{"2 x 3 x 4", "2 x 4 x n"}, []string{"2 x 3 x n"}},
		{"Conv", 17, attrs("pads", list{3, 3, 3, 3}, "strides", list{2, 2}), []any{"batch x 3 x 224 x 224", "64 x 3 x 7 x 7"}, []string{"batch x 64 x 112 x 112"}},
		{"Conv", 17, attrs("auto_pad", "SAME_UPPER", "strides", list{2}), []any{"1 x 3 x 7", "4 x 3 x 3"}, []string{"1 x 4 x 4"}},
		{"Conv", 17, attrs("auto_pad", "VALID", "dilations", list{2}), []any{"1 x 3 x 9", "4 x 3 x 3"}, []string{"1 x 4 x 5"}},
		{"Conv", 17, attrs("pads", list{1, 1}, "strides", list{2}), []any{"1 x 3 x n", "4 x 3 x 3"}, []string{"1 x 4 x floor((n + 1)/2)"}},
		{"ConvTranspose", 17, attrs("strides", list{2}, "output_padding", list{1}), []any{"1 x 8 x n", "8 x 4 x 3"}, []string{"1 x 4 x 2*n + 2"}},
		{"MaxPool", 17, attrs("kernel_shape", list{3}, "strides", list{2}, "ceil_mode", 1), []any{"1 x 1 x 8"}, []string{"1 x 1 x 4"}},
		// the last window would start in the padding: (5+2-2)/3 rounded up + 1 = 3, and 2·3 >= 5+1
		{"MaxPool", 17, attrs("kernel_shape", list{2}, "strides", list{3}, "ceil_mode", 1, "pads", list{1, 1}), []any{"1 x 1 x 5"}, []string{"1 x 1 x 2"}},
		{"GlobalAveragePool", 17, nil, []any{"n x 5 x 7 x 7"}, []string{"n x 5 x 1 x 1"}},
		{"Reshape", 17, nil, []any{"b x s x 768", list{0, 0, 12, 64}}, []string{"b x s x 12 x 64"}},
		{"Reshape", 17, nil, []any{"b x s x 768", list{-1, 768}}, []string{"b*s x 768"}},
		{"Reshape", 17, attrs("allowzero", 1), []any{"0 x 3", list{3, 0}}, []string{"3 x 0"}},
		{"Reshape", 4, attrs("shape", list{2, -1}), []any{"3 x 4"}, []string{"2 x 6"}},
		{"Reshape", 17, nil, []any{"unranked", list{2, -1}}, []string{"2 x ?"}},
		{"Flatten", 17, nil, []any{"n x 2 x 3"}, []string{"n x 6"}},
		{"Squeeze", 11, attrs("axes", list{-1}), []any{"n x 1"}, []string{"n"}},
		{"Squeeze", 13, nil, []any{"n x 1", list{1}}, []string{"n"}},
		{"Squeeze", 13, nil, []any{"2 x 1 x 3"}, []string{"2 x 3"}},
		{"Squeeze", 13, nil, []any{"n x 1"}, []string{"?"}},
		{"Unsqueeze", 13, nil, []any{"n x 2", list{0, -1}}, []string{"1 x n x 2 x 1"}},
		{"Transpose", 17, attrs("perm", list{1, 0, 2}), []any{"a x b x c"}, []string{"b x a x c"}},
		{"Transpose", 17, attrs("perm", list{0, 0, 2}), []any{"a x b x c"}, []string{"?"}},
		{"Concat", 17, attrs("axis", 1), []any{"n x 2", "n x m", "n x 3"}, []string{"n x m + 5"}},
		{"Split", 13, attrs("axis", 0), []any{"6 x n", list{4, 2}}, []string{"4 x n", "2 x n"}},
		{"Split", 18, attrs("num_outputs", 2), []any{"7"}, []string{"4", "3"}},
		{"Slice", 17, nil, []any{"n x 10", list{1, 2}, list{8, 5}, list{1, 1}}, []string{"? x ?"}},
		{"Slice", 17, nil, []any{"n x 10", list{1}, list{8}, list{1}, list{3}}, []string{"n x 3"}},
		{"Slice", 17, nil, []any{"10", list{-1}, list{math.MinInt64}, list{0}, list{-2}}, []string{"5"}},
		{"Slice", 9, attrs("starts", list{0}, "ends", list{math.MaxInt64}), []any{"n"}, []string{"n"}},
		{"Slice", 17, nil, []any{"n", list{0}, list{5}}, []string{"min(5, n)"}},
		{"Slice", 17, nil, []any{"n", list{3}, list{7}}, []string{"?"}},
		{"Gather", 17, attrs("axis", 1), []any{"n x 5 x 6", list{1, 2}}, []string{"n x 2 x 6"}},
		{"GatherND", 17, nil, []any{"4 x 5 x 6", "7 x 2"}, []string{"7 x 6"}},
		{"ScatterND", 17, nil, []any{"4 x n", "7 x 1", "7 x n"}, []string{"4 x n"}},
		{"Expand", 17, nil, []any{"n x 1", list{1, 5}}, []string{"n x 5"}},
		{"Tile", 17, nil, []any{"n x 2", list{3, 4}}, []string{"3*n x 8"}},
		{"Pad", 17, nil, []any{"n x 4", list{0, 1, 0, 2}}, []string{"n x 7"}},
		{"Pad", 18, nil, []any{"n x 4", list{1, 2}, "-", list{-1}}, []string{"n x 7"}},
		{"Pad", 2, attrs("pads", list{0, 1, 0, 2}), []any{"n x 4"}, []string{"n x 7"}},
		{"Resize", 13, nil, []any{"n x 3 x 10 x w", "-", floats("", 1, 1, 2, 0.5)}, []string{"n x 3 x 20 x floor((w)/2)"}},
		{"Resize", 13, nil, []any{"n x 3 x 10 x w", "-", "-", list{1, 3, 7, 7}}, []string{"1 x 3 x 7 x 7"}},
		{"Upsample", 9, nil, []any{"1 x 3 x 4 x 4", floats("", 1, 1, 2, 2)}, []string{"1 x 3 x 8 x 8"}},
		{"Shape", 15, attrs("start", 1), []any{"a x b x c"}, []string{"2"}},
		{"ConstantOfShape", 17, nil, []any{list{2, 3}}, []string{"2 x 3"}},
		{"Range", 17, nil, []any{"a", "b", "c"}, []string{"?"}},
		{"TopK", 11, nil, []any{"n x 9", list{4}}, []string{"n x 4", "n x 4"}},
		{"OneHot", 17, nil, []any{"n", list{10}, "2"}, []string{"n x 10"}},
		{"NonZero", 17, nil, []any{"n x 3"}, []string{"2 x ?"}},
		{"ReduceMean", 13, attrs("axes", list{-1}, "keepdims", 0), []any{"n x s x 8"}, []string{"n x s"}},
		{"ReduceSum", 13, nil, []any{"n x s x 8", list{1}}, []string{"n x 1 x 8"}},
		{"ReduceSum", 13, attrs("noop_with_empty_axes", 1), []any{"n x 8"}, []string{"n x 8"}},
		{"ReduceMax", 13, attrs("keepdims", 0), []any{"n x 8"}, []string{"scalar"}},
		{"ArgMax", 13, attrs("axis", 1, "keepdims", 0), []any{"n x 8"}, []string{"n"}},
		{"DepthToSpace", 13, attrs("blocksize", 2), []any{"n x 12 x h x w"}, []string{"n x 3 x 2*h x 2*w"}},
		{"LayerNormalization", 17, nil, []any{"n x s x 8", "8"}, []string{"n x s x 8", "n x s x 1"}},
		{"LSTM", 14, attrs("hidden_size", 20, "direction", "bidirectional"), []any{"t x b x 10", "2 x 80 x 10", "2 x 80 x 20"}, []string{"t x 2 x b x 20", "2 x b x 20", "2 x b x 20"}},
		{"GRU", 14, attrs("hidden_size", 20, "layout", 1), []any{"b x t x 10", "1 x 60 x 10", "1 x 60 x 20"}, []string{"b x t x 1 x 20", "b x 1 x 20"}},
		{"com.microsoft:QLinearConcat", 17, attrs("axis", 0), []any{"1", "1", "n", "1", "1", "4", "1", "1"}, []string{"n + 4"}},
		{"com.microsoft:Attention", 17, attrs("num_heads", 2), []any{"b x s x 8", "8 x 24", "24"}, []string{"b x s x 8"}},
		{"ai.onnx.ml:LinearClassifier", 17, attrs("classlabels_ints", list{0, 1, 2}), []any{"n x 4"}, []string{"n", "n x 3"}},
		{"GridSample", 17, nil, []any{"n x 3 x 8 x 8", "n x h x w x 2"}, []string{"n x 3 x h x w"}},
		{"Einsum", 17, attrs("equation", "...ij,...jk->...ik"), []any{"2 x 1 x 3 x 4", "n x 4 x 6"}, []string{"2 x n x 3 x 6"}},
		{"Einsum", 17, attrs("equation", "...ii->...i"), []any{"a x b x 5 x 5"}, []string{"a x b x 5"}},
		{"Einsum", 17, attrs("equation", "b...,b"), []any{"7 x a x c", "7"}, []string{"a x c"}},
		{"Einsum", 17, attrs("equation", "->"), []any{""}, []string{"scalar"}},
		{"Einsum", 17, attrs("equation", "...ij->ij"), []any{"3"}, []string{"?"}},
		{"Bernoulli", 15, attrs("dtype", 11), []any{"n x 2"}, []string{"n x 2"}},
		{"Compress", 11, attrs("axis", 1), []any{"n x 3", list{0, 1, 1}}, []string{"n x 2"}},
		{"Compress", 11, nil, []any{"n x 3", "4"}, []string{"?"}},
		{"DeformConv", 19, nil, []any{"n x 2 x 5 x 5", "4 x 2 x 2 x 2", "n x 8 x 4 x 4"}, []string{"n x 4 x 4 x 4"}},
		{"MaxUnpool", 11, attrs("kernel_shape", list{2, 2}, "strides", list{2, 2}), []any{"n x 1 x 2 x w", "n x 1 x 2 x w"}, []string{"n x 1 x 4 x 2*w"}},
		{"MaxUnpool", 11, attrs("kernel_shape", list{2, 2}), []any{"n x 1 x 2 x w", "n x 1 x 2 x w", list{1, 1, 5, 5}}, []string{"1 x 1 x 5 x 5"}},
		// the smallest scale of 7/2 and 8/4 for both; the largest one
		{"Resize", 19, attrs("axes", list{2, 3}, "keep_aspect_ratio_policy", "not_larger"), []any{"n x 1 x 2 x 4", "-", "-", list{7, 8}}, []string{"n x 1 x 4 x 8"}},
		{"Resize", 19, attrs("axes", list{2, 3}, "keep_aspect_ratio_policy", "not_smaller"), []any{"n x 1 x 2 x 4", "-", "-", list{7, 8}}, []string{"n x 1 x 7 x 14"}},
		{"DFT", 17, attrs("onesided", 1, "inverse", 1), []any{"n x 5 x 2"}, []string{"n x 8 x 1"}},
		{"SoftmaxCrossEntropyLoss", 13, nil, []any{"n x 5", "n"}, []string{"scalar", "n x 5"}},
		{"NegativeLogLikelihoodLoss", 13, attrs("reduction", "none"), []any{"n x 5 x 6", "n x 6"}, []string{"n x 6"}},
		{"ai.onnx.preview.training:Adam", 17, nil, []any{"", "", "a", "b", "a", "b", "a", "b", "a", "b"}, []string{"a", "b", "a", "b", "a", "b"}},
		{"ai.onnx.preview.training:Momentum", 17, nil, []any{"", "", "a", "a"}, []string{"?"}},
		{"StringSplit", 20, nil, []any{"n"}, []string{"n x ?", "n"}},
		{"StringConcat", 20, nil, []any{"n", "3 x 1"}, []string{"3 x n"}},
		{"TfIdfVectorizer", 9, attrs("ngram_indexes", list{0, 6, 2}), []any{"n x 12"}, []string{"n x 7"}},
		{"ImageDecoder", 20, attrs("pixel_format", "Grayscale"), []any{"n"}, []string{"? x ? x 1"}},
		{"Nonsense", 17, nil, []any{"n"}, []string{"?"}},
	}
	for _, c := range tests {
		t.Run(fmt.Sprintf("%s %v", c.op, c.inputs), func(t *testing.T) {
			m := one(c.op, c.opset, c.attrs, len(c.want), c.inputs...)
			s := Infer(m, nil)
			var got []string
			for _, name := range m.Graph.Nodes[0].Outputs {
				v, _ := s.Of(m.Graph, name)
				got = append(got, v.String())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if open := strings.Contains(strings.Join(got, " "), "?"); open == s.Complete() {
				t.Errorf("shapes %q with the gaps %v", got, s.Gaps)
			}
		})
	}
}

func TestBindingAndWarnings(t *testing.T) {
	m := arch.BERTBase(0, arch.WithSymbolicBatch(), arch.WithEmbeddings())
	s := Infer(m, nil)
	if v, _ := s.Of(m.Graph, "last_hidden_state"); v.String() != "batch x sequence x 768" || !s.Complete() {
		t.Errorf("last_hidden_state is %s, %d gaps, the first %v", v, len(s.Gaps), s.Gaps[:min(1, len(s.Gaps))])
	}
	s = Infer(m, map[string][]onnx.Dim{"input_ids": {onnx.Fixed(2), onnx.Fixed(7)}})
	if v, _ := s.Of(m.Graph, "last_hidden_state"); v.String() != "2 x 7 x 768" {
		t.Errorf("bound through one input: %s", v)
	}
	if v, _ := s.Of(m.Graph, "attention_mask"); len(v.Dims) != 2 {
		t.Errorf("attention_mask is %s", v)
	}

	c := arch.Chain("Relu", 2, 16)
	c.Graph.Outputs[0] = typed("output", "17", tensor.Float32)
	s = Infer(c, nil)
	if v, _ := s.Of(c.Graph, "output"); v.String() != "16" || len(s.Warnings) != 1 {
		t.Errorf("got %s and %q, want 16 and a warning", v, s.Warnings)
	}
	c.Graph.Nodes[1].OpType = "Nonsense"
	s = Infer(c, nil)
	if v, _ := s.Of(c.Graph, "output"); v.String() != "17" || len(s.Gaps) != 0 {
		t.Errorf("the stated shape did not fill in: %s, %v", v, s.Gaps)
	}
	s = Infer(c, map[string][]onnx.Dim{"input": {onnx.Fixed(3)}})
	if v, _ := s.Of(c.Graph, "output"); v.HasShape || len(s.Gaps) != 1 || s.Gaps[0].Reason != UnknownOperator {
		t.Errorf("a stated shape of another input shape was believed: %s, %v", v, s.Gaps)
	}
}

func TestDims(t *testing.T) {
	n, m := symbol("n"), symbol("m")
	tests := []struct {
		got  dim
		want string
	}{
		{add(mul(n, fixed(4)), fixed(1)), "4*n + 1"},
		{sub(add(n, m), n), "m"},
		{mul(add(n, fixed(1)), add(m, fixed(2))), "m + m*n + 2*n + 2"},
		{floorDiv(add(mul(n, fixed(4)), fixed(3)), fixed(4)), "n"},
		{floorDiv(add(n, fixed(5)), fixed(4)), "floor((n + 1)/4) + 1"},
		{floorDiv(mul(n, m), n), "m"},
		{ceilDiv(fixed(7), fixed(2)), "4"},
		{mul(fixed(1<<62), fixed(2)), "?"},
		{add(fixed(math.MaxInt64), fixed(1)), "?"},
		{mul(fixed(math.MinInt64), fixed(-1)), "?"},
		{sub(fixed(0), n), "-n"},
		{floorDiv(n, fixed(0)), "?"},
		{mul(symbol("z"), floorDiv(mul(n, m), fixed(3))), "floor((m*n)/3)*z"},
		{floorDiv(mul(n, floorDiv(mul(n, m), fixed(3))), n), "floor((m*n)/3)"},
	}
	for _, c := range tests {
		if c.got.String() != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
}

// TestElements pins that a list of elements is told only where all of them are known.
func TestElements(t *testing.T) {
	v := vector(tensor.Int64, []dim{fixed(1), unknown, fixed(3)})
	if got := v.public().Ints; got != nil {
		t.Errorf("got %v, want none", got)
	}
	v.ints[1] = fixed(2)
	if got := v.public().Ints; !slices.Equal(got, list{1, 2, 3}) {
		t.Errorf("got %v, want 1 2 3", got)
	}
}

// TestNoElements: the sizes of a tensor without elements are not counted through.
func TestNoElements(t *testing.T) {
	for _, c := range []struct {
		op     string
		shape  list
		inputs []string
		attrs  []*onnx.Attribute
		want   string
	}{
		{"Transpose", list{0, 1 << 62}, nil, attrs("perm", list{1, 0}), "4611686018427387904 x 0"},
		{"Slice", list{1 << 62, 0}, []string{"zero", "end"}, nil, "4611686018427387904 x 0"},
		{"Slice", list{1 << 30, 1 << 30, 0}, []string{"zero", "end", "one"}, nil, "1073741824 x 1073741824 x 0"},
	} {
		m := one("Shape", 17, attrs("start", 0, "end", 0), 1, "2 x 3")
		m.Graph.Initializers = append(m.Graph.Initializers, ints("shape", c.shape...), ints("zero", 0), ints("one", 1), ints("end", math.MaxInt64))
		m.Graph.Nodes = append(m.Graph.Nodes,
			&onnx.Node{OpType: "Reshape", Inputs: []string{"o0", "shape"}, Outputs: []string{"none"}, Attrs: attrs("allowzero", 1)},
			&onnx.Node{OpType: c.op, Inputs: append([]string{"none"}, c.inputs...), Outputs: []string{"moved"}, Attrs: c.attrs})
		s := Infer(m, nil)
		if v, _ := s.Of(m.Graph, "moved"); v.String() != c.want {
			t.Errorf("%s of %v: got %s, want %s", c.op, c.shape, v, c.want)
		}
	}
}

func TestSequences(t *testing.T) {
	tests := []struct {
		split, join []*onnx.Attribute
		inputs      []any
		item, whole string
	}{
		{attrs("axis", 1), attrs("axis", 1), []any{"n x 6"}, "n x 1", "n x ?"},
		{attrs("axis", 1, "keepdims", 0), attrs("axis", 0, "new_axis", 1), []any{"n x 6"}, "n", "? x n"},
		{attrs("axis", 1, "keepdims", 0), attrs("axis", 0), []any{"n x 6", list{4, 2}}, "n x ?", "? x ?"}, // keepdims is ignored
		{attrs("axis", 2), attrs("axis", 0), []any{"n x 6"}, "?", "?"},
	}
	for _, c := range tests {
		m := one("SplitToSequence", 17, c.split, 1, c.inputs...)
		m.Graph.Nodes = append(m.Graph.Nodes,
			&onnx.Node{OpType: "SequenceAt", Inputs: []string{"o0", "at"}, Outputs: []string{"item"}},
			&onnx.Node{OpType: "ConcatFromSequence", Inputs: []string{"o0"}, Outputs: []string{"whole"}, Attrs: c.join})
		s := Infer(m, nil)
		item, _ := s.Of(m.Graph, "item")
		whole, _ := s.Of(m.Graph, "whole")
		if item.String() != c.item || whole.String() != c.whole {
			t.Errorf("%v: items %s of %s, want %s of %s", c.inputs, item, whole, c.item, c.whole)
		}
	}
}
