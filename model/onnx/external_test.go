package onnx

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model/tensor"
)

// outside returns tiny with one tensor of two floats in an external file.
func outside(x External) *Model {
	m := tiny()
	m.Graph.Initializers[0] = &Tensor{Name: "w", DType: tensor.Float32, Dims: tensor.Shape{2}, External: &x}
	return m
}

func TestResolveExternal(t *testing.T) {
	top := t.TempDir()
	dir := filepath.Join(top, "model")
	put := func(name string, b []byte) {
		t.Helper()
		path := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data := []byte("0123456789abcdef")
	put("model/data.bin", data)
	put("model/sub/data.bin", data)
	put("model/empty.bin", nil)
	put("model/lfs.bin", []byte("version https://git-lfs.github.com/spec/v1\n"))
	put("secret", data)
	put("blobs/sha", data)
	for link, to := range map[string]string{"inside": "data.bin", "outside": "../secret", "linked": "../blobs/sha", "dangling": "none"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	tests := []struct {
		name string
		x    External
		want string // bytes, or what the error says
		ok   bool
	}{
		{"whole", External{Location: "data.bin", Length: 8}, "01234567", true},
		{"offset", External{Location: "data.bin", Offset: 8, Length: 8}, "89abcdef", true},
		{"no length", External{Location: "data.bin", Offset: 4}, "456789ab", true},
		{"subfolder", External{Location: "sub/data.bin", Length: 8}, "01234567", true},
		{"dot", External{Location: "./data.bin", Length: 8}, "01234567", true},
		{"link inside", External{Location: "inside", Length: 8}, "01234567", true},
		{"link to an allowed folder", External{Location: "linked", Length: 8}, "01234567", true},
		{"link outside", External{Location: "outside", Length: 8}, "symbolic link that leaves", false},
		{"dangling link", External{Location: "dangling", Length: 8}, "no such file", false},
		{"missing", External{Location: "none.bin", Length: 8}, "no such file", false},
		{"no location", External{Length: 8}, "location is empty", false},
		{"parent", External{Location: "../secret", Length: 8}, "leaves the folder", false},
		{"parent inside", External{Location: "sub/../../secret", Length: 8}, "leaves the folder", false},
		{"absolute", External{Location: filepath.Join(top, "secret"), Length: 8}, "absolute", false},
		{"backslash", External{Location: `..\secret`, Length: 8}, "backslash", false},
		{"zero byte", External{Location: "data.bin\x00x", Length: 8}, "zero byte", false},
		{"folder", External{Location: "sub", Length: 8}, "folder", false},
		{"past the end", External{Location: "data.bin", Offset: 12, Length: 8}, "outside the file", false},
		{"offset past the end", External{Location: "data.bin", Offset: 99, Length: 8}, "outside the file", false},
		{"overflow", External{Location: "data.bin", Offset: math.MaxInt64, Length: 8}, "outside the file", false},
		{"empty file", External{Location: "empty.bin", Length: 8}, "outside the file", false},
		{"git lfs pointer", External{Location: "lfs.bin", Length: 8}, "Git LFS pointer", false},
		{"length of another shape", External{Location: "data.bin", Length: 4}, "takes 8", false},
		{"no number", External{Location: "data.bin", Extra: []Prop{{Key: "offset", Value: "-4"}}}, "no number", false},
		{"memory address", External{Location: "*/_ORT_MEM_ADDR_/*", Length: 8}, "no such file", false},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			m, err := Decode(encode(t, outside(c.x)))
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Check(); err != nil {
				t.Fatal(err)
			}
			files, err := ResolveExternal(m, dir, filepath.Join(top, "blobs"))
			if !c.ok {
				if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `"w"`) {
					t.Fatalf("got %v, want an error with %q and the tensor", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			v, err := m.Graph.Initializers[0].Value()
			if err != nil || string(v.Data) != c.want {
				t.Errorf("got %q, %v", v.Data, err)
			}
			before := encode(t, m)
			m.Graph.Initializers[0].payload = payload{}
			if !bytes.Equal(before, encode(t, m)) || bytes.Contains(before, []byte(c.want)) {
				t.Error("resolved bytes are written into the model")
			}
			for range 2 {
				if err := files.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestResolveExternalEverywhere(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "d"), []byte("01234567"), 0o644); err != nil {
		t.Fatal(err)
	}
	count := 0
	away := func() *Tensor {
		count++
		return &Tensor{Name: "t", DType: tensor.Int8, Dims: tensor.Shape{8}, External: &External{Location: "d"}}
	}
	graph := func() *Graph {
		return &Graph{Initializers: []*Tensor{away()}, Sparse: []*SparseTensor{{Values: away(), Indices: away()}}}
	}
	node := func() *Node {
		return &Node{OpType: "N", Attrs: []*Attribute{{Name: "a", T: away(), G: graph(), Sparse: &SparseTensor{Values: away()}},
			{Name: "b", Tensors: []*Tensor{away(), away()}, Graphs: []*Graph{graph()}, Sparses: []*SparseTensor{{Indices: away()}}}}}
	}
	m := &Model{Graph: graph(), Functions: []*Function{{Name: "f", Nodes: []*Node{node()}, AttrProtos: node().Attrs}}}
	m.Graph.Nodes = []*Node{node()}
	m, err := Decode(encode(t, m))
	if err != nil {
		t.Fatal(err)
	}
	files, err := ResolveExternal(m, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	found := 0
	err = m.Tensors(func(x *Tensor) error {
		if v, err := x.Value(); err == nil && string(v.Data) == "01234567" {
			found++
		}
		return nil
	})
	if err != nil || found != count {
		t.Errorf("resolved %d of %d tensors, %v", found, count, err)
	}
	if n := len(files.(*maps).unmap); n != 1 {
		t.Errorf("one file is mapped %d times", n)
	}
	if names := m.ExternalFiles(); len(names) != 1 || names[0] != "d" {
		t.Errorf("external files are %q", names)
	}
}

func TestExternalEntriesRoundTrip(t *testing.T) {
	x := External{Location: "d", Offset: 4096, Length: 8, Checksum: "abc", Extra: []Prop{{Key: "future", Value: "1"}}}
	m, err := Decode(encode(t, outside(x)))
	if err != nil {
		t.Fatal(err)
	}
	got := m.Graph.Initializers[0].External
	if got.Location != x.Location || got.Offset != x.Offset || got.Length != x.Length || got.Checksum != x.Checksum || len(got.Extra) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestOpenFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.onnx")
	if err := os.WriteFile(path, encode(t, tiny()), 0o644); err != nil {
		t.Fatal(err)
	}
	m, files, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if m.Graph.Nodes[0].OpType != "Relu" {
		t.Errorf("got %+v", m.Graph.Nodes[0])
	}
	for range 2 {
		if err := files.Close(); err != nil {
			t.Error(err)
		}
	}
	for name, want := range map[string]string{filepath.Join(dir, "none.onnx"): "no such file", dir: "folder", os.DevNull: "not a regular file"} {
		_, _, err := OpenFile(name)
		if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), want) || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOpenFileOver2GB opens a file of 5 GiB that is nearly all hole, so it takes no disk.
func TestOpenFileOver2GB(t *testing.T) {
	const size = 5 << 30
	m := tiny()
	m.Graph.Initializers = nil
	head := encode(t, m)
	path := filepath.Join(t.TempDir(), "big.onnx")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	// A second graph field with one initializer, whose raw data are the rest of the file.
	tail := append(intField(1, size), intField(2, int64(tensor.Uint8))...)
	rawHead := append(append(tail, 9<<3|2), ints(size)...)
	tensorHead := append(append([]byte{5<<3 | 2}, ints(int64(len(rawHead))+size)...), rawHead...)
	graphHead := append(append([]byte{7<<3 | 2}, ints(int64(len(tensorHead))+size)...), tensorHead...)
	if _, err := f.Write(append(head, graphHead...)); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(int64(len(head)+len(graphHead)) + size); err != nil {
		t.Skip("no sparse files here:", err)
	}
	big, files, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	if err := big.Check(); err != nil {
		t.Fatal(err)
	}
	if b, ok := big.Graph.Initializers[0].Raw(); !ok || len(b) != size {
		t.Errorf("raw data have %d bytes", len(b))
	}
}
