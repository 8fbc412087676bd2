package arch

import (
	"bytes"
	"math"
	"testing"

	"infer/model/onnx"
)

// params counts the elements of all initializers.
func params(t *testing.T, m *onnx.Model) (n int64) {
	t.Helper()
	for _, w := range m.Graph.Initializers {
		e, err := w.Dims.Elements()
		if err != nil {
			t.Fatal(err)
		}
		n += e
	}
	return n
}

func TestModels(t *testing.T) {
	tests := []struct {
		name   string
		m      *onnx.Model
		params int64
	}{
		// 23 454 912 in convolutions, 26 560 folded biases, 2048·1000 + 1000 in the classifier.
		{"ResNet-50", ResNet50(), 25530472},
		// 2 189 760 in convolutions, 17 056 folded biases, 1280·1000 + 1000 in the classifier, 2 bounds of ReLU6.
		{"MobileNetV2", MobileNetV2(WithSymbolicBatch()), 3487818},
		// 12 layers of 4·(768²+768) + 2·768·3072 + 3072 + 768 + 4·768 = 7 087 872, and 10 constants (12 with norms in pieces).
		{"BERT-base", BERTBase(16), 12*7087872 + 10},
		{"BERT-base, dynamic, norms in pieces", BERTBase(0, WithSymbolicBatch(), WithDecomposedNorm()), 12*7087872 + 12},
		// (30522 + 512 + 1)·768 embeddings, a norm of 2·768, two axes and the mask's constant.
		{"BERT-base, embeddings", BERTBase(16, WithEmbeddings(), WithBatch(2)), 12*7087872 + 10 + 31035*768 + 2*768 + 3},
		// 2 layers of 4·(64²+64) + 2·64·256 + 256 + 5·64 = 49 984, (100 + 32 + 1)·64 embeddings, a norm, 64·7 + 7 in the classifier, 13 constants.
		{"classifier", Encoder("classifier", BERT{Layers: 2, Hidden: 64, Heads: 2, FFN: 256, Vocab: 100, Positions: 32, Classes: 7}, 8, WithEmbeddings()), 2*49984 + 133*64 + 2*64 + 455 + 13},
		{"LSTM", LSTM(5, 10, 20, WithBatch(3)), 80*10 + 80*20 + 160},
		{"Relu", Chain("Relu", 4, 16), 0},
		{"Add", Chain("Add", 4, 16), 1},
		{"MatMul", MatMulOne(2, 3, 4), 12},
		{"sized", Sized(20 << 20), 5 << 20},
		{"tiny", Sized(100), 25},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			if got := params(t, c.m); got != c.params {
				t.Errorf("%d parameters, want %d", got, c.params)
			}
			if err := c.m.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSeed(t *testing.T) {
	data := func(m *onnx.Model) []byte {
		b, err := onnx.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	one := data(MatMulOne(2, 30, 4))
	if !bytes.Equal(one, data(MatMulOne(2, 30, 4, WithSeed(1)))) {
		t.Error("the same seed gives other weights")
	}
	if bytes.Equal(one, data(MatMulOne(2, 30, 4, WithSeed(2)))) {
		t.Error("another seed gives the same weights")
	}
	v, err := MatMulOne(1, 300, 7).Graph.Initializers[0].Value()
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for i := 0; i < len(v.Data); i += 4 {
		f := float64(math.Float32frombits(uint32(v.Data[i]) | uint32(v.Data[i+1])<<8 | uint32(v.Data[i+2])<<16 | uint32(v.Data[i+3])<<24))
		sum += f * f
	}
	if got := sum / 2100 * 300; got < 0.9 || got > 1.1 { // the variance is 1/k
		t.Errorf("variance times k is %g, want about 1", got)
	}
}
