package quantize

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/progress"
	"infer/model"
)

func TestRecordPath(t *testing.T) {
	for output, want := range map[string]string{
		"model.int8.onnx": "model.int8.quant.json", "a/b.c/model": "a/b.c/model.quant.json", "/x/m.onnx": "/x/m.quant.json",
	} {
		if got := RecordPath(output); got != want {
			t.Errorf("the record of %s is %s, want %s", output, got, want)
		}
	}
}

// TestVerify: a file that answers differently from what was judged is not given its name.
func TestVerify(t *testing.T) {
	k := digits(t)
	q := prepared(t, k, quick(Static))
	c, err := q.try(t.Context(), Recipe{Name: "static", Form: Static, PerChannel: true})
	if err != nil {
		t.Fatal(err)
	}
	m := q.modelOf(c.built.model)
	good := filepath.Join(t.TempDir(), "good.onnx")
	if err := m.Save(good, model.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := q.verify(t.Context(), good, c); err != nil {
		t.Errorf("the model itself: %v", err)
	}
	for name, path := range map[string]string{"another model": digitsDir + "digits-cnn.onnx", "no model": digitsDir + "README.md", "no file": good + ".none"} {
		if err := q.verify(t.Context(), path, c); err == nil || name == "another model" && !strings.Contains(err.Error(), "answers differently from the judged one: run 0 has a squared error of 0") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.verify(ctx, good, c); err == nil {
		t.Error("verified after the end")
	}
}

// TestWriteFails: where the model cannot get its name nothing else is left behind.
func TestWriteFails(t *testing.T) {
	k := digits(t)
	if err := os.MkdirAll(filepath.Join(k.Output, "a folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := quantize(t, t.Context(), k, quick(Static)); err == nil || !strings.Contains(err.Error(), `write "`+k.Output+`"`) {
		t.Errorf("error is %v", err)
	}
	if files, _ := os.ReadDir(filepath.Dir(k.Output)); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}

// TestWriteThroughLink: a link stays one, and the record lies beside the file that it names.
func TestWriteThroughLink(t *testing.T) {
	k := digits(t)
	real := filepath.Join(t.TempDir(), "real.onnx")
	if err := os.WriteFile(real, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(real, k.Output); err != nil {
		t.Skip("no symbolic links:", err)
	}
	r := mustQuantize(t, k, quick(Static))
	if st, err := os.Lstat(k.Output); err != nil || st.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", st, err)
	}
	if bytes.Equal(read(t, real), []byte("old")) {
		t.Error("the file is the old one")
	}
	if _, err := ReadRecord(r.Record); err != nil {
		t.Errorf("the record said to be at %s: %v", r.Record, err)
	}
}

// TestWriteOver: an existing file is replaced whole, and its record too.
func TestWriteOver(t *testing.T) {
	k := digits(t)
	first := mustQuantize(t, k, quick(Static))
	old, record := read(t, k.Output), read(t, first.Record)
	k.Progress = func(e progress.Event) {
		if e.Phase == "write and verify" && !bytes.Equal(read(t, k.Output), old) {
			t.Error("the old file is gone before the new one is verified")
		}
	}
	mustQuantize(t, k, quick(Dynamic))
	if bytes.Equal(read(t, k.Output), old) || bytes.Equal(read(t, first.Record), record) {
		t.Error("a file was not replaced")
	}
}
