package emit

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
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

// constantsOf returns the integers of an initializer of m.
func constantsOf(t *testing.T, m *onnx.Model, name string) []int64 {
	t.Helper()
	v, err := m.Graph.Initializer(name).Value()
	if err != nil {
		t.Fatal(err)
	}
	x, err := tensor.Int64s(v)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestStaticNumbers: a product of two columns in integers, by hand.
func TestStaticNumbers(t *testing.T) {
	// Columns (1, −2) and (0.5, 0.25); within ±64 their scales are 2·2/128 and 2·0.5/128.
	w := enginetest.Floats("w", tensor.Shape{2, 2}, 1, 0.5, -2, 0.25)
	b := enginetest.Floats("b", nil, 1, -1)
	float := graph([]*onnx.ValueInfo{enginetest.Value("x", tensor.Float32, 1, 2)}, []string{"y"},
		[]*onnx.Node{op("Gemm", "x w b", "y")}, enginetest.Initializer(w), enginetest.Initializer(b))
	ranges := func(string, affine.Grid) (float64, float64, error) { return -1, 254, nil } // scale 1, zero point 1
	for _, c := range []struct {
		name   string
		shift  []float32 // of the bias
		target string
		weight []int64
		bias   []int64 // over the product of scales
	}{
		{"reduced", nil, "cpu:avx2", []int64{32, 64, -64, 32}, []int64{32, -128}},
		// 2/127 and 0.5/127: 1/(2/127) = 63.5 is rounded to the even 64, −1/(0.5/127) = −254.
		{"full", nil, "cpu:vnni", []int64{64, 127, -127, 64}, []int64{64, -254}},
		{"corrected", []float32{0.5, 0.25}, "cpu:avx2", []int64{32, 64, -64, 32}, []int64{48, -96}},
		{"correction of another length", []float32{9}, "cpu:avx2", []int64{32, 64, -64, 32}, []int64{32, -128}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := float.Clone()
			o := StaticOptions{PerChannel: true, Bias: func(u *Unit, original, quantized []float32, shape tensor.Shape) []float32 {
				if u.Node != "y" || !slices.Equal(original, floatsOf(t, w)) || !shape.Equal(w.Shape) || affine.SQNR(original, quantized) < 30 {
					t.Errorf("called with %s, %v, %v, %s", u.Node, original, quantized, shape)
				}
				return c.shift
			}}
			e, err := NewPlan(m, static.Infer(m, nil), target(t, c.target), never).Static(m, ranges, o)
			if err != nil {
				t.Fatal(err)
			}
			if got := constantsOf(t, m, "w_quantized"); !slices.Equal(got, c.weight) {
				t.Errorf("weight %v, not %v", got, c.weight)
			}
			if got := constantsOf(t, m, "b_quantized"); !slices.Equal(got, c.bias) {
				t.Errorf("bias %v, not %v", got, c.bias)
			}
			if x := e.Tensors[0]; x.Scale != 1 || x.Zero != 1 || x.Value != "x" || len(e.Tensors) != 1 {
				t.Errorf("%+v", e.Tensors)
			}
			if m.Graph.Initializer("w") != nil || m.Graph.Initializer("b") != nil {
				t.Error("the floats are still there")
			}
		})
	}
}

// TestStaticErrors: what cannot be rewritten.
func TestStaticErrors(t *testing.T) {
	m := pattern{nodes: []*onnx.Node{conv("x", "y")}}.model()
	plan := NewPlan(m, static.Infer(m, nil), target(t, "cpu:avx2"), never)
	old := m.Clone()
	old.Opsets[0].Version = 12
	if _, err := plan.Static(old, nil, StaticOptions{}); fault.KindOf(err) != fault.Unsupported || fault.HintOf(err) == "" {
		t.Error(err)
	}
	none := errors.New("no range")
	if _, err := plan.Static(m.Clone(), func(string, affine.Grid) (float64, float64, error) { return 0, 0, none }, StaticOptions{}); !errors.Is(err, none) {
		t.Error(err)
	}
	infinite := m.Clone()
	bias := enginetest.Floats("b", nil, 0, 0, 0, float32(math.Inf(1)), 0, 0, 0, 0)
	*infinite.Graph.Initializer("b") = *enginetest.Initializer(bias)
	_, err := plan.Static(infinite, func(string, affine.Grid) (float64, float64, error) { return -1, 1, nil }, StaticOptions{})
	if err == nil || !strings.Contains(err.Error(), `node "y": bias "b"`) {
		t.Error(err)
	}
}
