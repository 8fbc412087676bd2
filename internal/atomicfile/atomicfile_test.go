package atomicfile

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.json")
	put := func(text string, fail error) error {
		return Write(path, func(w io.Writer) error {
			if _, err := io.WriteString(w, text); err != nil {
				return err
			}
			return fail
		})
	}
	if err := put("first", nil); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no space left")
	err := put("half", broken)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "out.json") {
		t.Errorf("error is %v, want one that names the file and wraps the cause", err)
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != "first" {
		t.Errorf("after a failed write the file holds %q, %v", got, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

func TestWriteNoFolder(t *testing.T) {
	err := Write(filepath.Join(t.TempDir(), "none", "f"), func(io.Writer) error { return nil })
	if !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), ".infer-") {
		t.Errorf("error is %v, want os.ErrNotExist without the temporary name", err)
	}
}
