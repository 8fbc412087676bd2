package onnx

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sharedModels returns the model files that lie in a folder `shared` beside the checkout; the test is skipped where
// there is none.
func sharedModels(t testing.TB) []string {
	t.Helper()
	root := filepath.Join("..", "..", "..", "shared", "models")
	if _, err := os.Stat(root); err != nil {
		t.Skip("no folder shared/models beside the checkout")
	}
	files, err := filepath.Glob(filepath.Join(root, "*", "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no models in %s: %v", root, err)
	}
	return files
}

func TestSharedModelsRoundTrip(t *testing.T) {
	refused := map[string]string{
		"empty.onnx":                         "empty",
		"truncated.onnx":                     "truncated",
		"git-lfs-pointer.onnx":               "Git LFS",
		"ir1-no-opset-super-resolution.onnx": "IR version 1 and no opset import",
	}
	for _, path := range sharedModels(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			m, closer, err := OpenFile(path)
			if err == nil {
				defer closer.Close()
				err = m.Check()
			}
			if want := refused[filepath.Base(path)]; want != "" {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Fatalf("got error %v, want one with %q", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			b, err := Encode(m)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			sameTensors(t, m, again)
			b2, err := Encode(again.Clone())
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(b, b2) {
				t.Error("a second round trip gives other bytes")
			}
			if original, _ := os.ReadFile(path); len(b) != len(original) {
				t.Logf("%d bytes became %d", len(original), len(b))
			}
		})
	}
}

// sameTensors fails unless both models hold the same tensors in the same order, in value and in form.
func sameTensors(t *testing.T, a, b *Model) {
	t.Helper()
	collect := func(m *Model) (ts []*Tensor) {
		_ = m.Tensors(func(x *Tensor) error { ts = append(ts, x); return nil })
		return ts
	}
	as, bs := collect(a), collect(b)
	if len(as) != len(bs) {
		t.Fatalf("%d tensors became %d", len(as), len(bs))
	}
	for i := range as {
		_, rawA := as[i].Raw()
		_, rawB := bs[i].Raw()
		if rawA != rawB {
			t.Errorf("tensor %q changed its form", as[i].Name)
		}
		va, errA := as[i].Value()
		vb, errB := bs[i].Value()
		if errA != nil || errB != nil {
			t.Fatalf("tensor %q: %v, %v", as[i].Name, errA, errB)
		}
		if va.Name != vb.Name || va.DType != vb.DType || !va.Shape.Equal(vb.Shape) || !bytes.Equal(va.Data, vb.Data) ||
			strings.Join(va.Strings, "\x00") != strings.Join(vb.Strings, "\x00") {
			t.Errorf("tensor %q changed", va.Name)
		}
	}
}
