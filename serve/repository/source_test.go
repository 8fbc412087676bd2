package repository

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// lay makes files, and empty folders where a path ends in a slash.
func lay(t testing.TB, dir string, paths ...string) {
	t.Helper()
	for _, p := range paths {
		full := filepath.Join(dir, p)
		if strings.HasSuffix(p, "/") {
			full = filepath.Join(full, "x")
		}
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(p, "/") {
			continue
		}
		if err := os.WriteFile(full, []byte(p), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestScan(t *testing.T) {
	dir := t.TempDir()
	lay(t, dir, "flat/a.onnx", "flat/b.onnx", "flat/b.onnx.data", "flat/.c.onnx", "flat/notes.txt", "flat/.onnx",
		"repo/m/1/model.onnx", "repo/m/10/model.onnx", "repo/m/2/model.onnx", "repo/m/.11/model.onnx", "repo/m/12/", "repo/m/03/model.onnx", "repo/m/x/model.onnx",
		"repo/n/1/model.onnx", "repo/.hidden/1/model.onnx", "repo/empty/", "repo/flat.onnx", "repo/pending/1/",
		"one/3/model.onnx", "one/1/model.onnx", "fresh/1/",
		"ort/a.ort", "ort/b.ort", "ort/b.onnx", "ort/m/1/model.ort", "ort/m/2/model.ort", "ort/m/2/model.onnx")
	if err := os.Symlink("a.onnx", filepath.Join(dir, "flat", "link.onnx")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		sources []Source
		want    map[string]string // versions by model
		fault   string
	}{
		{"a file", []Source{{Path: "flat/a.onnx"}}, map[string]string{"a": "1"}, ""},
		{"a file with a name", []Source{{Name: "digits", Path: "flat/a.onnx"}}, map[string]string{"digits": "1"}, ""},
		{"flat", []Source{{Path: "flat"}}, map[string]string{"a": "1", "b": "1", "link": "1"}, ""},
		{"models with versions", []Source{{Path: "repo"}}, map[string]string{"m": "1 2 10", "n": "1", "flat": "1"}, ""},
		{"the versions of one", []Source{{Path: "repo/m"}}, map[string]string{"m": "1 2 10"}, ""},
		{"the same with a name", []Source{{Name: "o", Path: "one/"}}, map[string]string{"o": "1 3"}, ""},
		{"nothing yet", []Source{{Path: "fresh"}}, map[string]string{}, ""},
		{"ONNX Runtime's own format", []Source{{Path: "ort"}}, map[string]string{"a": "1", "b": "1", "m": "1 2"}, ""},
		{"a file of that format", []Source{{Path: "ort/a.ort"}}, map[string]string{"a": "1"}, ""},
		{"several", []Source{{Path: "one"}, {Name: "x", Path: "flat/a.onnx"}}, map[string]string{"one": "1 3", "x": "1"}, ""},
		{"two of one name", []Source{{Path: "flat"}, {Path: "flat/a.onnx"}}, nil, `two models are called "a"`},
		{"a name for many", []Source{{Name: "x", Path: "flat"}}, nil, "cannot all be called"},
		{"nothing there", []Source{{Path: "none"}}, nil, "none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i := range c.sources {
				c.sources[i].Path = filepath.Join(dir, c.sources[i].Path)
			}
			models, _, err := scan(c.sources)
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) {
					t.Fatalf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, m := range models {
				var versions []string
				for _, f := range m.files {
					versions = append(versions, f.version)
				}
				got[m.name] = strings.Join(versions, " ")
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// TestFingerprint: it changes with the model, its data and what a link leads to, and with nothing else.

// TestScanFormats: where a model is there in both formats, ONNX is served.
func TestScanFormats(t *testing.T) {
	dir := t.TempDir()
	lay(t, dir, "b.ort", "b.onnx", "m/1/model.ort", "m/2/model.ort", "m/2/model.onnx")
	models, _, err := scan([]Source{{Path: dir}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range models {
		for _, f := range m.files {
			rel, _ := filepath.Rel(dir, f.path)
			got = append(got, filepath.ToSlash(rel))
		}
	}
	if want := []string{"b.onnx", "m/1/model.ort", "m/2/model.onnx"}; !reflect.DeepEqual(got, want) {
		t.Errorf("the files are %v, want %v", got, want)
	}
}

func TestFingerprint(t *testing.T) {
	dir := t.TempDir()
	lay(t, dir, "a.onnx", "b.onnx", "..1/model.onnx", "..2/model.onnx")
	look := func() string {
		t.Helper()
		f, err := flat(filepath.Join(dir, "a.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		return f.print
	}
	before := look()
	lay(t, dir, "b.onnx.data", "abc.onnx")
	if look() != before {
		t.Error("another model changes it")
	}
	lay(t, dir, "a.onnx.data")
	if look() == before {
		t.Error("external data do not change it")
	}
	data := look()
	if err := os.Chtimes(filepath.Join(dir, "a.onnx"), time.Time{}, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if look() == data {
		t.Error("a new time does not change it")
	}
	link := filepath.Join(dir, "1")
	target := func(to string) string {
		t.Helper()
		os.Remove(link)
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
		files, _, err := versionsIn(dir)
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		return files[0].print
	}
	if target("..1") == target("..2") {
		t.Error("another target of a link does not change it")
	}
}

func TestPolicy(t *testing.T) {
	files := []file{{version: "1"}, {version: "2"}, {version: "10"}, {version: "11"}}
	for _, c := range []struct {
		text  string
		extra map[string]int
		want  string // "": refused
	}{
		{"", nil, "11"},
		{"latest", nil, "11"},
		{"latest", map[string]int{"1": 5, "7": 95}, "1 11"},
		{"latest:2", nil, "10 11"},
		{"latest:9", nil, "1 2 10 11"},
		{"all", nil, "1 2 10 11"},
		{"1, 10", nil, "1 10"},
		{"7", nil, " "},
		{"latest:0", nil, ""},
		{"latest:x", nil, ""},
		{"newest", nil, ""},
		{"1,,2", nil, ""},
		{"-1", nil, ""},
	} {
		p, err := parsePolicy(c.text)
		if (err != nil) != (c.want == "") {
			t.Errorf("%q: %v", c.text, err)
		}
		var got []string
		for _, f := range p.choose(files, c.extra) {
			got = append(got, f.version)
		}
		if err == nil && strings.Join(got, " ") != strings.TrimSpace(c.want) {
			t.Errorf("%q: %v", c.text, got)
		}
	}
}
