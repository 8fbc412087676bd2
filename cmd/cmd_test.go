package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/term"
	"infer/optimize/trtexec/fake"
	"infer/report"
)

// asInfer is the environment variable that makes the test binary infer.
const asInfer = "TEST_BINARY_AS_INFER"

// TestMain lets the test binary stand for infer where a command starts fresh processes of itself, or a test one to
// interrupt.
func TestMain(m *testing.M) {
	fake.Play()
	if len(os.Args) > 1 && os.Args[1] == coldCommand || os.Getenv(asInfer) != "" {
		os.Exit(Main(os.Args[1:], term.Standard()))
	}
	if model := os.Getenv(asPython); model != "" {
		playPython(model, os.Getenv(asPython+"_ANSWERS"))
		return
	}
	os.Exit(m.Run())
}

const digits = "../testdata/digits/digits-cnn.onnx"

// result is what one call of the program left behind.
type result struct {
	code     int
	out, err string
}

// infer runs the program in this process with an environment of its own: the real one less INFER_* and GITHUB_*, plus env.
func infer(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	std := term.Streams{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: func(k string) (string, bool) {
		if v, ok := env[k]; ok {
			return v, true
		}
		if strings.HasPrefix(k, "INFER_") || strings.HasPrefix(k, "GITHUB_") {
			return "", false
		}
		return os.LookupEnv(k)
	}}
	code := Main(args, std)
	return result{code, out.String(), errs.String()}
}

// document decodes the result of a call with --format json.
func (r result) document(t *testing.T) *report.Document {
	t.Helper()
	d, err := report.Read(strings.NewReader(r.out))
	if err != nil {
		t.Fatalf("stdout is no document: %v\n%s\n%s", err, r.out, r.err)
	}
	return d
}

func value(t *testing.T, d *report.Document, name string, labels map[string]string) float64 {
	t.Helper()
	m := d.Metric(name, labels)
	if m == nil || m.Value == nil {
		t.Fatalf("no value of %s %v", name, labels)
	}
	return *m.Value
}

// needEngine skips where no runtime library can be had.
func needEngine(t *testing.T) {
	t.Helper()
	if r := infer(t, passedOn(), "runtime", "list", "--format", "json"); strings.Contains(r.out, `"selected": true`) {
		return
	}
	if r := infer(t, passedOn(), "runtime", "install"); r.code != 0 {
		t.Skipf("no ONNX Runtime library: %s", r.err)
	}
}

// passedOn is the environment that decides which library the tests use.
func passedOn() map[string]string {
	env := map[string]string{}
	for _, k := range []string{"INFER_ORT_LIBRARY", "INFER_OFFLINE"} {
		if v, ok := os.LookupEnv(k); ok {
			env[k] = v
		}
	}
	return env
}

func TestUsageErrors(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct {
		name string
		args []string
		want string // on stderr
	}{
		{"no such command", []string{"nonsense"}, `unknown command "nonsense"`},
		{"a misspelt command", []string{"profil"}, "did you mean: profile?"},
		{"too many operands", []string{"profile", digits, digits}, "accepts at most 1 arg"},
		{"no such flag", []string{"profile", digits, "--no-such-flag"}, "unknown flag: --no-such-flag"},
		{"negative runs", []string{"profile", digits, "--runs", "-3"}, "--runs -3 is negative"},
		{"two faults are both named", []string{"profile", digits, "--runs", "-3", "--cold", "-1"}, "--cold -1 is negative"},
		{"warm-up", []string{"profile", digits, "--warm-up", "lots"}, `--warm-up "lots" is not known`},
		{"a gate with a wrong operator", []string{"profile", digits, "--gate", "latency_p99<<20ms"}, "latency_p99<<20ms"},
		{"a gate on no metric", []string{"profile", digits, "--gate", "nope<1"}, "nope"},
		{"a gate with NaN", []string{"profile", digits, "--gate", "latency_p99<NaN"}, "NaN"},
		{"format", []string{"profile", digits, "--format", "yaml"}, `--format "yaml" is not known`},
		{"color", []string{"inspect", digits, "--color", "green"}, `--color "green" is not known`},
		{"report ending", []string{"inspect", digits, "--report", "r.pdf"}, `--report "r.pdf"`},
		{"missing model", []string{"inspect", filepath.Join(empty, "missing.onnx")}, "does not exist"},
		{"a folder", []string{"inspect", empty}, "is a folder"},
		{"shape of no input", []string{"inspect", digits, "--shape", "nope:1x2"}, "nope"},
		{"no such axis", []string{"inspect", digits, "--dim", "nope=3"}, "nope"},
		{"malformed dim", []string{"inspect", digits, "--dim", "batch"}, "batch"},
		{"negative threads", []string{"profile", digits, "--threads", "-1"}, "negative"},
		{"provider option without a value", []string{"profile", digits, "--provider-option", "x"}, "key=value"},
		{"missing configuration", []string{"inspect", digits, "--config", filepath.Join(empty, "none.yaml")}, "does not exist"},
		{"predict without data", []string{"predict", digits, "-o", empty}, "predict needs data"},
		{"predict without a folder", []string{"predict", digits, "--input", "../testdata/digits/test"}, "no folder is given"},
		{"missing data set", []string{"profile", digits, "--input", filepath.Join(empty, "none")}, "none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := infer(t, nil, c.args...)
			if r.code != 2 {
				t.Errorf("exit %d, want 2", r.code)
			}
			if r.out != "" {
				t.Errorf("stdout holds %q", r.out)
			}
			if !strings.HasPrefix(r.err, "infer: error: ") || !strings.Contains(r.err, c.want) {
				t.Errorf("stderr is %q, want an error with %q", r.err, c.want)
			}
		})
	}
}

// TestPrecedence: flag > INFER_* > file > default, and a key that no command has is named.
func TestPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "infer.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("threads: 3\nshape:\n  - {name: X, shape: [1, 4]}\ndim: [batch=2]\nprofile:\n  runs: 37\n  batch: [1, 2]\n  warm-up: 5\n")
	for _, c := range []struct {
		name string
		env  map[string]string
		args []string
		runs int
		thr  int
	}{
		{"the default", nil, nil, 0, 0},
		{"the file", nil, []string{"--config", file}, 37, 3},
		{"the environment names the file", map[string]string{"INFER_CONFIG": file}, nil, 37, 3},
		{"the environment is above the file", map[string]string{"INFER_PROFILE_RUNS": "41", "INFER_THREADS": "4"}, []string{"--config", file}, 41, 4},
		{"the flag is above the environment", map[string]string{"INFER_PROFILE_RUNS": "41"}, []string{"--config", file, "--runs", "43", "--threads", "1"}, 43, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseProfile(t, c.env, c.args...)
			if err != nil {
				t.Fatal(err)
			}
			if got.opts.Runs != c.runs || got.engine.threads != c.thr {
				t.Errorf("runs %d, threads %d; want %d, %d", got.opts.Runs, got.engine.threads, c.runs, c.thr)
			}
		})
	}
	got, err := parseProfile(t, nil, "--config", file)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.bind.Shapes) != 1 || got.bind.Shapes[0] != "X:1x4" || len(got.bind.Dims) != 1 || got.bind.Dims[0] != "batch=2" {
		t.Errorf("bindings are %+v", got.bind)
	}
	if len(got.opts.Batches) != 2 || got.opts.Batches[1] != 2 || got.warmUp != "5" {
		t.Errorf("batches %v, warm-up %q", got.opts.Batches, got.warmUp)
	}
	for text, want := range map[string]string{
		"profile:\n  rnus: 37\n":             `unknown key "profile.rnus"`,
		"thraeds: 2\n":                       "did you mean threads?",
		"runs: 3\n":                          "write it below profile:",
		"profile: 3\n":                       "holds no options",
		"profile:\n  runs: many\n":           "many",
		"a: [b\n":                            "infer.yaml",
		"shape: [{nme: x, size: 1, z: 2}]\n": "an item must be",
	} {
		write(text)
		r := infer(t, nil, "profile", digits, "--config", file)
		if r.code != 2 || !strings.Contains(r.err, want) {
			t.Errorf("%q: exit %d, stderr %q; want 2 with %q", text, r.code, r.err, want)
		}
	}
}

// parseProfile returns the flags that infer profile would run with.
func parseProfile(t *testing.T, env map[string]string, args ...string) (profileFlags, error) {
	t.Helper()
	std := term.Streams{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, Getenv: func(k string) (string, bool) { v, ok := env[k]; return v, ok }}
	a := &app{std: std}
	root := newRoot(a)
	var got profileFlags
	for _, c := range root.Commands() {
		if c.Name() == "profile" {
			root.RemoveCommand(c)
		}
	}
	root.AddCommand(newProfileCmd(a, func(_ context.Context, _ *app, _ []string, f profileFlags) error {
		got = f
		return nil
	}))
	root.SetArgs(append([]string{"profile"}, args...))
	return got, errors.Join(root.Execute())
}

func TestInspect(t *testing.T) {
	r := infer(t, map[string]string{"INFER_OFFLINE": "1", "INFER_ORT_LIBRARY": "/nonexistent"}, "inspect", digits, "--format", "json")
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	d := r.document(t)
	if d.Kind != "inspect" || value(t, d, "nodes", nil) < 3 || value(t, d, "params", nil) < 100 || value(t, d, "macs", nil) < 1000 {
		t.Errorf("document is %s", r.out)
	}
	var details report.InspectDetails
	if err := json.Unmarshal(d.Details, &details); err != nil {
		t.Fatal(err)
	}
	if len(details.Inputs) != 1 || !strings.Contains(details.Inputs[0].Shape, "batch") {
		t.Errorf("inputs are %+v", details.Inputs)
	}
}

func TestProfile(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	trace, md := filepath.Join(dir, "trace.json"), filepath.Join(dir, "r.md")
	r := infer(t, passedOn(), "profile", digits, "--runs", "400", "--cold", "1", "--batch", "1,4", "--trace", trace,
		"--format", "json", "--report", md, "--gate", "latency_p50<10s")
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	d := r.document(t)
	for _, name := range []string{"latency_mean", "latency_p50", "latency_p99", "latency_max", "throughput", "session_init",
		"first_run", "library_load", "peak_rss", "model_bytes", "macs", "params", "activation_bytes", "nodes"} {
		if v := value(t, d, name, nil); v <= 0 {
			t.Errorf("%s is %g", name, v)
		}
	}
	p50 := d.Metric("latency_p50", nil)
	if p50.N != 400 || p50.Lo == nil || p50.Hi == nil || *p50.Lo > *p50.Value || *p50.Hi < *p50.Value || p50.Unit != "s" {
		t.Errorf("latency_p50 is %+v", p50)
	}
	value(t, d, "latency_p50", map[string]string{"batch": "4"})
	var details report.ProfileDetails
	if err := json.Unmarshal(d.Details, &details); err != nil {
		t.Fatal(err)
	}
	var sum float64
	for _, s := range details.ByOp {
		sum += s.Share
	}
	if len(details.ByOp) == 0 || sum < 0.999 || sum > 1.001 {
		t.Errorf("shares by operator sum to %g: %+v", sum, details.ByOp)
	}
	if len(d.Gates) != 1 || d.Gates[0].Verdict != "pass" {
		t.Errorf("gates are %+v", d.Gates)
	}
	for _, f := range []string{trace, md} {
		if st, err := os.Stat(f); err != nil || st.Size() == 0 {
			t.Errorf("%s: %v", f, err)
		}
	}
}

func TestProfileSmallSample(t *testing.T) {
	needEngine(t)
	r := infer(t, passedOn(), "profile", digits, "--runs", "30", "--warm-up", "3", "--cold", "0", "--format", "json")
	d := r.document(t)
	if p := d.Metric("latency_p99", nil); p == nil || p.Value != nil || p.N != 30 {
		t.Errorf("latency_p99 of 30 runs is %+v", p)
	}
	if !strings.Contains(strings.Join(d.Warnings, "\n"), "latency_p99 needs 368 runs, this sample has 30") {
		t.Errorf("warnings are %q", d.Warnings)
	}
}

func TestProfileGateMissed(t *testing.T) {
	needEngine(t)
	r := infer(t, passedOn(), "profile", digits, "--runs", "50", "--warm-up", "3", "--cold", "0", "--gate", "latency_p50<1ns", "--format", "json")
	d := r.document(t)
	if r.code != 3 || d.Verdict != report.FailedGate || d.Gates[0].Verdict != "fail" {
		t.Errorf("exit %d, verdict %s, gates %+v", r.code, d.Verdict, d.Gates)
	}
	if !strings.Contains(r.err, "a gate was missed: latency_p50<1ns") {
		t.Errorf("stderr is %q", r.err)
	}
}

// told runs a command that must go well, and returns the details of its result.
func told[T any](t *testing.T, args ...string) T {
	t.Helper()
	r := infer(t, passedOn(), append(args, "--format", "json")...)
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	x, err := detailsOf[T](r.document(t))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestPredict(t *testing.T) {
	needEngine(t)
	dir := filepath.Join(t.TempDir(), "out")
	r := infer(t, passedOn(), "predict", digits, "--input", "../testdata/digits/test", "-o", dir, "--format", "json")
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	d := r.document(t)
	if acc := value(t, d, "accuracy_top1", nil); acc < 0.95 || acc > 1 {
		t.Errorf("accuracy is %g", acc)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 || filepath.Ext(files[0].Name()) != ".npy" {
		t.Errorf("the folder holds %v, %v", files, err)
	}
}

// TestModelLeftOut: MODEL comes from infer.yaml or is the only .onnx file, and what was chosen is said.
func TestModelLeftOut(t *testing.T) {
	model, err := os.ReadFile(digits)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	if r := infer(t, nil, "inspect"); r.code != 2 || !strings.Contains(r.err, "no .onnx file") {
		t.Errorf("in an empty folder: exit %d, %q", r.code, r.err)
	}
	write := func(name string, b []byte) {
		t.Helper()
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.onnx", model)
	if r := infer(t, nil, "inspect"); r.code != 0 || !strings.Contains(r.err, "a.onnx") {
		t.Errorf("with one model: exit %d, %q", r.code, r.err)
	}
	write("b.onnx", model)
	if r := infer(t, nil, "inspect"); r.code != 2 || !strings.Contains(r.err, "a.onnx, b.onnx") {
		t.Errorf("with two models: exit %d, %q", r.code, r.err)
	}
	write("infer.yaml", []byte("model: b.onnx\n"))
	if r := infer(t, nil, "inspect"); r.code != 0 || !strings.Contains(r.err, "b.onnx (from infer.yaml)") {
		t.Errorf("with infer.yaml: exit %d, %q", r.code, r.err)
	}
}
