package convert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"regexp"
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

// TestHalfKeepsExternal: the weights of a model with external data stay beside it.
func TestHalfKeepsExternal(t *testing.T) {
	out := on(t, load(t, digits), "external-data")
	must(t, out, quick())
	k := on(t, load(t, out.Output), "fp16")
	x, _ := must(t, k, quick())
	if len(x.Files) != 2 || x.Files[1].What != "external data" || x.Files[0].Bytes > x.Files[1].Bytes {
		t.Errorf("files %+v", x.Files)
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

// TestOverflow: 300·300·300 is no float16, which the CPU, computing in float32, would not show: the range of the value
// between the two products is looked at, and they stay float32.
func TestOverflow(t *testing.T) {
	x, _ := must(t, one(t, pair("MatMul", 300, "MatMul", 0.001), "fp16", 300), quick())
	if x.Conversion.Float != 2 || !strings.Contains(x.Conversion.Kept[0], `"h" reaches 9e+04`) {
		t.Errorf("%+v", x.Conversion)
	}
	if x, _ := must(t, one(t, pair("MatMul", 300, "MatMul", 0.001), "fp16", 1), quick()); x.Conversion.Float != 0 {
		t.Errorf("of 1 · 300 stays float32: %+v", x.Conversion)
	}
}

// rows are calibration rows.
type rows []float32

func (r rows) Rows() int64 { return int64(len(r)) }
func (r rows) Batch(lo, hi int64) ([]tensor.Tensor, error) {
	return []tensor.Tensor{enginetest.Floats("x", tensor.Shape{hi - lo, 1}, r[lo:hi]...)}, nil
}

// TestCalibration: the rows say what is too large, up to --samples of them and above --act-max.
func TestCalibration(t *testing.T) {
	for _, c := range []struct {
		name    string
		samples int64
		most    float64
		float   int
	}{{"all", 0, 4094, 2}, {"the first", 2, 4094, 0}, {"a higher limit", 0, 65504, 0}} {
		k := one(t, pair("MatMul", 100, "MatMul", 0.001), "fp16", 1)
		k.Calib = rows{1, 2, 300}
		o := quick()
		o.Samples, o.Half.ActMax = c.samples, c.most
		if x, _ := must(t, k, o); x.Conversion.Float != c.float || !strings.Contains(strings.Join(x.Changes, ""), "calibration rows") {
			t.Errorf("%s: %+v, %q", c.name, x.Conversion, x.Changes)
		}
	}
	k := one(t, pair("MatMul", 100, "MatMul", 0.001), "bf16", 1)
	k.Calib = rows{1}
	if _, _, err := convert(t, k, quick()); fault.KindOf(err) != fault.Usage {
		t.Errorf("calibrated bfloat16: %v", err)
	}
}

// TestBlocked: nodes and operators that are named stay float32; a pattern that names none is a mistake.
func TestBlocked(t *testing.T) {
	o := quick()
	o.Half.BlockOps = []string{"Conv"}
	x, _ := must(t, on(t, load(t, digits), "fp16"), o)
	if !slices.ContainsFunc(x.Conversion.Kept, func(s string) bool { return strings.HasSuffix(s, "(Conv): blocked operator") }) {
		t.Errorf("kept %v", x.Conversion.Kept)
	}
	o = quick()
	o.BlockNodes = regexp.MustCompile("^conv1$")
	x, _ = must(t, on(t, load(t, digits), "fp16"), o)
	if !slices.ContainsFunc(x.Conversion.Kept, func(s string) bool { return strings.HasPrefix(s, "conv1 (Conv): blocked node") }) {
		t.Errorf("kept %v", x.Conversion.Kept)
	}
	o.BlockNodes = regexp.MustCompile("^none$")
	if _, _, err := convert(t, on(t, load(t, digits), "fp16"), o); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), `"^none$" matches no node`) {
		t.Errorf("error is %v", err)
	}
}

// TestAdversarial: constants at the edges of float32 do not change what the model answers, and are counted. As the bounds
// of Min and Max they may be cut; a factor of 1e38 may not, and its node stays float32.
func TestAdversarial(t *testing.T) {
	inf := float32(math.Inf(1))
	high, low := []float32{1e38, inf, 65504, 65520, 1}, []float32{-1e38, -inf, -65504, -65520, -1}
	small := []float32{1e-45, -1e-45, 5.9e-8, float32(math.Copysign(0, -1)), float32(math.NaN())}
	large := []float32{1e38, inf, -inf, 0, 1e-45}
	shape := tensor.Shape{1, 5}
	port := func(name string) *onnx.ValueInfo { return enginetest.Value(name, tensor.Float32, 1, 5) }
	m := enginetest.Build(enginetest.Values(port("x")), enginetest.Values(port("a"), port("b"), port("c"), port("d")), []*onnx.Node{
		enginetest.Node("Min", enginetest.Names("x", "high"), enginetest.Names("a")),
		enginetest.Node("Max", enginetest.Names("x", "low"), enginetest.Names("b")),
		enginetest.Node("Mul", enginetest.Names("x", "small"), enginetest.Names("c")),
		enginetest.Node("Mul", enginetest.Names("x", "large"), enginetest.Names("d")),
	}, enginetest.Initializer(enginetest.Floats("high", shape, high...)), enginetest.Initializer(enginetest.Floats("low", shape, low...)),
		enginetest.Initializer(enginetest.Floats("small", shape, small...)), enginetest.Initializer(enginetest.Floats("large", shape, large...)))
	k := on(t, m, "fp16")
	k.Inputs = [][]tensor.Tensor{{enginetest.Floats("x", shape, 0.5, 0.5, 0.5, 0.5, 0.5)}}
	r, d := must(t, k, quick())
	for _, o := range r.Verification.Outputs {
		if o.Beyond > 0 {
			t.Errorf("output %s: %+v", o.Output, o)
		}
	}
	if r.Conversion.Float != 1 || r.Conversion.Clamped != 4 || r.Conversion.Flushed != 2 || !strings.Contains(strings.Join(d.Warnings, "\n"), "4 constants were too large") {
		t.Errorf("%+v, warnings %q", r.Conversion, d.Warnings)
	}
}

// TestTraps: the models that other converters break: Resize, whose scales stay float32, a Cast to float32 between nodes
// in half precision, and branches that read values from around them.
func TestTraps(t *testing.T) {
	image := enginetest.Value("x", tensor.Float32, 1, 1, 4, 4)
	big := enginetest.Value("y", tensor.Float32, 1, 1, 8, 8)
	resize := enginetest.Build(enginetest.Values(image), enginetest.Values(big), []*onnx.Node{
		enginetest.Node("Relu", enginetest.Names("x"), enginetest.Names("r")),
		enginetest.Node("Resize", enginetest.Names("r", "", "scales"), enginetest.Names("u")),
		enginetest.Node("Cast", enginetest.Names("u"), enginetest.Names("c"), enginetest.Int("to", int64(tensor.Float32))),
		enginetest.Node("Add", enginetest.Names("c", "one"), enginetest.Names("y")),
	}, enginetest.Initializer(enginetest.Floats("scales", tensor.Shape{4}, 1, 1, 2, 2)), enginetest.Initializer(enginetest.Floats("one", nil, 1)))
	for name, m := range map[string]*model.Model{"Resize and Cast": resize, "If": load(t, "../../testdata/odd/if.onnx"), "Loop": load(t, "../../testdata/odd/loop.onnx")} {
		t.Run(name, func(t *testing.T) {
			if x, _ := must(t, on(t, m, "fp16"), quick()); x.Verification.Verdict == "not_run" {
				t.Error("it was not run")
			}
		})
	}
}

// TestShared converts every shared float model to float16, as a user would.
func TestShared(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/models/*/*.onnx")
	if len(files) == 0 {
		t.Skip("no folder shared/models beside the checkout")
	}
	for _, file := range files {
		if regexp.MustCompile(`odd/|fp16|qdq|qoperator|silero`).MatchString(file) {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			k := on(t, load(t, file), "fp16")
			if x, _ := must(t, k, quick()); x.Verification.Verdict == "not_run" {
				t.Error("it was not run")
			}
		})
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
		{"opset 3", on(t, m, "onnx:opset=3"), 0, "3"},
		{"no compiler", compiler, fault.Unsupported, "no OpenVINO provider"},
		{"elsewhere", on(t, m, "tensorrt"), fault.Usage, "not made here"},
	} {
		before := []string(nil)
		if c.kind != fault.Usage || c.name == "no opset" {
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
