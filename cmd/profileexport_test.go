package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/report"
)

func TestExportRefused(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"an unknown format", []string{"--export", "flame=x"}, "the formats are chrome, pprof, speedscope, csv, folded"},
		{"no file", []string{"--export", "csv"}, "names no file"},
		{"a format twice", []string{"--export", "csv=a", "--export", "csv=b"}, "writes csv twice"},
		{"a file twice", []string{"--export", "csv=a", "--export", "folded=./a"}, "both write"},
		{"nothing traced", []string{"--export", "csv=a", "--profiled-runs", "0"}, "needs a profiled pass"},
		{"with a difference", []string{"--export", "csv=a", "--diff", "b.json"}, "do not go together"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := infer(t, nil, append([]string{"profile", "missing.onnx"}, c.args...)...)
			if r.code != 2 || r.out != "" || !strings.Contains(r.err, c.want) || !strings.Contains(r.err, "hint: ") {
				t.Errorf("exit %d, %q", r.code, r.err)
			}
		})
	}
}

// profiledTo profiles the digits, keeps the result in dir, and exports it.
func profiledTo(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	args = append([]string{"profile", digits, "--runs", "40", "--warm-up", "3", "--cold", "0", "--roofline", "off", "--format", "json", "-o", path}, args...)
	if r := infer(t, passedOn(), args...); r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	return path
}

func TestExportAndDiff(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	base := profiledTo(t, dir, "base.json", "--trace", file("trace.json"), "--export", "chrome="+file("chrome"), "--export", "pprof="+file("pprof"),
		"--export", "speedscope="+file("speedscope"), "--export", "csv="+file("csv"), "--export", "folded="+file("folded"))
	for name, want := range map[string]string{"chrome": `"traceEvents"`, "pprof": "\x1f\x8b", "speedscope": `"$schema"`, "csv": "name,op,", "folded": "digits-cnn.onnx;"} {
		if b, err := os.ReadFile(file(name)); err != nil || !strings.Contains(string(b), want) {
			t.Errorf("%s: %v, %.80q", name, err, b)
		}
	}
	head := profiledTo(t, dir, "head.json")
	r := infer(t, nil, "profile", "--diff", base, head, "--format", "json")
	x, err := detailsOf[report.ProfileDetails](r.document(t))
	if r.code != 0 || err != nil || x.Diff == nil {
		t.Fatalf("exit %d: %v %s", r.code, err, r.err)
	}
	if x.Diff.Matched == 0 || x.Diff.Added+x.Diff.Removed != 0 || x.Diff.Model == nil || !x.Diff.Model.Identical {
		t.Errorf("%+v", x.Diff)
	}
	for format, want := range map[string]string{"text": "What moved, by node", "markdown": "What moved, by node", "html": "What moved, by node", "csv": "node,op,state,base,head"} {
		if r := infer(t, nil, "profile", "--diff", base, head, "--format", format); r.code != 0 || !strings.Contains(r.out, want) {
			t.Errorf("%s: exit %d, %s", format, r.code, r.err)
		}
	}
	if r := infer(t, nil, "profile", "--diff", file("trace.json"), file("trace.json")); r.code != 0 || !strings.Contains(r.out, "no node moved") || !strings.Contains(r.out, "is on both sides") {
		t.Errorf("traces: exit %d, %s%s", r.code, r.out, r.err)
	}
}

func TestDiffRefused(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	inspected := filepath.Join(dir, "inspect.json")
	if r := infer(t, nil, "inspect", digits, "--format", "json", "-o", inspected); r.code != 0 {
		t.Fatal(r.err)
	}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"no head", []string{"--diff", inspected}, "nothing to compare with"},
		{"another kind", []string{"--diff", inspected, inspected}, "of kind inspect"},
		{"a gate", []string{"--diff", inspected, inspected, "--gate", "latency_p50<1s"}, "infer compare"},
		{"how to run", []string{"--diff", inspected, inspected, "--runs", "9", "--trace", "t.json"}, "--diff runs nothing: --runs, --trace"},
		{"another table", []string{"--diff", inspected, inspected, "--by", "op"}, "leave out --by"},
		{"rows", []string{"--diff", inspected, inspected, "--top", "-1"}, "--top -1"},
		{"a missing file", []string{"--diff", filepath.Join(dir, "none"), inspected}, "none"},
		{"text", []string{"--diff", write("text", "hello"), inspected}, "not a report"},
		{"an empty list", []string{"--diff", write("list", "[]"), inspected}, "trace"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := infer(t, nil, append([]string{"profile"}, c.args...)...)
			if r.code != 2 || r.out != "" || !strings.Contains(r.err, c.want) {
				t.Errorf("exit %d, %q", r.code, r.err)
			}
		})
	}
}
