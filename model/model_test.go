package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model/onnx"
	"infer/model/tensor"
)

// sample returns y = x + w with an input of shape N×n and an initializer w of n floats.
func sample(t *testing.T, n int) *onnx.Model {
	t.Helper()
	data := make([]byte, 4*n)
	for i := range data {
		data[i] = byte(i*7 + i>>8)
	}
	w, err := onnx.NewTensor("w", tensor.Tensor{DType: tensor.Float32, Shape: tensor.Shape{int64(n)}, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	b, err := onnx.NewTensor("b", tensor.Tensor{DType: tensor.Float32, Shape: tensor.Shape{1}, Data: []byte{0, 0, 128, 63}})
	if err != nil {
		t.Fatal(err)
	}
	float := &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32, HasShape: true, Dims: []onnx.Dim{onnx.Symbol("N"), onnx.Fixed(int64(n))}}
	return &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{
		Name:         "g",
		Nodes:        []*onnx.Node{{OpType: "Add", Inputs: []string{"x", "w"}, Outputs: []string{"y"}}},
		Initializers: []*onnx.Tensor{w, b},
		Inputs:       []*onnx.ValueInfo{{Name: "x", Type: float}, {Name: "w"}},
		Outputs:      []*onnx.ValueInfo{{Name: "y"}},
	}}
}

func load(t *testing.T, path string) *Model {
	t.Helper()
	m, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 2 {
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return m
}

// saved saves a sample of n floats and returns its path.
func saved(t *testing.T, n int, o SaveOptions) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := New(sample(t, n)).Save(path, o); err != nil {
		t.Fatal(err)
	}
	return path
}

// value returns the bytes of an initializer.
func value(t *testing.T, m *onnx.Model, name string) []byte {
	t.Helper()
	v, err := m.Graph.Initializer(name).Value()
	if err != nil {
		t.Fatal(err)
	}
	return v.Data
}

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestSignature(t *testing.T) {
	m := load(t, saved(t, 4, SaveOptions{}))
	in, out := m.Inputs(), m.Outputs()
	if len(in) != 1 || in[0].Name != "x" || in[0].Type.Dims[0].Name != "N" {
		t.Errorf("inputs are %+v: w has an initializer", in)
	}
	if len(out) != 1 || out[0].Type == nil || out[0].Type.Kind != onnx.KindNone {
		t.Errorf("outputs are %+v", out)
	}
}

func TestDigestAndBytes(t *testing.T) {
	path := saved(t, 4, SaveOptions{})
	m := load(t, path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	got, err := m.Digest()
	if err != nil || got != hex.EncodeToString(sum[:]) || m.Bytes() != int64(len(b)) {
		t.Errorf("digest %s of %d bytes, %v; want that of the file, %x of %d bytes", got, m.Bytes(), err, sum, len(b))
	}
	if m.Edited() {
		t.Error("a loaded model counts as edited")
	}
	m.Proto.Graph.Name = "other"
	m.MarkEdited()
	edited, err := m.Digest()
	if err != nil || edited == got || !m.Edited() || m.Bytes() != int64(len(b))+4 {
		t.Errorf("edited: %s, %v, %d bytes", edited, err, m.Bytes())
	}
	out, err := m.Serialize()
	if sum := sha256.Sum256(out); err != nil || hex.EncodeToString(sum[:]) != edited {
		t.Errorf("the digest of an edited model is not that of what it would save: %v", err)
	}
}

func TestDigestNoticesChanges(t *testing.T) {
	path := saved(t, 1000, SaveOptions{External: ExternalAlways})
	m := load(t, path)
	whole, err := m.Digest()
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "d")
	if err := os.WriteFile(other, make([]byte, 4000), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(other, path+".data"); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Digest(); err == nil || !strings.Contains(err.Error(), "changed since") {
		t.Errorf("got %v", err)
	}
	if again, err := load(t, path).Digest(); err != nil || again == whole {
		t.Errorf("other external data give the same digest: %v", err)
	}
}

func TestSaveExternal(t *testing.T) {
	tests := []struct {
		name    string
		n       int
		o       SaveOptions
		outside bool
	}{
		{"auto, small", 1000, SaveOptions{}, false},
		{"never", 1000, SaveOptions{External: ExternalNever}, false},
		{"always", 1000, SaveOptions{External: ExternalAlways}, true},
		{"always, below the threshold", 1000, SaveOptions{External: ExternalAlways, Threshold: 5000}, false},
		{"always, large", 1 << 19, SaveOptions{External: ExternalAlways, Threshold: 1}, true},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			proto := sample(t, c.n)
			slices.Reverse(proto.Graph.Initializers) // so that the large one does not start at 0
			path := filepath.Join(t.TempDir(), "m.onnx")
			if err := New(proto).Save(path, c.o); err != nil {
				t.Fatal(err)
			}
			want := []string{"m.onnx"}
			if c.outside {
				want = append(want, "m.onnx.data")
			}
			if got := files(t, filepath.Dir(path)); !slices.Equal(got, want) {
				t.Errorf("files are %q, want %q", got, want)
			}
			m := load(t, path)
			w := m.Proto.Graph.Initializer("w")
			if (w.External != nil) != c.outside {
				t.Errorf("external is %+v", w.External)
			}
			if c.outside && 4*c.n >= 1<<20 && (w.External.Offset == 0 || w.External.Offset%4096 != 0) {
				t.Errorf("a large tensor lies at %d", w.External.Offset)
			}
			if !bytes.Equal(value(t, m.Proto, "w"), value(t, proto, "w")) || !bytes.Equal(value(t, m.Proto, "b"), value(t, proto, "b")) {
				t.Error("tensor bytes changed")
			}
			if proto.Graph.Initializer("w").External != nil {
				t.Error("saving changed the model")
			}
		})
	}
}

// TestDataFile: the data file is called as asked, and only as a file beside the model can be.
func TestDataFile(t *testing.T) {
	path := saved(t, 1000, SaveOptions{External: ExternalAlways, DataFile: "weights.bin"})
	if got := files(t, filepath.Dir(path)); !slices.Equal(got, []string{"m.onnx", "weights.bin"}) {
		t.Errorf("files are %q", got)
	}
	if x := load(t, path).Proto.Graph.Initializer("w").External; x == nil || x.Location != "weights.bin" {
		t.Errorf("external is %+v", x)
	}
	for _, name := range []string{"../w", "a/b", `a\b`, ".", "..", "m.onnx", "/w"} {
		dir := t.TempDir()
		err := New(sample(t, 1000)).Save(filepath.Join(dir, "m.onnx"), SaveOptions{External: ExternalAlways, DataFile: name})
		if fault.KindOf(err) != fault.Usage || len(files(t, dir)) > 0 {
			t.Errorf("%q: %v, files %q", name, err, files(t, dir))
		}
	}
}

// TestSaveElsewhere: a model with external data becomes self-contained in its new folder, as two files or as one.
func TestSaveElsewhere(t *testing.T) {
	m := load(t, saved(t, 1000, SaveOptions{External: ExternalAlways}))
	for _, mode := range []ExternalMode{ExternalAuto, ExternalNever} {
		path := filepath.Join(t.TempDir(), "copy.onnx")
		if err := m.Save(path, SaveOptions{External: mode}); err != nil {
			t.Fatal(err)
		}
		c := load(t, path)
		if got := len(files(t, filepath.Dir(path))); got != 2-int(mode) {
			t.Errorf("mode %d wrote %d files", mode, got)
		}
		if !bytes.Equal(value(t, c.Proto, "w"), value(t, m.Proto, "w")) {
			t.Error("tensor bytes changed")
		}
	}
}

func TestSaveOverItself(t *testing.T) {
	path := saved(t, 1000, SaveOptions{External: ExternalAlways})
	m := load(t, path)
	before := bytes.Clone(value(t, m.Proto, "w"))
	link := filepath.Join(filepath.Dir(path), "link.onnx")
	if err := os.Symlink("m.onnx", link); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	for _, p := range []string{path, link, strings.TrimSuffix(path, ".onnx") + ".onnx.data"} {
		if err := m.Save(p, SaveOptions{}); fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: got %v", filepath.Base(p), err)
		}
	}
	m.Proto.Graph.Name = "edited"
	if err := m.Save(path, SaveOptions{Overwrite: true}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(value(t, m.Proto, "w"), before) {
		t.Error("the open model lost its bytes")
	}
	again := load(t, path)
	if again.Proto.Graph.Name != "edited" || !bytes.Equal(value(t, again.Proto, "w"), before) {
		t.Error("the new file is not the edited model")
	}
	if got := files(t, filepath.Dir(path)); !slices.Equal(got, []string{"link.onnx", "m.onnx", "m.onnx.data"}) {
		t.Errorf("files are %q", got)
	}
}

// TestSaveFails: whatever fails, and wherever, what stood there stands and nothing is left behind.
func TestSaveFails(t *testing.T) {
	broken := func(t *testing.T) *Model {
		p := sample(t, 1000)
		w := p.Graph.Initializer("w")
		w.Dims = tensor.Shape{2000} // found out when its bytes are written, after the model
		return New(p)
	}
	t.Run("data cannot be written", func(t *testing.T) {
		path := saved(t, 1000, SaveOptions{External: ExternalAlways})
		want := stand(t, path)
		if err := broken(t).Save(path, SaveOptions{External: ExternalAlways}); err == nil {
			t.Error("no error")
		}
		if got := stand(t, path); got != want {
			t.Error("the old files changed")
		}
	})
	t.Run("model cannot be renamed", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "m.onnx")
		if err := os.MkdirAll(filepath.Join(path, "in the way"), 0o755); err != nil {
			t.Fatal(err)
		}
		for range 2 { // without and with older data
			if err := New(sample(t, 1000)).Save(path, SaveOptions{External: ExternalAlways}); err == nil {
				t.Error("no error")
			}
			if got, err := os.ReadFile(path + ".data"); err == nil && string(got) != "old" {
				t.Error("data of a model that was not saved")
			}
			if err := os.WriteFile(path+".data", []byte("old"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := files(t, filepath.Dir(path)); !slices.Equal(got, []string{"m.onnx", "m.onnx.data"}) {
			t.Errorf("files are %q", got)
		}
	})
	t.Run("no folder", func(t *testing.T) {
		err := New(sample(t, 4)).Save(filepath.Join(t.TempDir(), "none", "m.onnx"), SaveOptions{})
		if fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("full disk", func(t *testing.T) {
		if _, err := os.Stat("/dev/full"); err != nil {
			t.Skip("no /dev/full")
		}
		// A small file system would need root; the kernel's full device tells that errors of a write are seen.
		f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Skip(err)
		}
		defer f.Close()
		if err := saveError(onnx.Write(f, sample(t, 4))); err == nil || !strings.Contains(fault.HintOf(err), "space") {
			t.Errorf("got %v", err)
		}
	})
}

// stand describes all that lies in the folder of path.
func stand(t *testing.T, path string) string {
	t.Helper()
	var all string
	for _, name := range files(t, filepath.Dir(path)) {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(path), name))
		if err != nil {
			t.Fatal(err)
		}
		all += name + string(b)
	}
	return all
}

func TestLoadRefuses(t *testing.T) {
	gone := saved(t, 1000, SaveOptions{External: ExternalAlways})
	if err := os.Remove(gone + ".data"); err != nil {
		t.Fatal(err)
	}
	short := saved(t, 1000, SaveOptions{External: ExternalAlways})
	if err := os.Truncate(short+".data", 100); err != nil {
		t.Fatal(err)
	}
	invalid := filepath.Join(t.TempDir(), "m.onnx")
	p := sample(t, 4)
	p.Graph.Nodes[0].Inputs[0] = "nothing"
	if err := New(p).Save(invalid, SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{gone: "no such file", short: "outside the file", invalid: `reads "nothing"`, gone + "x": "no such file"} {
		_, err := Load(path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) || fault.HintOf(err) == "" {
			t.Errorf("got %v (hint %q), want %q", err, fault.HintOf(err), want)
		}
	}
}

// TestLinkedCache: a cache of downloads links to model and external data from one folder into another.
func TestLinkedCache(t *testing.T) {
	path := saved(t, 1000, SaveOptions{External: ExternalAlways})
	dir := t.TempDir()
	for _, name := range []string{"m.onnx", "m.onnx.data"} {
		if err := os.Symlink(filepath.Join(filepath.Dir(path), name), filepath.Join(dir, name)); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	load(t, filepath.Join(dir, "m.onnx"))
}
