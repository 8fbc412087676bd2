package tensor

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
)

// numpy.npz was written by NumPy (testdata/make.py): each numeric array holds 0 to 5 in shape 2x3.
func TestReadNumPy(t *testing.T) {
	z := must[*Npz](t)(OpenNpz("testdata/numpy.npz"))
	defer z.Close()
	if len(z.Names()) != 49 {
		t.Errorf("%d arrays, want 49", len(z.Names()))
	}
	for _, name := range z.Names() {
		a, err := z.Open(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		x := must[Tensor](t)(a.All())
		if err := x.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		switch {
		case name == "scalar":
			if f := must[[]float32](t)(Floats(x)); len(x.Shape) != 0 || f[0] != 1.5 {
				t.Errorf("scalar: %v", x)
			}
		case name == "empty":
			if !x.Shape.Equal(Shape{0, 3}) {
				t.Errorf("empty: %v", x)
			}
		case name == "bytes":
			if !slices.Equal(x.Strings, []string{"ab", "c", ""}) {
				t.Errorf("bytes: %q", x.Strings)
			}
		case strings.HasPrefix(name, "text"):
			if !slices.Equal(x.Strings, []string{"größe", "", "日本"}) {
				t.Errorf("%s: %q", name, x.Strings)
			}
		case x.DType == Complex64 || x.DType == Complex128:
			checkComplex(t, name, x)
		default:
			checkCounting(t, name, a, x)
		}
	}
}

func checkComplex(t *testing.T, name string, x Tensor) {
	t.Helper()
	half := Tensor{DType: Float32, Shape: Shape{12}, Data: x.Data}
	if x.DType == Complex128 {
		half.DType = Float64
	}
	if f := must[[]float32](t)(Floats(half)); !slices.Equal(f, []float32{0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0}) {
		t.Errorf("%s: %v", name, f)
	}
}

func checkCounting(t *testing.T, name string, a *Npy, x Tensor) {
	t.Helper()
	f := must[[]float32](t)(Floats(x))
	for i, v := range f {
		if want := float32(i); v != want && !(x.DType == Bool && v == min(want, 1)) {
			t.Errorf("%s: %v", name, f)
			return
		}
	}
	row := must[Tensor](t)(a.Read(1, 2))
	if want := must[Tensor](t)(Slice(x, 1, 2)); !Equal(row, want) {
		t.Errorf("%s: row 1 is %v, want %v", name, row, want)
	}
}

func TestNpyRoundTrip(t *testing.T) {
	dir := t.TempDir()
	for d := Float32; d <= Int2; d++ {
		x := must[Tensor](t)(New("", d, Shape{3, 2}))
		for i := range x.Data {
			x.Data[i] = byte(i % 2)
		}
		if d == String {
			x.Strings = []string{"ä", "", "xyz", "1", "2", "3"}
		}
		path := filepath.Join(dir, d.String()+".npy")
		if err := WriteNpy(path, x); err != nil {
			t.Errorf("%s: %v", d, err)
			continue
		}
		got := must[Tensor](t)(ReadNpy(path))
		if got.DType == d && !Equal(got, x) {
			t.Errorf("%s: %v, want %v", d, got, x)
		}
		if got.DType != d { // a type that NumPy lacks
			if diff, err := MaxAbsDiff(got, x); err != nil || diff != 0 {
				t.Errorf("%s comes back as %s with difference %v, %v", d, got.DType, diff, err)
			}
		}
	}
	if err := WriteNpy(filepath.Join(dir, "no", "x.npy"), Tensor{}); err == nil {
		t.Error("a missing folder is no error")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".npy-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func npyFile(version byte, header string, data int) []byte {
	b := []byte(npyMagic + string([]byte{version, 0}))
	if version == 1 {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(header)))
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(header)))
	}
	return append(append(b, header...), make([]byte, data)...)
}

func TestNpyHeaders(t *testing.T) {
	dict := func(descr, order, shape string) string {
		return fmt.Sprintf("{'descr': %s, 'fortran_order': %s, 'shape': %s, }", descr, order, shape)
	}
	for _, c := range []struct {
		name string
		file []byte
		err  string // "" for none
	}{
		{"version 1", npyFile(1, dict("'<f4'", "False", "(2, 3)"), 24), ""},
		{"version 2", npyFile(2, dict("'<f4'", "False", "(2,)"), 8), ""},
		{"version 3", npyFile(3, dict("'<f4'", "True", "()"), 4), ""},
		{"Python 2", npyFile(1, `{"shape":(2L,),"fortran_order":False,"descr":"<i8"}`, 16), ""},
		{"bfloat16 by name", npyFile(1, dict("'bfloat16'", "False", "(2,)"), 4), ""},
		{"version 9", npyFile(9, "", 0), "version 9.0 is not known"},
		{"empty", nil, "not a .npy file"},
		{"other file", []byte("PK\x03\x04 and more than that"), "not a .npy file"},
		{"long header", append([]byte(npyMagic), 2, 0, 255, 255, 255, 255), "the file has 12"},
		{"object", npyFile(1, dict("'|O'", "False", "(2,)"), 16), "object arrays"},
		{"structured", npyFile(1, dict("[('a', '<f4')]", "False", "(2,)"), 8), "structured arrays"},
		{"date", npyFile(1, dict("'<M8[ns]'", "False", "(2,)"), 16), "not supported"},
		{"long double", npyFile(1, dict("'<f16'", "False", "(1,)"), 16), "not supported"},
		{"huge", npyFile(1, dict("'<f4'", "False", "(10000000000,)"), 24), "40000000000 bytes, and the file has 24"},
		{"overflow", npyFile(1, dict("'<f8'", "False", "(4294967296, 4294967296)"), 24), "too large"},
		{"overflow by width", npyFile(1, dict("'<f8'", "False", "(2305843009213693952,)"), 0), "too large"},
		{"zero characters", npyFile(1, dict("'|S0'", "False", "(10000000000,)"), 0), "zero characters"},
		{"hidden overflow", npyFile(1, dict("'<f8'", "False", "(0, 4611686018427387904, 8)"), 0), ""},
		{"negative", npyFile(1, dict("'<f4'", "False", "(-1,)"), 24), "a dimension wanted"},
		{"one byte short", npyFile(1, dict("'<f4'", "False", "(2, 3)"), 23), "cut off"},
		{"one byte long", npyFile(1, dict("'<f4'", "False", "(2, 3)"), 25), "cut off"},
		{"twice", npyFile(1, "{'shape': (1,), 'shape': (2,)}", 4), "twice"},
		{"lacks shape", npyFile(1, "{'descr': '<f4', 'fortran_order': False}", 4), "lacks one"},
		{"unclosed", npyFile(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1", 4), "a comma wanted"},
		{"code", npyFile(1, "__import__('os').system('x')", 4), "no dictionary"},
	} {
		a, err := NewNpy(bytes.NewReader(c.file), int64(len(c.file)))
		if err == nil {
			_, err = a.All()
		}
		text := ""
		if err != nil {
			text = err.Error() + " " + fault.HintOf(err)
		}
		if (c.err == "") != (err == nil) || !strings.Contains(text, c.err) {
			t.Errorf("%s: %v, want %q", c.name, err, c.err)
		}
	}
}

func TestNpzRefuses(t *testing.T) {
	array := npyFile(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1000,), }", 4000)
	archive := func(method uint16, edit func(*zip.FileHeader)) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		h := &zip.FileHeader{Name: "x.npy", Method: method}
		if edit == nil {
			w, _ := z.CreateHeader(h)
			w.Write(array)
		} else {
			h.CompressedSize64, h.UncompressedSize64 = uint64(len(array)), uint64(len(array))
			edit(h)
			w, _ := z.CreateRaw(h)
			w.Write(array)
		}
		z.Close()
		return b.Bytes()
	}
	for _, c := range []struct {
		name string
		file []byte
		err  string
	}{
		{"stored", archive(zip.Store, nil), ""},
		{"deflated", archive(zip.Deflate, nil), ""},
		{"stored bomb", archive(zip.Store, func(h *zip.FileHeader) { h.UncompressedSize64 = 1 << 40 }), "claim"},
		{"deflated bomb", archive(zip.Deflate, func(h *zip.FileHeader) { h.UncompressedSize64 = 1 << 40 }), "claim"},
		{"beyond the end", archive(zip.Store, func(h *zip.FileHeader) { h.CompressedSize64, h.UncompressedSize64 = 1<<40, 1<<40 }), ""},
		{"unknown method", archive(99, func(*zip.FileHeader) {}), "unpack"},
		{"no archive", array, "not a .npz file"},
	} {
		z, err := NewNpz(bytes.NewReader(c.file), int64(len(c.file)))
		if err == nil {
			var a *Npy
			if a, err = z.Open("x"); err == nil {
				_, err = a.All()
			}
		}
		if c.name == "beyond the end" {
			if err == nil {
				t.Errorf("%s: no error", c.name)
			}
			continue
		}
		if (c.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want %q", c.name, err, c.err)
		}
	}
}

func TestNpyWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "y.npy")
	rows := func(from, n int64) Tensor {
		v := make([]float32, 2*n)
		for i := range v {
			v[i] = float32(2*from + int64(i))
		}
		return must[Tensor](t)(FromFloat32("", Shape{n, 2}, v))
	}
	w := must[*NpyWriter](t)(ResumeNpy(path, Float32, Shape{2}))
	for _, r := range []Tensor{rows(0, 3), rows(3, 2)} {
		if err := w.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Append(must[Tensor](t)(FromFloat32("", Shape{1, 3}, make([]float32, 3)))); err == nil {
		t.Error("a row of another shape is taken")
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	// A killed process leaves a half-written row.
	f := must[*os.File](t)(os.OpenFile(path+".partial", os.O_APPEND|os.O_WRONLY, 0))
	f.Write([]byte{1, 2, 3})
	f.Close()
	w = must[*NpyWriter](t)(ResumeNpy(path, Float32, Shape{2}))
	if w.Rows() != 5 {
		t.Fatalf("resumed with %d rows, want 5", w.Rows())
	}
	if err := w.Truncate(4); err != nil {
		t.Fatal(err)
	}
	if err := w.Suspend(); err != nil {
		t.Fatal(err)
	}
	if x := must[Tensor](t)(ReadNpy(path + ".partial")); !Equal(x, rows(0, 4)) {
		t.Errorf("a suspended file holds %v", x)
	}
	w = must[*NpyWriter](t)(ResumeNpy(path, Float32, Shape{2}))
	if err := w.Append(rows(4, 100)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if x := must[Tensor](t)(ReadNpy(path)); !Equal(x, rows(0, 104)) {
		t.Errorf("the file has shape %s", x.Shape)
	}
	if _, err := os.Stat(path + ".partial"); err == nil {
		t.Error("the partial file is left")
	}
	w = must[*NpyWriter](t)(CreateNpy(path, Float32, Shape{2}))
	if err := w.Abort(); err != nil {
		t.Error(err)
	}
	if x := must[Tensor](t)(ReadNpy(path)); x.Shape[0] != 104 {
		t.Error("Abort touched the finished file")
	}
}

func TestNpyWriterOther(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s.npy")
	w := must[*NpyWriter](t)(CreateNpy(path, String, Shape{}))
	w.Append(Tensor{DType: String, Shape: Shape{2}, Strings: []string{"a", "longer"}})
	if err := w.Suspend(); err != nil {
		t.Fatal(err)
	}
	w = must[*NpyWriter](t)(ResumeNpy(path, String, Shape{}))
	w.Append(Tensor{DType: String, Shape: Shape{1}, Strings: []string{"the longest"}})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if x := must[Tensor](t)(ReadNpy(path)); !slices.Equal(x.Strings, []string{"a", "longer", "the longest"}) {
		t.Errorf("strings: %q", x.Strings)
	}
	// A partial file of another dtype is not gone on with.
	path = filepath.Join(dir, "o.npy")
	must[*NpyWriter](t)(CreateNpy(path, Int64, Shape{1})).Suspend()
	w = must[*NpyWriter](t)(ResumeNpy(path, Float32, Shape{1}))
	if w.Rows() != 0 {
		t.Errorf("%d rows", w.Rows())
	}
	w.Abort()
}

func FuzzNpy(f *testing.F) {
	f.Add(npyFile(1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", 24))
	f.Add(npyFile(2, "{'descr': '>U2', 'fortran_order': False, 'shape': (2,), }", 16))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := NewNpy(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		x, err := a.All()
		if err != nil || x.Check() != nil {
			t.Fatalf("a good header, then %v, %v", err, x.Check())
		}
		if len(x.Shape) > 0 {
			part, err := a.Read(0, min(1, a.Rows()))
			if err != nil {
				t.Fatal(err)
			}
			if want, err := Slice(x, 0, min(1, a.Rows())); err == nil && !Equal(part, want) {
				t.Fatalf("the first row is %v, want %v", part, want)
			}
		}
		var w bytes.Buffer
		if err := EncodeNpy(&w, x); err != nil {
			t.Fatal(err)
		}
		back, err := NewNpy(bytes.NewReader(w.Bytes()), int64(w.Len()))
		if err != nil || back.DType != x.DType || !back.Shape.Equal(x.Shape) {
			t.Fatalf("written and read: %v, %v", back, err)
		}
	})
}

func FuzzNpz(f *testing.F) {
	seed, err := os.ReadFile("testdata/numpy.npz")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	var b bytes.Buffer
	x, _ := FromFloat32("x", Shape{2}, []float32{1, 2})
	if err := WriteNpz(&b, []Tensor{x}); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		z, err := NewNpz(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for _, name := range z.Names() {
			if a, err := z.Open(name); err == nil {
				if x, err := a.All(); err == nil && x.Check() != nil {
					t.Fatal(x.Check())
				}
			}
		}
	})
}
