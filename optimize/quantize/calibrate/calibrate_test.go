package calibrate

import (
	"path/filepath"
	"testing"

	"infer/model"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/tensor"
	"infer/optimize/quantize/affine"
)

func TestDigits(t *testing.T) {
	p := enginetest.CPU(t)
	dir := filepath.Join("..", "..", "..", "testdata", "digits")
	m, err := model.Load(filepath.Join(dir, "digits-cnn.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	set, err := dataset.Open(filepath.Join(dir, "calib"), m.Inputs(), dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	values := []string{"image"}
	for _, n := range m.Proto.Graph.Nodes {
		values = append(values, n.Outputs...)
	}
	tab, err := Run(t.Context(), p, engine.Config{Threads: 1}, m.Proto, values, set, Options{Checkpoint: filepath.Join(t.TempDir(), "x")})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range tab.Values() {
		o, _ := tab.Observation(v)
		t.Log(v, o.Shape, o.Elements, o.Fit.Exp, len(o.Fit.Counts), o.Fit.Zeros)
		for _, me := range append(candidates, Method{Name: Auto}) {
			for _, g := range []affine.Grid{{DType: tensor.Uint8}, {DType: tensor.Int8, Symmetric: true}} {
				lo, hi, used, err := tab.Range(v, me, g)
				if err != nil {
					t.Fatal(err)
				}
				db, _ := tab.SQNR(v, lo, hi, g)
				t.Log("  ", me, g, lo, hi, used, db)
			}
		}
	}
	t.Log(tab.Settled(), tab.Notes)
}
