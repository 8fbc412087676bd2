package model

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
)

// put writes a file, making its folder.
func put(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// tree returns what is in a folder, "name=text" a file, sorted.
func tree(t *testing.T, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		name, _ := filepath.Rel(dir, p)
		list = append(list, name+"="+string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func draft(t *testing.T, path string) *Draft {
	t.Helper()
	d, err := NewDraft(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Discard)
	return d
}

func TestDraftPlaces(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "m.onnx")
	if err := os.Chmod(put(t, out, "old"), 0o600); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "cache", "stale"), "old")
	put(t, filepath.Join(dir, "other"), "kept")
	d := draft(t, out)
	put(t, d.Path(), "new")
	put(t, d.Beside("m.bin"), "bin")
	put(t, filepath.Join(d.Beside("cache"), "blob"), "blob")
	if got := tree(t, dir); !slices.Contains(got, "m.onnx=old") {
		t.Errorf("before Place: %v", got)
	}
	paths, err := d.Place()
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{filepath.Join(dir, "cache"), filepath.Join(dir, "m.bin"), out}; !slices.Equal(paths, want) {
		t.Errorf("placed %v, want %v", paths, want)
	}
	if got, want := tree(t, dir), []string{"cache/blob=blob", "m.bin=bin", "m.onnx=new", "other=kept"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode of the file that was there is not kept: %v, %v", info.Mode(), err)
	}
}

// TestDraftFails: a file in the place of which a folder stands cannot be placed, and what was placed before it is undone.
func TestDraftFails(t *testing.T) {
	dir := t.TempDir()
	put(t, filepath.Join(dir, "a"), "old a")
	put(t, filepath.Join(dir, "c", "kept"), "old c")
	put(t, filepath.Join(dir, "b", "kept"), "old b")
	before := tree(t, dir)
	d := draft(t, filepath.Join(dir, "m.onnx"))
	put(t, d.Path(), "new")
	put(t, d.Beside("a"), "new a")
	put(t, filepath.Join(d.Beside("b"), "blob"), "new b")
	put(t, d.Beside("c"), "new c")
	if _, err := d.Place(); err == nil || strings.Contains(err.Error(), ".infer-") || !strings.Contains(err.Error(), filepath.Join(dir, "c")) {
		t.Errorf("error is %v", err)
	}
	d.Discard()
	if got := tree(t, dir); !slices.Equal(got, before) {
		t.Errorf("%v, was %v", got, before)
	}
}

// TestDraftStale: external data of a model that is replaced by one without them go; a file of that name that is not
// its own stays.
func TestDraftStale(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "m.onnx")
	m, err := Load("../testdata/odd/weight-input.onnx")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Save(out, SaveOptions{External: ExternalAlways, Threshold: 1}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{false, true} { // is there a data file in the end?
		d := draft(t, out)
		put(t, d.Path(), "new")
		if _, err := d.Place(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(out + ".data"); (err == nil) != want {
			t.Errorf("data file: %v, want %t", err, want)
		}
		put(t, out+".data", "of someone else")
	}
}

// TestDraftSource: what the source is read from is neither replaced nor removed. Here the model that stands at the output
// and the source are read from the same data.
func TestDraftSource(t *testing.T) {
	dir := t.TempDir()
	out, moved, data := filepath.Join(dir, "m.onnx"), filepath.Join(dir, "moved.onnx"), filepath.Join(dir, "m.onnx.data")
	m, err := Load("../testdata/odd/weight-input.onnx")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for _, path := range []string{out, moved} {
		if err := m.Save(path, SaveOptions{External: ExternalAlways, Threshold: 1, DataFile: filepath.Base(data)}); err != nil {
			t.Fatal(err)
		}
	}
	source, err := Load(moved)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	before := tree(t, dir)
	for _, c := range []struct {
		name, output, made string
		refused            bool
	}{
		{"the model", moved, "moved.onnx", true},
		{"its data", out, "m.onnx.data", true},
		{"a folder around them", filepath.Join(filepath.Dir(dir), "m.onnx"), filepath.Base(dir), true},
		{"the other model", out, "m.onnx", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := NewDraft(c.output, source)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Discard()
			put(t, d.Beside(c.made), "new")
			_, err = d.Place()
			if c.refused != (fault.KindOf(err) == fault.Usage) || !c.refused && err != nil {
				t.Errorf("error is %v", err)
			}
			d.Discard()
			if c.refused && !slices.Equal(tree(t, dir), before) {
				t.Errorf("%v, was %v", tree(t, dir), before)
			}
			if !source.IsSource(data) {
				t.Error("the data are gone")
			}
		})
	}
}

func TestDraftRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "none", "m.onnx"), os.DevNull} {
		if _, err := NewDraft(path, nil); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error is %v", path, err)
		} else if fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: %v is no usage error", path, err)
		}
	}
	if got, _ := os.ReadDir(dir); len(got) > 0 {
		t.Errorf("left behind: %v", got)
	}
}
