package cmd

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden pins stdout and stderr of calls whose result is the same on every machine. A missing file means empty.
func TestGolden(t *testing.T) {
	for _, c := range []struct {
		name string
		code int
		args []string
	}{
		{"help", 0, []string{"--help"}},
		{"profile-help", 0, []string{"profile", "--help"}},
		{"inspect-csv", 0, []string{"inspect", digits, "--format", "csv"}},
		{"inspect-diff-none", 0, []string{"inspect", digits, "--diff", digits, "--format", "csv"}},
		{"lfs", 1, []string{"inspect", "testdata/lfs.onnx"}},
		{"unknown-command", 2, []string{"profil"}},
		{"unknown-flag", 2, []string{"inspect", digits, "--shpae", "a:1"}},
		{"unknown-axis", 2, []string{"inspect", digits, "--dim", "batsh=3"}},
		{"quantize-help", 0, []string{"quantize", "--help"}},
		{"quantize-types", 2, []string{"quantize", digits, "--int8", "--fp16"}},
		{"quantize-mode", 2, []string{"quantize", digits, "--mode", "statik", "--block-size", "20"}},
		{"quantize-rows", 2, []string{"quantize", digits, "--mode", "static"}},
		{"quantize-budget", 2, []string{"quantize", digits, "--accuracy-budget", "top5:1"}},
		{"quantize-pattern", 2, []string{"quantize", digits, "--exclude", "op:"}},
		{"convert-target", 2, []string{"convert", digits, "--to", "porridge"}},
		{"convert-opset", 2, []string{"convert", digits, "--to", "onnx:opset=new"}},
		{"gate", 2, []string{"profile", digits, "--gate", "latency_p98<20ms"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := infer(t, nil, c.args...)
			if r.code != c.code {
				t.Errorf("exit %d, want %d", r.code, c.code)
			}
			golden(t, c.name+".out", r.out)
			golden(t, c.name+".err", r.err)
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if got == "" {
			_ = os.Remove(path)
			return
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s differs (rewrite with -update after looking):\n%s", path, got)
	}
}
