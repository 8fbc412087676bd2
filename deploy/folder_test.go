package deploy

import (
	"debug/elf"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
)

func TestWrite(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	if err := os.WriteFile(source, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "new")
	files := []File{{Path: "a", Body: []byte("text")}, {Path: "b/c", From: source}}
	got, _, err := Write(dir, files, false)
	if err != nil {
		t.Fatal(err)
	}
	// sha256 of "abc": FIPS 180-4, example B.1
	if len(got) != 2 || got[1].Bytes != 3 || got[1].SHA256 != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("written %+v", got)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "b/c")); err != nil || string(b) != "abc" {
		t.Errorf("b/c holds %q, %v", b, err)
	}
	if _, _, err := Write(dir, files, false); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "a, b/c") {
		t.Errorf("over what is there: %v", err)
	}
	files[0].Body = []byte("other")
	if _, _, err := Write(dir, files, true); err != nil {
		t.Errorf("with force: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "a")); err != nil || string(b) != "other" {
		t.Errorf("a holds %q, %v", b, err)
	}
}

// TestWriteAgain: another model replaces the first as a whole, and what somebody else put there stays.
func TestWriteAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	file := func(path string) File { return File{Path: path, Body: []byte(path)} }
	if _, _, err := Write(dir, []File{file("Dockerfile"), file("models/a/1/m.onnx"), file("models/a.io.yaml"), file("models/gone")}, false); err != nil {
		t.Fatal(err)
	}
	outside := t.TempDir()
	for path, body := range map[string]string{filepath.Join(dir, "models", "mine"): "mine", filepath.Join(outside, "m.onnx"): "not ours"} {
		if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "models", "gone")); err != nil {
		t.Fatal(err)
	}
	second := []File{file("Dockerfile"), file("models/b.onnx")}
	if _, _, err := Write(dir, second, false); fault.KindOf(err) != fault.Usage {
		t.Errorf("without force: %v", err)
	}
	_, removed, err := Write(dir, second, true)
	if err != nil || strings.Join(removed, " ") != "models/a.io.yaml models/a/1/m.onnx" {
		t.Errorf("removed %v, %v", removed, err)
	}
	var left []string
	_ = filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		inner, _ := filepath.Rel(dir, path)
		left = append(left, inner)
		return err
	})
	if got := strings.Join(left, " "); got != ". .infer-deploy Dockerfile models models/b.onnx models/mine" {
		t.Errorf("left is %s", got)
	}
	if _, _, err := Write(dir, []File{{Path: "models/x/b.onnx", From: filepath.Join(dir, "models", "b.onnx")}}, true); fault.KindOf(err) != fault.Usage {
		t.Errorf("a source that would be removed: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, listName), []byte("models/m.onnx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, _ = Write(dir, []File{file("Dockerfile")}, true)
	if b, err := os.ReadFile(filepath.Join(outside, "m.onnx")); err != nil || string(b) != "not ours" {
		t.Errorf("a file outside the folder: %q, %v", b, err)
	}
	if err := os.WriteFile(filepath.Join(dir, listName), []byte("../x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Write(dir, second, true); fault.KindOf(err) != fault.Usage {
		t.Errorf("a list that leaves the folder: %v", err)
	}
}

func TestWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, "models", "m.onnx")
	if err := os.MkdirAll(own+".d", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(own, []byte("model"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		file File
	}{
		{"a path upward", File{Path: "../x", Body: []byte("x")}},
		{"an absolute path", File{Path: "/x", Body: []byte("x")}},
		{"its own source", File{Path: "models/m.onnx", From: own}},
		{"a folder in the way", File{Path: "models/m.onnx.d", Body: []byte("x")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, _, err := Write(dir, []File{{Path: "first", Body: []byte("x")}, c.file}, true); fault.KindOf(err) != fault.Usage {
				t.Errorf("not refused: %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "first")); err == nil {
				t.Error("something was written all the same")
			}
		})
	}
	if b, err := os.ReadFile(own); err != nil || string(b) != "model" {
		t.Errorf("the model is %q now, %v", b, err)
	}
}

func TestModel(t *testing.T) {
	m, err := model.Load("../testdata/odd/external.onnx")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	files, inner, err := Model(m, []string{"../testdata/odd/names.txt"})
	if err != nil || inner != "external.onnx" {
		t.Fatal(inner, err)
	}
	var paths []string
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	if got := strings.Join(paths, " "); got != "models/external.onnx models/external.bin models/names.txt" {
		t.Errorf("files %s", got)
	}
	if _, _, err := Model(m, []string{"../testdata/digits/README.md"}); fault.KindOf(err) != fault.Usage {
		t.Errorf("a companion elsewhere: %v", err)
	}
}

func TestModels(t *testing.T) {
	digits, err := os.ReadFile("../testdata/digits/digits-cnn.onnx")
	if err != nil {
		t.Fatal(err)
	}
	ort, err := os.ReadFile("../model/ortformat/testdata/if.ort")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "repo")
	write := func(name string, b []byte) {
		t.Helper()
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Models(dir); fault.KindOf(err) != fault.Usage {
		t.Errorf("no folder: %v", err)
	}
	write("digits/1/model.onnx", digits)
	write("digits/1/model.io.yaml", []byte("labels: {names: [a]}\n"))
	write(".hidden/x.onnx", []byte("no model"))
	files, err := Models(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 || files[0].Path != "models/repo/digits/1/model.io.yaml" || files[1].Path != "models/repo/digits/1/model.onnx" {
		t.Errorf("files %+v", files)
	}
	link := filepath.Join(t.TempDir(), "linked")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if files, err := Models(link); err != nil || len(files) != 2 || files[1].Path != "models/linked/digits/1/model.onnx" {
		t.Errorf("by a link: %+v, %v", files, err)
	}
	t.Chdir(filepath.Join(dir, "digits"))
	if files, err := Models(".."); err != nil || len(files) != 2 || files[1].Path != "models/repo/digits/1/model.onnx" {
		t.Errorf("from inside: %+v, %v", files, err)
	}
	write("other.ort", ort)
	if files, err = Models(dir); err != nil || len(files) != 3 {
		t.Errorf("with a model in ONNX Runtime's own format: %+v, %v", files, err)
	}
	write("other.ort", ort[:1000])
	if _, err := Models(dir); err == nil {
		t.Error("a broken .ort file was packed")
	}
	write("other.ort", ort)
	write("broken.onnx", digits[:1000])
	if _, err := Models(dir); err == nil {
		t.Error("a broken model was packed")
	}
}

func TestProgram(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := elf.Open(self)
	if err != nil {
		t.Skip("this machine's programs are no ELF files")
	}
	f.Close()
	both := []Wheel{{Platform: "linux/amd64"}, {Platform: "linux/arm64"}}
	if got, err := Program(self, BaseGlibc, both); err != nil || got.Path != "infer" || got.From != self {
		t.Errorf("this program: %+v, %v", got, err)
	}
	if _, err := Program(self, BaseGlibc, []Wheel{{Platform: "linux/none"}}); fault.KindOf(err) != fault.Usage {
		t.Errorf("another architecture: %v", err)
	}
	if _, err := Program(self, "2.0", both); fault.KindOf(err) != fault.Usage {
		t.Errorf("an older C library in the image: %v", err)
	}
	if _, err := Program("docker.go", BaseGlibc, both); fault.KindOf(err) != fault.Usage {
		t.Errorf("no program: %v", err)
	}
}

func TestNewer(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"2.38", "2.36", true}, {"2.36", "2.36", false}, {"2.4", "2.36", false}, {"2.36.1", "2.36", true}, {"3", "2.41", true}, {"PRIVATE", "2.36", false}} {
		if got := newer(c.a, c.b); got != c.want {
			t.Errorf("newer(%s, %s) = %v", c.a, c.b, got)
		}
	}
}
