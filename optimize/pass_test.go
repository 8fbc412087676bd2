package optimize

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/internal/progress"
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
	in := madeUp(t, before, shapes)
	same(t, run(t, enginetest.CPU(t), before, in), after, in, tolerance)
}

// madeUp returns inputs for m of the shapes given.
func madeUp(t *testing.T, m *model.Model, shapes map[string]tensor.Shape) []tensor.Tensor {
	t.Helper()
	bound, err := m.Bind(model.Bindings{Shapes: shapes})
	if err != nil {
		t.Fatal(err)
	}
	in, _, err := dataset.Random(m, bound.Shapes, 7)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// same fails where after gives other outputs than want, as alike does.
func same(t *testing.T, want []tensor.Tensor, after *model.Model, in []tensor.Tensor, tolerance float64) {
	t.Helper()
	got := run(t, enginetest.CPU(t), after, in)
	for i := range want {
		if diff := distance(t, want[i], got[i]); !(diff <= tolerance) { // NaN is none
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
		if x := math.Abs(float64(x)); x <= math.MaxFloat32 { // no infinity, no NaN
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

// ops returns the operators of the main graph in order, in one string.
func ops(m *model.Model) string {
	var list []string
	for _, n := range m.Proto.Graph.Nodes {
		list = append(list, n.OpType)
	}
	return strings.Join(list, " ")
}

// passTest is a model, a pass, and what the pass must make of it.
type passTest struct {
	name    string
	model   *model.Model
	opset   int64 // that the model is said to have; 0: as it was built
	changed int
	ops     string
}

// check runs pass on the models: count, operators and outputs must be right. Where nothing changes the model must stay
// the same byte by byte.
func check(t *testing.T, pass Pass, tolerance float64, tests []passTest) {
	t.Helper()
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			t.Helper()
			if c.opset != 0 {
				c.model.Proto.Opsets[0].Version = c.opset
			}
			before := encoded(t, c.model.Proto)
			after, results := prepared(t, c.model.Proto, []Pass{pass}, 0)
			if results[0].Changed != c.changed || ops(after) != c.ops {
				t.Errorf("changed %d times to %q, want %d times to %q", results[0].Changed, ops(after), c.changed, c.ops)
			}
			if c.changed == 0 && string(encoded(t, after.Proto)) != string(before) {
				t.Error("the model changed although nothing was to change")
			}
			if string(encoded(t, c.model.Proto)) != string(before) {
				t.Error("the pass wrote to bytes that it shares with another model")
			}
			alike(t, c.model, after, nil, tolerance)
			if shapes := stretched(c.model); shapes != nil {
				alike(t, c.model, after, shapes, tolerance)
			}
		})
	}
}

// stretched returns shapes for the inputs of m in which the dynamic axes have 2, 3, 4 elements and so on, in the order
// of their names' first use; nil where no axis is dynamic.
func stretched(m *model.Model) map[string]tensor.Shape {
	sizes, shapes := map[string]int64{}, map[string]tensor.Shape{}
	for _, v := range m.Proto.Graph.Inputs {
		s := tensor.Shape{}
		for _, d := range v.Type.Dims {
			if d.Name != "" && sizes[d.Name] == 0 {
				sizes[d.Name] = int64(len(sizes)) + 2
			}
			s = append(s, max(d.Size, sizes[d.Name]))
		}
		shapes[v.Name] = s
	}
	if len(sizes) == 0 {
		return nil
	}
	return shapes
}

func encoded(t *testing.T, m *onnx.Model) []byte {
	t.Helper()
	b, err := onnx.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The words that the models of the tests are built with, short.
var (
	node   = enginetest.Node
	names  = enginetest.Names
	values = enginetest.Values
	value  = enginetest.Value
	build  = enginetest.Build
)

// f32 is a float32 constant of a shape whose elements count up in steps from -1 to 1.
func f32(name string, shape ...int64) *onnx.Tensor {
	n, err := tensor.Shape(shape).Elements()
	if err != nil {
		panic(err)
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(2*i+1)/float32(n) - 1
	}
	return enginetest.Initializer(enginetest.Floats(name, shape, v...))
}

// scalar is a float32 constant of rank 0.
func scalar(name string, v float32) *onnx.Tensor {
	return enginetest.Initializer(enginetest.Floats(name, tensor.Shape{}, v))
}

// i64 is an int64 constant: a vector.
func i64(name string, v ...int64) *onnx.Tensor {
	return enginetest.Initializer(enginetest.Int64s(name, nil, v...))
}

// float is a float32 value of a shape.
func float(name string, dims ...any) *onnx.ValueInfo { return value(name, tensor.Float32, dims...) }

// untyped is an output of which nothing is declared but that it is float32.
func untyped(name string) *onnx.ValueInfo {
	return &onnx.ValueInfo{Name: name, Type: &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32}}
}

// TestRun: passes run in order, a failure names its pass and keeps its kind, and what ran before is reported.
func TestRun(t *testing.T) {
	var order []string
	pass := func(name string, err error) Pass {
		return Pass{Name: name, Run: func(context.Context, *Work) (int, error) {
			order = append(order, name)
			return len(order), err
		}}
	}
	bad := fault.New(fault.Unsupported, "", "cannot")
	var notes []string
	w := &Work{Model: enginetest.Add(2).Proto, Progress: func(e progress.Event) { notes = append(notes, e.Note) }}
	results, err := Run(context.Background(), w, []Pass{pass("a", nil), pass("b", bad), pass("c", nil)})
	if fault.KindOf(err) != fault.Unsupported || err.Error() != "pass b: cannot" {
		t.Errorf("error %v", err)
	}
	if len(results) != 1 || results[0] != (Result{"a", 1}) || strings.Join(notes, " ") != "a b" {
		t.Errorf("results %v, progress %v", results, notes)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Run(ctx, w, []Pass{pass("d", nil)}); !errors.Is(err, context.Canceled) || len(order) != 2 {
		t.Errorf("after a cancel: %v, %v", err, order)
	}
}

// TestDistance makes sure that alike can fail.
func TestDistance(t *testing.T) {
	a := enginetest.Floats("a", nil, 1, 200)
	if d := distance(t, a, enginetest.Floats("b", nil, 1, 198)); d != 0.01 { // 2 of 200
		t.Errorf("distance %v", d)
	}
	if d := distance(t, a, enginetest.Floats("b", nil, 1, float32(math.NaN()))); !math.IsNaN(d) && d < 1 {
		t.Errorf("distance to NaN %v", d)
	}
}

// TestDeterminism: the same model gives the same bytes.
func TestDeterminism(t *testing.T) {
	for i, m := range samples() {
		a, _ := prepared(t, m, Prepare(), 21)
		b, _ := prepared(t, m, Prepare(), 21)
		if string(encoded(t, a.Proto)) != string(encoded(t, b.Proto)) {
			t.Errorf("model %d differs from run to run", i)
		}
	}
}
