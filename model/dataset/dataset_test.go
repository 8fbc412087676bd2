package dataset

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

// port declares an input; a dimension is an int (fixed), or a string (a symbol).
func port(name string, d tensor.DType, dims ...any) model.Port {
	ty := &onnx.Type{Kind: onnx.KindTensor, DType: d, HasShape: true}
	for _, v := range dims {
		switch v := v.(type) {
		case int:
			ty.Dims = append(ty.Dims, onnx.Fixed(int64(v)))
		case string:
			ty.Dims = append(ty.Dims, onnx.Symbol(v))
		}
	}
	return model.Port{Name: name, Type: ty}
}

// counting returns a tensor with the elements 0, 1, 2, …
func counting(t *testing.T, d tensor.DType, s ...int64) tensor.Tensor {
	t.Helper()
	n, _ := tensor.Shape(s).Elements()
	ints, floats := make([]int64, n), make([]float64, n)
	for i := range ints {
		ints[i], floats[i] = int64(i), float64(i)
	}
	x, err := tensor.FromInts("", d, s, ints)
	if d.IsFloat() {
		x, err = fromFloats(d, s, floats)
	}
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// folder writes a data set folder of .npy files.
func folder(t *testing.T, files map[string]tensor.Tensor) string {
	t.Helper()
	dir := t.TempDir()
	for name, x := range files {
		path := filepath.Join(dir, name+".npy")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := tensor.WriteNpy(path, x); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t *testing.T, source string, ports ...model.Port) *Set {
	t.Helper()
	s, err := Open(source, ports, Options{})
	if err != nil {
		t.Fatal(err, fault.HintOf(err))
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestRows(t *testing.T) {
	f := tensor.Float32
	for _, c := range []struct {
		name        string
		ports       []model.Port
		files       map[string]tensor.Tensor
		rows, batch int64
		shapes      []string // of the second smallest batch
		first       []float32
	}{
		{"dynamic batch", []model.Port{port("x", f, "batch", 3)}, map[string]tensor.Tensor{"x": counting(t, f, 5, 3)},
			5, 0, []string{"1x3"}, []float32{3}},
		{"batch fixed to 1", []model.Port{port("x", f, 1, 1, 2)}, map[string]tensor.Tensor{"input": counting(t, f, 5, 1, 2)},
			5, 1, []string{"1x1x2"}, []float32{2}},
		{"batch fixed to 2", []model.Port{port("x", f, 2, 3)}, map[string]tensor.Tensor{"x": counting(t, f, 6, 3)},
			6, 2, []string{"2x3"}, []float32{6}},
		{"one rank more", []model.Port{port("x", f, "batch", 2)}, map[string]tensor.Tensor{"x": counting(t, f, 4, 1, 2)},
			4, 1, []string{"1x2"}, []float32{2}},
		{"vector for a scalar", []model.Port{port("x", f)}, map[string]tensor.Tensor{"x": counting(t, f, 4)},
			4, 1, []string{"scalar"}, []float32{1}},
		{"scalar for every row", []model.Port{port("x", f, "batch", 2), port("sr", tensor.Int64)},
			map[string]tensor.Tensor{"x": counting(t, f, 3, 2), "sr": counting(t, tensor.Int64)}, 3, 0, []string{"1x2", "scalar"}, []float32{2, 0}},
		{"state for every row", []model.Port{port("x", f, "batch", 2), port("h", f, 2, "batch")},
			map[string]tensor.Tensor{"x": counting(t, f, 5, 1, 2), "h": counting(t, f, 2, 1)}, 5, 1, []string{"1x2", "2x1"}, []float32{2, 0}},
		{"names encoded", []model.Port{port("a/b:0", f, "n", 1), port(".%", f, "n")},
			map[string]tensor.Tensor{"a%2Fb:0": counting(t, f, 3, 1), "%2E%25": counting(t, f, 3)}, 3, 0, []string{"1x1", "1"}, []float32{1, 1}},
		{"widened", []model.Port{port("x", f, "batch"), port("i", tensor.Int64, "batch")},
			map[string]tensor.Tensor{"x": counting(t, tensor.Float16, 3), "i": counting(t, tensor.Uint8, 3)}, 3, 0, []string{"1", "1"}, []float32{1, 1}},
		{"no declared shape", []model.Port{{Name: "x", Type: &onnx.Type{Kind: onnx.KindTensor, DType: f}}},
			map[string]tensor.Tensor{"x": counting(t, f, 3, 2)}, 3, 0, []string{"1x2"}, []float32{2}},
	} {
		s := open(t, folder(t, c.files), c.ports...)
		if s.Rows() != c.rows || s.BatchSize() != c.batch {
			t.Errorf("%s: %d rows, batch %d, want %d, %d", c.name, s.Rows(), s.BatchSize(), c.rows, c.batch)
			continue
		}
		k := max(1, c.batch)
		in, err := s.Batch(k, 2*k)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for i, x := range in {
			v, _ := tensor.Floats(x)
			if x.Name != c.ports[i].Name || x.Shape.String() != c.shapes[i] || v[0] != c.first[i] || x.DType != c.ports[i].Type.DType {
				t.Errorf("%s: %s %s of shape %s starts with %v, want shape %s and %v", c.name, x.Name, x.DType, x.Shape, v[0], c.shapes[i], c.first[i])
			}
			if got := s.Shapes()[x.Name]; !got.Equal(x.Shape) {
				t.Errorf("%s: Shapes says %s, a batch has %s", c.name, got, x.Shape)
			}
		}
		if _, err := s.Batch(c.rows-1, c.rows+1); err == nil {
			t.Errorf("%s: a batch beyond the end", c.name)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	f := tensor.Float32
	x, y := port("x", f, "batch", 3), port("y", tensor.Int64, "batch")
	for _, c := range []struct {
		name  string
		ports []model.Port
		files map[string]tensor.Tensor
		want  []string // parts of message and hint
	}{
		{"missing input", []model.Port{x, y}, map[string]tensor.Tensor{"x": counting(t, f, 2, 3)}, []string{"no data for the input y", "inputs are x, y"}},
		{"input.npy with two inputs", []model.Port{x, y}, map[string]tensor.Tensor{"input": counting(t, f, 2, 3)}, []string{"no data for the input x, y"}},
		{"different rows", []model.Port{x, y}, map[string]tensor.Tensor{"x": counting(t, f, 2, 3), "y": counting(t, tensor.Int64, 3)},
			[]string{"x.npy has 2 rows and y.npy has 3"}},
		{"dtype", []model.Port{x}, map[string]tensor.Tensor{"x": counting(t, tensor.Uint8, 2, 3)}, []string{"x.npy", "is float32 and the array is uint8", `astype("float32")`}},
		{"float64", []model.Port{x}, map[string]tensor.Tensor{"x": counting(t, tensor.Float64, 2, 3)}, []string{"the array is float64"}},
		{"shape", []model.Port{x}, map[string]tensor.Tensor{"x": counting(t, f, 2, 4)}, []string{"x.npy", "takes float32 [batch, 3] and the array is 2x4"}},
		{"rank", []model.Port{x}, map[string]tensor.Tensor{"x": counting(t, f, 3)}, []string{"the array is 3"}},
		{"twice", []model.Port{x}, map[string]tensor.Tensor{"x": counting(t, f, 2, 3), "input": counting(t, f, 2, 3)}, []string{"both for the input"}},
		{"no rows", []model.Port{x}, map[string]tensor.Tensor{"x": counting(t, f, 0, 3)}, []string{"no rows"}},
		{"labels", []model.Port{x}, map[string]tensor.Tensor{"x": counting(t, f, 2, 3), "labels": counting(t, tensor.Int64, 3)}, []string{"3 labels for 2 rows"}},
		{"float labels", []model.Port{x}, map[string]tensor.Tensor{"x": counting(t, f, 2, 3), "labels": counting(t, f, 2)}, []string{"labels are float32"}},
		{"odd row count", []model.Port{port("x", f, 2, 3)}, map[string]tensor.Tensor{"x": counting(t, f, 5, 3)}, []string{"5 rows", "takes 2 a run"}},
	} {
		_, err := Open(folder(t, c.files), c.ports, Options{})
		if err == nil {
			t.Errorf("%s: no error", c.name)
			continue
		}
		text := err.Error() + "\n" + fault.HintOf(err)
		for _, w := range c.want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %q lacks %q", c.name, text, w)
			}
		}
		if fault.ExitCode(err) != 2 {
			t.Errorf("%s: exit code %d", c.name, fault.ExitCode(err))
		}
	}
	for _, source := range []string{"no-such-thing", "dataset.go"} {
		if _, err := Open(source, []model.Port{x}, Options{}); fault.ExitCode(err) != 2 {
			t.Errorf("%s: %v", source, err)
		}
	}
}

func TestLabelsExpectedNotesDigest(t *testing.T) {
	x := port("x", tensor.Float32, "batch", 2)
	files := map[string]tensor.Tensor{
		"x": counting(t, tensor.Float32, 3, 2), "labels": counting(t, tensor.Int32, 3),
		"other": counting(t, tensor.Float32, 1), "expected/y%2F1": counting(t, tensor.Float32, 3, 4),
	}
	s := open(t, folder(t, files), x)
	if labels, ok := s.Labels(); !ok || !slices.Equal(labels, []int64{0, 1, 2}) {
		t.Errorf("labels %v %v", labels, ok)
	}
	if y, ok, err := s.Expected("y/1"); !ok || err != nil || y.Shape.String() != "3x4" {
		t.Errorf("expected: %v %v %v", y.Shape, ok, err)
	}
	if _, ok, _ := s.Expected("z"); ok {
		t.Error("something is expected of z")
	}
	if n := strings.Join(s.Notes(), "\n"); !strings.Contains(n, "other.npy") {
		t.Errorf("notes: %q", n)
	}
	first, err := s.Digest()
	if err != nil || len(first) != 64 {
		t.Fatal(first, err)
	}
	// The same rows in an archive have the same digest; other labels do not.
	for _, c := range []struct {
		labels tensor.Tensor
		same   bool
	}{{counting(t, tensor.Int64, 3), true}, {tensor.Tensor{DType: tensor.Int8, Shape: tensor.Shape{3}, Data: []byte{0, 1, 1}}, false}} {
		a, b := files["x"], c.labels
		a.Name, b.Name = "x", "labels"
		path := filepath.Join(t.TempDir(), "d.npz")
		out, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := tensor.WriteNpz(out, []tensor.Tensor{a, b}); err != nil {
			t.Fatal(err)
		}
		out.Close()
		if d, err := open(t, path, x).Digest(); err != nil || (d == first) != c.same {
			t.Errorf("digests %s and %s, %v; same: %v", d, first, err, c.same)
		}
	}
}

func TestShapesAskedFor(t *testing.T) {
	x := port("x", tensor.Float32, "batch", "width")
	dir := folder(t, map[string]tensor.Tensor{"x": counting(t, tensor.Float32, 3, 2)})
	for asked, ok := range map[string]bool{"1x2": true, "4x2": true, "1x3": false, "1x2x1": false} {
		shape, _ := tensor.ParseShape(asked)
		s, err := Open(dir, []model.Port{x}, Options{Shapes: map[string]tensor.Shape{"x": shape}})
		if (err == nil) != ok {
			t.Errorf("%s: %v", asked, err)
		}
		if err == nil {
			s.Close()
		}
	}
}

func TestDigits(t *testing.T) {
	s := open(t, "../../testdata/digits/test", port("image", tensor.Float32, "batch", 1, 8, 8))
	labels, ok := s.Labels()
	if s.Rows() != 360 || !ok || len(labels) != 360 {
		t.Errorf("%d rows, %d labels", s.Rows(), len(labels))
	}
}
