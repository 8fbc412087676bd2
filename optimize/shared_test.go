package optimize

import (
	"path/filepath"
	"testing"

	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/testdata/arch"
)

// TestPrepareOnRealModels: after all passes, for each opset that a quantizer asks for, a model gives the same outputs
// within 1e-5 of their size.
func TestPrepareOnRealModels(t *testing.T) {
	paths, err := filepath.Glob("../testdata/digits/*.onnx")
	if err != nil {
		t.Fatal(err)
	}
	shared, err := filepath.Glob("../../shared/models/*/*.onnx")
	if err != nil {
		t.Fatal(err)
	}
	if len(shared) == 0 {
		t.Log("no folder shared/models beside the checkout: only testdata is tried")
	}
	for _, path := range append(paths, shared...) {
		folder := filepath.Base(filepath.Dir(path))
		if folder == "odd" && filepath.Base(path) != "legacy-ops-candy.onnx" {
			continue
		}
		t.Run(folder+"/"+filepath.Base(path), func(t *testing.T) {
			m, err := model.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			shapes := map[string]tensor.Shape{}
			if folder == "silero-vad" {
				shapes["input"] = tensor.Shape{1, 576}
			}
			opsets := []int64{0, 13, 17, 21}
			if folder == "odd" {
				opsets = opsets[3:] // a run takes seconds
			}
			for _, opset := range opsets {
				after, results := prepared(t, m.Proto, Prepare(), opset)
				t.Logf("opset %d: %d nodes, then %d: %v", opset, nodes(m.Proto), nodes(after.Proto), results)
				alike(t, m, after, shapes, 1e-5)
			}
		})
	}
}

func nodes(m *onnx.Model) int {
	count := 0
	m.Walk(func(g *onnx.Graph) { count += len(g.Nodes) })
	return count
}

// TestPrepareOnArchitectures: the passes keep the outputs of well-known architectures, with dynamic axes too, and make
// the graphs of a known size out of them.
func TestPrepareOnArchitectures(t *testing.T) {
	// Nothing stays of the eight nodes that compute the shape of each of four Reshapes in a layer, and of each norm one
	// node. So a layer has 6 MatMul with weights and the Add of their bias, 2 MatMul, Div and Softmax of attention,
	// 4 Reshape, 3 + 1 Transpose, 5 nodes of Gelu, 2 residual Add and 2 norms: 12+4+4+4+5+2+2 = 33. FuseGelu makes those
	// five one, FuseQKV the six of query, key and value a MatMul, an Add and a Split: 33-4-3 = 26.
	decomposed, dynamic := arch.BERTBase(8, arch.WithDecomposedNorm()), arch.BERTBase(0, arch.WithSymbolicBatch())
	for _, c := range []struct {
		name   string
		model  *onnx.Model
		passes []Pass
		shape  map[string]tensor.Shape
		nodes  int // 0: not counted
	}{
		{"bert with decomposed norms", decomposed, Prepare(), nil, 12 * 33},
		{"bert for one runtime", decomposed, append(Prepare(), FuseGelu(), FuseQKV()), nil, 12 * 26},
		{"bert with dynamic axes", dynamic, Prepare(), map[string]tensor.Shape{"hidden_states": {2, 7, 768}}, 0},
		{"lstm", arch.LSTM(5, 8, 16), Prepare(), nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := model.New(c.model)
			after, results := prepared(t, c.model, c.passes, 17)
			t.Logf("%d nodes, then %d: %v", nodes(c.model), nodes(after.Proto), results)
			if n := nodes(after.Proto); c.nodes > 0 && n != c.nodes {
				t.Errorf("%d nodes are left, not %d", n, c.nodes)
			}
			alike(t, m, after, c.shape, 1e-5)
		})
	}
}
