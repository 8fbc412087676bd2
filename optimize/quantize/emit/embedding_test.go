package emit

import (
	"testing"

	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// tied is a model that looks up rows of a table and multiplies by it: logits = (table[ids] + 0) · tableᵀ.
func tied() *onnx.Model {
	return graph([]*onnx.ValueInfo{enginetest.Value("ids", tensor.Int64, "batch")}, []string{"rows", "logits"}, []*onnx.Node{
		enginetest.Node("Gather", enginetest.Names("table", "ids"), enginetest.Names("rows")),
		enginetest.Node("Gemm", enginetest.Names("rows", "table"), enginetest.Names("logits"), enginetest.Int("transB", 1)),
	}, enginetest.Initializer(normal("table", 1, 1, 100, 64)))
}

// TestTied: of a table that is looked up and multiplied by, the float copy goes where both are rewritten, and stays, with
// a note, where one is.
func TestTied(t *testing.T) {
	ids := []tensor.Tensor{enginetest.Int64s("ids", nil, 3, 0, 99, 3, -1)}
	for _, c := range []struct {
		name       string
		embeddings bool
	}{{"both", true}, {"one", false}} {
		t.Run("dynamic, "+c.name, func(t *testing.T) {
			r := try(t, tied(), ids, dynamically(DynamicOptions{Reduced: true, PerChannel: true, Embeddings: c.embeddings}))
			checkTied(t, r, c.embeddings, "DynamicQuantizeMatMul", least)
		})
		t.Run("weight-only, "+c.name, func(t *testing.T) {
			o := DefaultWeightOptions
			o.Bits, o.Embeddings = 8, c.embeddings
			checkTied(t, try(t, tied(), ids, weightOnlyWith(o)), c.embeddings, "MatMulNBits", 36)
		})
	}
}

func checkTied(t *testing.T, r trial, both bool, op string, least float64) {
	t.Helper()
	r.check(t, least, map[string]int{op: 1})
	last := r.decisions[len(r.decisions)-1]
	if kept := r.model.Graph.Initializer("table") != nil; kept == both || kept != (last.Note != "") {
		t.Errorf("float table kept: %v; note: %q", kept, last.Note)
	}
	if !both {
		return
	}
	if d := r.decisions[0]; d.Form != WeightOnly || d.Op != "Gather" || d.Predicted != "Gather" || d.Weight != "table" {
		t.Errorf("decided %+v", d)
	}
	// 64 normal numbers in ±127 levels of their own row: 12·(127/2.4)² = 45 dB.
	if r.sqnr[0] < 42 {
		t.Errorf("the rows keep %.1f dB", r.sqnr[0])
	}
}
