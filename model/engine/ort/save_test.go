package ort_test

import (
	"path/filepath"
	"testing"

	"infer/model"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/tensor"
)

// TestSavedModelsRunAlike: load → save → load gives the same outputs, bit by bit, on one thread.
func TestSavedModelsRunAlike(t *testing.T) {
	cpu := enginetest.CPU(t)
	paths, err := filepath.Glob("../../../testdata/digits/*.onnx")
	if err != nil {
		t.Fatal(err)
	}
	shared, err := filepath.Glob("../../../../shared/models/*/*.onnx")
	if err != nil {
		t.Fatal(err)
	}
	if len(shared) == 0 {
		t.Log("no shared models beside the checkout: only testdata is tried")
	}
	for _, path := range append(paths, shared...) {
		folder := filepath.Base(filepath.Dir(path))
		if folder == "odd" {
			continue
		}
		t.Run(folder+"/"+filepath.Base(path), func(t *testing.T) {
			first, err := model.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			defer first.Close()
			want := model.Bindings{}
			if folder == "silero-vad" {
				want.Shapes = map[string]tensor.Shape{"input": {1, 576}}
			}
			bound, err := first.Bind(want)
			if err != nil {
				t.Fatal(err)
			}
			in, _, err := dataset.Random(first, bound.Shapes, 7)
			if err != nil {
				t.Fatal(err)
			}
			copied := filepath.Join(t.TempDir(), "copy.onnx")
			if err := first.Save(copied, model.SaveOptions{}); err != nil {
				t.Fatal(err)
			}
			second, err := model.Load(copied)
			if err != nil {
				t.Fatal(err)
			}
			defer second.Close()
			a, b := outputs(t, cpu, first, in), outputs(t, cpu, second, in)
			for i := range a {
				if !tensor.Equal(a[i], b[i]) {
					t.Errorf("output %q differs", a[i].Name)
				}
			}
		})
	}
}

func outputs(t *testing.T, p engine.Provider, m *model.Model, in []tensor.Tensor) []tensor.Tensor {
	t.Helper()
	s, err := p.Open(t.Context(), m, engine.Config{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out := make([]tensor.Tensor, len(s.Outputs()))
	if err := s.Run(t.Context(), in, out); err != nil {
		t.Fatal(err)
	}
	return out
}
