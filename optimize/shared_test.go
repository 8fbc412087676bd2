package optimize

import (
	"context"
	"math"
	"path/filepath"
	"testing"

	"infer/model"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// alike runs two models on the same made-up inputs and fails where an output differs by more than tolerance times
// the largest magnitude of that output (at least 1).
func alike(t *testing.T, before, after *model.Model, shapes map[string]tensor.Shape, tolerance float64) {
	t.Helper()
	cpu := enginetest.CPU(t)
	bound, err := before.Bind(model.Bindings{Shapes: shapes})
	if err != nil {
		t.Fatal(err)
	}
	in, _, err := dataset.Random(before, bound.Shapes, 7)
	if err != nil {
		t.Fatal(err)
	}
	want, got := run(t, cpu, before, in), run(t, cpu, after, in)
	for i := range want {
		if diff := distance(t, want[i], got[i]); diff > tolerance {
			t.Errorf("output %q differs by %.3g of its size, more than %.3g", want[i].Name, diff, tolerance)
		}
	}
}

// run opens m without the runtime's own rewrites and returns its outputs.
func run(t *testing.T, p engine.Provider, m *model.Model, in []tensor.Tensor) []tensor.Tensor {
	t.Helper()
	s, err := p.Open(context.Background(), m, engine.Config{OptLevel: engine.OptNone, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out := make([]tensor.Tensor, len(s.Outputs()))
	for i, o := range s.Outputs() {
		out[i].Name = o.Name
	}
	if err := s.Run(context.Background(), in, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// distance returns the largest difference over the largest magnitude, at least 1, of the first tensor; sequences and
// strings must be equal.
func distance(t *testing.T, a, b tensor.Tensor) float64 {
	t.Helper()
	if a.DType != b.DType || !a.Shape.Equal(b.Shape) || len(a.Elems) != len(b.Elems) {
		t.Fatalf("%q is %s %s before and %s %s after", a.Name, a.DType, a.Shape, b.DType, b.Shape)
	}
	if a.DType >= tensor.Sequence || a.DType == tensor.String {
		worst := 0.0
		for i := range a.Elems {
			worst = max(worst, distance(t, a.Elems[i], b.Elems[i]))
		}
		for i := range a.Strings {
			if a.Strings[i] != b.Strings[i] {
				t.Fatalf("%q: %q before and %q after", a.Name, a.Strings[i], b.Strings[i])
			}
		}
		return worst
	}
	diff, err := tensor.MaxAbsDiff(a, b)
	if err != nil {
		t.Fatal(err)
	}
	v, err := tensor.Floats(a)
	if err != nil {
		t.Fatal(err)
	}
	size := 1.0
	for _, x := range v {
		if x := math.Abs(float64(x)); !math.IsInf(x, 0) {
			size = max(size, x)
		}
	}
	return diff / size
}

// prepared returns a copy of m after passes.
func prepared(t *testing.T, m *onnx.Model, passes []Pass, opset int64) (*model.Model, []Result) {
	t.Helper()
	w := &Work{Model: m.Clone(), Provider: enginetest.CPU(t), Opset: opset}
	results, err := Run(context.Background(), w, passes)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Model.Check(); err != nil {
		t.Fatal(err)
	}
	return model.New(w.Model), results
}

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
			for _, opset := range []int64{0, 13, 17, 21} {
				after, results := prepared(t, m.Proto, Prepare(), opset)
				t.Logf("opset %d: %d nodes, then %d: %v", opset, len(m.Proto.Graph.Nodes), len(after.Proto.Graph.Nodes), results)
				alike(t, m, after, shapes, 1e-5)
			}
		})
	}
}
