package model

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model/onnx"
	"infer/model/tensor"
)

// compiled writes a model of one EPContext node with a cache file of that location, and returns its path.
func compiled(t *testing.T, location string, attrs ...*onnx.Attribute) string {
	t.Helper()
	float := &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32, HasShape: true, Dims: []onnx.Dim{onnx.Fixed(4)}}
	n := &onnx.Node{Name: "part", OpType: "EPContext", Domain: "com.microsoft", Inputs: []string{"x"}, Outputs: []string{"y"}, Attrs: append(attrs,
		&onnx.Attribute{Name: "embed_mode", Type: onnx.AttrInt, I: 0},
		&onnx.Attribute{Name: "source", Type: onnx.AttrString, S: []byte("SomeExecutionProvider")},
		&onnx.Attribute{Name: "ep_cache_context", Type: onnx.AttrString, S: []byte(location)})}
	b, err := onnx.Encode(&onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}, {Domain: "com.microsoft", Version: 1}}, Graph: &onnx.Graph{
		Name: "g", Nodes: []*onnx.Node{n}, Inputs: []*onnx.ValueInfo{{Name: "x", Type: float}}, Outputs: []*onnx.ValueInfo{{Name: "y", Type: float}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.onnx")
	write(t, path, b)
	return path
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestContextFiles: what a provider compiled is a file of the model, and a part of its digest and size.
func TestContextFiles(t *testing.T) {
	path := compiled(t, "parts/m.bin")
	cache := filepath.Join(filepath.Dir(path), "parts", "m.bin")
	write(t, cache, []byte("first"))
	m := load(t, path)
	files := m.Files()
	if len(files) != 2 || files[1] != (File{Path: cache, Location: "parts/m.bin", Bytes: 5}) || m.Bytes() != files[0].Bytes+5 {
		t.Errorf("files are %+v, of %d bytes", files, m.Bytes())
	}
	if c := m.Proto.Contexts(); len(c) != 1 || c[0].Source != "SomeExecutionProvider" || c[0].File != "parts/m.bin" {
		t.Errorf("contexts are %+v", c)
	}
	digests := map[string]bool{}
	for _, content := range []string{"first", "other"} {
		write(t, cache, []byte(content))
		for _, edited := range []bool{false, true} {
			m := load(t, path)
			if edited {
				m.MarkEdited()
			}
			sum, err := m.Digest()
			if err != nil {
				t.Fatal(err)
			}
			digests[content+sum] = true
		}
	}
	if len(digests) != 2 {
		t.Errorf("%d digests of two caches, edited or not: an edit that changes nothing changes no digest", len(digests))
	}
	beside := filepath.Join(filepath.Dir(path), "copy.onnx")
	if err := m.Save(beside, SaveOptions{}); err != nil {
		t.Errorf("in the folder of the cache: %v", err)
	}
	if err := m.Save(filepath.Join(t.TempDir(), "copy.onnx"), SaveOptions{}); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "parts/m.bin") {
		t.Errorf("in another folder: %v", err)
	}
}

func TestContextWeights(t *testing.T) {
	path := compiled(t, "ir.xml")
	write(t, filepath.Join(filepath.Dir(path), "ir.xml"), []byte("<net/>"))
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), `"ir.bin": no such file`) {
		t.Errorf("without its weights: %v", err)
	}
	write(t, filepath.Join(filepath.Dir(path), "ir.bin"), []byte("weights"))
	if m := load(t, path); len(m.Files()) != 3 {
		t.Errorf("files are %+v", m.Files())
	}
}

func TestContextRefused(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "out.bin")
	write(t, outside, []byte("x"))
	for _, c := range []struct{ name, location, want string }{
		{"missing", "gone.bin", "no such file"},
		{"outside", "../out.bin", "leaves the folder"},
		{"absolute", outside, "the path is absolute"},
		{"backslash", `a\b.bin`, "backslash"},
		{"folder", "folder", "not a regular file"},
		{"link", "link.bin", "symbolic link that leaves"},
		{"none", "", "names no file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := compiled(t, c.location)
			dir := filepath.Dir(path)
			if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(outside, filepath.Join(dir, "link.bin")); err != nil {
				t.Fatal(err)
			}
			_, err := Load(path)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `node "part"`) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
		})
	}
	path := compiled(t, "", &onnx.Attribute{Name: "main_context", Type: onnx.AttrInt, I: 0})
	if m := load(t, path); len(m.Files()) != 1 {
		t.Errorf("a node that shares the cache of another: %+v", m.Files())
	}
}

// TestORT: a file in ONNX Runtime's own format, under any name, is a model like others.
func TestORT(t *testing.T) {
	b, err := os.ReadFile("ortformat/testdata/if.ort")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.onnx")
	write(t, path, b)
	m := load(t, path)
	if m.Format() != FormatORT || m.ORT().Version != 6 || m.Bytes() != int64(len(b)) || len(m.Files()) != 1 || m.Edited() {
		t.Errorf("format %q, %+v, %d bytes, files %+v", m.Format(), m.ORT(), m.Bytes(), m.Files())
	}
	if in := m.Inputs(); len(in) != 2 || in[0].Type.Kind != onnx.KindTensor {
		t.Errorf("inputs are %+v", in)
	}
	saved := filepath.Join(t.TempDir(), "saved.onnx")
	if err := m.Save(saved, SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	if o := load(t, saved); o.Format() != FormatONNX || o.ORT() != nil || len(o.Proto.Graph.Nodes) != len(m.Proto.Graph.Nodes) {
		t.Errorf("saved as %q with %d nodes", o.Format(), len(o.Proto.Graph.Nodes))
	}
	m.ort.Fused, m.ort.Providers = 2, []string{"SomeExecutionProvider"}
	if err := m.Save(filepath.Join(t.TempDir(), "x.onnx"), SaveOptions{}); fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), "2 of its nodes were compiled by SomeExecutionProvider") {
		t.Errorf("compiled nodes: %v", err)
	}
	write(t, path, b[:len(b)/2])
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "damaged or cut short") || !strings.Contains(err.Error(), path) {
		t.Errorf("half a file: %v", err)
	}
}

func TestCutExt(t *testing.T) {
	for path, want := range map[string]string{"a/m.onnx": "a/m", "m.int8.ort": "m.int8", "m.onnx.data": "", "m": "", ".ort": ""} {
		stem, ok := CutExt(path)
		if ok != (want != "" || path == ".ort") || ok && stem != want {
			t.Errorf("%q: %q, %v", path, stem, ok)
		}
	}
}
