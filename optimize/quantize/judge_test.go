package quantize

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

var (
	nan = float32(math.NaN())
	inf = float32(math.Inf(1))
)

// answering is a model of the inputs of counted rows whose first output has the name of the role it plays.
func answering(role string, more ...*onnx.ValueInfo) *model.Model {
	return enginetest.Build(enginetest.Values(enginetest.Value("x", tensor.Int64, "batch"), enginetest.Value("shared", tensor.Int64)),
		append(enginetest.Values(enginetest.Value(role, tensor.Float32, "batch", "classes")), more...),
		[]*onnx.Node{enginetest.Node("Cast", enginetest.Names("x"), enginetest.Names(role))})
}

// answers gives for row i of the input row i of the table of the role that the model plays.
func answers(tables map[string][][]float32) *enginetest.Fake {
	return &enginetest.Fake{Compute: func(in []tensor.Tensor, outputs []engine.Port) ([]tensor.Tensor, error) {
		rows, err := tensor.Int64s(in[0])
		if err != nil {
			return nil, err
		}
		table := tables[outputs[0].Name]
		var v []float32
		for _, i := range rows {
			v = append(v, table[i]...)
		}
		return []tensor.Tensor{enginetest.Floats(outputs[0].Name, tensor.Shape{int64(len(rows)), int64(len(table[0]))}, v...)}, nil
	}}
}

// judged compares tables of answers, three rows a run.
func judged(t *testing.T, want, got [][]float32, labels []int64) *verdict {
	t.Helper()
	j := newJudge(answers(map[string][][]float32{"want": want, "got": got}), engine.Config{}, answering("want"), counted{rows: int64(len(want))}, labels, 3)
	if err := j.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	v, err := j.judge(t.Context(), answering("got"), 0)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

// TestJudge: four rows of three classes, in two runs.
//
//	original  candidate  label  signal       noise   top classes
//	3 0 0     2 0 0      0      9            1       0, 0: both right
//	0 4 0     0 4 0      1      16           0       1, 1: both right
//	0 0 2     0 3 2      1      4            9       2, 1: gained
//	1 0 0     0 1 0      0      1            1 + 1   0, 1: lost
func TestJudge(t *testing.T) {
	v := judged(t,
		[][]float32{{3, 0, 0}, {0, 4, 0}, {0, 0, 2}, {1, 0, 0}},
		[][]float32{{2, 0, 0}, {0, 4, 0}, {0, 3, 2}, {0, 1, 0}},
		[]int64{0, 1, 1, 0})
	if v.Rows != 4 || !reflect.DeepEqual(v.signal, []float64{29, 1}) || !reflect.DeepEqual(v.noise, []float64{10, 2}) {
		t.Errorf("%d rows, signal %v, noise %v", v.Rows, v.signal, v.noise)
	}
	if v.Agree != 2 || v.Classes != 4 || v.Base != 3 || v.Correct != 3 || v.Gained != 1 || v.Lost != 1 || v.Labelled != 4 || v.NotFinite != 0 {
		t.Errorf("counts are %+v", v)
	}
	if v.Drop() != 0 || v.MaxDiff != 3 {
		t.Errorf("drop %g, largest difference %g", v.Drop(), v.MaxDiff)
	}
	// 10·log10(30/12); a draw of two runs is the first twice, both, or the second twice: 10·log10 of 58/20, 30/12, 2/4.
	s := v.SQNR()
	if !near(s.Value, 10*math.Log10(2.5)) || !near(s.Lo, 10*math.Log10(0.5)) || !near(s.Hi, 10*math.Log10(2.9)) || s.N != 2 || !s.OK {
		t.Errorf("SQNR is %+v", s)
	}
	// Products: 3·2 + 4·4 + 2·2 = 26; squares 30 and 4 + 16 + (9 + 4) + 1 = 34.
	if want := 26 / math.Sqrt(30*34); !near(v.Cosine(), want) {
		t.Errorf("cosine is %g, want %g", v.Cosine(), want)
	}
	if a := v.Agreement(); a.Value != 0.5 || a.N != 4 || !(a.Lo < 0.5 && a.Hi > 0.5) {
		t.Errorf("agreement is %+v", a)
	}
}

// TestJudgeEdges: what has no ratio, and what is no number.
func TestJudgeEdges(t *testing.T) {
	for _, c := range []struct {
		name      string
		want, got [][]float32
		sqnr      float64
		cosine    float64
		notFinite int64
	}{
		{"equal", [][]float32{{1, 2}}, [][]float32{{1, 2}}, 300, 1, 0},
		{"both zero", [][]float32{{0, 0}}, [][]float32{{0, 0}}, 300, 1, 0},
		{"zero became something", [][]float32{{0, 0}}, [][]float32{{0, 1}}, -300, 0, 0},
		{"something became zero", [][]float32{{3, 4}}, [][]float32{{0, 0}}, 0, 0, 0}, // 25/25
		{"a NaN of the original does not count", [][]float32{{nan, 2}}, [][]float32{{5, 2}}, 300, 1, 0},
		{"both NaN", [][]float32{{nan, 2}}, [][]float32{{nan, 2}}, 300, 1, 0},
		{"both infinite", [][]float32{{inf, 2}}, [][]float32{{inf, 2}}, 300, 1, 0},
		// 25 over 16·10³⁰: 10·log10(25/16) − 300, cut at −300 only below it. The angle is that of (4, 3) and (0, 3): 9/(5·3).
		{"a NaN of the candidate", [][]float32{{4, 3}}, [][]float32{{nan, 3}}, 10*math.Log10(25.0/16) - 300, 0.6, 1},
		{"zero became infinite", [][]float32{{0, 3}}, [][]float32{{-inf, 3}}, 10*math.Log10(9) - 300, 1, 1},
		{"nothing left", [][]float32{{1, 1}}, [][]float32{{nan, nan}}, -300, 0, 2},
		{"opposite", [][]float32{{1, 1}}, [][]float32{{-1, -1}}, 10 * math.Log10(2.0/8), -1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := judged(t, c.want, c.got, nil)
			if !near(v.SQNR().Value, c.sqnr) || !near(v.Cosine(), c.cosine) || v.NotFinite != c.notFinite {
				t.Errorf("SQNR %g, cosine %g, %d not finite; want %g, %g, %d", v.SQNR().Value, v.Cosine(), v.NotFinite, c.sqnr, c.cosine, c.notFinite)
			}
			if v.Labelled != 0 || v.Drop() != 0 {
				t.Errorf("%d rows count as labelled, the drop is %g", v.Labelled, v.Drop())
			}
			for _, b := range []*Budget{nil, {Kind: "sqnr", Limit: 0}, {Kind: "cosine", Limit: 0}, {Kind: "top1", Limit: 1}, {Kind: "agreement", Limit: 0}} {
				if ok, why := b.within(v); c.notFinite > 0 && (ok || !strings.Contains(why, "NaN or infinite")) {
					t.Errorf("budget %v takes %d elements that are not finite: %q", b, c.notFinite, why)
				}
			}
		})
	}
}

// TestJudgeAgain: outputs of the original that were not kept are computed again, and give the same verdict.
func TestJudgeAgain(t *testing.T) {
	want, got := make([][]float32, 10), make([][]float32, 10)
	for i := range want {
		want[i] = []float32{float32(i), 4, float32(9 - i)}
		got[i] = []float32{float32(i) + 0.5, 4.25, float32(9 - i)}
	}
	f := answers(map[string][][]float32{"want": want, "got": got})
	j := newJudge(f, engine.Config{}, answering("want"), counted{rows: 10}, nil, 3)
	if err := j.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !j.full || len(j.kept) != 4 {
		t.Fatalf("%d of 4 runs are kept", len(j.kept))
	}
	all, err := j.judge(t.Context(), answering("got"), 0)
	if err != nil {
		t.Fatal(err)
	}
	j.full, j.kept = false, j.kept[:1]
	again, err := j.judge(t.Context(), answering("got"), 0)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(all, again) {
		t.Errorf("verdicts are %+v and %+v", all, again)
	}
	// The first 4 rows are the first two runs, which are judged whole.
	if some, err := j.judge(t.Context(), answering("got"), 4); err != nil || some.Rows != 6 || !reflect.DeepEqual(some.noise, all.noise[:2]) {
		t.Errorf("of the first rows: %+v, %v", some, err)
	}
	if f.Sessions() != 0 {
		t.Errorf("%d sessions are left open", f.Sessions())
	}
}

// TestJudgeFixedBatch: a model with a fixed batch is judged on whole runs, and refused where there is none.
func TestJudgeFixedBatch(t *testing.T) {
	table := [][]float32{{1, 0}, {0, 1}, {1, 0}, {0, 1}, {1, 0}, {0, 1}, {1, 0}}
	f := answers(map[string][][]float32{"want": table, "got": table})
	j := newJudge(f, engine.Config{}, answering("want"), counted{rows: 7, batch: 3}, nil, 64)
	if err := j.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v, err := j.judge(t.Context(), answering("got"), 0); err != nil || v.Rows != 6 || v.Classes != 6 {
		t.Errorf("verdict is %+v, %v; want of 6 rows", v, err)
	}
	j = newJudge(f, engine.Config{}, answering("want"), counted{rows: 2, batch: 3}, nil, 64)
	wantUsage(t, j.open(t.Context()), "give more rows", "2 held-out rows do not fill one run of 3")
}

// TestJudgeShapes: another number of elements is an error that names the output and both shapes.
func TestJudgeShapes(t *testing.T) {
	j := newJudge(answers(map[string][][]float32{"want": {{1, 2}}, "got": {{1, 2, 3}}}), engine.Config{}, answering("want"), counted{rows: 1}, nil, 1)
	if err := j.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := j.judge(t.Context(), answering("got"), 0); err == nil || !strings.Contains(err.Error(), `output "want" has shape 1x3, the original's has 1x2`) {
		t.Errorf("error is %v", err)
	}
}

func TestClassOutput(t *testing.T) {
	shape := func(d tensor.DType, s ...int64) tensor.Tensor {
		v, err := tensor.New("", d, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		name string
		out  []tensor.Tensor
		want int
	}{
		{"scores", []tensor.Tensor{shape(tensor.Float32, 4, 10)}, 0},
		{"scores with axes of one", []tensor.Tensor{shape(tensor.Float32, 4, 10, 1, 1)}, 0},
		{"half precision", []tensor.Tensor{shape(tensor.Float16, 4, 10)}, 0},
		{"the second output", []tensor.Tensor{shape(tensor.Int64, 4), shape(tensor.Float32, 4, 2)}, 1},
		{"an image", []tensor.Tensor{shape(tensor.Float32, 4, 10, 8, 8)}, -1},
		{"one score", []tensor.Tensor{shape(tensor.Float32, 4, 1)}, -1},
		{"no row axis", []tensor.Tensor{shape(tensor.Float32, 10)}, -1},
		{"rows elsewhere", []tensor.Tensor{shape(tensor.Float32, 1, 4, 10)}, -1},
		{"integers", []tensor.Tensor{shape(tensor.Int64, 4, 10)}, -1},
	} {
		if got := classOutput(c.out, 4); got != c.want {
			t.Errorf("%s: output %d, want %d", c.name, got, c.want)
		}
	}
}

// TestWithin: the limits themselves are kept.
func TestWithin(t *testing.T) {
	v := &verdict{Rows: 200, signal: []float64{1000}, noise: []float64{1}, dot: 999, aa: 1000, bb: 1000, MaxDiff: 1,
		Agree: 198, Classes: 200, Correct: 190, Base: 191, Lost: 3, Gained: 2, Labelled: 200} // 30 dB, 0.999, 99 %, 0.5 points
	for _, c := range []struct {
		budget Budget
		ok     bool
		why    string
	}{
		{Budget{Kind: "top1", Limit: 0.005}, true, "accuracy drops by 0.50 points over 200 rows, 0.50 are allowed"},
		{Budget{Kind: "top1", Limit: 0.004}, false, "0.40 are allowed"},
		{Budget{Kind: "agreement", Limit: 0.99}, true, "99.00 % of 200 rows have the same top class, 99.00 % must"},
		{Budget{Kind: "agreement", Limit: 0.991}, false, "99.10 % must"},
		{Budget{Kind: "sqnr", Limit: 30}, true, "SQNR is 30.0 dB over 200 rows, 30.0 are asked for"},
		{Budget{Kind: "sqnr", Limit: 30.1}, false, "30.1 are asked for"},
		{Budget{Kind: "cosine", Limit: 0.999}, true, "cosine is 0.99900 over 200 rows, 0.99900 is asked for"},
		{Budget{Kind: "cosine", Limit: 0.9991}, false, "0.99910 is asked for"},
	} {
		if ok, why := c.budget.within(v); ok != c.ok || !strings.Contains(why, c.why) {
			t.Errorf("%+v: %v, %q; want %v, %q", c.budget, ok, why, c.ok, c.why)
		}
	}
	if ok, _ := (&Budget{Kind: "agreement", Limit: 0}).within(&verdict{}); ok {
		t.Error("an agreement of no rows is within a budget")
	}
}
