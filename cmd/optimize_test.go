package cmd

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/model"
	"infer/report"
)

// optimized runs infer optimize without the race, and returns its details.
func optimized(t *testing.T, args ...string) report.OptimizeDetails {
	t.Helper()
	return told[report.OptimizeDetails](t, append([]string{"optimize", "--race-time", "0"}, args...)...)
}

// TestOptimizeRefuses: what contradicts itself or is not known is exit 2, and nothing is written.
func TestOptimizeRefuses(t *testing.T) {
	needEngine(t)
	full, err := filepath.Abs(digits)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"a level", []string{"--level", "reckless"}, `unknown level "reckless"`},
		{"a pass", []string{"--passes", "+fuse-gelo"}, "did you mean +fuse-gelu?"},
		{"a pass without a sign", []string{"--passes", "fuse-gelu"}, "does not begin with one + or -"},
		{"a size", []string{"--fold-size-limit", "much"}, `--fold-size-limit: "much" is no size in bytes`},
		{"a mode", []string{"--external-data", "maybe"}, `--external-data: unknown external-data mode "maybe"`},
		{"sets", []string{"--verify", "-1"}, "--verify -1 is no number of sets"},
		{"a tolerance", []string{"--rtol", "-1"}, "-1 is negative or not finite"},
		{"a tolerance without end", []string{"--atol", "inf"}, "+Inf is negative or not finite"},
		{"nothing to fix", []string{"--fix-dims"}, "--fix-dims has nothing to fix"},
		{"an axis", []string{"--fix-dims", "--dim", "bach=1"}, "batch"},
		{"an output", []string{"--keep-outputs", "logit"}, "logits"},
		{"a value", []string{"--from", "imag"}, "image"},
		{"an opset", []string{"--opset", "-1"}, "versions are positive"},
		{"the model itself", []string{"-o", full}, "is a file that the model is read from"},
		{"no folder", []string{"-o", "none/m.onnx"}, "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			args := append([]string{"optimize", full, "-o", "out.onnx"}, c.args...)
			r := infer(t, passedOn(), args...)
			if r.code != 2 || r.out != "" || !strings.HasPrefix(r.err, "infer: error: ") || !strings.Contains(r.err, c.want) || strings.Contains(r.err, "%!") {
				t.Errorf("exit %d, stdout %q, stderr %q; want 2 with %q", r.code, r.out, r.err, c.want)
			}
			if files, _ := os.ReadDir("."); len(files) > 0 {
				t.Errorf("left behind: %v", files)
			}
		})
	}
}

// TestKeepsExternalData: a model that was renamed is still read from the file of its old name, which no command replaces.
func TestKeepsExternalData(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	converted(t, digits, "--to", "external-data", "-o", at("m.onnx"), "--verify", "0")
	if err := os.Rename(at("m.onnx"), at("moved.onnx")); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(at("m.onnx.data"))
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"optimize", at("moved.onnx"), "-o", at("m.onnx")},
		{"optimize", at("moved.onnx"), "-o", at("new.onnx"), "--data-file", "m.onnx.data"},
		{"quantize", at("moved.onnx"), "-o", at("m.onnx"), "--mode", "dynamic", "--allow-slower"},
		{"convert", at("moved.onnx"), "-o", at("m.onnx"), "--to", "external-data"},
	} {
		r := infer(t, passedOn(), args...)
		if r.code != 2 || !strings.Contains(r.err, `the external data of --output "`+at("m.onnx.data")+`" is a file that the model is read from`) {
			t.Errorf("%q: exit %d, stderr %q", args, r.code, r.err)
		}
	}
	if after, err := os.ReadFile(at("m.onnx.data")); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the data were replaced: %v", err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("left behind: %v", files)
	}
}

func TestOptimize(t *testing.T) {
	needEngine(t)
	out := filepath.Join(t.TempDir(), "out.onnx")
	x := optimized(t, digits, "-o", out, "--input", test, "--verify", "5")
	if x.Output != out || x.Level != "safe" || x.Verification.Sets != 5 || x.Verification.Source != "5 of 360 rows of "+test || x.Verification.Verdict == "drifts" {
		t.Errorf("%+v", x)
	}
	m, err := model.Load(out)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if n := len(m.Proto.Graph.Nodes); n != x.After.Nodes || n > x.Before.Nodes {
		t.Errorf("%d nodes in the file; the report says %d, of %d before", n, x.After.Nodes, x.Before.Nodes)
	}
	if r := infer(t, passedOn(), "predict", out, "--input", test, "-o", t.TempDir(), "--format", "json"); r.code != 0 || value(t, r.document(t), "accuracy_top1", nil) < 0.97 {
		t.Errorf("exit %d: %s %s", r.code, r.out, r.err)
	}
}

// TestOptimizeEdits: axes, outputs, versions and storage as they were asked for.
func TestOptimizeEdits(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	optimized(t, digits, "-o", at("fixed.onnx"), "--fix-dims", "--dim", "batch=4", "--opset", "21", "--ir", "10", "--external-data", "always")
	m, err := model.Load(at("fixed.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if d := m.Inputs()[0].Type.Dims[0]; !d.Known || d.Size != 4 || m.Proto.Opset("") != 21 || m.Proto.IRVersion != 10 || len(m.Files()) != 2 {
		t.Errorf("axis %+v, opset %d, IR %d, %d files", d, m.Proto.Opset(""), m.Proto.IRVersion, len(m.Files()))
	}
	m.Close()
	x := optimized(t, at("fixed.onnx"), "-o", at("free.onnx"), "--free-dim", "rows", "--external-data", "never")
	if m, err = model.Load(at("free.onnx")); err != nil {
		t.Fatal(err)
	}
	if d := m.Inputs()[0].Type.Dims[0]; d.Known || d.Name != "rows" || len(m.Files()) != 1 || !strings.Contains(strings.Join(x.Edits, "\n"), "--free-dim: proven on") {
		t.Errorf("axis %+v, %d files, %q", d, len(m.Files()), x.Edits)
	}
	m.Close()
	middle := m.Proto.Graph.Nodes[0].Outputs[0]
	x = optimized(t, digits, "-o", at("part.onnx"), "--to", middle)
	if x.After.Nodes >= x.Before.Nodes || !strings.Contains(x.Verification.Source, "as the whole model makes") {
		t.Errorf("%d of %d nodes, %q", x.After.Nodes, x.Before.Nodes, x.Verification.Source)
	}
}

// TestOptimizeOddModels: what cannot be opened is refused, custom operators are kept and reported, nothing panics.
func TestOptimizeOddModels(t *testing.T) {
	needEngine(t)
	files, err := filepath.Glob("../testdata/odd/*.onnx")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	shared, _ := filepath.Glob("../../shared/models/odd/*.onnx")
	for _, path := range append(files, shared...) {
		name := filepath.Base(path)
		if name == "legacy-ops-candy.onnx" {
			continue // a run of it takes seconds
		}
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			out := filepath.Join(dir, "out.onnx")
			r := infer(t, passedOn(), "optimize", path, "-o", out, "--race-time", "0", "--format", "json")
			switch r.code {
			case 0:
				if _, err := model.Load(out); err != nil {
					t.Error(err)
				}
			case 1, 2:
				left, _ := os.ReadDir(dir)
				if len(left) > 0 || r.out != "" || !strings.Contains(r.err, "infer: error: ") {
					t.Errorf("exit %d, left %v, stdout %q, stderr %q", r.code, left, r.out, r.err)
				}
			default:
				t.Errorf("exit %d: %s", r.code, r.err)
			}
			if strings.Contains(name, "custom-ops") && (r.code != 0 || !strings.Contains(r.out, "custom operator")) {
				t.Errorf("exit %d: %s", r.code, r.err)
			}
		})
	}
}

// TestListPasses: the list has a line for each pass, and needs no model.
func TestListPasses(t *testing.T) {
	t.Chdir(t.TempDir())
	r := infer(t, nil, "optimize", "--list-passes", "--format", "json")
	var x report.OptimizeDetails
	if err := json.Unmarshal(r.document(t).Details, &x); err != nil || r.code != 0 || len(x.Listed) < 15 {
		t.Fatalf("exit %d, %d passes, %v", r.code, len(x.Listed), err)
	}
	for _, p := range x.Listed {
		if p.Doc == "" || p.Level != "safe" && p.Level != "full" && p.Level != "named" {
			t.Errorf("%+v", p)
		}
	}
}
