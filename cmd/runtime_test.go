package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/report"
)

// TestCustomOps: a model with an operator of its own is profiled, in fresh processes too, and the manifest says where
// the operator came from. Without its library the error names operator, domain and flag.
func TestCustomOps(t *testing.T) {
	needEngine(t)
	library := enginetest.CustomOps(t)
	path := filepath.Join(t.TempDir(), "twice.onnx")
	if err := enginetest.Twice().Save(path, model.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	r := infer(t, nil, "profile", path, "--runs", "5", "--warm-up", "3", "--cold", "1", "--profiled-runs", "1", "--by", "node", "--custom-ops", library, "--format", "json")
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	d := r.document(t)
	if ops := d.Manifest.Runtime.CustomOps; len(ops) != 1 || ops[0].Path != library || len(ops[0].SHA256) != 64 || ops[0].Bytes == 0 {
		t.Errorf("the manifest has custom operators %+v", ops)
	}
	if !strings.Contains(string(d.Details), "Twice") {
		t.Error("the node is not in the details")
	}
	r = infer(t, nil, "profile", path, "--runs", "5", "--warm-up", "3", "--cold", "0")
	if r.code != 1 || !strings.Contains(r.err, `operator Twice of domain "infer.test"`) || !strings.Contains(r.err, "hint: pass the library that has it with --custom-ops LIB") {
		t.Errorf("without the library: exit %d: %s", r.code, r.err)
	}
	for _, wrong := range []string{"none.so", t.TempDir()} {
		if r := infer(t, nil, "profile", path, "--custom-ops", wrong); r.code != 2 || strings.Count(r.err, "\n") != 2 {
			t.Errorf("%s: exit %d: %s", wrong, r.code, r.err)
		}
	}
}

// TestOptimizeKeepsCustomOps: surgery leaves nodes alone whose operators it does not know.
func TestOptimizeKeepsCustomOps(t *testing.T) {
	needEngine(t)
	library := enginetest.CustomOps(t)
	dir := t.TempDir()
	path, out := filepath.Join(dir, "twice.onnx"), filepath.Join(dir, "out.onnx")
	if err := enginetest.Twice().Save(path, model.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, ops := range [][]string{nil, {"--custom-ops", library}} {
		if r := infer(t, nil, append([]string{"optimize", path, "-o", out, "--race-time", "100ms"}, ops...)...); r.code != 0 {
			t.Fatalf("%v: exit %d: %s", ops, r.code, r.err)
		}
		m, err := model.Load(out)
		if err != nil {
			t.Fatal(err)
		}
		last := m.Proto.Graph.Nodes[len(m.Proto.Graph.Nodes)-1]
		if last.OpType != "Twice" || last.Domain != enginetest.TwiceDomain {
			t.Errorf("%v: the last node is %s of domain %q", ops, last.OpType, last.Domain)
		}
		m.Close()
		if err := os.Remove(out); err != nil {
			t.Fatal(err)
		}
	}
}

// TestProviderThatIsNotHere: nothing is run on another one in silence, and the hint says what to install.
func TestProviderThatIsNotHere(t *testing.T) {
	needEngine(t)
	lib := selectedLibrary(t)
	for name, value := range map[string]string{"XDG_CACHE_HOME": t.TempDir(), "INFER_ORT_LIBRARY": "", "LD_LIBRARY_PATH": "", "VIRTUAL_ENV": "", "PATH": ""} {
		t.Setenv(name, value)
	}
	r := infer(t, nil, "profile", digits, "--runs", "5", "--warm-up", "3", "--cold", "0", "--provider", "openvino")
	if r.code != 1 || !strings.Contains(r.err, "has the openvino provider") || !strings.Contains(r.err, "infer runtime install --flavor openvino") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	// a library that is named is used, and then it is the session that says what it lacks
	r = infer(t, nil, "profile", digits, "--runs", "5", "--warm-up", "3", "--cold", "0", "--provider", "cuda", "--ort-library", lib)
	if r.code != 1 || !strings.Contains(r.err, "the cuda provider is not in this build") {
		t.Errorf("a named library: exit %d: %s", r.code, r.err)
	}
	r = infer(t, nil, "profile", digits, "--runs", "5", "--warm-up", "3", "--cold", "0", "--provider", "cuda", "--provider", "cpu", "--ort-library", lib, "--format", "json")
	if r.code != 0 || !strings.Contains(strings.Join(r.document(t).Warnings, "\n"), "cuda") {
		t.Errorf("with cpu after it: exit %d: %s", r.code, r.err)
	}
}

func selectedLibrary(t *testing.T) string {
	t.Helper()
	r := infer(t, nil, "runtime", "list", "--format", "json")
	x, err := detailsOf[report.RuntimeDetails](r.document(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range x.Libraries {
		if l.Selected {
			if l.Bytes == 0 || l.Flavor == "" {
				t.Errorf("size and flavor are missing: %+v", l)
			}
			return l.Path
		}
	}
	t.Fatal("no library is selected")
	return ""
}

func TestRuntimeInstallRefused(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("INFER_OFFLINE", "1")
	for _, test := range []struct{ flavor, want string }{
		{"openvno", "did you mean openvino?"}, {"rocm", "the flavors are cpu, openvino, cuda"}, {"openvino", "INFER_OFFLINE forbids"},
	} {
		r := infer(t, nil, "runtime", "install", "--flavor", test.flavor)
		if r.code == 0 || !strings.Contains(r.err, test.want) {
			t.Errorf("%s: exit %d: %s", test.flavor, r.code, r.err)
		}
	}
}
