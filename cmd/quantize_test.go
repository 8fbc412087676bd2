package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"infer/internal/term"
	"infer/optimize/quantize"
	"infer/report"
)

const (
	calib = "../testdata/digits/calib"
	test  = "../testdata/digits/test"
)

// parseQuantize returns the flags that infer quantize would run with, settled.
func parseQuantize(t *testing.T, env map[string]string, args ...string) (quantizeFlags, error) {
	t.Helper()
	std := term.Streams{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, Getenv: func(k string) (string, bool) { v, ok := env[k]; return v, ok }}
	a := &app{std: std}
	root := newRoot(a)
	var got quantizeFlags
	for _, c := range root.Commands() {
		if c.Name() == "quantize" {
			root.RemoveCommand(c)
		}
	}
	root.AddCommand(newQuantizeCmd(a, func(_ context.Context, _ *app, _ []string, f quantizeFlags) error {
		err := f.settle()
		got = f
		return err
	}))
	root.SetArgs(append([]string{"quantize", digits}, args...))
	return got, errors.Join(root.Execute())
}

func TestQuantizeFlags(t *testing.T) {
	file := filepath.Join(t.TempDir(), "infer.yaml")
	if err := os.WriteFile(file, []byte("quantize:\n  method: entropy\n  exclude: [\"op:Conv\", \"^head\"]\n  block-size: 64\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		env  map[string]string
		args []string
		want func(*quantize.Options) // changes to the defaults
	}{
		{"nothing", nil, nil, func(*quantize.Options) {}},
		{"--int8", nil, []string{"--int8"}, func(*quantize.Options) {}},
		{"--int8 --mode auto", nil, []string{"--int8", "--mode", "auto"}, func(*quantize.Options) {}},
		{"--int4", nil, []string{"--int4"}, func(o *quantize.Options) { o.Mode, o.Bits = quantize.WeightOnly, 4 }},
		{"--int4 --mode weight-only", nil, []string{"--int4", "--mode", "weight-only"}, func(o *quantize.Options) { o.Mode, o.Bits = quantize.WeightOnly, 4 }},
		{"--int4 --weights int4", nil, []string{"--int4", "--weights", "int4"}, func(o *quantize.Options) { o.Mode, o.Bits = quantize.WeightOnly, 4 }},
		{"weight-only of 4 bits in long", nil, []string{"--mode", "weight-only", "--weights", "int4"}, func(o *quantize.Options) { o.Mode, o.Bits = quantize.WeightOnly, 4 }},
		{"--fp16", nil, []string{"--fp16"}, func(o *quantize.Options) { o.Mode = quantize.FP16 }},
		{"--mode bf16", nil, []string{"--mode", "bf16"}, func(o *quantize.Options) { o.Mode = quantize.BF16 }},
		{"--mode static", nil, []string{"--mode", "static", "--calib", calib}, func(o *quantize.Options) { o.Mode = quantize.Static }},
		{"static by files", nil, []string{"--mode", "static", "--ranges", "a", "--ranges", "b"}, func(o *quantize.Options) {
			o.Mode, o.Ranges = quantize.Static, []string{"a", "b"}
		}},
		{"--per-tensor", nil, []string{"--per-tensor"}, func(o *quantize.Options) { o.PerChannel = false }},
		{"--per-channel=false", nil, []string{"--per-channel=false", "--per-tensor"}, func(o *quantize.Options) { o.PerChannel = false }},
		{"a budget", nil, []string{"--accuracy-budget", "top1:0.5"}, func(o *quantize.Options) { o.Budget = &quantize.Budget{Kind: "top1", Limit: 0.005} }},
		{"memory", nil, []string{"--calib-mem", "64MiB"}, func(o *quantize.Options) { o.Memory = 64 << 20 }},
		{"numbers", nil, []string{"--samples", "7", "--block-size", "128", "--accuracy-level", "1", "--race-time", "3s", "--seed", "9"}, func(o *quantize.Options) {
			o.Samples, o.Block, o.AccuracyLevel, o.RaceTime, o.Seed = 7, 128, 1, 3*time.Second, 9
		}},
		{"switches", nil, []string{"--portable", "--embeddings", "--allow-slower", "--keep-best", "--sensitivity", "s.json", "--explain", "n", "--calib-cache", "c"}, func(o *quantize.Options) {
			o.Portable, o.Embeddings, o.AllowSlower, o.KeepBest, o.Sensitivity, o.Explain, o.Cache = true, true, true, true, true, "n", "c"
		}},
		{"the environment", map[string]string{"INFER_QUANTIZE_SAMPLES": "5", "INFER_SEED": "3"}, nil, func(o *quantize.Options) { o.Samples, o.Seed = 5, 3 }},
		{"the flag is above the environment", map[string]string{"INFER_QUANTIZE_SAMPLES": "5"}, []string{"--samples", "6"}, func(o *quantize.Options) { o.Samples = 6 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseQuantize(t, c.env, c.args...)
			if err != nil {
				t.Fatal(err)
			}
			want := quantize.DefaultOptions
			c.want(&want)
			if !reflect.DeepEqual(got.opts, want) {
				t.Errorf("options are\n%+v, want\n%+v", got.opts, want)
			}
		})
	}
	got, err := parseQuantize(t, nil, "--config", file, "--include", "op:Gemm")
	if err != nil {
		t.Fatal(err)
	}
	var patterns []string
	for _, p := range slices.Concat(got.opts.Include, got.opts.Exclude) {
		patterns = append(patterns, p.Text)
	}
	if got.opts.Method.String() != "entropy" || got.opts.Block != 64 || !slices.Equal(patterns, []string{"op:Gemm", "op:Conv", "^head"}) {
		t.Errorf("method %s, block %d, patterns %q", got.opts.Method, got.opts.Block, patterns)
	}
}

// TestQuantizeRefuses: what contradicts itself or is not known is exit 2 before any work.
func TestQuantizeRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		want string // on stderr
	}{
		{"two types", []string{"--int8", "--fp16"}, "--int8 and --fp16 contradict each other"},
		{"three types", []string{"--int4", "--fp16", "--bf16"}, "--int4 and --fp16 contradict each other"},
		{"a type and another mode", []string{"--int8", "--mode", "static"}, "--int8 and --mode contradict each other"},
		{"a type and its like", []string{"--int4", "--mode", "dynamic"}, "--int4 and --mode contradict each other"},
		{"4 bits of 8", []string{"--int4", "--weights", "int8"}, "--int4 and --weights int8 contradict each other"},
		{"8 bits of 4", []string{"--int8", "--weights", "int4"}, "weights of 4 bits need --mode weight-only, not auto"},
		{"half of 4 bits", []string{"--fp16", "--weights", "int4"}, "weights of 4 bits need --mode weight-only, not fp16"},
		{"both kinds of scales", []string{"--per-channel", "--per-tensor"}, "--per-channel and --per-tensor contradict each other"},
		{"a misspelt mode", []string{"--mode", "dinamic"}, `mode "dinamic" is not known`},
		{"weights", []string{"--weights", "int2"}, `--weights "int2" is not known`},
		{"a method", []string{"--method", "minmx"}, "minmx"},
		{"a percentile", []string{"--method", "percentile=101"}, "101"},
		{"memory", []string{"--calib-mem", "lots"}, `--calib-mem: "lots" is no size in bytes`},
		{"a pattern", []string{"--include", "("}, `pattern "("`},
		{"a pattern of nothing", []string{"--exclude", ""}, `pattern "" picks every node`},
		{"a budget", []string{"--accuracy-budget", "top1"}, `accuracy budget "top1" is not KIND:LIMIT`},
		{"zeros", []string{"--mode", "static", "--calib", "zeros"}, "--calib zeros: ranges of zeros tell nothing"},
		{"static without rows", []string{"--mode", "static"}, "static quantization needs calibration data"},
		{"every fault", []string{"--block-size", "17", "--samples", "-1"}, "--samples -1 is negative"},
		{"two models", []string{digits, digits}, "accepts at most 1 arg"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			r := infer(t, nil, append([]string{"quantize", "m.onnx"}, c.args...)...)
			if r.code != 2 || r.out != "" || !strings.HasPrefix(r.err, "infer: error: ") || !strings.Contains(r.err, c.want) || strings.Contains(r.err, "%!") {
				t.Errorf("exit %d, stdout %q, stderr %q; want 2 with %q", r.code, r.out, r.err, c.want)
			}
			if files, _ := os.ReadDir("."); len(files) > 0 {
				t.Errorf("left behind: %v", files)
			}
		})
	}
}

// quickly are the flags that leave the timings of a test machine out of the result.
var quickly = []string{"--race-time", "100ms", "--allow-slower"}

func TestQuantize(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	out, groups := filepath.Join(dir, "small.onnx"), filepath.Join(dir, "groups.json")
	r := infer(t, passedOn(), append([]string{"quantize", digits, "--mode", "static", "--calib", calib, "--data", test, "--accuracy-budget", "top1:1",
		"--sensitivity", groups, "--explain", "conv1", "-o", out, "--format", "json"}, quickly...)...)
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	d := r.document(t)
	var details report.QuantizeDetails
	if err := json.Unmarshal(d.Details, &details); err != nil {
		t.Fatal(err)
	}
	if details.Output != out || details.Mode != "static" || details.Explain == nil || details.Explain.Op != "Conv" || value(t, d, "accuracy_top1", nil) < 0.97 {
		t.Errorf("details are %+v", details)
	}
	if d.Manifest.Options["mode"] != "static" || d.Manifest.Model == nil || d.Manifest.Data == nil || d.Manifest.Data.Rows != 200 {
		t.Errorf("manifest is %+v", d.Manifest)
	}
	var list []report.QuantizeGroup
	if b, err := os.ReadFile(groups); err != nil || json.Unmarshal(b, &list) != nil || len(list) != 4 {
		t.Errorf("groups are %+v, %v", list, err)
	}
	if r := infer(t, passedOn(), "predict", out, "--input", test, "-o", filepath.Join(dir, "answers"), "--format", "json"); r.code != 0 || value(t, r.document(t), "accuracy_top1", nil) < 0.97 {
		t.Errorf("exit %d: %s %s", r.code, r.out, r.err)
	}

	again := filepath.Join(dir, "again.onnx")
	if r := infer(t, passedOn(), "quantize", digits, "--replay", filepath.Join(dir, "small.quant.json"), "-o", again); r.code != 0 || !strings.Contains(r.out, "the same bytes") {
		t.Errorf("exit %d: %s %s", r.code, r.out, r.err)
	}
	a, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(again); err != nil || !bytes.Equal(a, b) {
		t.Errorf("the replay differs: %v", err)
	}
	if r := infer(t, passedOn(), append([]string{"quantize", out, "--int8"}, quickly...)...); r.code != 1 || r.out != "" || !strings.Contains(r.err, "the model is quantized already") {
		t.Errorf("once more: exit %d: %s %s", r.code, r.out, r.err)
	}
}

// TestQuantizeNames: without -o the file lies beside the model, under a name that says what it is, which stderr tells.
func TestQuantizeNames(t *testing.T) {
	needEngine(t)
	for flag, name := range map[string]string{"--int4": "m.v1.int4.onnx", "--fp16": "m.v1.fp16.onnx", "--mode=dynamic": "m.v1.int8.onnx"} {
		t.Run(flag, func(t *testing.T) {
			dir := t.TempDir()
			m := copyModel(t, dir, "m.v1.onnx")
			r := infer(t, passedOn(), append([]string{"quantize", m, flag}, quickly...)...)
			want := filepath.Join(dir, name)
			if r.code != 0 || !strings.Contains(r.err, "output: "+want) {
				t.Errorf("exit %d, stderr %q", r.code, r.err)
			}
			for _, f := range []string{want, strings.TrimSuffix(want, ".onnx") + ".quant.json"} {
				if st, err := os.Stat(f); err != nil || st.Size() == 0 {
					t.Errorf("%s: %v", f, err)
				}
			}
		})
	}
}

// TestQuantizeGate: a budget that nothing keeps is exit 3 with the report on stdout, and no file.
func TestQuantizeGate(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	out := filepath.Join(dir, "out.onnx")
	r := infer(t, passedOn(), append([]string{"quantize", digits, "--mode", "dynamic", "--accuracy-budget", "sqnr:200dB", "-o", out}, quickly...)...)
	if r.code != 3 || !strings.Contains(r.out, "Kept float because") || !strings.Contains(r.err, "infer: error: a gate was missed: sqnr_db>=200 (SQNR is ") {
		t.Errorf("exit %d, stdout %q, stderr %q", r.code, r.out, r.err)
	}
	if files, _ := os.ReadDir(dir); len(files) > 0 {
		t.Errorf("left behind: %v", files)
	}
}

// TestQuantizeNoGroups: where nothing can be quantized an older file of groups stays.
func TestQuantizeNoGroups(t *testing.T) {
	needEngine(t)
	groups := filepath.Join(t.TempDir(), "groups.json")
	if err := os.WriteFile(groups, []byte("older"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := infer(t, passedOn(), append([]string{"quantize", digits, "--mode", "dynamic", "--exclude", "op:Gemm", "--sensitivity", groups, "-o", groups + ".onnx"}, quickly...)...)
	if b, err := os.ReadFile(groups); r.code != 3 || !strings.Contains(r.out, "no groups were measured") || string(b) != "older" || err != nil {
		t.Errorf("exit %d, stdout %q, stderr %q, groups %q, %v", r.code, r.out, r.err, b, err)
	}
}

// TestQuantizeFiles: a file that is read is not written to, and what cannot be written is refused before any work.
func TestQuantizeFiles(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	m := copyModel(t, dir, "m.onnx")
	data := filepath.Join(dir, "data")
	if err := os.CopyFS(data, os.DirFS(test)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"the model", []string{"-o", m}, "is a file that the model is read from"},
		{"a file of the data", []string{"--data", data, "-o", filepath.Join(data, "input.npy")}, "would overwrite a file that is read"},
		{"the groups into the model", []string{"--sensitivity", m}, "is a file that the model is read from"},
		{"no such folder", []string{"-o", filepath.Join(dir, "none", "out.onnx")}, "no such file or directory"},
		{"a folder", []string{"-o", dir}, "it is a folder"},
		{"no such data", []string{"--data", filepath.Join(dir, "none")}, "none"},
		{"no such rows", []string{"--calib", filepath.Join(dir, "none")}, "none"},
		{"no such record", []string{"--replay", filepath.Join(dir, "none.json")}, "read the record"},
		{"no record", []string{"--replay", filepath.Join(data, "labels.npy")}, "it is no JSON of this kind"},
		{"a target", []string{"--target", "cpu:vnnl"}, `target "cpu:vnnl" is not known`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := infer(t, passedOn(), append([]string{"quantize", m}, append(c.args, quickly...)...)...)
			if r.code != 2 || r.out != "" || !strings.Contains(r.err, c.want) {
				t.Errorf("exit %d, stdout %q, stderr %q; want 2 with %q", r.code, r.out, r.err, c.want)
			}
		})
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("left behind: %v", files)
	}
}

// TestQuantizeInterrupted: Ctrl-C while speed is measured is exit 130 with the document so far, and leaves nothing but
// the calibration, from which the next run goes on.
func TestQuantizeInterrupted(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	cache := filepath.Join(dir, "cache")
	args := []string{"quantize", digits, "--mode", "static", "--calib", calib, "--calib-cache", cache, "--race-time", "10m", "-o", filepath.Join(dir, "out.onnx"), "--format", "json"}
	c := exec.CommandContext(t.Context(), os.Args[0], args...)
	c.Env = append(os.Environ(), asInfer+"=1")
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ { // calibration is the last that is written before the race
		if _, err := os.Stat(cache); err == nil {
			break
		}
		if i == 600 {
			_ = c.Process.Kill()
			t.Fatalf("no calibration after a minute: %s", errs.String())
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait()
	if code := c.ProcessState.ExitCode(); code != 130 || !strings.Contains(errs.String(), "infer: error: interrupted") {
		t.Errorf("exit %d, stderr %q", code, errs.String())
	}
	if d := (result{out: out.String(), err: errs.String()}).document(t); d.Verdict != report.Interrupted || d.Kind != "quantize" {
		t.Errorf("verdict %s of %s", d.Verdict, d.Kind)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}

func TestCommandLine(t *testing.T) {
	got := commandLine([]string{"quantize", "my model.onnx", "--exclude=a|b", "--calib", "it's", "-o", "x.int8.onnx", ""})
	if want := `infer quantize 'my model.onnx' '--exclude=a|b' --calib 'it'\''s' -o x.int8.onnx ''`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
