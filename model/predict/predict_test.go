package predict

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// counting is a data set whose row i holds the number i.
type counting struct{ rows int64 }

func (c counting) Rows() int64 { return c.rows }

func (c counting) Batch(lo, hi int64) ([]tensor.Tensor, error) {
	v := make([]float32, hi-lo)
	for i := range v {
		v[i] = float32(lo) + float32(i)
	}
	t, err := tensor.FromFloat32("x", tensor.Shape{hi - lo, 1}, v)
	return []tensor.Tensor{t}, err
}

// open returns a session of a model with one input x [batch,1] and the named float outputs.
func open(t *testing.T, f *enginetest.Fake, outputs ...string) engine.Session {
	t.Helper()
	row := &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32, HasShape: true, Dims: []onnx.Dim{onnx.Symbol("batch"), onnx.Fixed(1)}}
	g := &onnx.Graph{Inputs: []*onnx.ValueInfo{{Name: "x", Type: row}}}
	for _, o := range outputs {
		g.Outputs = append(g.Outputs, &onnx.ValueInfo{Name: o, Type: row})
	}
	s, err := f.Open(t.Context(), model.New(&onnx.Model{Graph: g}), engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// echo gives every output the input's rows: scores [-x, x] for the first, x for the others.
func echo(in []tensor.Tensor, outputs []engine.Port) ([]tensor.Tensor, error) {
	x, err := tensor.Floats(in[0])
	if err != nil {
		return nil, err
	}
	scores := make([]float32, 0, 2*len(x))
	for _, v := range x {
		scores = append(scores, 2-v, v)
	}
	out := make([]tensor.Tensor, len(outputs))
	for i, p := range outputs {
		if out[i], err = tensor.FromFloat32(p.Name, tensor.Shape{int64(len(x)), 2}, scores); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func read(t *testing.T, path string) []float32 {
	t.Helper()
	a, err := tensor.ReadNpy(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := tensor.Floats(a)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	s := open(t, &enginetest.Fake{Compute: echo}, "scores", "copy")
	// Rows 0 and 1 score [2-v, v]: class 0 for v = 0, 1 ties to 0; from 2 on class 1.
	r, err := Run(t.Context(), s, counting{5}, Options{Dir: dir, Batch: 2, Key: "k", Labels: []int64{0, 0, 1, 1, 0}})
	if err != nil {
		t.Fatal(err)
	}
	if !r.Done || r.Rows != 5 || r.Resumed != 0 || len(r.Seconds) != 3 || r.RunRows[2] != 1 {
		t.Errorf("result is %+v", r)
	}
	if got := read(t, filepath.Join(dir, "scores.npy")); len(got) != 10 || got[9] != 4 {
		t.Errorf("scores are %v", got)
	}
	if a := r.Accuracy; a == nil || a.Correct != 4 || a.Rows != 5 || a.Top1.Value != 0.8 || a.Output != "scores" || len(a.Classes) != 2 || a.Classes[1].Predicted != 3 {
		t.Errorf("accuracy is %+v", a)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 2 {
		t.Errorf("the folder holds %v, %v", left, err)
	}
}

// TestResume: an interrupted call keeps its rows, the same call goes on, another key begins anew, and the files equal
// those of an uninterrupted call.
func TestResume(t *testing.T) {
	for _, c := range []struct {
		name    string
		key     string
		resumed int64
	}{{"the same key", "k", 4}, {"another key", "other", 0}} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			f := &enginetest.Fake{Compute: echo}
			f.RunErr = func(run int) error {
				if run == 2 {
					cancel()
					return context.Canceled
				}
				return nil
			}
			r, err := Run(ctx, open(t, f, "y"), counting{9}, Options{Dir: dir, Batch: 2, Key: "k"})
			if err != nil || r.Done || r.Rows != 4 {
				t.Fatalf("interrupted: %+v, %v", r, err)
			}
			if _, err := os.Stat(filepath.Join(dir, "y.npy")); err == nil {
				t.Error("a partial result has the final name")
			}
			r, err = Run(t.Context(), open(t, &enginetest.Fake{Compute: echo}, "y"), counting{9}, Options{Dir: dir, Batch: 2, Key: c.key})
			if err != nil || !r.Done || r.Rows != 9 || r.Resumed != c.resumed {
				t.Fatalf("resumed: %+v, %v", r, err)
			}
			got := read(t, filepath.Join(dir, "y.npy"))
			for i := range 9 {
				if got[2*i+1] != float32(i) {
					t.Fatalf("row %d is %v", i, got[2*i:2*i+2])
				}
			}
		})
	}
}

func TestFailuresLeaveNothing(t *testing.T) {
	broken := errors.New("the library broke")
	for _, c := range []struct {
		name  string
		fake  *enginetest.Fake
		batch int64
		want  string
		kind  fault.Kind
	}{
		{"a run fails", &enginetest.Fake{Compute: echo, RunErr: func(run int) error {
			if run == 1 {
				return broken
			}
			return nil
		}}, 2, "rows 2 to 4: the library broke", fault.Internal},
		{"an output has no row for every input row", &enginetest.Fake{Compute: func(in []tensor.Tensor, o []engine.Port) ([]tensor.Tensor, error) {
			v, err := tensor.FromFloat32(o[0].Name, tensor.Shape{1, 1}, []float32{0})
			return []tensor.Tensor{v}, err
		}}, 2, "its first axis is not the rows", fault.Unsupported},
		{"rows of different shapes", &enginetest.Fake{Compute: func(in []tensor.Tensor, o []engine.Port) ([]tensor.Tensor, error) {
			x, err := tensor.Floats(in[0])
			if err != nil {
				return nil, err
			}
			n := int64(x[0]) + 1
			v, err := tensor.FromFloat32(o[0].Name, tensor.Shape{1, n}, make([]float32, n))
			return []tensor.Tensor{v}, err
		}}, 1, "among rows of", fault.Internal},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := Run(t.Context(), open(t, c.fake, "y"), counting{6}, Options{Dir: dir, Batch: c.batch, Key: "k"})
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != c.kind {
				t.Errorf("error is %v (kind %d), want %q", err, fault.KindOf(err), c.want)
			}
			if left, _ := os.ReadDir(dir); len(left) != 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// TestSequenceOfMaps: the scores of a ZipMap classifier become a matrix.
func TestSequenceOfMaps(t *testing.T) {
	item := func(keys []int64, values []float32) tensor.Tensor {
		k, err := tensor.FromInt64("", tensor.Shape{int64(len(keys))}, keys)
		if err != nil {
			t.Fatal(err)
		}
		v, err := tensor.FromFloat32("", tensor.Shape{int64(len(values))}, values)
		if err != nil {
			t.Fatal(err)
		}
		return tensor.Tensor{DType: tensor.Map, Elems: []tensor.Tensor{k, v}}
	}
	seq := tensor.Tensor{Name: "p", DType: tensor.Sequence, Elems: []tensor.Tensor{
		item([]int64{0, 1}, []float32{.25, .75}), item([]int64{0, 1}, []float32{.5, .5}),
	}}
	got, err := rowsOf(seq, 2)
	if err != nil || !got.Shape.Equal(tensor.Shape{2, 2}) || got.DType != tensor.Float32 {
		t.Fatalf("rows are %+v, %v", got, err)
	}
	seq.Elems[1] = item([]int64{0, 2}, []float32{.5, .5})
	if _, err := rowsOf(seq, 2); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("different keys: %v", err)
	}
	if _, err := rowsOf(tensor.Tensor{Name: "p", DType: tensor.Sequence}, 2); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("an empty sequence: %v", err)
	}
}
