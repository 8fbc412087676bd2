package optimize

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/model"
	"infer/model/onnx"
	"infer/model/onnx/static"
)

// TestOfficialPackageDown holds the tables of Downgrade to the schemas of the onnx package: when operators came, which
// types they took from when on, and that every change that adds something has a step back. scripts/onnx-check.sh runs
// it.
func TestOfficialPackageDown(t *testing.T) {
	came, wide, back := firsts(), widened(), undos()
	versions := versions()
	for _, c := range schemaChanges(t) {
		s := step{c.Op, c.Version}
		switch {
		case c.Version > MaxOpset || c.Version <= MinOpset:
		case c.First:
			if came[c.Op] != c.Version {
				t.Errorf("%s came with opset %d, the table says %d", c.Op, c.Version, came[c.Op])
			}
			delete(came, c.Op)
		default:
			if got := slices.Sorted(slices.Values(wide[s])); !slices.Equal(got, c.Widens) {
				t.Errorf("%s of opset %d takes %v from then on, the table says %v", c.Op, c.Version, c.Widens, got)
			}
			delete(wide, s)
			if len(c.Adds) > 0 && back[s] == nil {
				t.Errorf("%s of opset %d needs a step back: %s", c.Op, c.Version, strings.Join(c.Adds, ", "))
			}
		}
	}
	if len(came)+len(wide) > 0 {
		t.Errorf("the onnx package knows nothing of %v and %v", came, wide)
	}
	for s := range back {
		if firsts()[s.op] != s.version && !slices.Contains(versions[s.op], s.version) {
			t.Errorf("the step of %s at opset %d is never taken", s.op, s.version)
		}
	}
}

// TestOfficialPackageValid: what Downgrade makes, of small models and of those of shared, is valid for the official
// checker.
func TestOfficialPackageValid(t *testing.T) {
	python := os.Getenv("INFER_TEST_ONNX_PYTHON")
	if python == "" {
		t.Skip("INFER_TEST_ONNX_PYTHON names no Python with the onnx package (scripts/onnx-check.sh sets it)")
	}
	dir := t.TempDir()
	var files []string
	save := func(m *model.Model, name string) {
		shapes := static.Infer(m.Proto, nil)
		for _, o := range m.Proto.Graph.Outputs { // the checker wants shapes
			if v, _ := shapes.Of(m.Proto.Graph, o.Name); v.HasShape && o.Type != nil && !o.Type.HasShape {
				o.Type = &onnx.Type{Kind: onnx.KindTensor, DType: o.Type.DType, HasShape: true, Dims: v.Dims}
			}
		}
		path := filepath.Join(dir, strings.NewReplacer(" ", "-", "/", "-").Replace(name)+".onnx")
		if err := m.Save(path, model.SaveOptions{}); err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
	}
	for _, c := range downgrades() {
		save(down(t, c.model.Proto, c.to), c.name)
	}
	shared, _ := filepath.Glob("../../shared/models/*/*.onnx")
	for _, path := range shared {
		m, err := model.Load(path)
		if err != nil || filepath.Base(filepath.Dir(path)) == "odd" {
			continue
		}
		defer m.Close()
		up, _ := prepared(t, m.Proto, []Pass{dropInitializerInputs(), upgradeOpset()}, 21)
		for _, to := range []int64{17, 13, 11, 9, 7} {
			c := up.Proto.Clone()
			if _, err := Downgrade(t.Context(), c, to); err != nil {
				break
			}
			c.IRVersion = max(IRVersion(to), 4)
			save(model.New(c), fmt.Sprintf("%s-%d", filepath.Base(path), to))
		}
	}
	out, err := exec.Command(python, append([]string{filepath.Join("testdata", "check.py")}, files...)...).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%d files", len(files))
}
