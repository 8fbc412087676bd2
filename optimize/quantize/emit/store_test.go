package emit

import (
	"bytes"
	"testing"

	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

func stored(m *onnx.Model) ([]Decision, error) { return ToStored(m, nil, StoreOptions{}) }

// TestStored: the runtime turns stored constants into float when it opens the session, so that the graph that runs is
// that of the float model. 64 normal numbers in ±127 levels keep 12·(127/2.4)² = 45 dB, more channels of larger ones 40.
func TestStored(t *testing.T) {
	image := enginetest.Value("x", tensor.Float32, "batch", 16, 8, 8)
	row := enginetest.Value("x", tensor.Float32, "batch", 64)
	lstm := func(op string) *onnx.Node {
		return enginetest.Node(op, enginetest.Names("x", "w", "r"), enginetest.Names("y"), enginetest.Int("hidden_size", 16))
	}
	tests := []struct {
		name   string
		in     *onnx.ValueInfo
		dims   []int64
		node   *onnx.Node
		stored []*onnx.Tensor
		scales tensor.Shape
	}{
		{"Conv", image, []int64{2, 16, 8, 8}, enginetest.Node("Conv", enginetest.Names("x", "w"), enginetest.Names("y")),
			[]*onnx.Tensor{weight("w", 1, 32, 16, 3, 3)}, tensor.Shape{32, 1, 1, 1}},
		{"ConvTranspose", image, []int64{2, 16, 8, 8}, enginetest.Node("ConvTranspose", enginetest.Names("x", "w"), enginetest.Names("y")),
			[]*onnx.Tensor{weight("w", 1, 16, 32, 3, 3)}, tensor.Shape{1, 32, 1, 1}},
		{"ConvTranspose of groups", image, []int64{2, 16, 8, 8}, enginetest.Node("ConvTranspose", enginetest.Names("x", "w"), enginetest.Names("y"), enginetest.Int("group", 2)),
			[]*onnx.Tensor{weight("w", 1, 16, 32, 3, 3)}, tensor.Shape{16, 1, 1, 1}},
		{"MatMul", row, []int64{2, 64}, enginetest.Node("MatMul", enginetest.Names("x", "w"), enginetest.Names("y")),
			[]*onnx.Tensor{weight("w", 1, 64, 32)}, tensor.Shape{1, 32}},
		{"Gemm", row, []int64{2, 64}, enginetest.Node("Gemm", enginetest.Names("x", "w"), enginetest.Names("y"), enginetest.Int("transB", 1)),
			[]*onnx.Tensor{weight("w", 1, 32, 64)}, tensor.Shape{32, 1}},
		{"Add", enginetest.Value("x", tensor.Float32, "batch", 40, 64), []int64{2, 40, 64}, enginetest.Node("Add", enginetest.Names("x", "w"), enginetest.Names("y")),
			[]*onnx.Tensor{weight("w", 1, 1, 40, 64)}, tensor.Shape{1, 40, 1}},
		{"LSTM", enginetest.Value("x", tensor.Float32, 5, "batch", 32), []int64{5, 2, 32}, lstm("LSTM"),
			[]*onnx.Tensor{weight("w", 1, 1, 64, 32), weight("r", 2, 1, 64, 16)}, tensor.Shape{1, 64, 1}},
		{"GRU", enginetest.Value("x", tensor.Float32, 5, "batch", 32), []int64{5, 2, 32}, lstm("GRU"),
			[]*onnx.Tensor{weight("w", 1, 1, 48, 32), weight("r", 2, 1, 48, 16)}, tensor.Shape{1, 48, 1}},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			m := graph([]*onnx.ValueInfo{c.in}, []string{"y"}, []*onnx.Node{c.node}, c.stored...)
			r := try(t, m, []tensor.Tensor{normal("x", 3, 1, c.dims...)}, stored)
			_, float := runModel(t, m, []tensor.Tensor{normal("x", 3, 1, c.dims...)})
			r.check(t, 38, float)
			d := r.decisions[0]
			if d.Form != Stored || d.Weight != "w" {
				t.Errorf("decided %+v", d)
			}
			if got := r.model.Graph.Initializer("w_scale").Dims; !got.Equal(c.scales) {
				t.Errorf("scales of shape %s, not %s", got, c.scales)
			}
		})
	}
}

// TestStoredLeaves: constants that would lose too much, and those that are not worth it.
func TestStoredLeaves(t *testing.T) {
	mask := normal("mask", 1, 1, 32, 64)
	x := floatsOf(t, mask)
	for i := 0; i < len(x); i += 2 {
		x[i] = -1e9
	}
	m := graph([]*onnx.ValueInfo{enginetest.Value("x", tensor.Float32, 32, 64)}, []string{"y"}, []*onnx.Node{
		enginetest.Node("Add", enginetest.Names("x", "mask"), enginetest.Names("a")),
		enginetest.Node("MatMul", enginetest.Names("a", "small"), enginetest.Names("b")),
		enginetest.Node("Mul", enginetest.Names("b", "row"), enginetest.Names("y")),
	}, enginetest.Initializer(mask), weight("small", 1, 64, 15), weight("row", 1, 1, 15))
	list, err := ToStored(m, nil, StoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// The scale of each row is 1e9/127 = 7.9e6: the half that is not −1e9 becomes 0.
	if len(list) != 1 || list[0].Form != Float || list[0].Output != "a" || m.Graph.Initializer("mask") == nil {
		t.Errorf("decided %+v", list)
	}
	if m.Graph.Initializer("small") == nil || len(m.Graph.Nodes) != 3 {
		t.Errorf("the graph has become %+v", m.Graph)
	}
}

// TestStoredAfter: the scales of nodes that have been rewritten are no weights.
func TestStoredAfter(t *testing.T) {
	for _, r := range rewritings {
		t.Run(r.name, func(t *testing.T) {
			m := graph([]*onnx.ValueInfo{enginetest.Value("x", tensor.Float32, "batch", 256)}, []string{"y"}, []*onnx.Node{
				enginetest.Node("MatMul", enginetest.Names("x", "w"), enginetest.Names("y")),
			}, weight("w", 1, 256, 256)) // 256·16 scales in blocks of 16
			if _, err := r.run(m); err != nil {
				t.Fatal(err)
			}
			before := encode(t, m)
			list, err := stored(m)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) != 0 || !bytes.Equal(before, encode(t, m)) {
				t.Errorf("decided %+v", list)
			}
		})
	}
}
