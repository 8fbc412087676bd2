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
	_, missing := os.Open(filepath.Join(dir, "source"))
	if err := put("half", missing); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "source") {
		t.Errorf("error is %v, want one that names the source", err)
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

// TestWriteKeepsWhatItIs: a link stays a link, and a device stays a device.
func TestWriteKeepsWhatItIs(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	device := filepath.Join(dir, "device")
	if err := os.WriteFile(target, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Symlink(target, link) != nil || os.Symlink(os.DevNull, device) != nil {
		t.Skip("no symbolic links")
	}
	put := func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }
	for _, path := range []string{link, device} {
		if err := Check(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if err := Write(path, put); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if info, err := os.Lstat(path); err != nil || info.Mode()&os.ModeSymlink == 0 {
			t.Errorf("%s is no link any more: %v, %v", path, info, err)
		}
	}
	if got, err := os.ReadFile(target); err != nil || string(got) != "new" {
		t.Errorf("the target holds %q, %v", got, err)
	}
	if info, err := os.Stat(device); err != nil || info.Mode()&os.ModeDevice == 0 {
		t.Errorf("the device is %v, %v", info, err)
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	for path, ok := range map[string]bool{
		filepath.Join(dir, "new"): true, dir: false, filepath.Join(dir, "none", "f"): false,
	} {
		if err := Check(path); (err == nil) != ok {
			t.Errorf("%s: %v, want ok %t", path, err, ok)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
}

// TestFileFails: after a write that failed, as on a full disk, nothing is left but the first error, which Write and
// Commit return again.
func TestFileFails(t *testing.T) {
	dir := t.TempDir()
	f, err := Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("some")); err != nil {
		t.Fatal(err)
	}
	_ = f.f.Close() // from here on the system refuses
	_, first := f.Write([]byte("more"))
	_, second := f.Write([]byte("more"))
	if third := f.Commit(); first == nil || !errors.Is(second, first) || !errors.Is(third, first) || strings.Contains(first.Error(), ".tmp") {
		t.Errorf("errors are %v, %v, %v", first, second, third)
	}
	f.Abort()
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestFileTwice(t *testing.T) {
	dir := t.TempDir()
	f, err := Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Commit(), f.Commit()); err != nil {
		t.Error(err)
	}
	f.Abort()
	if _, err := os.Stat(filepath.Join(dir, "out")); err != nil {
		t.Error(err)
	}
	g, err := Create(filepath.Join(dir, "other"))
	if err != nil {
		t.Fatal(err)
	}
	g.Abort()
	g.Abort()
	if err := g.Commit(); err == nil {
		t.Error("committed after it was given up")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("in the folder: %v", entries)
	}
}
