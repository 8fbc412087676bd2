package quantize

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/report"
)

// piecewise quantizes a task as if its model were too large to run.
func piecewise(t *testing.T, k Task, o Options) outcome {
	t.Helper()
	r := outcome{Document: report.New("quantize")}
	q := newQuantizer(k, o, r.Document)
	if err := q.prepareLarge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := q.large(t.Context()); err != nil {
		t.Fatal(err)
	}
	q.finish()
	if err := r.SetDetails(q.details); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(r.Details, &r.QuantizeDetails); err != nil {
		t.Fatal(err)
	}
	if err := r.Validate(); err != nil {
		t.Error(err)
	}
	return r
}

// productOf is a model of one product by a matrix of 64 rows and 32 columns.
func productOf(op string) *model.Model {
	r := rand.New(rand.NewPCG(3, 3))
	w := make([]float32, 64*32)
	for i := range w {
		w[i] = float32(r.NormFloat64())
	}
	return enginetest.Build(enginetest.Values(enginetest.Value("x", tensor.Float32, "batch", 64)), enginetest.Values(enginetest.Value("y", tensor.Float32, "batch", 32)),
		[]*onnx.Node{enginetest.Node(op, enginetest.Names("x", "w"), enginetest.Names("y"))},
		enginetest.Initializer(enginetest.Floats("w", tensor.Shape{64, 32}, w...)))
}

// TestLarge: a model that is never run as a whole is written in either form, judged by its products where it has some, and
// nothing is said of a speed that was not measured.
func TestLarge(t *testing.T) {
	for _, c := range []struct {
		name, op string
		portable bool
		rows     int64 // judged
		made     string
	}{
		{"blocks", "MatMul", false, productRows, "MatMulNBits"},
		{"portable", "MatMul", true, productRows, "DequantizeLinear"},
		{"no MatMul", "Gemm", false, 0, "MatMulNBits"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := task(t, productOf(c.op), map[string]tensor.Shape{"x": {1, 64}})
			o := quick(WeightOnly)
			o.Portable, o.AllowSlower = c.portable, false
			r := piecewise(t, k, o)
			if r.Verdict != report.OK || r.Output == "" || operatorsOf(t, k.Output)[c.made] != 1 {
				t.Errorf("verdict %s, reason %q, output %q", r.Verdict, r.Reason, r.Output)
			}
			if len(r.Gates) > 0 {
				t.Errorf("gates are %+v", r.Gates)
			}
			judged := r.Held != nil && r.Held.Rows == c.rows
			if db := r.Metric("sqnr_db", nil); judged != (c.rows > 0) || (db != nil) != judged || judged && *db.Value < 30 {
				t.Errorf("held %+v, SQNR %+v", r.Held, db)
			}
			if strings.Contains(strings.Join(r.Warnings, "\n"), "no quantized node is a MatMul") == judged {
				t.Errorf("warnings are %q", r.Warnings)
			}
		})
	}
}
