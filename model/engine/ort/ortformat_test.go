package ort_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// asORT has the library write what it makes of a model in its own format, and opens that.
func asORT(t *testing.T, p engine.Provider, m *model.Model, level engine.OptLevel, name string) *model.Model {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	s, err := p.Open(t.Context(), m, engine.Config{
		Threads: 1, OptLevel: level, OptimizedModelPath: path, Entries: map[string]string{"session.save_model_format": "ORT"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return loaded(t, path)
}

func loaded(t *testing.T, path string) *model.Model {
	t.Helper()
	m, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// TestORTFormat: a model in the library's own format has the ports of the ONNX file that it was made from, and gives the
// same outputs bit by bit, whether it runs as it is, as ONNX from memory, or as the ONNX file that it is saved as.
func TestORTFormat(t *testing.T) {
	cpu := enginetest.CPU(t)
	var paths []string
	for _, glob := range []string{"../../../testdata/digits/*.onnx", "../../../../shared/models/*/*.onnx"} {
		found, err := filepath.Glob(glob)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	for _, path := range paths {
		folder := filepath.Base(filepath.Dir(path))
		if folder == "odd" {
			continue
		}
		t.Run(folder+"/"+filepath.Base(path), func(t *testing.T) {
			first := loaded(t, path)
			want := model.Bindings{}
			if folder == "silero-vad" {
				want.Shapes = map[string]tensor.Shape{"input": {1, 576}}
			}
			bound, err := first.Bind(want)
			if err != nil {
				t.Fatal(err)
			}
			in, _, err := dataset.Random(first, bound.Shapes, 7)
			if err != nil {
				t.Fatal(err)
			}
			second := asORT(t, cpu, first, engine.OptAll, "m.onnx") // the content tells the format, not the name
			if second.Format() != model.FormatORT || second.ORT().Version != 6 || len(second.Inputs()) != len(first.Inputs()) {
				t.Fatalf("format %q, %+v, %d inputs", second.Format(), second.ORT(), len(second.Inputs()))
			}
			expected := outputs(t, cpu, first, in)
			compare := func(what string, m *model.Model) {
				t.Helper()
				for i, got := range outputs(t, cpu, m, in) {
					if !tensor.Equal(expected[i], got) {
						t.Errorf("%s: output %q differs", what, got.Name)
					}
				}
			}
			compare("as it is", second)
			saved := filepath.Join(t.TempDir(), "saved.onnx")
			if err := second.Save(saved, model.SaveOptions{}); err != nil {
				t.Fatal(err)
			}
			compare("saved as ONNX", loaded(t, saved))
			second.MarkEdited()
			compare("edited", second)
		})
	}
}

// TestONNXNamedORT: the content tells the format in the other direction, too.
func TestONNXNamedORT(t *testing.T) {
	cpu := enginetest.CPU(t)
	b, err := os.ReadFile("../../../testdata/digits/digits-cnn.onnx")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.ort")
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := cpu.Open(t.Context(), loaded(t, path), engine.Config{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

// TestORTFormatDamaged: where a damaged file is read here, the library runs it or refuses it with one line.
func TestORTFormatDamaged(t *testing.T) {
	cpu := enginetest.CPU(t)
	m := asORT(t, cpu, loaded(t, "../../../testdata/odd/if.onnx"), engine.OptBasic, "m.ort")
	b, err := os.ReadFile(m.Path)
	if err != nil {
		t.Fatal(err)
	}
	path, opened, refused := filepath.Join(t.TempDir(), "m.ort"), 0, 0
	for i := 0; i < len(b); i += 7 {
		damaged := append([]byte{}, b...)
		damaged[i] ^= 0xff
		if err := os.WriteFile(path, damaged, 0o644); err != nil {
			t.Fatal(err)
		}
		m, err := model.Load(path)
		if err != nil {
			refused++
			continue
		}
		s, err := cpu.Open(t.Context(), m, engine.Config{Threads: 1})
		if err == nil {
			opened++
			s.Close()
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("byte %d: %v", i, err)
		}
		m.Close()
	}
	if opened == 0 || refused == 0 {
		t.Errorf("%d damaged files were opened, %d were refused", opened, refused)
	}
}

// TestContextFromBytes: a model whose provider keeps what it compiled in a file is not run from memory.
func TestContextFromBytes(t *testing.T) {
	cpu := enginetest.CPU(t)
	n := enginetest.Node("EPContext", []string{"x"}, []string{"y"}, enginetest.Int("embed_mode", 0),
		&onnx.Attribute{Name: "ep_cache_context", Type: onnx.AttrString, S: []byte("y.bin")})
	n.Domain = "com.microsoft"
	m := enginetest.Build(enginetest.Values(enginetest.Value("x", tensor.Float32, 1)), enginetest.Values(enginetest.Value("y", tensor.Float32, 1)), []*onnx.Node{n})
	m.Proto.Opsets = append(m.Proto.Opsets, onnx.Opset{Domain: "com.microsoft", Version: 1})
	_, err := cpu.Open(t.Context(), m, engine.Config{Threads: 1})
	if fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), "y.bin") {
		t.Errorf("from memory: %v", err)
	}
}
