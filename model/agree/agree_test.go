package agree_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"infer/model/agree"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// answers is a session that answers with what it holds, in turn.
type answers struct {
	engine.Session
	ports []engine.Port
	list  [][]tensor.Tensor
	given [][]tensor.Tensor
}

func (a *answers) Inputs() []engine.Port {
	return []engine.Port{{Name: "x", Type: &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float16}}}
}

func (a *answers) Outputs() []engine.Port { return a.ports }

func (a *answers) Run(_ context.Context, in, out []tensor.Tensor) error {
	a.given = append(a.given, in)
	next := a.list[0]
	if len(a.list) > 1 {
		a.list = a.list[1:]
	}
	for i := range out {
		name := out[i].Name
		out[i] = next[i]
		out[i].Name = name
	}
	return nil
}

func ports(names ...string) []engine.Port {
	var list []engine.Port
	for _, n := range names {
		list = append(list, engine.Port{Name: n, Type: &onnx.Type{}})
	}
	return list
}

func says(list ...tensor.Tensor) *answers {
	a := &answers{list: [][]tensor.Tensor{list}}
	for _, t := range list {
		a.ports = append(a.ports, ports(t.Name)...)
	}
	return a
}

var in = []tensor.Tensor{enginetest.Floats("x", nil, 1, 2)}

// against records the first session on one set and compares the second with it.
func against(t *testing.T, x, y *answers, tol agree.Tolerance) *agree.Result {
	t.Helper()
	ref, err := agree.Record(t.Context(), x, [][]tensor.Tensor{in})
	if err != nil {
		t.Fatal(err)
	}
	r, err := ref.Compare(t.Context(), y, tol)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFloats(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	floats := func(v ...float32) *answers { return says(enginetest.Floats("y", tensor.Shape{int64(len(v))}, v...)) }
	for _, c := range []struct {
		what   string
		x, y   *answers
		within bool
		equal  bool
		beyond int64
	}{
		{"same", floats(1, 2, nan, inf), floats(1, 2, nan, inf), true, true, 0},
		{"zeros of either sign", floats(0), floats(float32(math.Copysign(0, -1))), true, true, 0},
		{"within", floats(1000), floats(1000.009), true, false, 0},
		{"beyond", floats(1000, 1), floats(1000.05, 1), false, false, 1},
		{"small and near", floats(0), floats(9e-6), true, false, 0},
		{"small and far", floats(0), floats(2e-5), false, false, 1},
		{"NaN for a number", floats(1, 1), floats(1, nan), false, false, 1},
		{"a number for NaN", floats(nan), floats(1), false, false, 1},
		{"the other infinity", floats(inf), floats(-inf), false, false, 1},
	} {
		r := against(t, c.x, c.y, agree.Float32())
		if r.Within() != c.within || r.Equal() != c.equal || r.Outputs[0].Beyond != c.beyond || (r.Why() == "") != c.within {
			t.Errorf("%s: within %v, equal %v, %+v, why %q", c.what, r.Within(), r.Equal(), r.Outputs[0], r.Why())
		}
	}
}

func TestKinds(t *testing.T) {
	ints := func(v ...int64) *answers { return says(enginetest.Int64s("y", tensor.Shape{int64(len(v))}, v...)) }
	words := func(v ...string) *answers {
		return says(tensor.Tensor{Name: "y", DType: tensor.String, Shape: tensor.Shape{int64(len(v))}, Strings: v})
	}
	list := func(v ...tensor.Tensor) *answers {
		return says(tensor.Tensor{Name: "y", DType: tensor.Sequence, Elems: v})
	}
	float := enginetest.Floats("", tensor.Shape{1}, 1)
	for _, c := range []struct {
		what string
		x, y *answers
		why  string
	}{
		{"integers", ints(1, 2), ints(1, 2), ""},
		{"other integers", ints(1, 2), ints(1, 3), "1 of 2 elements are outside"},
		{"strings", words("a"), words("a"), ""},
		{"other strings", words("a", "b"), words("a", "c"), "1 of 2 elements differ"},
		{"shapes", ints(1, 2), ints(1), "shape 1 where the original has 2"},
		{"types", ints(1), says(enginetest.Floats("y", tensor.Shape{1}, 1)), "float32 where the original has int64"},
		{"sequences", list(float), list(float), ""},
		{"a longer sequence", list(float), list(float, float), "a sequence of 2 where"},
		{"other items", list(float), list(enginetest.Floats("", tensor.Shape{1}, 2)), "1 of 1 elements"},
	} {
		r := against(t, c.x, c.y, agree.Float32())
		if got := r.Why(); (got == "") != (c.why == "") || !strings.Contains(got, c.why) {
			t.Errorf("%s: %q, want %q", c.what, got, c.why)
		}
	}
}

// TestRandom: an output of the original that differs from run to run is not held against anybody.
func TestRandom(t *testing.T) {
	random := says(enginetest.Floats("y", tensor.Shape{1}, 1))
	random.list = append(random.list, []tensor.Tensor{enginetest.Floats("y", tensor.Shape{1}, 5)})
	r := against(t, random, says(enginetest.Floats("y", tensor.Shape{1}, 9)), agree.Float32())
	if !r.Within() || r.Compared() || !r.Outputs[0].Skipped {
		t.Errorf("%+v", r)
	}
}

// TestHalf: half precision is given rounded inputs, and its outputs are compared as numbers; a share of them may be off.
func TestHalf(t *testing.T) {
	values := make([]float32, 100)
	for i := range values {
		values[i] = float32(i) + 1
	}
	x := says(enginetest.Floats("y", tensor.Shape{10, 10}, values...))
	half := tensor.Tensor{Name: "y", DType: tensor.Float16, Shape: tensor.Shape{10, 10}, Data: make([]byte, 200)}
	tensor.EncodeFloats(half.Data, tensor.Float16, values)
	for i := range 6 { // six of a hundred far off
		tensor.EncodeFloats(half.Data[20*i:20*i+2], tensor.Float16, []float32{-500})
	}
	y := says(half)
	r := against(t, x, y, agree.Half())
	if o := r.Outputs[0]; r.Within() || o.Beyond != 6 || o.Rows != 10 || o.Same != 10 || o.SQNR == nil {
		t.Errorf("%+v", o)
	}
	if d := y.given[0][0].DType; d != tensor.Float16 {
		t.Errorf("the input is given as %s", d)
	}
	tensor.EncodeFloats(half.Data[:2], tensor.Float16, []float32{1})
	if r := against(t, x, says(half), agree.Half()); !r.Within() {
		t.Errorf("5 of 100 are off: %s", r.Why())
	}
}
