package cmd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/optimize/artifact"
	"infer/optimize/trtexec/fake"
	"infer/report"
)

// inFolder copies the digits model into a folder of its own.
func inFolder(t *testing.T) (model, dir string) {
	t.Helper()
	b, err := os.ReadFile(digits)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	model = filepath.Join(dir, "m.onnx")
	if err := os.WriteFile(model, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return model, dir
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

const digitsProfile = "image:1x1x8x8/8x1x8x8/32x1x8x8"

// TestTensorRTThroughTool builds with a stand-in of trtexec, then again: the same is cached, another is built anew with a
// word why.
func TestTensorRTThroughTool(t *testing.T) {
	for _, release := range []string{fake.Release10, fake.Release11} {
		model, dir := inFolder(t)
		convert := func(more ...string) *report.ConvertDetails {
			t.Helper()
			args := []string{"convert", model, "--to", "tensorrt", "--via", "trtexec", "--trtexec", fake.Tool(t, release, fake.Works), "--profile", digitsProfile, "--race-time", "1s", "--format", "json"}
			r := infer(t, nil, append(args, more...)...)
			if r.code != 0 {
				t.Fatalf("%s: exit %d: %s", release, r.code, r.err)
			}
			x, err := detailsOf[report.ConvertDetails](r.document(t))
			if err != nil {
				t.Fatal(err)
			}
			return &x
		}
		x := convert()
		if got := names(t, dir); !slices.Equal(got, []string{"m.layers.json", "m.onnx", "m.plan", "m.plan.engine.json"}) {
			t.Errorf("%s: the folder has %q", release, got)
		}
		e := x.Engine
		if e.Cached || e.Rebuilt != "" || e.Seconds != 30.2517 || e.Key == "" || !slices.Equal(e.Profiles, []string{digitsProfile}) || len(e.Layers) != 3 || e.Layers[0].Name != "conv + relu" {
			t.Errorf("%s: engine is %+v", release, e)
		}
		if x.Via != "trtexec" || x.Tool == nil || x.Verification == nil || x.Verification.Verdict != "not_run" || len(x.Files) != 2 && len(x.Files) != 3 {
			t.Errorf("%s: details are %+v", release, x)
		}
		for _, a := range x.Tool.Command {
			if strings.Contains(a, ".tmp") {
				t.Errorf("%s: the command has a name that is gone: %s", release, a)
			}
		}
		if x := convert(); !x.Engine.Cached || x.Engine.Key != e.Key || x.OutputHash == "" {
			t.Errorf("%s: the same again is %+v", release, x.Engine)
		}
		if x := convert("--opt-level", "5"); x.Engine.Cached || x.Engine.Rebuilt != "another: option opt_level (was 3, is 5)" {
			t.Errorf("%s: another level is %+v", release, x.Engine)
		}
		if err := os.Truncate(filepath.Join(dir, "m.plan"), 30); err != nil {
			t.Fatal(err)
		}
		if x := convert("--opt-level", "5"); x.Engine.Cached || !strings.Contains(x.Engine.Rebuilt, `"m.plan" has 30 bytes, not 64`) {
			t.Errorf("%s: a damaged one is %+v", release, x.Engine)
		}
	}
}

// TestTensorRTFails: refused with one line and a hint, and the folder is as it was.
func TestTensorRTFails(t *testing.T) {
	tool := func(what string) []string {
		return []string{"--via", "trtexec", "--trtexec", fake.Tool(t, fake.Release11, what), "--profile", digitsProfile}
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"operator", tool("unsupported"), 1, "does not take operator ReduceMean"},
		{"memory", tool("memory"), 1, "ran out of memory"},
		{"killed", tool(fake.Half), 1, "ended by the system"},
		{"no tool", []string{"--via", "trtexec", "--trtexec", "none-such", "--profile", digitsProfile}, 2, "none-such"},
		{"another program", tool(fake.Nothing), 1, "is no trtexec"},
		{"no profile", []string{"--via", "trtexec"}, 2, `dynamic axes of "image"`},
		{"other input", []string{"--profile", "imgae:1x1x8x8"}, 2, `no input "imgae"`},
		{"fixed axis", []string{"--profile", "image:1x1x8x9"}, 2, "fixed at 8, not 9"},
		{"rank", []string{"--profile", "image:1"}, 2, "4 axes, not 1"},
		{"no GPU", []string{"--profile", digitsProfile}, 1, "no NVIDIA GPU"},
		{"other via", []string{"--via", "ovc"}, 2, "makes nothing for TensorRT"},
		{"other flag", []string{"--via", "trtexec", "--embed"}, 2, "--embed is of --via provider"},
		{"precision", []string{"--provider-option", "trt_fp16_enable=1"}, 2, "trt_fp16_enable chooses a precision"},
		{"ending", append(tool(fake.Works), "-o", "x.onnx"), 2, "end it in .plan"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("PATH", "/usr/bin:/bin") // no nvidia-smi, or the machine's own
			model, dir := inFolder(t)
			r := infer(t, nil, append([]string{"convert", model, "--to", "tensorrt"}, c.args...)...)
			if c.name == "no GPU" && r.code == 0 {
				t.Skip("this machine has a GPU")
			}
			if r.code != c.code || !strings.Contains(r.err, "infer: error: ") || !strings.Contains(r.err+hintOf(r.err), c.says) || !strings.Contains(r.err, "infer: hint: ") || r.out != "" {
				t.Errorf("exit %d, stdout %q, stderr %s", r.code, r.out, r.err)
			}
			if got := names(t, dir); !slices.Equal(got, []string{"m.onnx"}) {
				t.Errorf("the folder has %q", got)
			}
		})
	}
}

func hintOf(stderr string) string {
	_, hint, _ := strings.Cut(stderr, "infer: hint: ")
	return hint
}

func TestCheckArtifact(t *testing.T) {
	needEngine(t)
	model, dir := inFolder(t)
	r := infer(t, passedOn(), "convert", "--check", model, "--format", "json")
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	x, err := detailsOf[report.ConvertDetails](r.document(t))
	if err != nil {
		t.Fatal(err)
	}
	if x.Check == nil || x.Check.Kind != artifact.KindONNX || !slices.ContainsFunc(x.Check.Findings, func(f report.Finding) bool { return f.Name == "opset" && f.Level == "ok" }) {
		t.Errorf("check is %+v", x.Check)
	}
	plan := filepath.Join(dir, "m.plan")
	if err := os.WriteFile(plan, fake.Engine(10, 3, 0, 26), 0o644); err != nil {
		t.Fatal(err)
	}
	r = infer(t, passedOn(), "convert", "--check", plan, "--format", "json")
	if d := r.document(t); r.code != 1 || d.Verdict != report.FailedGate || !strings.Contains(r.err, "would not load here") {
		t.Errorf("an engine of TensorRT 10.3: exit %d, %s, %s", r.code, d.Verdict, r.err)
	}
	for _, args := range [][]string{{"none.onnx"}, {dir}, {model, "--to", "fp16"}} {
		if r := infer(t, passedOn(), append([]string{"convert", "--check"}, args...)...); r.code != 2 || r.out != "" {
			t.Errorf("%q: exit %d, %s", args, r.code, r.err)
		}
	}
}

// TestCheckAsksRuntime: what the runtime does not read, or has no operator for, would not load, and its reason is told.
func TestCheckAsksRuntime(t *testing.T) {
	needEngine(t)
	for says, change := range map[string]func(*onnx.Model){
		"opset: opset 99 is too new":                        func(m *onnx.Model) { m.Opsets[0].Version = 99 },
		"session: open session for":                         func(m *onnx.Model) { m.Graph.Nodes[0].OpType = "Porridge" },
		"operators: custom operators: com.example.Porridge": func(m *onnx.Model) { m.Graph.Nodes[0].OpType, m.Graph.Nodes[0].Domain = "Porridge", "com.example" },
	} {
		m := enginetest.Add(3)
		change(m.Proto)
		path := filepath.Join(t.TempDir(), "m.onnx")
		if err := m.Save(path, model.SaveOptions{}); err != nil {
			t.Fatal(err)
		}
		if r := infer(t, passedOn(), "convert", "--check", path); r.code != 1 || !strings.Contains(r.err, says) || r.out == "" {
			t.Errorf("%s: exit %d, %s", says, r.code, r.err)
		}
	}
}
