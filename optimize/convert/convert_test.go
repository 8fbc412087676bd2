package convert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/model"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/report"
)

// digits is a small classifier with real weights.
const digits = "../../testdata/digits/digits-cnn.onnx"

// load opens a model file.
func load(t *testing.T, path string) *model.Model {
	t.Helper()
	m, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// on is a task for a model and a target, verified on two sets of made-up inputs, into a folder of its own.
func on(t *testing.T, m *model.Model, to string) Task {
	t.Helper()
	target, err := ParseTarget(to)
	if err != nil {
		t.Fatal(err)
	}
	k := Task{
		Model: m, Target: target, Name: to, Provider: enginetest.CPU(t), Config: engine.Config{Threads: 1}, Source: "random, seed 1",
		Output: filepath.Join(t.TempDir(), "out"+target.Suffix()),
	}
	bound, err := m.Bind(model.Bindings{})
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(2) {
		in, _, err := dataset.Random(m, bound.Shapes, seed+1)
		if err != nil {
			t.Fatal(err)
		}
		k.Inputs = append(k.Inputs, in)
	}
	return k
}

// quick are options that measure no speed.
func quick() Options {
	o := DefaultOptions()
	o.RaceTime = 0
	return o
}

// convert runs a task and returns what it reports.
func convert(t *testing.T, k Task, o Options) (report.ConvertDetails, *report.Document, error) {
	t.Helper()
	d := report.New("convert")
	err := Run(t.Context(), k, o, d)
	if err != nil {
		return report.ConvertDetails{}, d, err
	}
	if err := d.Validate(); err != nil {
		t.Errorf("the document: %v", err)
	}
	var x report.ConvertDetails
	if err := json.Unmarshal(d.Details, &x); err != nil {
		t.Fatal(err)
	}
	return x, d, nil
}

// must is convert of a task that works.
func must(t *testing.T, k Task, o Options) (report.ConvertDetails, *report.Document) {
	t.Helper()
	x, d, err := convert(t, k, o)
	if err != nil {
		t.Fatal(err)
	}
	if x.Verification == nil || x.Verification.Verdict == "drifts" || x.Output != k.Output {
		t.Fatalf("%s: %+v, written to %q", k.Name, x.Verification, x.Output)
	}
	return x, d
}

// left returns the names of what is in the folder of the output.
func left(t *testing.T, k Task) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(k.Output))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestKinds(t *testing.T) {
	for _, c := range []struct {
		to      string
		files   []string
		verdict string
		smaller float64 // the most that size_ratio may be
	}{
		{"fp16", []string{"out.fp16.onnx"}, "within", 0.6},
		{"bf16", []string{"out.bf16.onnx"}, "", 1.1}, // at its opset, Conv has no bfloat16
		{"ort", []string{"out.ort"}, "", 1.5},
		{"external-data", []string{"out.external.onnx", "out.external.onnx.data"}, "equal", 1.2},
		{"single-file", []string{"out.single.onnx"}, "equal", 1.01},
	} {
		t.Run(c.to, func(t *testing.T) {
			k := on(t, load(t, digits), c.to)
			x, d := must(t, k, quick())
			if got := left(t, k); !slices.Equal(got, c.files) {
				t.Errorf("the folder holds %v, want %v", got, c.files)
			}
			if c.verdict != "" && x.Verification.Verdict != c.verdict || x.Verification.Sets != 2 {
				t.Errorf("verification %+v, want %s on 2 sets", x.Verification, c.verdict)
			}
			ratio := d.Metric("size_ratio", nil)
			if ratio == nil || !(*ratio.Value > 0 && *ratio.Value <= c.smaller) {
				t.Errorf("size_ratio %+v, want at most %g", ratio, c.smaller)
			}
			var bytes int64
			for i, f := range x.Files {
				bytes += f.Bytes
				if filepath.Base(f.Path) != c.files[i] {
					t.Errorf("file %d is %+v, want %s", i, f, c.files[i])
				}
			}
			if float64(bytes) != *d.Metric("model_bytes", nil).Value || x.Before.Bytes != k.Model.Bytes() {
				t.Errorf("%d bytes of files, before %d, metrics %+v", bytes, x.Before.Bytes, d.Metrics)
			}
			m := load(t, k.Output)
			if sum, err := m.Digest(); err != nil || sum != x.OutputHash {
				t.Errorf("the file has digest %s, %v; the report says %s", sum, err, x.OutputHash)
			}
			if len(d.Gates) != 1 || d.Gates[0].Verdict != report.Pass {
				t.Errorf("gates %+v", d.Gates)
			}
		})
	}
}

// TestStorage: out and in again, every tensor has the bytes that it had, whatever field of the file held them.
func TestStorage(t *testing.T) {
	m := load(t, digits)
	want, bytes, err := tensorDigests(m.Proto)
	if err != nil || bytes == 0 {
		t.Fatal(bytes, err)
	}
	out := on(t, m, "external-data")
	must(t, out, quick())
	if inside, err := os.Stat(out.Output); err != nil || inside.Size() > m.Bytes()/5 {
		t.Errorf("%d of %d bytes stayed inside, %v", inside.Size(), m.Bytes(), err)
	}
	back := on(t, load(t, out.Output), "single-file")
	must(t, back, quick())
	got, _, err := tensorDigests(load(t, back.Output).Proto)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("tensors differ, %v", err)
	}
	again := on(t, load(t, back.Output), "single-file") // it is one already
	must(t, again, quick())
}

// TestOpset brings a model up, down, and nowhere.
func TestOpset(t *testing.T) {
	m := load(t, digits)
	for _, to := range []string{"onnx:opset=21", "onnx:opset=13", fmt.Sprintf("onnx:opset=%d", m.Proto.Opset(""))} {
		k := on(t, m, to)
		x, _ := must(t, k, quick())
		if got := load(t, k.Output).Proto.Opset(""); got != k.Target.Opset || x.After.Opset != got || len(x.Changes) == 0 {
			t.Errorf("%s: opset %d in the file, %d in the report, %q", to, got, x.After.Opset, x.Changes)
		}
	}
}

func TestSpeed(t *testing.T) {
	o := quick()
	o.RaceTime = 1
	x, d := must(t, on(t, load(t, digits), "fp16"), o)
	if x.Speed == nil || x.Speed.Rounds == 0 && d.Metric("latency_p50", nil) != nil {
		t.Errorf("speed %+v", x.Speed)
	}
	if x, _ := must(t, on(t, load(t, digits), "external-data"), o); x.Speed != nil {
		t.Errorf("the speed of another place on the disk is %+v", x.Speed)
	}
}

// pair is two operators on single numbers, one after the other, each with a constant.
func pair(op1 string, w float32, op2 string, v float32) *model.Model {
	port := func(name string) *onnx.ValueInfo { return enginetest.Value(name, tensor.Float32, 1, 1) }
	return enginetest.Build(enginetest.Values(port("x")), enginetest.Values(port("y")), []*onnx.Node{
		enginetest.Node(op1, enginetest.Names("x", "w"), enginetest.Names("h")),
		enginetest.Node(op2, enginetest.Names("h", "v"), enginetest.Names("y")),
	}, enginetest.Initializer(enginetest.Floats("w", tensor.Shape{1, 1}, w)), enginetest.Initializer(enginetest.Floats("v", tensor.Shape{1, 1}, v)))
}

// one is a task for a model with the input x = v.
func one(t *testing.T, m *model.Model, to string, v float32) Task {
	k := on(t, m, to)
	k.Inputs = [][]tensor.Tensor{{enginetest.Floats("x", tensor.Shape{1, 1}, v)}}
	return k
}

// TestDrift: 1·2049 − 2050 is −1, and in float16, which rounds 2049 to 2048, −2. The result is not kept, and neither is a
// file that was there touched.
func TestDrift(t *testing.T) {
	k := one(t, pair("MatMul", 2049, "Sub", 2050), "fp16", 1)
	if err := os.WriteFile(k.Output, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	x, d, err := convert(t, k, quick())
	if err != nil {
		t.Fatal(err)
	}
	if d.Verdict != report.FailedGate || x.Output != "" || x.Files != nil || x.Verification.Verdict != "drifts" || len(d.Gates) != 1 || d.Gates[0].Verdict != report.Fail {
		t.Errorf("verdict %s, details %+v, gates %+v", d.Verdict, x, d.Gates)
	}
	if b, _ := os.ReadFile(k.Output); string(b) != "old" || len(left(t, k)) != 1 {
		t.Errorf("the folder holds %v, the output %q", left(t, k), b)
	}
}

func TestLevels(t *testing.T) {
	for _, name := range []string{"basic", "extended", "all"} {
		level, err := ParseLevel(name)
		if err != nil {
			t.Fatal(err)
		}
		o := quick()
		o.Level = level
		x, d := must(t, on(t, load(t, digits), "ort"), o)
		if len(x.Changes) != 1 || !strings.Contains(x.Changes[0], "level "+name) || (len(d.Warnings) > 0) != (name == "all") {
			t.Errorf("%s: %q, warnings %q", name, x.Changes, d.Warnings)
		}
	}
	if _, err := ParseLevel("most"); fault.KindOf(err) != fault.Usage {
		t.Errorf("error is %v", err)
	}
}

// TestCustomOperators: they are kept and named, and nothing is run.
func TestCustomOperators(t *testing.T) {
	m := pair("MatMul", 1, "Frobnicate", 1)
	m.Proto.Graph.Nodes[1].Domain = "example"
	m.Proto.Opsets = append(m.Proto.Opsets, onnx.Opset{Domain: "example", Version: 1})
	x, _, err := convert(t, one(t, m, "fp16", 1), quick())
	if err != nil {
		t.Fatal(err)
	}
	if x.Verification.Verdict != "not_run" || !strings.Contains(strings.Join(x.Changes, "\n"), "example.Frobnicate: a custom operator, kept as it is") || x.Output == "" {
		t.Errorf("%+v", x)
	}
}

func TestErrors(t *testing.T) {
	m := load(t, digits)
	missing := on(t, m, "fp16")
	missing.Output = filepath.Join(t.TempDir(), "none", "m.onnx")
	folder := on(t, m, "fp16")
	folder.Output = t.TempDir()
	half := on(t, load(t, digits), "fp16")
	must(t, half, quick())
	compiler := on(t, m, "openvino")
	for _, c := range []struct {
		name string
		task Task
		kind fault.Kind
		want string
	}{
		{"no folder", missing, fault.Usage, "no such file"},
		{"a folder", folder, fault.Usage, "it is no regular file"},
		{"half twice", on(t, load(t, half.Output), "fp16"), fault.Unsupported, "in half precision already"},
		{"no opset", on(t, m, "onnx"), fault.Usage, "names no opset"},
		{"opset 3", on(t, m, "onnx:opset=3"), fault.Usage, "opset 3 is not one"},
		{"no compiler", compiler, fault.Unsupported, "no OpenVINO provider"},
		{"elsewhere", on(t, m, "tensorrt"), fault.Usage, "not made here"},
	} {
		before := []string(nil)
		if c.name != "no folder" && c.name != "a folder" {
			before = left(t, c.task)
		}
		_, _, err := convert(t, c.task, quick())
		if err == nil || !strings.Contains(err.Error(), c.want) || c.kind != 0 && fault.KindOf(err) != c.kind {
			t.Errorf("%s: error is %v", c.name, err)
		}
		if before != nil && !slices.Equal(left(t, c.task), before) {
			t.Errorf("%s: left behind %v", c.name, left(t, c.task))
		}
	}
}

// TestInterrupted: whatever the conversion is at, nothing is left behind.
func TestInterrupted(t *testing.T) {
	for _, at := range []string{"run the original", "convert", "read back", "compare outputs", "measure speed", "place"} {
		ctx, cancel := context.WithCancel(t.Context())
		k := on(t, load(t, digits), "fp16")
		k.Progress = func(e progress.Event) {
			if e.Phase == at {
				cancel()
			}
		}
		o := quick()
		o.RaceTime = 1
		if err := Run(ctx, k, o, report.New("convert")); !errors.Is(err, context.Canceled) {
			t.Errorf("at %s: error is %v", at, err)
		}
		if files := left(t, k); len(files) > 0 {
			t.Errorf("at %s: left behind %v", at, files)
		}
		cancel()
	}
}

// TestDeterministic: the same model and options make the same bytes.
func TestDeterministic(t *testing.T) {
	var first []byte
	for range 2 {
		k := on(t, load(t, digits), "fp16")
		must(t, k, quick())
		b, err := os.ReadFile(k.Output)
		if err != nil {
			t.Fatal(err)
		}
		if first != nil && !bytes.Equal(first, b) {
			t.Error("two runs wrote different files")
		}
		first = b
	}
}

func TestOptions(t *testing.T) {
	o := DefaultOptions()
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
	o.Samples, o.RaceTime, o.Via, o.Half.ActMax = -1, -1, "trtexec", 0
	err := o.Validate()
	for _, want := range []string{"--samples -1", "--race-time -1ns", `--via "trtexec"`, "largest activation is 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v lacks %s", err, want)
		}
	}
}
