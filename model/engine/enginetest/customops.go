package enginetest

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

//go:embed testdata/twice.c
var twice []byte

// TwiceDomain is the domain of the operator of CustomOps.
const TwiceDomain = "infer.test"

// CustomOps builds a library with one custom operator, Twice of TwiceDomain, which doubles a float32 tensor, and returns
// its file. It skips the test where there is no C compiler.
func CustomOps(t testing.TB) string {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("no C compiler cc")
	}
	headers, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go").Output()
	if err != nil {
		t.Skipf("go list: %v", err)
	}
	dir := t.TempDir()
	source, library := filepath.Join(dir, "twice.c"), filepath.Join(dir, "libtwice.so")
	if err := os.WriteFile(source, twice, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(cc, "-shared", "-fPIC", "-O1", "-I", strings.TrimSpace(string(headers)), "-o", library, source).CombinedOutput(); err != nil {
		t.Fatalf("build the library: %v\n%s", err, out)
	}
	return library
}

// Twice is a model that needs the library of CustomOps: y = Twice(x + x), for x and y of shape n.
func Twice() *model.Model {
	node := Node("Twice", Names("sum"), Names("y"))
	node.Domain = TwiceDomain
	m := Build(Values(Value("x", tensor.Float32, "n")), Values(Value("y", tensor.Float32, "n")),
		[]*onnx.Node{Node("Add", Names("x", "x"), Names("sum")), node})
	m.Proto.Opsets = append(m.Proto.Opsets, onnx.Opset{Domain: TwiceDomain, Version: 1})
	return m
}
