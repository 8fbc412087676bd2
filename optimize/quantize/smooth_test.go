package quantize

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize"
	"infer/optimize/quantize/affine"
)

const blockWidth = 32

// block is the beginning of a pre-LN transformer block: a normalization, two of whose channels are some fifty times as
// large as the others, and two products, whose weights for these are as much smaller.
func block(t *testing.T, change func(*onnx.Graph)) *model.Model {
	t.Helper()
	r := rand.New(rand.NewPCG(9, 9))
	random := func(name string, s ...int64) *onnx.Tensor {
		n, _ := tensor.Shape(s).Elements()
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64())
			if row := i / (len(v) / blockWidth); len(s) == 2 && (row == 3 || row == 20) {
				v[i] /= 50
			}
		}
		return enginetest.Initializer(enginetest.Floats(name, s, v...))
	}
	scale := make([]float32, blockWidth)
	for i := range scale {
		scale[i] = 1
	}
	scale[3], scale[20] = 60, -40
	m := enginetest.Build(enginetest.Values(enginetest.Value("x", tensor.Float32, "batch", 4, blockWidth)),
		enginetest.Values(enginetest.Value("q", tensor.Float32, "batch", 4, 16), enginetest.Value("k", tensor.Float32, "batch", 4, 24)),
		[]*onnx.Node{
			enginetest.Node("LayerNormalization", enginetest.Names("x", "scale", "shift"), enginetest.Names("n")),
			enginetest.Node("MatMul", enginetest.Names("n", "wq"), enginetest.Names("q")),
			enginetest.Node("MatMul", enginetest.Names("n", "wk"), enginetest.Names("k")),
		},
		enginetest.Initializer(enginetest.Floats("scale", nil, scale...)), random("shift", blockWidth), random("wq", blockWidth, 16), random("wk", blockWidth, 24))
	if change != nil {
		change(m.Proto.Graph)
	}
	return m
}

func blockTask(t *testing.T, m *model.Model) Task {
	t.Helper()
	return task(t, m, map[string]tensor.Shape{"x": {1, 4, blockWidth}})
}

// TestSmoothed: the scales are those of the paper, the float graph gives what it gave, and the quantized one is nearer.
func TestSmoothed(t *testing.T) {
	m := block(t, nil)
	k := blockTask(t, m)
	q := prepared(t, k, quick(Static))
	r, ok, err := q.smoothed(t.Context(), Recipe{Name: "static", Form: Static, PerChannel: true})
	if err != nil || !ok || len(r.Smooth) != 1 || r.Smooth[0].Norm != "n" || len(r.Smooth[0].Scales) != blockWidth {
		t.Fatalf("%+v, %v, %v", r.Smooth, ok, err)
	}
	// s = √(max|X| / max|W|), over the rows of both weights, between 0.01 and 100. In channel 3 that is about 60·2.5 over
	// 2.5/50, in the others about 2.5 over 2.5.
	if s := r.Smooth[0].Scales; s[3] < 40 || s[3] > 75 || s[4] < 0.5 || s[4] > 2 {
		t.Errorf("channels are divided by %v", s)
	}
	smoothed, err := q.base(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	first := take(k.Calib, 1)
	want, got := outputs(t, k, m, first), outputs(t, k, model.New(smoothed), first)
	for i := range want {
		if d := math.Abs(float64(want[i] - got[i])); d > 1e-3 {
			t.Errorf("output %d is %g, it was %g", i, got[i], want[i])
		}
	}
	sqnr := func(r Recipe) float64 {
		t.Helper()
		c := &candidate{recipe: r}
		c.recipe.Plain = true
		if err := q.attempt(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		return c.verdict.SQNR().Value
	}
	plain := sqnr(Recipe{Name: "static", Form: Static, PerChannel: true})
	if smooth := sqnr(r); smooth < plain+2 {
		t.Errorf("SQNR is %.1f dB smoothed, %.1f dB as it was", smooth, plain)
	}
}

// TestSmoothTried: a budget that needs it is kept by smoothing, before anything is left float.
func TestSmoothTried(t *testing.T) {
	k := blockTask(t, block(t, nil))
	all := *mustQuantize(t, k, quick(Static)).Metric("sqnr_db", nil).Value
	o := quick(Static)
	o.Budget = &Budget{Kind: "sqnr", Limit: all + 2}
	r := mustQuantize(t, blockTask(t, block(t, nil)), o)
	if r.Output == "" || r.Chosen != "static auto, smoothed, bias corrected" && r.Chosen != "static auto, smoothed" {
		t.Fatalf("chosen is %q, reason %q: %+v", r.Chosen, r.Reason, r.Candidates)
	}
	record, err := ReadRecord(r.Record)
	if err != nil {
		t.Fatal(err)
	}
	if len(record.Recipe.Smooth) != 1 || len(record.Recipe.Float) != 0 {
		t.Errorf("recipe is %+v", record.Recipe)
	}
	again := blockTask(t, block(t, nil))
	again.Record, again.Calib = record, nil
	if got := mustQuantize(t, again, quick(Auto)); got.Output == "" || !slices.Equal(read(t, got.Output), read(t, r.Output)) {
		t.Errorf("its record makes another model: %s %q", got.Reason, got.Warnings)
	}
}

// TestSmoothable: only where nothing but products with constant matrices would see the change.
func TestSmoothable(t *testing.T) {
	add := func(nodes ...*onnx.Node) func(*onnx.Graph) {
		return func(g *onnx.Graph) { g.Nodes = append(g.Nodes, nodes...) }
	}
	for _, c := range []struct {
		name   string
		change func(*onnx.Graph)
		want   int
	}{
		{"two products", nil, 1},
		{"no shift", func(g *onnx.Graph) { g.Nodes[0].Inputs = g.Nodes[0].Inputs[:2] }, 1},
		{"a residual", add(enginetest.Node("Add", enginetest.Names("n", "x"), enginetest.Names("r"))), 0},
		{"an output", func(g *onnx.Graph) {
			g.Outputs = append(g.Outputs, enginetest.Value("n", tensor.Float32, "batch", 4, blockWidth))
		}, 0},
		{"a product with itself", add(enginetest.Node("MatMul", enginetest.Names("n", "n"), enginetest.Names("r"))), 0},
		{"on the right of a product", add(enginetest.Node("MatMul", enginetest.Names("x", "n"), enginetest.Names("r"))), 0},
		{"a scale that is computed", func(g *onnx.Graph) {
			g.Nodes[0].Inputs[1] = "computed"
			g.Nodes = append([]*onnx.Node{enginetest.Node("Neg", enginetest.Names("scale"), enginetest.Names("computed"))}, g.Nodes...)
		}, 0},
		{"a weight that is given", func(g *onnx.Graph) {
			g.Inputs = append(g.Inputs, enginetest.Value("wq", tensor.Float32, blockWidth, 16))
		}, 0},
		{"read in a branch", func(g *onnx.Graph) {
			inner := &onnx.Graph{Name: "b", Nodes: []*onnx.Node{enginetest.Node("Neg", enginetest.Names("n"), enginetest.Names("m"))}, Outputs: enginetest.Values(enginetest.Value("m", tensor.Float32))}
			n := enginetest.Node("If", enginetest.Names("c"), enginetest.Names("r"), &onnx.Attribute{Name: "then_branch", Type: onnx.AttrGraph, G: inner})
			g.Nodes = append(g.Nodes, n)
		}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := block(t, c.change)
			if norms, _ := smoothable(optimize.NewEditor(m.Proto, m.Proto.Graph)); len(norms) != c.want {
				t.Errorf("%d normalizations, want %d", len(norms), c.want)
			}
		})
	}
}

// TestSmoothWrong: a smoothing that does not fit the graph is an error, not another model.
func TestSmoothWrong(t *testing.T) {
	for _, c := range []struct {
		name string
		list []Smoothing
	}{
		{"no such node", []Smoothing{{"none", make([]float32, blockWidth)}}},
		{"no scales", []Smoothing{{"n", nil}}},
		{"too few scales", []Smoothing{{"n", []float32{1, 2}}}},
		{"too many scales", []Smoothing{{"n", make([]float32, 2*blockWidth)}}},
	} {
		if err := smooth(block(t, nil).Proto, c.list); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
}

// TestSmoothShared: a weight that another node reads too stays as it is for that one.
func TestSmoothShared(t *testing.T) {
	m := block(t, func(g *onnx.Graph) {
		g.Nodes = append(g.Nodes, enginetest.Node("MatMul", enginetest.Names("x", "wq"), enginetest.Names("r")))
		g.Outputs = append(enginetest.Values(enginetest.Value("r", tensor.Float32, "batch", 4, 16)), g.Outputs...)
	})
	k := blockTask(t, m)
	changed := m.Proto.Clone()
	scales := make([]float32, blockWidth)
	for i := range scales {
		scales[i] = float32(i + 1)
	}
	if err := smooth(changed, []Smoothing{{"n", scales}}); err != nil {
		t.Fatal(err)
	}
	if err := changed.Check(); err != nil {
		t.Fatal(err)
	}
	first := take(k.Calib, 1)
	if want, got := outputs(t, k, m, first), outputs(t, k, model.New(changed), first); affine.SQNR(want, got) < 100 {
		t.Errorf("the product that reads no normalization is %v, it was %v", got[:4], want[:4])
	}
}
