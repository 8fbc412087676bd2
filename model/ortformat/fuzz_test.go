package ortformat

import (
	"os"
	"path/filepath"
	"testing"

	"infer/model/onnx"
)

// FuzzDecode: whatever decodes can be written as ONNX, and is the same model when it is read again; nothing panics, and
// nothing takes much more memory than the file.
func FuzzDecode(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, info, err := Decode(b, nil)
		if err != nil {
			if m != nil || info != nil {
				t.Fatal("a model and an error")
			}
			return
		}
		if m.Check() != nil {
			return
		}
		once, err := onnx.Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		again, err := onnx.Decode(once)
		if err != nil {
			return // no nodes and no outputs, or nested deeper than protobuf allows
		}
		if err := again.Check(); err != nil {
			t.Fatalf("what was written as ONNX is refused: %v", err)
		}
	})
}

// seeds are the files of testdata.
func seeds(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.ort")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no seeds in testdata: %v", err)
	}
	files := map[string][]byte{}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(p)] = b
	}
	return files
}
