package cmd

import (
	"os"
	"path/filepath"
	"testing"

	"infer/internal/fault"
	"infer/internal/term"
)

// TestExampleConfig: the example configuration drives a real run.
func TestExampleConfig(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	for from, to := range map[string]string{"../configs/infer.yaml": "infer.yaml", digits: "model.onnx"} {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	r := infer(t, passedOn(), "profile", "--cold", "0", "--profiled-runs", "0", "--format", "json")
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	d := r.document(t)
	if d.Metric("latency_p50", nil).N != 400 || d.Metric("latency_p50", map[string]string{"batch": "4"}) == nil || len(d.Gates) != 1 {
		t.Errorf("the file is not followed: %s", r.out)
	}
}

// FuzzConfig: whatever the file holds, reading it either works or is a usage error.
func FuzzConfig(f *testing.F) {
	example, err := os.ReadFile("../configs/infer.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Add([]byte("profile: {runs: 3}\nthreads: x\n"))
	f.Add([]byte("shape: [{name: a, shape: [1, [2]]}]\n? [a]\n: b\n"))
	f.Add([]byte("&a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "infer.yaml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		std := term.Streams{}
		root := newRoot(&app{std: std})
		cfg, err := loadConfig(path, std, root)
		for _, c := range root.Commands() {
			if err == nil && c.Name() == "profile" {
				err = cfg.fill(c)
			}
		}
		if err != nil && fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: kind %d: %v", text, fault.KindOf(err), err)
		}
	})
}
