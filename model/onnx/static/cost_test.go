package static

import (
	"path/filepath"
	"testing"

	"infer/model/onnx"
	"infer/model/tensor"
	"infer/testdata/arch"
)

func TestMACsOfArchitectures(t *testing.T) {
	tests := []struct {
		name   string
		m      *onnx.Model
		macs   int64
		params int64
	}{
		// Per image: the stem 112²·64·3·49, sixteen bottlenecks, the classifier 2048·1000. Published as 4.09 G (v1.5).
		{"ResNet-50", arch.ResNet50(), 4_089_184_256, 25_530_472},
		{"ResNet-50, batch 2", arch.ResNet50(arch.WithBatch(2)), 2 * 4_089_184_256, 25_530_472},
		// Published as 300 M and 3.4 M parameters; here with the folded biases and the two bounds of ReLU6.
		{"MobileNetV2", arch.MobileNetV2(), 300_774_272, 3_487_818},
		// 12·128·(4·768² + 2·768·3072) = 10 871 635 968 and 12·2·128²·768 = 301 989 888.
		{"BERT-base, 128 tokens", arch.BERTBase(128), 11_173_625_856, 85_054_474},
		{"BERT-base, norms in pieces", arch.BERTBase(128, arch.WithDecomposedNorm()), 11_173_625_856, 85_054_476},
		// 5 steps · 3 rows · 4·20·(10+20)
		{"LSTM", arch.LSTM(5, 10, 20, arch.WithBatch(3)), 36_000, 2_560},
		{"MatMul", arch.MatMulOne(2, 3, 4), 24, 12},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			got := Cost(c.m, Infer(c.m, nil))
			if got.Total.MACs != c.macs || got.Params != c.params || got.Coverage() != 1 {
				t.Errorf("%d MACs, %d parameters, coverage %g; want %d, %d, 1", got.Total.MACs, got.Params, got.Coverage(), c.macs, c.params)
			}
		})
	}
}

func TestFormulas(t *testing.T) {
	tests := []struct {
		name string
		m    *onnx.Model
		want Work
	}{
		{"Conv with bias", one("Conv", 17, nil, 1, "1 x 2 x 5", "4 x 2 x 3", "4"),
			Work{MACs: 12 * 6, FLOPs: 12, BytesIn: 40 + 96 + 16, BytesOut: 48}},
		{"ConvTranspose", one("ConvTranspose", 17, nil, 1, "1 x 2 x 5", "2 x 4 x 3"), Work{MACs: 10 * 12, BytesIn: 40 + 96, BytesOut: 4 * 7 * 4}},
		{"Gemm with C", one("Gemm", 17, nil, 1, "2 x 3", "3 x 4", "4"), Work{MACs: 24, FLOPs: 8, BytesIn: 24 + 48 + 16, BytesOut: 32}},
		{"Add", one("Add", 17, nil, 1, "2 x 3", floats("", 1, 2, 3)), Work{FLOPs: 6, BytesIn: 24, BytesWeights: 12, BytesOut: 24}},
		{"Erf", one("Erf", 17, nil, 1, "6"), Work{Transcendentals: 6, BytesIn: 24, BytesOut: 24}},
		{"Softmax", one("Softmax", 17, nil, 1, "6"), Work{FLOPs: 24, Transcendentals: 6, BytesIn: 24, BytesOut: 24}},
		{"ReduceMean", one("ReduceMean", 13, attrs("axes", list{1}), 1, "2 x 3"), Work{FLOPs: 8, BytesIn: 24, BytesOut: 8}},
		{"MaxPool", one("MaxPool", 13, attrs("kernel_shape", list{3}), 1, "1 x 1 x 5"), Work{FLOPs: 9, BytesIn: 20, BytesOut: 12}},
		{"Reshape", one("Reshape", 13, nil, 1, "6", list{2, 3}), Work{}},
		{"linear Resize", one("Resize", 13, attrs("mode", "linear"), 1, "1 x 1 x 2 x 2", "-", floats("", 1, 1, 2, 2)),
			Work{FLOPs: 9 * 16, BytesIn: 16, BytesWeights: 16, BytesOut: 64}},
		{"Attention", one("com.microsoft:Attention", 17, attrs("num_heads", 2), 1, "1 x 3 x 8", "8 x 24", "24"),
			Work{MACs: 3*8*24 + 9*16, FLOPs: 4 * 18, Transcendentals: 18, BytesIn: 4 * (24 + 192 + 24), BytesOut: 96}},
		// the labels i, j, k and two axes under the dots
		{"Einsum with dots", one("Einsum", 17, attrs("equation", "...ij,...jk->...ik"), 1, "2 x 1 x 3 x 4", "5 x 4 x 6"),
			Work{MACs: 2 * 5 * 3 * 4 * 6, BytesIn: 4 * (24 + 120), BytesOut: 4 * 2 * 5 * 18}},
		{"MeanVarianceNormalization", one("MeanVarianceNormalization", 13, nil, 1, "1 x 2 x 3"), Work{FLOPs: 8 * 6, BytesIn: 24, BytesOut: 24}},
		// 5·8·log2(8) = 120 a line of 8, 4 lines
		{"DFT", one("DFT", 17, nil, 1, "1 x 8 x 4 x 2"), Work{FLOPs: 4 * 120, BytesIn: 256, BytesOut: 256}},
		// the default axis is now the last but one: 8 lines of 4, 5·4·log2(4) = 40 each
		{"DFT 20", one("DFT", 20, nil, 1, "1 x 8 x 4 x 2"), Work{FLOPs: 8 * 40, BytesIn: 256, BytesOut: 256}},
		{"DFT 20, axis 1", one("DFT", 20, nil, 1, "1 x 8 x 4 x 2", "-", list{1}), Work{FLOPs: 4 * 120, BytesIn: 256, BytesWeights: 8, BytesOut: 256}},
		{"half a DFT", one("DFT", 17, attrs("onesided", 1), 1, "1 x 8 x 1"), Work{FLOPs: 120, BytesIn: 32, BytesOut: 40}},
		{"half a DFT, padded", one("DFT", 17, attrs("onesided", 1), 1, "1 x 8 x 1", list{16}), Work{FLOPs: 5 * 16 * 4, BytesIn: 32, BytesWeights: 8, BytesOut: 9 * 8}},
		{"inverse of half a DFT", one("DFT", 17, attrs("onesided", 1, "inverse", 1), 1, "1 x 5 x 2"), Work{FLOPs: 120, BytesIn: 40, BytesOut: 32}},
		// (10-4)/2+1 = 4 frames of 4, 5·4·log2(4) = 40 each; 3 bins
		{"STFT", one("STFT", 17, nil, 1, "1 x 10 x 1", list{2}, "4"), Work{FLOPs: 4 * 40, BytesIn: 40 + 16, BytesWeights: 8, BytesOut: 4 * 3 * 8}},
		// 3 frames of 3, int(5·3·log2(3)) = 23 each; 2 bins
		{"STFT, odd frames", one("STFT", 17, nil, 1, "1 x 5 x 1", list{1}, "-", list{3}), Work{FLOPs: 3 * 23, BytesIn: 20, BytesWeights: 16, BytesOut: 3 * 2 * 8}},
		{"no formula", one("NonMaxSuppression", 13, nil, 1, "1 x 3 x 4", "1 x 1 x 3"), Work{}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			got := Cost(c.m, Infer(c.m, nil))
			if got.Total != c.want {
				t.Errorf("got %+v (%s), want %+v", got.Total, got.Nodes[0].Reason, c.want)
			}
			if known := c.name != "no formula"; got.Nodes[0].Known != known {
				t.Errorf("known %v: %s", got.Nodes[0].Known, got.Nodes[0].Reason)
			}
		})
	}
}

func TestLiveness(t *testing.T) {
	m := arch.Chain("Relu", 3, 16)
	got := Liveness(m, Infer(m, nil))
	if got.Peak != 128 || len(got.Alive) != 2 || got.Coverage() != 1 { // a node's input and output, 64 bytes each
		t.Errorf("got %+v", got)
	}
	m.Graph.Nodes[1].OpType = "Identity" // a view: nothing new, and the first output lives on
	if got := Liveness(m, Infer(m, nil)); got.Peak != 128 || got.Values != 3 {
		t.Errorf("with a view: %+v", got)
	}
	m.Graph.Nodes[2].Inputs = append(m.Graph.Nodes[2].Inputs, "input") // the input now lives to the end
	if got := Liveness(m, Infer(m, nil)); got.Peak != 192 || got.Node != m.Graph.Nodes[2] {
		t.Errorf("with a long life: %+v", got)
	}
	m.Graph.Nodes[0].OpType = "Nonsense"
	if got := Liveness(m, Infer(m, nil)); len(got.Unknown) == 0 || got.Coverage() == 1 {
		t.Errorf("with an unknown size: %+v", got)
	}
	// The first bottleneck: conv1's input, the projection and the last convolution with its sum.
	r := arch.ResNet50()
	if got := Liveness(r, Infer(r, nil)); got.Peak != 3*256*56*56*4 {
		t.Errorf("ResNet-50 peaks at %d bytes: %v", got.Peak, got.Alive)
	}
}

// TestSharedModels asserts full inference on models for which nothing depends on data.
func TestSharedModels(t *testing.T) {
	root := filepath.Join("..", "..", "..", "..", "shared", "models")
	tests := map[string]int64{ // the file, and its multiply-accumulates at size 1 of every dynamic axis but sequence (16)
		"mnist-cnn/mnist-cnn.onnx": 2_756_960, "mnist-cnn/mnist-cnn-dynamic.onnx": 2_756_960,
		"squeezenet1.1/squeezenet1.1-fp32.onnx": 349_151_936, "squeezenet1.1/squeezenet1.1-fp16-original.onnx": 349_151_936,
		"banking77-encoder/banking77-encoder.onnx": 0, "yolox-nano/yolox-nano.onnx": 522_553_408,
		"micro-kws/micro-kws-fp32.onnx": 5_709_472, "micro-kws/micro-kws-qdq.onnx": 5_709_472,
		"micro-kws/micro-kws-qoperator.onnx": 5_709_472, "gtcrn/gtcrn-simple.onnx": 496_976,
		"magika-v3.3/magika-v3.3.onnx": 0, "odd/legacy-ops-candy.onnx": 0, "adult-gbdt/adult-gbdt.onnx": 0,
	}
	if found, _ := filepath.Glob(filepath.Join(root, "*", "*.onnx")); len(found) == 0 {
		t.Skip("no folder shared/models beside the checkout")
	}
	for file, macs := range tests {
		t.Run(filepath.Base(file), func(t *testing.T) {
			m, closer, err := onnx.OpenFile(filepath.Join(root, file))
			if err != nil {
				t.Fatal(err)
			}
			defer closer.Close()
			if s := Infer(m, nil); !s.Complete() {
				t.Errorf("symbolic: %d gaps, the first at %s (%s)", len(s.Gaps), s.Gaps[0].Node.OpType, s.Gaps[0].Reason)
			}
			bound := map[string][]onnx.Dim{}
			for _, v := range m.Graph.Inputs {
				var dims []onnx.Dim
				for _, d := range v.Type.Dims {
					switch {
					case d.Name == "sequence":
						d = onnx.Fixed(16)
					case !d.Known:
						d = onnx.Fixed(1)
					}
					dims = append(dims, d)
				}
				bound[v.Name] = dims
			}
			s := Infer(m, bound)
			for name, v := range s.Values(m.Graph) {
				if _, ok := v.Shape(); !ok && v.DType != tensor.Undefined {
					t.Errorf("%s is %s", name, v)
				}
			}
			if len(s.Warnings) > 0 {
				t.Error(s.Warnings)
			}
			if got := Cost(m, s).Total.MACs; macs > 0 && got != macs {
				t.Errorf("%d MACs, want %d", got, macs)
			}
			if l := Liveness(m, s); l.Peak <= 0 || len(l.Unknown) > 0 {
				t.Errorf("memory: %+v", l)
			}
		})
	}
}
