package quantize

import (
	"math/rand/v2"
	"slices"
	"testing"

	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/quantize/emit"
	"infer/report"
)

func TestBiasShift(t *testing.T) {
	for _, c := range []struct {
		name                string
		unit                emit.Unit
		shape               tensor.Shape
		mean                []float32
		original, quantized []float32
		want                []float32
	}{
		// Column j: Σ_i (W − Ŵ)[i][j]·mean[i] = 0·2 + 0·10, 0.5·2 + 0·10, 0·2 − 1·10.
		{"MatMul", emit.Unit{Op: "MatMul", Axis: 1}, tensor.Shape{2, 3}, []float32{2, 10},
			[]float32{1, 2, 3, 4, 5, 6}, []float32{1, 1.5, 3, 4, 5, 7}, []float32{0, 1, -10}},
		// Two outputs of two inputs, kernels of two: differences (0, 1) and (0, 0); (0, −1) and (1, 0).
		{"Conv", emit.Unit{Op: "Conv"}, tensor.Shape{2, 2, 1, 2}, []float32{10, 100},
			[]float32{1, 2, 3, 4, 5, 6, 7, 8}, []float32{1, 1, 3, 4, 5, 7, 6, 8}, []float32{10, 90}},
		// Two groups of two outputs, each of which reads one of two inputs: 1·10, 2·10, 3·100, 4·100.
		{"Conv in groups", emit.Unit{Op: "Conv"}, tensor.Shape{4, 1, 1}, []float32{10, 100},
			[]float32{1, 2, 3, 4}, []float32{0, 0, 0, 0}, []float32{10, 20, 300, 400}},
		// Two groups of one output that reads two of four inputs: 1·1 + 2·10, 3·100 + 4·1000.
		{"Conv in groups of more inputs", emit.Unit{Op: "Conv"}, tensor.Shape{2, 2, 1}, []float32{1, 10, 100, 1000},
			[]float32{1, 2, 3, 4}, []float32{0, 0, 0, 0}, []float32{21, 4300}},
		{"nothing is known", emit.Unit{Op: "Conv"}, tensor.Shape{1, 1, 1}, nil, []float32{1}, []float32{0}, nil},
		{"a mean of other channels", emit.Unit{Op: "MatMul", Axis: 1}, tensor.Shape{2, 1}, []float32{1, 2, 3}, []float32{1, 1}, []float32{0, 0}, nil},
		{"a transposed weight", emit.Unit{Op: "Gemm", Axis: 0}, tensor.Shape{2, 2}, []float32{1, 2}, []float32{1, 1, 1, 1}, []float32{0, 0, 0, 0}, nil},
		{"inputs in no whole number of groups", emit.Unit{Op: "Conv"}, tensor.Shape{2, 2, 1}, []float32{1, 2, 3}, []float32{1, 1, 1, 1}, []float32{0, 0, 0, 0}, nil},
		{"outputs in no whole number of groups", emit.Unit{Op: "Conv"}, tensor.Shape{3, 1, 1}, []float32{1, 2}, []float32{1, 1, 1}, []float32{0, 0, 0}, nil},
		{"no inputs", emit.Unit{Op: "Conv"}, tensor.Shape{1, 0, 1}, []float32{1}, nil, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := biasShift(&c.unit, c.mean, c.original, c.quantized, c.shape); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// ramp is a data set of positive rows of a width, each element with a mean of its own.
func ramp(t *testing.T, width, rows int) *memory {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 3))
	v := make([]float32, rows*width)
	for i := range v {
		v[i] = float32(i%width)/float32(width) + 0.5 + float32(r.NormFloat64())/20
	}
	return &memory{enginetest.Floats("x", tensor.Shape{int64(rows), int64(width)}, v...)}
}

// memory is a data set of one tensor.
type memory struct{ all tensor.Tensor }

func (m *memory) Rows() int64      { return tensor.Rows(m.all) }
func (m *memory) BatchSize() int64 { return 0 }

func (m *memory) Batch(lo, hi int64) ([]tensor.Tensor, error) {
	t, err := tensor.Slice(m.all, lo, hi)
	t.Name = m.all.Name
	return []tensor.Tensor{t}, err
}

// prepared is a quantizer of a task, ready to build.
func prepared(t *testing.T, k Task, o Options) *quantizer {
	t.Helper()
	q := newQuantizer(k, o, report.New("quantize"))
	for _, step := range []func() error{func() error { return q.prepare(t.Context()) }, q.split, func() error { return q.openJudge(t.Context()) }} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	return q
}

// outputs runs m over all rows of src at once.
func outputs(t *testing.T, k Task, m *model.Model, src Rows) []float32 {
	t.Helper()
	s, err := k.Provider.Open(t.Context(), m, engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in, err := src.Batch(0, src.Rows())
	if err != nil {
		t.Fatal(err)
	}
	out := make([]tensor.Tensor, 1)
	if err := s.Run(t.Context(), in, out); err != nil {
		t.Fatal(err)
	}
	v, err := tensor.Floats(out[0])
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestBiasCorrection: with corrected biases the mean error of the outputs, over rows, is a fraction of what it was.
func TestBiasCorrection(t *testing.T) {
	const width, cols = 48, 24
	r := rand.New(rand.NewPCG(5, 5))
	w, b := make([]float32, width*cols), make([]float32, cols)
	for i := range w {
		w[i] = float32(r.NormFloat64())
	}
	for i := range b {
		b[i] = float32(r.NormFloat64())
	}
	m := enginetest.Build(enginetest.Values(enginetest.Value("x", tensor.Float32, "batch", width)), enginetest.Values(enginetest.Value("y", tensor.Float32, "batch", cols)),
		[]*onnx.Node{
			enginetest.Node("MatMul", enginetest.Names("x", "w"), enginetest.Names("p")), enginetest.Node("Add", enginetest.Names("p", "b"), enginetest.Names("y")),
		}, enginetest.Initializer(enginetest.Floats("w", tensor.Shape{width, cols}, w...)), enginetest.Initializer(enginetest.Floats("b", nil, b...)))
	for _, form := range []Mode{Static, Dynamic} {
		t.Run(string(form), func(t *testing.T) {
			k := task(t, m, map[string]tensor.Shape{"x": {1, width}})
			k.Calib = ramp(t, width, 100)
			q := prepared(t, k, quick(form))
			want := outputs(t, k, m, q.fit)
			biased := func(plain bool) float64 {
				t.Helper()
				c := &candidate{recipe: Recipe{Form: form, PerChannel: true, Plain: plain}}
				if err := q.calibrate(t.Context(), c); err != nil {
					t.Fatal(err)
				}
				if plain == (len(c.recipe.Means) > 0) {
					t.Fatalf("plain %v has means %v", plain, c.recipe.Means)
				}
				built, err := q.build(t.Context(), c.recipe)
				if err != nil {
					t.Fatal(err)
				}
				sums := make([]float64, cols)
				for i, v := range outputs(t, k, model.New(built.model), q.fit) {
					sums[i%cols] += float64(v - want[i])
				}
				total := 0.0
				for _, s := range sums {
					total += s * s
				}
				return total
			}
			if plain, corrected := biased(true), biased(false); corrected > plain/4 {
				t.Errorf("the squared mean error is %g, and %g without the correction", corrected, plain)
			}
		})
	}
}
