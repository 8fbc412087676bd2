package repository

import (
	"context"
	"math"
	"strings"
	"testing"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// onRows is a model of one node over float32 rows of 4, with dynamic axis 0.
func onRows(op string, in []string, inits []*onnx.Tensor, attrs ...*onnx.Attribute) *model.Model {
	return enginetest.Build(
		enginetest.Values(enginetest.Value("x", tensor.Float32, "n", 4)),
		enginetest.Values(enginetest.Value("y", tensor.Float32, "m", 4)),
		[]*onnx.Node{enginetest.Node(op, in, enginetest.Names("y"), attrs...)}, inits...)
}

// TestProof: models whose rows mix, whose axis 0 is fixed or which fail with more than one row are not batched.
func TestProof(t *testing.T) {
	x := enginetest.Names("x")
	axis0 := enginetest.Initializer(enginetest.Int64s("axes", nil, 0))
	flat := enginetest.Initializer(enginetest.Int64s("shape", nil, 1, 4))
	centre := enginetest.Build(
		enginetest.Values(enginetest.Value("x", tensor.Float32, "n", 4)),
		enginetest.Values(enginetest.Value("y", tensor.Float32, "n", 4)),
		[]*onnx.Node{
			enginetest.Node("ReduceMean", enginetest.Names("x", "axes"), enginetest.Names("mean")),
			enginetest.Node("Sub", enginetest.Names("x", "mean"), enginetest.Names("y")),
		}, axis0)
	text := enginetest.Identity(tensor.String, "n", 2)
	for _, c := range []struct {
		name  string
		m     *model.Model
		proof bool
		note  string
	}{
		{"each row by itself", onRows("Softmax", x, nil, enginetest.Int("axis", 1)), true, "results are equal"},
		{"strings", text, true, "results are equal"},
		{"integers", enginetest.Identity(tensor.Int64, "", "seq"), true, "results are equal"},
		{"two inputs of one axis", enginetest.Add("n", 2), true, "results are equal"},
		{"softmax over the rows", onRows("Softmax", x, nil, enginetest.Int("axis", 0)), false, `output "y" of a row depends on the other rows`},
		{"less the mean of the rows", centre, false, `output "y" of a row depends on the other rows`},
		{"sum of the rows", onRows("ReduceSum", enginetest.Names("x", "axes"), []*onnx.Tensor{axis0}), false, `output "y" has shape 1x4 for 2 rows`},
		{"running sum over the rows", onRows("CumSum", enginetest.Names("x", "axis"), []*onnx.Tensor{
			enginetest.Initializer(tensor.Tensor{Name: "axis", DType: tensor.Int64, Shape: tensor.Shape{}, Data: make([]byte, 8)})}), false, "depends on the other rows"},
		{"one row alone", onRows("Reshape", enginetest.Names("x", "shape"), []*onnx.Tensor{flat}), false, "a run of 2 rows fails"},
		{"fixed axis", enginetest.Add(1, 2), false, "dynamic"},
		{"no axis", enginetest.Identity(tensor.Float32), false, "dynamic"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := serve(t, Options{}, save(t, c.m, t.TempDir(), "m.onnx"))
			h, err := r.Acquire("m", "", "")
			if err != nil {
				t.Fatal(err)
			}
			defer h.Release()
			i := h.Info()
			if i.BatchAxis != c.proof || (i.MaxBatch > 0) != c.proof || !strings.Contains(i.BatchNote, c.note) {
				t.Errorf("batch axis %v, max batch %d: %s", i.BatchAxis, i.MaxBatch, i.BatchNote)
			}
		})
	}
}

// TestCompare pins the tolerance.
func TestCompare(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	f := func(v ...float32) tensor.Tensor { return enginetest.Floats("", nil, v...) }
	for _, c := range []struct {
		name string
		a, b tensor.Tensor
		same bool
	}{
		{"equal", f(1, 2, nan, inf), f(1, 2, nan, inf), true},
		{"within a thousandth of the value", f(1, 2), f(1.0009, 2), true},
		{"above it", f(1, 2), f(1.0011, 2), false},
		{"near nothing, within 1e-5 of the largest", f(0, 100), f(0.0009, 100), true},
		{"above that", f(0, 100), f(0.0011, 100), false},
		{"a NaN for a number", f(1, 2), f(nan, 2), false},
		{"a number for a NaN", f(nan, 2), f(1, 2), false},
		{"an infinity of the other sign", f(inf), f(-inf), false},
		{"another shape", f(1, 2), f(1), false},
		{"integers", enginetest.Int64s("", nil, 5), enginetest.Int64s("", nil, 6), false},
	} {
		if _, _, ok := compare(c.a, c.b); ok != c.same {
			t.Errorf("%s: %v", c.name, ok)
		}
	}
}

// TestSelfCheck: a version that does worse on made-up inputs than the one that serves does not take over.
func TestSelfCheck(t *testing.T) {
	log := onRows("Log", enginetest.Names("x"), nil) // NaN for the negative inputs that are made up
	for _, c := range []struct {
		name  string
		m     *model.Model
		why   string
		taken bool
	}{
		{"not finite", log, "NaN", false},
		{"it does not run", broken(), "self-check", false},
		{"another signature", onRows("Neg", enginetest.Names("x"), nil), "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			save(t, onRows("Abs", enginetest.Names("x"), nil), dir, "m", "1", modelStem+".onnx")
			r := serve(t, Options{Explicit: true}, dir)
			save(t, c.m, dir, "m", "2", modelStem+".onnx")
			err := r.Load(context.Background(), "m")
			if (err == nil) != c.taken || err != nil && !strings.Contains(err.Error(), c.why) {
				t.Errorf("Load: %v", err)
			}
			h, err := r.Acquire("m", "", "")
			if err != nil {
				t.Fatal(err)
			}
			defer h.Release()
			if (h.Info().Version == "2") != c.taken {
				t.Errorf("version %s serves", h.Info().Version)
			}
		})
	}
}
