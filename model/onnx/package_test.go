package onnx

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestOfficialPackage has the onnx package of Python write models, writes them again by this codec, and has the
// package check and compare the result. scripts/onnx-check.sh runs it.
func TestOfficialPackage(t *testing.T) {
	python := os.Getenv("INFER_TEST_ONNX_PYTHON")
	if python == "" {
		t.Skip("INFER_TEST_ONNX_PYTHON names no Python with the onnx package (scripts/onnx-check.sh sets it)")
	}
	original, same, raw := t.TempDir(), t.TempDir(), t.TempDir()
	run := func(args ...string) {
		t.Helper()
		args = append([]string{filepath.Join("testdata", "package.py")}, args...)
		if out, err := exec.Command(python, args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	run("write", original)
	files, err := filepath.Glob(filepath.Join(original, "*"))
	if err != nil || len(files) < 9 {
		t.Fatalf("the package wrote %v, %v", files, err)
	}
	for _, path := range files {
		name := filepath.Base(path)
		if !strings.HasSuffix(name, ".onnx") {
			copyFile(t, path, filepath.Join(same, name))
			continue
		}
		t.Run(name, func(t *testing.T) { rewrite(t, path, filepath.Join(same, name), filepath.Join(raw, name)) })
	}
	run("check", original, same, raw)
}

// rewrite writes a model as it is, and once more with the value of every tensor set anew.
func rewrite(t *testing.T, path, same, raw string) {
	t.Helper()
	m, closer, err := OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer closer.Close()
	if err := m.Check(); err != nil {
		t.Error(err)
	}
	data, err := ResolveExternal(m, filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer data.Close()
	save(t, m, same)
	c := m.Clone()
	err = c.Tensors(func(x *Tensor) error {
		v, err := x.Value()
		if err != nil {
			return err
		}
		return x.SetValue(v)
	})
	if err != nil {
		t.Fatal(err)
	}
	save(t, c, raw)
}

func save(t *testing.T, m *Model, path string) {
	t.Helper()
	b, err := Encode(m)
	if err == nil {
		err = os.WriteFile(path, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
