package calibrate

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/model"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/tensor"
)

var root = filepath.Join("..", "..", "..")

// real is a model of a file and all values of its main graph.
type real struct {
	*model.Model
	set    *dataset.Set
	values []string
}

// openReal opens a model and the folder data beside it, or made-up rows of the shapes given.
func openReal(t *testing.T, path, data string, shapes map[string]tensor.Shape) real {
	t.Helper()
	m, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	if data != "random" {
		data = filepath.Join(filepath.Dir(path), data)
	}
	set, err := dataset.Open(data, m.Inputs(), dataset.Options{Graph: m.Proto.Graph, Shapes: shapes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { set.Close() })
	r := real{Model: m, set: set}
	for _, p := range m.Inputs() {
		r.values = append(r.values, p.Name)
	}
	for _, n := range m.Proto.Graph.Nodes {
		for _, v := range n.Outputs {
			if v != "" {
				r.values = append(r.values, v)
			}
		}
	}
	return r
}

func (r real) calibrate(t *testing.T, o Options) *Table {
	t.Helper()
	tab, err := Run(t.Context(), enginetest.CPU(t), engine.Config{Threads: 1}, r.Proto, r.values, r.set, o)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// TestDigits compares with the calibrator of ONNX Runtime 1.30's own tool (MinMax, one row a run, all 200 rows).
func TestDigits(t *testing.T) {
	r := openReal(t, filepath.Join(root, "testdata", "digits", "digits-cnn.onnx"), "calib", nil)
	tab := r.calibrate(t, Options{})
	for value, want := range map[string][2]float64{
		"logits": {-23.77693748474121, 21.063526153564453},
		"flat":   {0.0, 6.74023962020874},
		"conv2":  {-6.569490432739258, 6.74023962020874},
		"fc1":    {-12.291511535644531, 15.8344087600708},
		"relu2":  {0.0, 6.74023962020874},
		"image":  {0.0, 1.0},
		"conv1":  {-3.391803026199341, 3.356448173522949},
		"relu3":  {0.0, 15.8344087600708},
		"pool1":  {0.0, 3.356448173522949},
		"pool2":  {0.0, 6.74023962020874},
		"relu1":  {0.0, 3.356448173522949},
	} {
		lo, hi, _, err := tab.Range(value, Method{Name: MinMax}, u8)
		if err != nil || lo != want[0] || hi != want[1] {
			t.Errorf("%s: [%v, %v], %v; want %v", value, lo, hi, err, want)
		}
	}
	if o, _ := tab.Observation("logits"); tab.Rows != 200 || o.Elements != 2000 || o.Shape.String() != "1x10" {
		t.Errorf("logits: %+v", o)
	}
	if s := tab.Settled(); s < 2 || s >= 200 {
		t.Errorf("settled after %d rows of 200", s)
	}
}

// TestExternalData: a model whose constants lie in a file of their own has the same table.
func TestExternalData(t *testing.T) {
	r := openReal(t, filepath.Join(root, "testdata", "digits", "digits-cnn.onnx"), "calib", nil)
	want := written(t, r.calibrate(t, Options{Samples: 20}))
	path := filepath.Join(t.TempDir(), "digits.onnx")
	if err := r.Save(path, model.SaveOptions{External: model.ExternalAlways, Threshold: 1}); err != nil {
		t.Fatal(err)
	}
	m, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	if got := written(t, real{m, r.set, r.values}.calibrate(t, Options{Samples: 20})); !bytes.Equal(got, want) {
		t.Error(difference(got, want))
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v, %v", left, err)
	}
}

// TestRealModels: every value of real models, whatever the budget, bit for bit the same; with control flow, transposed
// layouts and integers among them.
func TestRealModels(t *testing.T) {
	for _, c := range []struct {
		path, data string
		rows       int64
		budget     int64
		shapes     map[string]tensor.Shape
	}{
		{"testdata/digits/digits-cnn.onnx", "calib", 40, 5000, nil},
		{"../shared/models/mnist-cnn/mnist-cnn.onnx", "calib", 10, 20000, nil},
		{"../shared/models/banking77-encoder/banking77-encoder.onnx", "calib", 5, 60000, nil},
		{"../shared/models/silero-vad/silero-vad.onnx", "random", 1, 1000, map[string]tensor.Shape{"input": {1, 576}, "state": {2, 1, 128}}},
	} {
		t.Run(filepath.Base(c.path), func(t *testing.T) {
			path := filepath.Join(root, filepath.FromSlash(c.path))
			if _, err := os.Stat(path); err != nil {
				t.Skipf("no %s beside the checkout", c.path)
			}
			r := openReal(t, path, c.data, c.shapes)
			tab := r.calibrate(t, Options{Samples: c.rows})
			if tab.Groups != 1 || len(tab.Values()) < 4 {
				t.Errorf("%d values in %d groups", len(tab.Values()), tab.Groups)
			}
			small := r.calibrate(t, Options{Samples: c.rows, Memory: c.budget})
			if small.Groups < 2 {
				t.Errorf("%d groups in a budget of %d bytes", small.Groups, c.budget)
			}
			for _, n := range small.Notes {
				if !strings.Contains(n, "is left out: it is") && !strings.Contains(n, "larger than the memory budget") {
					t.Error(n)
				}
			}
			small.Notes = tab.Notes
			if got, want := written(t, small), written(t, tab); !bytes.Equal(got, want) {
				t.Error(difference(got, want))
			}
			for _, v := range tab.Values() {
				o, _ := tab.Observation(v)
				if lo, hi, ok := o.Extremes(); ok && math.IsInf(hi-lo, 0) || o.Rows() != tab.Rows {
					t.Errorf("%s: [%g, %g] in %d rows", v, lo, hi, o.Rows())
				}
			}
		})
	}
}
