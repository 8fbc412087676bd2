package surgery

import (
	"path/filepath"
	"testing"
	"time"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/optimize"
	"infer/testdata/arch"
)

func TestTry(t *testing.T) {
	paths, _ := filepath.Glob("../../../shared/models/*/*.onnx")
	ms := map[string]*onnx.Model{"bert": arch.BERTBase(8), "bert dec": arch.BERTBase(8, arch.WithDecomposedNorm()), "bert dyn": arch.BERTBase(8, arch.WithDecomposedNorm(), arch.WithSymbolicBatch(), arch.WithEmbeddings()), "lstm": arch.LSTM(5, 8, 16)}
	for _, path := range paths {
		m, err := model.Load(path)
		if err != nil {
			continue
		}
		ms[filepath.Base(path)] = m.Proto
	}
	for name, p := range ms {
		p := p.Clone()
		b := model.Bindings{Dims: map[string]int64{}}
		for _, in := range model.New(p).Inputs() {
			for _, d := range in.Type.Dims {
				if !d.Known && d.Name != "" {
					b.Dims[d.Name] = 1
				}
			}
		}
		lines, err := FixDims(p, b)
		t.Log(name, "fix", lines, err)
		w := &optimize.Work{Model: p, Provider: enginetest.CPU(t)}
		_, err = optimize.Run(t.Context(), w, optimize.Passes())
		if err != nil {
			t.Log(err)
		}
		start := time.Now()
		c := p.Clone()
		lines, err = FreeDims(c, Axis{Name: "batch"})
		t.Log("   ", name, time.Since(start), len(c.Graph.Nodes))
		if err != nil {
			t.Log("   ", err)
			continue
		}
		for i, l := range lines {
			if i < 10 {
				t.Log("   ", l)
			}
		}
		a, err := ProveBatch(t.Context(), enginetest.CPU(t), model.New(p), model.New(c), []Axis{{Name: "batch"}}, ProofOptions{})
		t.Logf("    %v %v %+v", err, a.Verdict, a)
	}
}
