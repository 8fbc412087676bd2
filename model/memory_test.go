package model

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
)

// peak returns by how many bytes the memory of this process grew at most while f ran, mapped files included.
func peak(t *testing.T, f func()) int64 {
	t.Helper()
	runtime.GC()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Skipf("the peak of this process's memory cannot be reset: %v", err)
	}
	before := resident(t)
	f()
	return resident(t) - before
}

// resident returns the peak of this process's memory in bytes.
func resident(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var kib int64
		if n, _ := fmt.Sscanf(line, "VmHWM: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	t.Fatal("no VmHWM in /proc/self/status")
	return 0
}

// large writes a model with count weights of size bytes each in a data file with holes, and returns its path.
func large(t *testing.T, count, size int64) string {
	t.Helper()
	dir := t.TempDir()
	data, err := os.Create(filepath.Join(dir, "w.data"))
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	g := &onnx.Graph{Name: "g", Outputs: []*onnx.ValueInfo{{Name: "y"}}}
	sum := &onnx.Node{OpType: "Sum", Outputs: []string{"y"}}
	for i := range count {
		w := onnx.NewTensorIn(fmt.Sprint("w", i), tensor.Uint8, tensor.Shape{size}, nil, false)
		w.External = &onnx.External{Location: "w.data", Offset: i * size, Length: size}
		g.Initializers, sum.Inputs = append(g.Initializers, w), append(sum.Inputs, w.Name)
		if _, err := data.WriteAt([]byte{byte(i)}, i*size); err != nil {
			t.Fatal(err)
		}
	}
	if err := data.Truncate(count * size); err != nil {
		t.Fatal(err)
	}
	g.Nodes = []*onnx.Node{sum}
	b, err := onnx.Encode(&onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: g})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "m.onnx")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestMemory: what is done with a large model holds no more of it than the tensor that is being read.
func TestMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells the peak of memory, and gives pages back")
	}
	const count, size, most = 3, 100 << 20, 48 << 20
	path := large(t, count, size)
	single := filepath.Join(t.TempDir(), "single.onnx")
	steps := []struct {
		name string
		run  func(m *Model) error
	}{
		{"load", func(*Model) error { return nil }},
		{"digest", func(m *Model) error { _, err := m.Digest(); return err }},
		{"digest of an edited model", func(m *Model) error { m.MarkEdited(); _, err := m.Digest(); return err }},
		{"clone and infer", func(m *Model) error { static.Infer(m.Proto.Clone(), nil); return nil }},
		{"write", func(m *Model) error { return onnx.Write(io.Discard, m.Proto) }},
		{"save in two files", func(m *Model) error {
			return m.Save(filepath.Join(t.TempDir(), "copy.onnx"), SaveOptions{External: ExternalAlways})
		}},
		{"save in one file", func(m *Model) error { return m.Save(single, SaveOptions{External: ExternalNever}) }},
	}
	try := func(name, path string, run func(*Model) error) {
		t.Run(name, func(t *testing.T) {
			grown := peak(t, func() {
				m := load(t, path)
				if err := run(m); err != nil {
					t.Fatal(err)
				}
			})
			if grown > most {
				t.Errorf("memory grew by %d MB with a model of %d MB", grown>>20, count*size>>20)
			}
			t.Logf("memory grew by %d MB", grown>>20)
		})
	}
	for _, s := range steps {
		try(s.name, path, s.run)
	}
	for _, s := range steps[2:6] {
		try("one file/"+s.name, single, s.run)
	}
}
