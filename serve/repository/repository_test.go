package repository

import (
	"os"
	"path/filepath"
	"testing"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/tensor"
)

// save writes a model below a folder of the test.
func save(t testing.TB, m *model.Model, path ...string) string {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := m.Save(file, model.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestInferOneFile(t *testing.T) {
	path := save(t, enginetest.Add("n", 2), t.TempDir(), "sum.onnx")
	r, err := Open(t.Context(), Options{Sources: []Source{{Path: path}}, Provider: enginetest.CPU(t), CPUs: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close(t.Context())
	h, err := r.Acquire("sum", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	for range 3 {
		c := NewCall()
		shape := tensor.Shape{1, 2}
		c.Inputs = []tensor.Tensor{enginetest.Floats("b", shape, 1, 2), enginetest.Floats("a", shape, 10, 20)}
		if err := h.Infer(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if want := enginetest.Floats("c", shape, 11, 22); len(c.Outputs) != 1 || !tensor.Equal(c.Outputs[0], want) {
			t.Fatalf("got %v, want %v", c.Outputs, want)
		}
		c.Free()
	}
}
