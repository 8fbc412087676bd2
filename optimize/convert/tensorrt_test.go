package convert

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/artifact"
	"infer/optimize/trtexec"
	"infer/optimize/trtexec/fake"
	"infer/report"
)

// builder stands in for ONNX Runtime's TensorRT provider: it writes what that writes, as its options say, and runs
// nothing but zeros. breaks makes it fail at a point.
type builder struct {
	enginetest.Fake
	options map[string]string // of the last build
	breaks  string            // "half way", "silent", "library"
}

func (c *builder) Name() string { return "tensorrt" }

func (c *builder) Open(ctx context.Context, m *model.Model, config engine.Config) (engine.Session, error) {
	o := config.Providers[0].Options
	if o["trt_dump_ep_context_model"] != "1" {
		return c.Fake.Open(ctx, m, config)
	}
	c.options = o
	if c.breaks == "library" {
		return nil, fault.New(fault.Unsupported, "", "the tensorrt provider cannot be used: libnvinfer.so.10: cannot open shared object file")
	}
	path := o["trt_ep_context_file_path"]
	name := filepath.ToSlash(filepath.Join(o["trt_engine_cache_path"], "graph_sm89.engine"))
	folder := filepath.Join(filepath.Dir(path), o["trt_engine_cache_path"])
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	plan := fake.Engine(10, 16, 0, 72)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), plan, 0o644); err != nil {
		return nil, err
	}
	switch c.breaks {
	case "half way":
		return nil, errors.New("out of memory")
	case "silent":
		return c.Fake.Open(ctx, m, config)
	}
	mode := int64(0)
	if o["trt_ep_context_embed_mode"] == "1" {
		mode, name = 1, string(plan)
	}
	n := &onnx.Node{OpType: "EPContext", Domain: "com.microsoft", Inputs: []string{"a", "b"}, Outputs: []string{"c"}, Attrs: []*onnx.Attribute{
		enginetest.Int("embed_mode", mode), {Name: "ep_cache_context", Type: onnx.AttrString, S: []byte(name)},
		{Name: "source", Type: onnx.AttrString, S: []byte("TensorrtExecutionProvider")}, {Name: "hardware_architecture", Type: onnx.AttrString, S: []byte("89")},
	}}
	out := m.Proto.Clone()
	out.Graph.Nodes, out.Graph.Initializers = []*onnx.Node{n}, nil
	out.Opsets = append(out.Opsets, onnx.Opset{Domain: "com.microsoft", Version: 1})
	b, err := onnx.Encode(out)
	if err == nil {
		err = os.WriteFile(path, b, 0o644)
	}
	if err != nil {
		return nil, err
	}
	return c.Fake.Open(ctx, m, config)
}

// engineTask is the conversion of a small model with a dynamic axis in a folder of its own.
func engineTask(t *testing.T, c *builder) Task {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "m.onnx")
	if err := enginetest.Add("n", 3).Save(path, model.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	m, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	p, err := trtexec.ParseProfile("a:1x3/8x3/32x3,b:1x3/8x3/32x3")
	if err != nil {
		t.Fatal(err)
	}
	build := trtexec.DefaultOptions
	build.Profiles = []trtexec.Profile{p}
	in := []tensor.Tensor{enginetest.Floats("a", tensor.Shape{8, 3}, make([]float32, 24)...), enginetest.Floats("b", tensor.Shape{8, 3}, make([]float32, 24)...)}
	return Task{
		Model: m, Target: Target{Kind: TensorRT}, Name: "tensorrt", Output: filepath.Join(dir, "out.onnx"), Provider: &enginetest.Fake{}, Compiler: c,
		Compiled: engine.Config{Providers: []engine.ProviderSpec{{Name: "tensorrt"}}}, Inputs: [][]tensor.Tensor{in}, Source: "zeros",
		Engine: &Engine{Build: build, Made: artifact.Engine{Model: "aa", Maker: "onnxruntime 1.30.0", TensorRT: "10.16.0", GPU: "NVIDIA L4", Compute: "8.9", Driver: "580", Profiles: []string{p.String()}}},
	}
}

// convertTo runs a conversion and returns its details.
func convertTo(t *testing.T, task Task) (report.ConvertDetails, error) {
	t.Helper()
	d := report.New("convert")
	o := DefaultOptions()
	o.RaceTime = 0
	if err := Run(t.Context(), task, o, d); err != nil {
		return report.ConvertDetails{}, err
	}
	var x report.ConvertDetails
	if err := json.Unmarshal(d.Details, &x); err != nil {
		t.Fatal(err)
	}
	return x, nil
}

func filesIn(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, _ := filepath.Rel(dir, path)
			list = append(list, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestTensorRTProvider(t *testing.T) {
	c := &builder{}
	task := engineTask(t, c)
	dir := filepath.Dir(task.Output)
	x, err := convertTo(t, task)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"m.onnx", "out.engines/graph_sm89.engine", "out.onnx", "out.onnx.engine.json"}
	if got := filesIn(t, dir); !slices.Equal(got, want) {
		t.Errorf("the folder has %q", got)
	}
	if x.Verification == nil || x.Verification.Verdict != "equal" || x.Via != ViaProvider || x.Engine.Cached || x.Engine.Version != "TensorRT 10.16.0" {
		t.Errorf("details are %+v, engine %+v", x, x.Engine)
	}
	for name, value := range map[string]string{
		"trt_engine_cache_enable": "1", "trt_engine_cache_path": "out.engines", "trt_dump_ep_context_model": "1", "trt_ep_context_embed_mode": "0",
		"trt_profile_min_shapes": "a:1x3,b:1x3", "trt_profile_opt_shapes": "a:8x3,b:8x3", "trt_profile_max_shapes": "a:32x3,b:32x3",
	} {
		if c.options[name] != value {
			t.Errorf("option %s is %q, not %q", name, c.options[name], value)
		}
	}
	if filepath.Dir(c.options["trt_ep_context_file_path"]) == dir {
		t.Error("the provider wrote to the final place")
	}
	x, err = convertTo(t, task)
	if err != nil || !x.Engine.Cached || len(x.Files) == 0 {
		t.Errorf("the same again: %+v, %v", x.Engine, err)
	}
	task.Engine.Made.Driver = "590"
	x, err = convertTo(t, task)
	if err != nil || x.Engine.Cached || x.Engine.Rebuilt != "another: the driver (was 580, is 590)" {
		t.Errorf("under another driver: %+v, %v", x.Engine, err)
	}
	if got := filesIn(t, dir); !slices.Equal(got, want) {
		t.Errorf("built again, the folder has %q", got)
	}
}

func TestTensorRTEmbedded(t *testing.T) {
	c := &builder{}
	task := engineTask(t, c)
	task.Engine.Embed = true
	if _, err := convertTo(t, task); err != nil {
		t.Fatal(err)
	}
	if got := filesIn(t, filepath.Dir(task.Output)); !slices.Equal(got, []string{"m.onnx", "out.onnx", "out.onnx.engine.json"}) {
		t.Errorf("the folder has %q", got)
	}
}

// TestTensorRTBreaks: what fails half way leaves what was there before.
func TestTensorRTBreaks(t *testing.T) {
	for breaks, says := range map[string]string{"half way": "out of memory", "silent": "wrote no engine", "library": "libnvinfer.so.10"} {
		task := engineTask(t, &builder{breaks: breaks})
		_, err := convertTo(t, task)
		if err == nil || !strings.Contains(err.Error(), says) || breaks != "half way" && fault.HintOf(err) == "" {
			t.Errorf("%s: %v (hint %q)", breaks, err, fault.HintOf(err))
		}
		if got := filesIn(t, filepath.Dir(task.Output)); !slices.Equal(got, []string{"m.onnx"}) {
			t.Errorf("%s: the folder has %q", breaks, got)
		}
	}
	task := engineTask(t, &builder{}) // outputs that drift are not kept either
	task.Provider = &enginetest.Fake{Compute: func(in []tensor.Tensor, outputs []engine.Port) ([]tensor.Tensor, error) {
		out, err := enginetest.Zeros(in, outputs)
		if err == nil {
			out[0] = enginetest.Floats(outputs[0].Name, tensor.Shape{8, 3}, slices.Repeat([]float32{5}, 24)...)
		}
		return out, err
	}}
	x, err := convertTo(t, task)
	if err != nil || x.Verification.Verdict != "drifts" || x.Output != "" {
		t.Errorf("%+v, %v", x.Verification, err)
	}
	if got := filesIn(t, filepath.Dir(task.Output)); !slices.Equal(got, []string{"m.onnx"}) {
		t.Errorf("drifting: the folder has %q", got)
	}
}

// TestProviderOptions: nothing chooses a precision, whatever is asked for.
func TestProviderOptions(t *testing.T) {
	b := trtexec.DefaultOptions
	b.TimingCache, b.OptLevel, b.Workspace, b.Compat, b.StripWeights = "cache", 5, 1<<30, trtexec.CompatAmpere, true
	two, _ := trtexec.ParseProfile("x:1/2/4")
	b.Profiles = []trtexec.Profile{two, two}
	o := Engine{Build: b, Embed: true, Extra: map[string]string{"device_id": "1"}}.ProviderOptions("/d/m.onnx", "m.engines")
	for name, value := range map[string]string{
		"trt_timing_cache_enable": "1", "trt_timing_cache_path": "cache", "trt_builder_optimization_level": "5", "trt_max_workspace_size": "1073741824",
		"trt_engine_hw_compatible": "1", "trt_weight_stripped_engine_enable": "1", "trt_ep_context_embed_mode": "1", "device_id": "1", "trt_profile_max_shapes": "x:4,x:4",
	} {
		if o[name] != value {
			t.Errorf("%s is %q, not %q", name, o[name], value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if strings.Contains(name, "fp16") || strings.Contains(name, "int8") || strings.Contains(name, "bf16") {
			t.Errorf("%s chooses a precision", name)
		}
	}
}

func TestProfiles(t *testing.T) {
	port := func(name string, dims ...any) model.Port {
		v := enginetest.Value(name, tensor.Float32, dims...)
		return model.Port{Name: v.Name, Type: v.Type}
	}
	inputs := []model.Port{port("x", "n", 3), port("ids", "n", "len"), port("fixed", 2)}
	parse := func(text string) []trtexec.Profile {
		p, err := trtexec.ParseProfile(text)
		if err != nil {
			t.Fatal(err)
		}
		return []trtexec.Profile{p}
	}
	got, err := Profiles(inputs, parse("ids:1x4/2x8/4x16,x:1x3/2x3/4x3,fixed:2"), model.Bound{})
	if err != nil || got[0].String() != "x:1x3/2x3/4x3,ids:1x4/2x8/4x16" {
		t.Errorf("%v, %v", got, err)
	}
	for text, says := range map[string]string{
		"x:1x3":             `missing: "ids"`,
		"x:1x4,ids:1x1":     "axis 1 of input \"x\" is fixed at 3",
		"x:1x3,idz:1x1":     `no input "idz"`,
		"x:1x3,ids:1":       "2 axes, not 1",
		"fixed:3,x:1x3,y:1": "",
	} {
		if _, err := Profiles(inputs, parse(text), model.Bound{}); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), says) || fault.HintOf(err) == "" {
			t.Errorf("%q: %v", text, err)
		}
	}
	bound := model.Bound{Shapes: map[string]tensor.Shape{"x": {8, 3}, "ids": {8, 128}}}
	if got, err := Profiles(inputs, nil, bound); err != nil || got[0].String() != "x:8x3/8x3/8x3,ids:8x128/8x128/8x128" {
		t.Errorf("%v, %v", got, err)
	}
	bound.Axes = []model.Axis{{Input: "ids", Index: 1, Reason: model.ByDefault}}
	_, err = Profiles(inputs, nil, bound)
	if err == nil || !strings.Contains(err.Error(), `dynamic axes of "ids"`) || !strings.Contains(fault.HintOf(err), "x:1x3/8x3/32x3,ids:1x1/8x8/32x32") {
		t.Errorf("%v (hint %q)", err, fault.HintOf(err))
	}
	if got, err := Profiles(inputs[2:], nil, model.Bound{}); err != nil || got != nil {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := Profiles(inputs[2:], parse("fixed:2"), model.Bound{}); err == nil {
		t.Error("a profile for a model without dynamic axes was taken")
	}
}
