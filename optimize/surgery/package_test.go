package surgery

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"infer/model"
	"infer/model/onnx"
)

// TestOfficialPackage has the official checker look at what surgery makes of the models of shared: shapes and types
// too. scripts/onnx-check.sh runs it.
func TestOfficialPackage(t *testing.T) {
	python := os.Getenv("INFER_TEST_ONNX_PYTHON")
	if python == "" {
		t.Skip("INFER_TEST_ONNX_PYTHON names no Python with the onnx package (scripts/onnx-check.sh sets it)")
	}
	paths, _ := filepath.Glob("../../../shared/models/*/*.onnx")
	dir := t.TempDir()
	var files []string
	for _, path := range paths {
		m, err := model.Load(path)
		if err != nil || strings.Contains(filepath.ToSlash(path), "/odd/") {
			continue
		}
		defer m.Close()
		g := m.Proto.Graph
		middle := g.Nodes[len(g.Nodes)/2].Outputs[0]
		bindings := model.Bindings{Dims: map[string]int64{}}
		for _, p := range m.Inputs() {
			for _, d := range p.Type.Dims {
				if !d.Known && d.Name != "" {
					bindings.Dims[d.Name] = 2
				}
			}
		}
		for name, edit := range map[string]func(m *onnx.Model) ([]string, error){
			"fixed": func(m *onnx.Model) ([]string, error) { return FixDims(m, bindings) },
			"freed": func(m *onnx.Model) ([]string, error) { return FreeDims(m, Axis{Name: "batch"}) },
			"front": func(m *onnx.Model) ([]string, error) { return Extract(m, nil, []string{middle}) },
			"back":  func(m *onnx.Model) ([]string, error) { return Extract(m, []string{middle}, nil) },
			"ir3":   func(m *onnx.Model) ([]string, error) { return SetIR(m, 3) },
			"op11":  func(m *onnx.Model) ([]string, error) { return Opset(t.Context(), m, 11) },
			"op25":  func(m *onnx.Model) ([]string, error) { return Opset(t.Context(), m, 25) },
		} {
			c := m.Proto.Clone()
			if _, err := edit(c); err != nil {
				t.Logf("%s, %s: %v", filepath.Base(path), name, err)
				continue
			}
			file := filepath.Join(dir, fmt.Sprintf("%s-%s", name, filepath.Base(path)))
			if err := model.New(c).Save(file, model.SaveOptions{}); err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
	}
	out, err := exec.Command(python, append([]string{filepath.Join("..", "testdata", "check.py")}, files...)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%d files", len(files))
}
