package calibrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// rows is a data set whose row i of x [batch, 4] holds numbers that follow from i.
type rows struct {
	n, fixed int64
	fail     int64 // first row that cannot be read; 0: none
}

func (r rows) Rows() int64      { return r.n }
func (r rows) BatchSize() int64 { return r.fixed }

func (r rows) Batch(lo, hi int64) ([]tensor.Tensor, error) {
	if r.fail > 0 && hi > r.fail {
		return nil, fault.New(fault.Usage, "", "row %d has another shape", r.fail)
	}
	var v []float32
	for i := lo; i < hi; i++ {
		for k := range int64(4) {
			v = append(v, float32(math.Sin(float64(5*i+k)))*float32(i%7))
		}
	}
	t, err := tensor.FromFloat32("x", tensor.Shape{hi - lo, 4}, v)
	return []tensor.Tensor{t}, err
}

// toy is a model of values that shape inference knows (relu, add) and of some that it does not (those of domain test).
// The fake engine computes them by name.
func toy() *onnx.Model {
	batch := &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32, HasShape: true, Dims: []onnx.Dim{onnx.Symbol("batch"), onnx.Fixed(4)}}
	c, err := tensor.FromFloat32("c", tensor.Shape{4}, []float32{1, 2, 3, 4})
	if err != nil {
		panic(err)
	}
	ct, err := onnx.NewTensor("c", c)
	if err != nil {
		panic(err)
	}
	node := func(op, domain, out string, in ...string) *onnx.Node {
		return &onnx.Node{Name: out, OpType: op, Domain: domain, Inputs: in, Outputs: []string{out}}
	}
	g := &onnx.Graph{
		Name: "toy", Inputs: []*onnx.ValueInfo{{Name: "x", Type: batch}}, Outputs: []*onnx.ValueInfo{{Name: "wide", Type: nil}},
		Initializers: []*onnx.Tensor{ct},
		Nodes: []*onnx.Node{
			node("Relu", "", "relu", "x"), node("Add", "", "add", "relu", "c"), node("Fake", "test", "wide", "add"),
			node("Fake", "test", "mask", "add"), node("Fake", "test", "odd", "wide"), node("Fake", "test", "half", "wide"),
			node("Fake", "test", "empty", "wide"), node("Shape", "", "shape", "x"), node("Fake", "test", "bytes", "x"),
		},
	}
	return &onnx.Model{IRVersion: 8, Graph: g, Opsets: []onnx.Opset{{Version: 17}, {Domain: "test", Version: 1}}}
}

var toyValues = []string{"x", "relu", "add", "wide", "mask", "odd", "half", "empty"}

// compute makes the values of toy.
func compute(in []tensor.Tensor, outputs []engine.Port) ([]tensor.Tensor, error) {
	x, err := tensor.Floats(in[0])
	if err != nil {
		return nil, err
	}
	n := in[0].Shape[0]
	each := func(width int64, f func(v float32, i int) float32) []float32 {
		out := make([]float32, n*width)
		for i := range out {
			out[i] = f(x[int64(i)/width*4+int64(i)%4], i%int(width))
		}
		return out
	}
	var out []tensor.Tensor
	for _, p := range outputs {
		t := tensor.Tensor{}
		switch p.Name {
		case "relu":
			t, err = tensor.FromFloat32("", in[0].Shape, each(4, func(v float32, _ int) float32 { return max(v, 0) }))
		case "add":
			t, err = tensor.FromFloat32("", in[0].Shape, each(4, func(v float32, i int) float32 { return max(v, 0) + float32(i+1) }))
		case "wide":
			t, err = tensor.FromFloat32("", tensor.Shape{n, 4, 25}, each(100, func(v float32, i int) float32 { return v * float32(i) }))
		case "mask":
			t, err = tensor.FromFloat32("", tensor.Shape{1, 2}, []float32{-1, 1})
		case "odd":
			t, err = tensor.FromFloat32("", in[0].Shape, each(4, func(v float32, i int) float32 {
				switch {
				case v > 4:
					return float32(math.NaN())
				case v < -4:
					return float32(math.Inf(-1))
				}
				return v
			}))
		case "half":
			t.DType, t.Shape, t.Data = tensor.Float16, in[0].Shape, make([]byte, 2*len(x))
			tensor.EncodeFloats(t.Data, tensor.Float16, x)
		case "empty":
			t, err = tensor.New("", tensor.Float32, tensor.Shape{n, 0})
		case "bytes":
			t, err = tensor.New("", tensor.Uint8, in[0].Shape)
		default:
			err = fmt.Errorf("no value %q", p.Name)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

func calibrate(t testing.TB, src Source, values []string, o Options) *Table {
	t.Helper()
	f := &enginetest.Fake{Compute: compute}
	tab, err := Run(t.Context(), f, engine.Config{}, toy(), values, src, o)
	if err != nil {
		t.Fatal(err)
	}
	if f.Sessions() != 0 {
		t.Errorf("%d sessions are open", f.Sessions())
	}
	return tab
}

// TestRunIsExact: whatever the budget and the batch, the table is bit for bit the same, but for the note on budgets.
func TestRunIsExact(t *testing.T) {
	want := written(t, calibrate(t, rows{n: 37}, toyValues, Options{}))
	for _, memory := range []int64{1, 100, 500, 3000, 1 << 30} {
		for _, batch := range []int64{1, 2, 5, 37, 100} {
			tab := calibrate(t, rows{n: 37}, toyValues, Options{Memory: memory, Batch: batch})
			over := slices.ContainsFunc(tab.Notes, func(n string) bool {
				return strings.Contains(n, `"wide" is larger than the memory budget: 400 bytes of`)
			})
			if over != (memory < 400) {
				t.Errorf("budget %d, batch %d: notes %q", memory, batch, tab.Notes)
			}
			tab.Notes = nil
			if got := written(t, tab); !bytes.Equal(got, want) {
				t.Errorf("budget %d, batch %d: another table:\n%s", memory, batch, difference(got, want))
			}
		}
	}
	parts := merged(t, calibrate(t, rows{n: 37}, toyValues, Options{Samples: 20}), calibrate(t, after{rows{n: 37}, 20}, toyValues, Options{}))
	if w := calibrate(t, rows{n: 37}, toyValues, Options{}); parts.Settled() != w.Settled() {
		t.Errorf("settled after %d rows in two parts, %d in one", parts.Settled(), w.Settled())
	}
}

// difference returns the first lines that differ, cut short.
func difference(got, want []byte) string {
	a, b := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
	for i := range min(len(a), len(b)) {
		if !bytes.Equal(a[i], b[i]) {
			return fmt.Sprintf("line %d: %.100s\nwant: %.100s", i, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(a), len(b))
}

// after is a source without its first rows.
type after struct {
	Source
	skip int64
}

func (a after) Rows() int64 { return a.Source.Rows() - a.skip }
func (a after) Batch(lo, hi int64) ([]tensor.Tensor, error) {
	return a.Source.Batch(lo+a.skip, hi+a.skip)
}

func TestRunSeesWhatThereIs(t *testing.T) {
	tab := calibrate(t, rows{n: 10}, append(toyValues, "c", "shape", "bytes", "x"), Options{Batch: 3})
	if got := strings.Join(tab.Values(), " "); got != "add empty half mask odd relu wide x" {
		t.Errorf("values %s", got)
	}
	notes := strings.Join(tab.Notes, "\n")
	for _, want := range []string{`value "c" is left out: it is a constant`, `value "shape" is left out: it is of type int64`, `value "bytes" is left out: it is of type uint8`} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes %q lack %q", notes, want)
		}
	}
	for _, c := range []struct {
		value          string
		dtype          tensor.DType
		shape          string
		elements, odds int64
	}{
		{"x", tensor.Float32, "1x4", 40, 0}, {"wide", tensor.Float32, "1x4x25", 1000, 0}, {"half", tensor.Float16, "1x4", 40, 0},
		{"mask", tensor.Float32, "1x2", 20, 0}, {"empty", tensor.Float32, "1x0", 0, 0},
	} {
		o, ok := tab.Observation(c.value)
		if !ok || o.DType != c.dtype || o.Shape.String() != c.shape || o.Elements != c.elements || o.NaN+o.Inf != c.odds || o.Rows() != 10 {
			t.Errorf("%s: %+v", c.value, o)
		}
	}
	odd, _ := tab.Observation("odd")
	var nans, infs int64
	in, _ := rows{n: 10}.Batch(0, 10)
	x, _ := tensor.Floats(in[0])
	for _, v := range x {
		if v > 4 {
			nans++
		} else if v < -4 {
			infs++
		}
	}
	if lo, hi, _ := odd.Extremes(); odd.NaN != nans || odd.Inf != infs || nans == 0 || infs == 0 || lo < -4 || hi > 4 {
		t.Errorf("odd: %+v, want %d NaN and %d infinities", odd, nans, infs)
	}
	if odd.Fit.Elements()+odd.Held.Elements() != uint64(odd.Elements-nans-infs) {
		t.Error("the histograms do not hold the finite elements")
	}
	if bare := calibrate(t, rows{n: 10}, toyValues, Options{Method: Method{Name: MinMax}}); bare.Bins != 0 || bare.values["x"].Fit != nil {
		t.Error("histograms for minmax")
	}
}

func TestRunErrors(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		name   string
		src    Source
		values []string
		o      Options
		runErr func(int) error
		kind   fault.Kind
		want   string
	}{
		{"no such value", rows{n: 1}, []string{"rely"}, Options{}, nil, fault.Usage, `has no value "rely"`},
		{"no rows", rows{n: 0}, toyValues, Options{}, nil, fault.Usage, "no rows to calibrate with"},
		{"no whole batch", rows{n: 3, fixed: 4}, toyValues, Options{}, nil, fault.Usage, "there are 3, and a run takes 4"},
		{"another batch", rows{n: 8, fixed: 4}, toyValues, Options{Batch: 2}, nil, fault.Usage, "2 rows for a model that takes 4"},
		{"negative batch", rows{n: 8}, toyValues, Options{Batch: -2}, nil, fault.Usage, "-2 rows"},
		{"negative budget", rows{n: 8}, toyValues, Options{Memory: -1}, nil, fault.Usage, "-1 bytes"},
		{"negative samples", rows{n: 8}, toyValues, Options{Samples: -1}, nil, fault.Usage, "-1 calibration samples"},
		{"bins", rows{n: 8}, toyValues, Options{Bins: 8}, nil, fault.Usage, "8 histogram bins, want 16 to 65536"},
		{"method", rows{n: 8}, toyValues, Options{Method: Method{Name: "kl"}}, nil, fault.Usage, `"kl"`},
		{"a row that cannot be read", rows{n: 8, fail: 5}, toyValues, Options{}, nil, fault.Usage, "calibration rows 5 to 6: row 5 has another shape"},
		{"a run that fails", rows{n: 8}, toyValues, Options{Batch: 2}, func(run int) error {
			if run >= 2 {
				return boom
			}
			return nil
		}, fault.Internal, "calibrate with rows 4 to 6: boom"},
	} {
		f := &enginetest.Fake{Compute: compute, RunErr: c.runErr}
		tab, err := Run(t.Context(), f, engine.Config{}, toy(), c.values, c.src, c.o)
		if err == nil || tab != nil || fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if f.Sessions() != 0 {
			t.Errorf("%s: %d sessions are open", c.name, f.Sessions())
		}
	}
	_, err := Run(t.Context(), &enginetest.Fake{}, engine.Config{}, toy(), []string{"rely"}, rows{n: 1}, Options{})
	if fault.HintOf(err) != "did you mean relu?" {
		t.Errorf("hint %q", fault.HintOf(err))
	}
}

// TestRunFixedBatch: rows that fill no batch are left out.
func TestRunFixedBatch(t *testing.T) {
	if tab := calibrate(t, rows{n: 11, fixed: 4}, toyValues, Options{Memory: 1}); tab.Rows != 8 {
		t.Errorf("%d rows, want 8", tab.Rows)
	}
	if tab := calibrate(t, rows{n: 11, fixed: 4}, toyValues, Options{Samples: 5}); tab.Rows != 4 {
		t.Errorf("%d rows of at most 5, want 4", tab.Rows)
	}
}

// TestRunResumes: interrupted after any run, and gone on with under another budget, the table is that of one go.
func TestRunResumes(t *testing.T) {
	want := written(t, calibrate(t, rows{n: 9}, toyValues, Options{Key: "k"}))
	for stop := range 60 {
		o := Options{Key: "k", Memory: 500, Checkpoint: filepath.Join(t.TempDir(), "calibration")}
		ctx, cancel := context.WithCancel(t.Context())
		f := &enginetest.Fake{Compute: compute}
		f.RunErr = func(run int) error {
			if run == stop {
				cancel()
				return context.Canceled
			}
			return nil
		}
		tab, err := Run(ctx, f, engine.Config{}, toy(), toyValues, rows{n: 9}, o)
		cancel()
		if err == nil {
			if stop < 20 {
				t.Fatalf("not interrupted at run %d", stop)
			}
			tab.Notes = nil
			if !bytes.Equal(written(t, tab), want) {
				t.Error("in one go it differs")
			}
			break
		}
		if !errors.Is(err, context.Canceled) || tab != nil {
			t.Fatalf("run %d: %v", stop, err)
		}
		o.Memory = 1 << 20
		f = &enginetest.Fake{Compute: compute}
		tab, err = Run(t.Context(), f, engine.Config{}, toy(), toyValues, rows{n: 9}, o)
		if err != nil {
			t.Fatalf("gone on after run %d: %v", stop, err)
		}
		tab.Notes = nil
		if got := written(t, tab); !bytes.Equal(got, want) {
			t.Fatalf("gone on after run %d:\n%s", stop, difference(got, want))
		}
		f = &enginetest.Fake{Compute: compute}
		if again, err := Run(t.Context(), f, engine.Config{}, toy(), toyValues, rows{n: 9}, o); err != nil || f.Runs() != 0 || again.Resumed != 9 {
			t.Fatalf("a finished checkpoint: %v, %d runs", err, f.Runs())
		}
	}
}

func TestCheckpointOfAnotherKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calibration")
	o := Options{Key: "a", Checkpoint: path}
	calibrate(t, rows{n: 4}, toyValues, o)
	o.Key = "b"
	if tab := calibrate(t, rows{n: 4}, toyValues, o); tab.Resumed != 0 {
		t.Errorf("%d rows of another key", tab.Resumed)
	}
	// More rows of the same go on after those there are; fewer begin anew.
	if tab := calibrate(t, rows{n: 9}, toyValues, o); tab.Resumed != 4 {
		t.Errorf("resumed after %d rows, want 4", tab.Resumed)
	}
	if tab := calibrate(t, rows{n: 2}, toyValues, o); tab.Resumed != 0 || tab.values["x"].Rows() != 2 {
		t.Errorf("resumed after %d rows of 2", tab.Resumed)
	}
	if err := os.WriteFile(path, []byte("my thesis"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Run(t.Context(), &enginetest.Fake{Compute: compute}, engine.Config{}, toy(), toyValues, rows{n: 4}, o)
	if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), path) {
		t.Errorf("a file that is no checkpoint: %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "my thesis" {
		t.Error("it was overwritten")
	}
}

func TestProgress(t *testing.T) {
	var events []progress.Event
	calibrate(t, rows{n: 6}, toyValues, Options{Memory: 500, Progress: func(e progress.Event) { events = append(events, e) }})
	for i, e := range events {
		if e.Phase != "calibrate" || e.Unit != "rows" || e.Done != float64(i+1) || e.Done > e.Total {
			t.Errorf("event %d: %+v", i, e)
		}
	}
	if last := events[len(events)-1]; last.Done != last.Total || last.Done <= 6 {
		t.Errorf("ends with %+v; several groups were to be", last)
	}
}
