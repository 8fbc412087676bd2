package surgery

import (
	"path/filepath"
	"testing"
	"time"

	"infer/model"
	"infer/model/engine/enginetest"
)

func TestTry(t *testing.T) {
	paths, _ := filepath.Glob("../../../shared/models/*/*.onnx")
	for _, path := range paths {
		m, err := model.Load(path)
		if err != nil {
			continue
		}
		orig, err := model.Load(path)
		start := time.Now()
		c := m.Proto.Clone()
		lines, err := FreeDims(c, Axis{Name: "batch"})
		t.Log(filepath.Base(path), time.Since(start), len(c.Graph.Nodes))
		if err != nil {
			t.Log("   ", err)
			continue
		}
		for _, l := range lines {
			t.Log("   ", l)
		}
		a, err := ProveBatch(t.Context(), enginetest.CPU(t), orig, model.New(c), []Axis{{Name: "batch"}}, ProofOptions{})
		t.Logf("    %v %v %+v", err, a.Verdict, a)
	}
}
