package emit

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/quantize/affine"
)

// trial is what became of a model: the decisions, the operators that the runtime made of it, over all its graphs, and
// how far each output is from that of the float model, in decibels.
type trial struct {
	decisions []Decision
	operators map[string]int
	sqnr      []float64
	model     *onnx.Model
}

// try rewrites a copy of m and runs both.
func try(t *testing.T, m *onnx.Model, in []tensor.Tensor, rewrite func(*onnx.Model) ([]Decision, error)) trial {
	t.Helper()
	c := m.Clone()
	list, err := rewrite(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	want, _ := runModel(t, m, in)
	got, operators := runModel(t, c, in)
	r := trial{decisions: list, operators: operators, model: c}
	for i := range want {
		if !want[i].Shape.Equal(got[i].Shape) {
			t.Fatalf("output %d has shape %s, and in float %s", i, got[i].Shape, want[i].Shape)
		}
		r.sqnr = append(r.sqnr, affine.SQNR(floatsOf(t, want[i]), floatsOf(t, got[i])))
	}
	return r
}

// runModel returns the outputs of m on the CPU, and the operators of the graph that really ran.
func runModel(t *testing.T, m *onnx.Model, in []tensor.Tensor) ([]tensor.Tensor, map[string]int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "optimized.onnx")
	s, err := enginetest.CPU(t).Open(t.Context(), model.New(m), engine.Config{Threads: 1, OptimizedModelPath: path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	out := make([]tensor.Tensor, len(s.Outputs()))
	if err := s.Run(t.Context(), in, out); err != nil {
		t.Fatal(err)
	}
	optimized, closer, err := onnx.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	operators := map[string]int{}
	optimized.Walk(func(g *onnx.Graph) {
		for _, n := range g.Nodes {
			operators[n.OpType]++
		}
	})
	return out, operators
}

// check compares a trial with the operators that must be there and the least ratio that each output must keep.
func (r trial) check(t *testing.T, least float64, operators map[string]int) {
	t.Helper()
	for op, n := range operators {
		if r.operators[op] != n {
			t.Errorf("the runtime made %v, not %d %s", r.operators, n, op)
		}
	}
	for i, v := range r.sqnr {
		if !(v >= least) {
			t.Errorf("output %d keeps %.1f dB, not %.0f", i, v, least)
		}
	}
	predicted := map[string]int{}
	for _, d := range r.decisions {
		if (d.Form == Float) != (d.Why != "") || (d.Form == Float || d.Form == Stored) != (d.Predicted == "") || (d.Form == Float) != (d.Weight == "") {
			t.Errorf("inconsistent decision %+v", d)
		}
		if d.Predicted != "" {
			predicted[d.Predicted]++
		}
	}
	for op, n := range predicted {
		if r.operators[op] < n {
			t.Errorf("predicted %d %s, and the runtime made %v", n, op, r.operators)
		}
	}
}

func floatsOf(t *testing.T, v tensor.Tensor) []float32 {
	t.Helper()
	x, err := tensor.Floats(v)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// normal returns a float32 tensor of normal numbers.
func normal(name string, seed uint64, std float64, dims ...int64) tensor.Tensor {
	rng := rand.New(rand.NewPCG(seed, 0))
	n, _ := tensor.Shape(dims).Elements()
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(std * rng.NormFloat64())
	}
	v, err := tensor.FromFloat32(name, dims, x)
	if err != nil {
		panic(err)
	}
	return v
}

// weight is a constant of normal numbers whose product with normal numbers is about as large as those.
func weight(name string, seed uint64, dims ...int64) *onnx.Tensor {
	k := dims[max(0, len(dims)-2)]
	return enginetest.Initializer(normal(name, seed, 1/math.Sqrt(float64(k)), dims...))
}

// graph returns a model of float inputs and outputs, given as values and names.
func graph(in []*onnx.ValueInfo, out []string, nodes []*onnx.Node, initializers ...*onnx.Tensor) *onnx.Model {
	var outputs []*onnx.ValueInfo
	for _, name := range out {
		outputs = append(outputs, &onnx.ValueInfo{Name: name, Type: &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32}})
	}
	return enginetest.Build(in, outputs, nodes, initializers...).Proto
}
