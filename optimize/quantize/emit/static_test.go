package emit

import (
	"context"
	"math"
	"testing"

	"infer/model"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
	"infer/optimize/quantize/affine"
	"infer/testdata/arch"
)

// never refuses no node.
func never(*onnx.Node) string { return "" }

// target returns the target of a name.
func target(t *testing.T, name string) Target {
	t.Helper()
	tg, _, err := NewTarget(name, "cpu", "amd64", nil)
	if err != nil {
		t.Fatal(err)
	}
	return tg
}

// observe returns the smallest and largest element of values in one run of m.
func observe(t *testing.T, p engine.Provider, m *onnx.Model, in []tensor.Tensor, values []string) Ranges {
	t.Helper()
	seen := map[string][2]float64{}
	note := func(name string, v tensor.Tensor) {
		f, err := tensor.Floats(v)
		if err != nil {
			t.Fatal(err)
		}
		lo, hi := math.Inf(1), math.Inf(-1)
		for _, x := range f {
			lo, hi = min(lo, float64(x)), max(hi, float64(x))
		}
		seen[name] = [2]float64{lo, hi}
	}
	for _, v := range in {
		note(v.Name, v)
	}
	c := m.Clone()
	c.Graph.Outputs = nil
	for _, v := range values {
		if _, ok := seen[v]; !ok {
			c.Graph.Outputs = append(c.Graph.Outputs, &onnx.ValueInfo{Name: v, Type: &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32}})
		}
	}
	if len(c.Graph.Outputs) > 0 {
		for _, v := range run(t, p, c, in) {
			note(v.Name, v)
		}
	}
	return func(value string, _ affine.Grid) (float64, float64, error) {
		r, ok := seen[value]
		if !ok {
			t.Fatalf("value %q was not observed", value)
		}
		return r[0], r[1], nil
	}
}

// run runs m once, unoptimized.
func run(t *testing.T, p engine.Provider, m *onnx.Model, in []tensor.Tensor) []tensor.Tensor {
	t.Helper()
	s, err := p.Open(context.Background(), model.New(m), engine.Config{OptLevel: engine.OptNone, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out := make([]tensor.Tensor, len(s.Outputs()))
	if err := s.Run(context.Background(), in, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// random returns seeded inputs for m.
func random(t *testing.T, m *onnx.Model) []tensor.Tensor {
	t.Helper()
	in, _, err := dataset.Random(model.New(m), nil, 7)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// sqnr returns the ratio of signal to noise between the first outputs in dB.
func sqnr(t *testing.T, want, got []tensor.Tensor) float64 {
	t.Helper()
	a, err := tensor.Floats(want[0])
	if err != nil {
		t.Fatal(err)
	}
	b, err := tensor.Floats(got[0])
	if err != nil {
		t.Fatal(err)
	}
	return affine.SQNR(a, b)
}

// quantize plans and rewrites a clone of m.
func quantize(t *testing.T, p engine.Provider, m *onnx.Model, tg Target, in []tensor.Tensor) (*onnx.Model, *Plan, *Emitted) {
	t.Helper()
	plan := NewPlan(m, static.Infer(m, nil), tg, never)
	c := m.Clone()
	e, err := plan.Static(c, observe(t, p, m, in, plan.Values()), StaticOptions{PerChannel: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	return c, plan, e
}

func TestStaticArchitectures(t *testing.T) {
	p := enginetest.CPU(t)
	for _, c := range []struct {
		name   string
		m      *onnx.Model
		target string
		units  int     // that multiply by a weight
		least  float64 // dB
	}{
		// 53 convolutions and one Gemm; the runtime computes exactly with weights within ±64.
		{"resnet50", arch.ResNet50(), "cpu:avx2", 54, 25},
		// 12 blocks of 6 products with a constant.
		{"bert", arch.BERTBase(16), "cpu:avx2", 72, 20},
		{"mobilenet", arch.MobileNetV2(), "cpu:avx2", 53, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() {
				t.Skip("large models")
			}
			in := random(t, c.m)
			q, plan, e := quantize(t, p, c.m, target(t, c.target), in)
			if n := len(plan.Seeds()); n != c.units {
				t.Errorf("%d nodes with weights are quantized, want %d; left: %v", n, c.units, plan.Left)
			}
			if db := sqnr(t, run(t, p, c.m, in), run(t, p, q, in)); db < c.least {
				t.Errorf("SQNR %.1f dB, want at least %.0f", db, c.least)
			}
			l, err := Check(context.Background(), p, engine.Config{Threads: 1}, model.New(q), e.Decisions)
			if err != nil {
				t.Fatal(err)
			}
			if l.Fused != l.Predicted {
				t.Errorf("%d of %d predictions came true: %v", l.Fused, l.Predicted, l.Mismatches)
			}
		})
	}
}
