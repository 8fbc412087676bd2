package export

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	pprof "github.com/google/pprof/profile"
)

func checkPprof(t *testing.T, file []byte) *pprof.Profile {
	t.Helper()
	p, err := pprof.Parse(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.CheckValid(); err != nil {
		t.Error(err)
	}
	for _, f := range p.Function {
		if f.Name == "" || !utf8.ValidString(f.Name) || strings.ContainsAny(f.Name, "\n\r") {
			t.Errorf("a function is called %q", f.Name)
		}
	}
	return p
}

func TestPprof(t *testing.T) {
	p := checkPprof(t, written(t, "pprof", source(odd...)))
	if len(p.Sample) != 3+len(odd) || p.SampleType[0].Type != "time" || p.SampleType[1].Unit != "count" {
		t.Fatalf("%d samples of %v", len(p.Sample), p.SampleType)
	}
	first := p.Sample[0]
	var stack []string
	for _, l := range first.Location {
		stack = append(stack, l.Line[0].Function.Name)
	}
	if got := strings.Join(stack, "|"); got != "MatMul|/encoder/layer.0/MatMul|encoder/layer.0/|encoder/|bert.onnx" {
		t.Errorf("stack %s", got)
	}
	if first.Value[0] != 30000 || first.Value[1] != 4e6 || first.Label["node"][0] != "/encoder/layer.0/MatMul" || first.Label["class"][0] != "compute" {
		t.Errorf("%v %v", first.Value, first.Label)
	}
	if p.DurationNanos != 60000 || !strings.Contains(strings.Join(p.Comments, "\n"), "model sha256: ab12") {
		t.Errorf("duration %d, comments %q", p.DurationNanos, p.Comments)
	}
}

// TestPprofTool opens the files with the real tool.
func TestPprofTool(t *testing.T) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("no go command on this machine")
	}
	dir := t.TempDir()
	base, head := filepath.Join(dir, "base.pb.gz"), filepath.Join(dir, "head.pb.gz")
	slower := source()
	slower.Details.ByNode[0].Seconds *= 2
	for path, s := range map[string]Source{base: source(), head: slower} {
		if err := os.WriteFile(path, written(t, "pprof", s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) string {
		c := exec.Command(goTool, append([]string{"tool", "pprof"}, args...)...)
		c.Env = append(os.Environ(), "PPROF_TMPDIR="+dir)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"operators", []string{"-top", base}, []string{"File: bert.onnx", "Duration: 60us, Total samples = 45us", "40us 88.89% 88.89%       40us 88.89%  MatMul"}},
		{"blocks", []string{"-top", "-cum", base}, []string{"40us 88.89%  encoder/", "30us 66.67%  encoder/layer.0/"}},
		{"MACs", []string{"-top", "-sample_index=macs", base}, []string{"8000000   100%   100%    8000000   100%  MatMul"}},
		{"labels", []string{"-tags", base}, []string{"node", "/encoder/layer.0/MatMul"}},
		{"difference", []string{"-top", "-diff_base", base, head}, []string{"30us", "MatMul"}},
		{"nothing but the difference", []string{"-top", "-cum", "-diff_base", base, head}, []string{"encoder/layer.0/"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := run(c.args...)
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("%q is not in\n%s", want, out)
				}
			}
		})
	}
}
