package artifact

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/internal/host"
	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/trtexec/fake"
	"infer/report"
)

// l4 is a machine that has what NVIDIA's artifacts need.
var l4 = Place{
	Runtimes: []Runtime{{Version: "1.30.0", Path: "/x/libonnxruntime.so", Providers: []string{"cpu", "cuda", "tensorrt"}}},
	Accepts: func(_ context.Context, opsets []onnx.Opset, ir int64) error {
		for _, o := range opsets {
			if o.Domain == "" && o.Version > 25 {
				return fault.New(fault.Unsupported, "export it anew", "opset %d is too new for this ONNX Runtime, which has ai.onnx up to 25", o.Version)
			}
		}
		return nil
	},
	GPUs:     []host.GPU{{Name: "NVIDIA L4", Compute: "8.9", Driver: "580.95.05"}},
	TensorRT: []TensorRT{{Version: "10.16.0", Path: "/x/libnvinfer.so.10.16.0"}},
}

// put writes a file into a folder of the test.
func put(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// save writes a model, with its weights outside where asked.
func save(t *testing.T, m *model.Model, external model.ExternalMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := m.Save(path, model.SaveOptions{External: external, Threshold: 1}); err != nil {
		t.Fatal(err)
	}
	return path
}

// expect checks an artifact and looks for findings, written "level name: part of the detail".
func expect(t *testing.T, path string, p Place, kind string, want ...string) report.ArtifactCheck {
	t.Helper()
	c, err := Check(t.Context(), path, p)
	if err != nil {
		t.Fatal(err)
	}
	if c.Kind != kind {
		t.Errorf("kind is %q, not %q", c.Kind, kind)
	}
	var lines []string
	for _, f := range c.Findings {
		lines = append(lines, f.Level+" "+f.Name+": "+f.Detail)
	}
	all := strings.Join(lines, "\n")
	errors := 0
	for _, w := range want {
		at := strings.Index(all, strings.SplitN(w, ": ", 2)[0]+": ")
		if at < 0 || !strings.Contains(all, strings.SplitN(w, ": ", 2)[1]) {
			t.Errorf("%q is not among\n%s", w, all)
		}
		if strings.HasPrefix(w, levelError) {
			errors++
		}
	}
	if ok, first := Loads(c); ok != (errors == 0) {
		t.Errorf("it would load: %v (%+v)\n%s", ok, first, all)
	}
	return c
}

func TestONNX(t *testing.T) {
	small := func() *model.Model { return enginetest.Add("n", 3) }
	expect(t, save(t, small(), model.ExternalNever), l4, KindONNX, "ok opset: reads opset 21", "ok operators: all operators")
	expect(t, save(t, small(), model.ExternalNever), Place{}, KindONNX, "warning opset: no ONNX Runtime is installed")

	late := small()
	late.Proto.Opsets[0].Version = 90
	expect(t, save(t, late, model.ExternalNever), l4, KindONNX, "error opset: opset 90 is too new")

	custom := small()
	custom.Proto.Graph.Nodes[0].Domain = "com.example"
	custom.Proto.Opsets = append(custom.Proto.Opsets, onnx.Opset{Domain: "com.example", Version: 1})
	path := save(t, custom, model.ExternalNever)
	expect(t, path, l4, KindONNX, "error operators: com.example.Add")
	with := l4
	with.Custom = []string{"ops.so"}
	expect(t, path, with, KindONNX, "warning operators: must come from ops.so")
}

func TestExternal(t *testing.T) {
	w := enginetest.Initializer(enginetest.Floats("w", tensor.Shape{3}, 1, 2, 3))
	m := enginetest.Build(enginetest.Values(enginetest.Value("x", tensor.Float32, 3)), enginetest.Values(enginetest.Value("y", tensor.Float32, 3)),
		[]*onnx.Node{enginetest.Node("Add", enginetest.Names("x", "w"), enginetest.Names("y"))}, w)
	path := save(t, m, model.ExternalAlways)
	expect(t, path, l4, KindONNX, "ok external_data: m.onnx.data (12 B)")
	if err := os.Truncate(path+".data", 8); err != nil {
		t.Fatal(err)
	}
	expect(t, path, l4, KindONNX, "error external_data: ")
	if err := os.Remove(path + ".data"); err != nil {
		t.Fatal(err)
	}
	expect(t, path, l4, KindONNX, "error external_data: ")
}

// compiled is a model of one EPContext node.
func compiled(attrs ...*onnx.Attribute) *model.Model {
	n := enginetest.Node("EPContext", enginetest.Names("x"), enginetest.Names("y"), attrs...)
	n.Domain = "com.microsoft"
	m := enginetest.Build(enginetest.Values(enginetest.Value("x", tensor.Float32, 1)), enginetest.Values(enginetest.Value("y", tensor.Float32, 1)), []*onnx.Node{n})
	m.Proto.Opsets = append(m.Proto.Opsets, onnx.Opset{Domain: "com.microsoft", Version: 1})
	return m
}

func text(name, value string) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrString, S: []byte(value)}
}

func TestContext(t *testing.T) {
	inside := func(hardware string, engine []byte) string {
		return save(t, compiled(enginetest.Int("embed_mode", 1), text("ep_cache_context", string(engine)), text("source", "TensorrtExecutionProvider"),
			text("hardware_architecture", hardware), text("partition_name", "p0"), text("ep_sdk_version", "10.16.0")), model.ExternalNever)
	}
	c := expect(t, inside("89", fake.Engine(10, 16, 0, 72)), l4, KindContext, "ok provider: tensorrt is in ONNX Runtime 1.30.0",
		"ok cache: 64 B of compiled code", "ok tensorrt: built by TensorRT 10.16.0", "ok compute_capability: compiled for SM 89")
	found := false
	for _, f := range c.Facts {
		found = found || f.Name == "context 1 (p0)" && f.Value == "compiled by TensorrtExecutionProvider, kit 10.16.0, for 89"
	}
	if !found {
		t.Errorf("facts are %+v", c.Facts)
	}
	expect(t, inside("90", fake.Engine(10, 3, 0, 26)), l4, KindContext, "error compute_capability: compiled for SM 90", "error tensorrt: built by TensorRT 10.3.0")
	expect(t, inside("80+", fake.Engine(10, 16, 0, 72)), l4, KindContext, "ok compute_capability: compiled for SM 80+")
	none := l4
	none.GPUs, none.NoGPU = nil, "there is no nvidia-smi"
	none.Runtimes = []Runtime{{Version: "1.30.0", Providers: []string{"cpu"}}}
	none.TensorRT = nil
	expect(t, inside("89", fake.Engine(10, 16, 0, 72)), none, KindContext, "error gpu: there is no nvidia-smi", "error provider: no ONNX Runtime here has the tensorrt provider", "error tensorrt: none is here")

	path := save(t, compiled(enginetest.Int("embed_mode", 1), text("ep_cache_context", "blob"), text("source", "OpenVINOExecutionProvider")), model.ExternalNever)
	expect(t, path, l4, KindContext, "error provider: openvino", "ok cache: 4 B")
}

func TestContextFile(t *testing.T) {
	outside := func(file string) string {
		b, err := onnx.Encode(compiled(enginetest.Int("embed_mode", 0), text("ep_cache_context", file), text("source", "TensorrtExecutionProvider"), text("hardware_architecture", "89")).Proto)
		if err != nil {
			t.Fatal(err)
		}
		return put(t, "m.onnx", b)
	}
	path := outside("m.trt/e.engine")
	expect(t, path, l4, KindContext, "error cache: no such file")
	if err := os.Mkdir(filepath.Join(filepath.Dir(path), "m.trt"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "m.trt", "e.engine"), fake.Engine(10, 16, 0, 72), 0o644); err != nil {
		t.Fatal(err)
	}
	expect(t, path, l4, KindContext, "ok cache: m.trt/e.engine lies beside the model", "ok tensorrt: 10.16.0")
	expect(t, outside("../e.engine"), l4, KindContext, "error cache: ")
	expect(t, outside("/e.engine"), l4, KindContext, "error cache: ")
}

func TestEngine(t *testing.T) {
	path := put(t, "m.plan", fake.Engine(10, 16, 0, 72))
	expect(t, path, l4, KindTensorRT, "ok tensorrt: 10.16.0", "note record: m.plan.engine.json", "note use: trtexec")
	record := func(change func(*Engine)) {
		t.Helper()
		e := Engine{Model: "aa", Maker: "trtexec", TensorRT: "10.16.0", GPU: "NVIDIA L4", Compute: "8.9", Driver: "570.1", Profiles: []string{"x:1/8/32"}, Options: map[string]string{"hw_compat": "none"}}
		change(&e)
		if err := e.Note(filepath.Dir(path), path); err != nil {
			t.Fatal(err)
		}
		b, err := e.Encode()
		if err == nil {
			err = os.WriteFile(RecordPath(path), b, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	record(func(*Engine) {})
	expect(t, path, l4, KindTensorRT, "ok record: unchanged", "ok compute_capability: built for 8.9", "ok driver: 580.95.05")
	record(func(e *Engine) { e.GPU, e.Driver = "NVIDIA L40S", "590.1" })
	expect(t, path, l4, KindTensorRT, "warning compute_capability: another kind of GPU", "warning driver: built under driver 590.1")
	record(func(e *Engine) { e.Compute = "8.6" })
	expect(t, path, l4, KindTensorRT, "error compute_capability: built for 8.6")
	record(func(e *Engine) { e.Compute = "8.6"; e.Options["hw_compat"] = "ampere+" })
	expect(t, path, l4, KindTensorRT, "ok compute_capability: Ampere and newer")

	old := l4
	old.TensorRT = []TensorRT{{Version: "10.17.1"}}
	expect(t, path, old, KindTensorRT, "error tensorrt: here is 10.17.1")
	record(func(e *Engine) { e.Options["version_compat"] = "true" })
	expect(t, path, old, KindTensorRT, "ok tensorrt: 10.17.1 is here")
	if err := os.WriteFile(path, append(fake.Engine(10, 16, 0, 72), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	expect(t, path, l4, KindTensorRT, "warning record: has 65 bytes, not 64")
	expect(t, put(t, "old.engine", []byte("ptrt and more")), l4, KindTensorRT, "error file: older than 8.6")
}

func TestNoArtifact(t *testing.T) {
	for name, b := range map[string]string{"a.txt": "hello world\n", "page.xml": "<html><body/></html>", "empty": ""} {
		if _, err := Check(t.Context(), put(t, name, []byte(b)), l4); fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, path := range []string{filepath.Join(t.TempDir(), "none.onnx"), t.TempDir()} {
		if _, err := Check(t.Context(), path, l4); fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: %v", path, err)
		}
	}
	b, err := onnx.Encode(enginetest.Add(3).Proto)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, put(t, "cut.onnx", b[:len(b)-5]), l4, KindONNX, "error file: truncated")
}

const smallIR = `<?xml version="1.0"?>
<net name="m" version="11">
	<layers>
		<layer id="0" name="x" type="Parameter" version="opset1"><data shape="1,3" element_type="f32" /></layer>
		<layer id="1" name="w" type="Const" version="opset1"><data element_type="f32" shape="1, 3" offset="0" size="12" /></layer>
		<layer id="2" name="y" type="Add" version="opset1"><data auto_broadcast="numpy" /></layer>
	</layers>
</net>`

func TestOpenVINO(t *testing.T) {
	with := l4
	with.Runtimes = []Runtime{{Version: "1.24.1", Providers: []string{"cpu", "openvino"}}}
	path := put(t, "m.xml", []byte(smallIR))
	bin := strings.TrimSuffix(path, ".xml") + ".bin"
	expect(t, path, with, KindOpenVINO, "error weights: m.bin")
	for n, want := range map[int]string{12: "ok weights: as large as", 11: "error weights: constants reach to 12", 13: "warning weights: 1 bytes more"} {
		if err := os.WriteFile(bin, make([]byte, n), 0o644); err != nil {
			t.Fatal(err)
		}
		expect(t, path, with, KindOpenVINO, want, "ok ir_version: 11", "ok provider: 1.24.1")
	}
	if err := os.WriteFile(bin, make([]byte, 12), 0o644); err != nil {
		t.Fatal(err)
	}
	expect(t, path, l4, KindOpenVINO, "error provider: no OpenVINO")
	old := put(t, "old.xml", []byte(strings.Replace(smallIR, `version="11"`, `version="7"`, 1)))
	expect(t, old, with, KindOpenVINO, "error ir_version: 7", "error weights: missing")
	expect(t, put(t, "cut.xml", []byte(smallIR[:len(smallIR)-30])), with, KindOpenVINO, "error file: damaged")
}

func TestKey(t *testing.T) {
	e := Engine{Model: "aa", TensorRT: "10.3.0", Driver: "570", Compute: "8.9", Options: map[string]string{"opt_level": "3"}}
	same := Engine{Model: "aa", TensorRT: "10.3.0", Driver: "570", Compute: "8.9", Options: map[string]string{"opt_level": "3"}, GPU: "other", Seconds: 9}
	if e.MakeKey() != same.MakeKey() || e.Differs(same) != "" {
		t.Errorf("what the key is not made of changed it: %s", e.Differs(same))
	}
	now := Engine{Model: "bb", TensorRT: "10.16.0", Driver: "570", Compute: "8.9", Profiles: []string{"x:1/2/3"}, Options: map[string]string{"opt_level": "5", "hw_compat": "none"}}
	want := "the model, TensorRT (was 10.3.0, is 10.16.0), the profiles (was not set, is x:1/2/3), option opt_level (was 3, is 5), option hw_compat (was not set, is none)"
	if got := e.Differs(now); got != want {
		t.Errorf("differs in %s", got)
	}
	if e.MakeKey() == now.MakeKey() {
		t.Error("the key stayed the same")
	}
}

func TestFindTensorRT(t *testing.T) {
	dir := t.TempDir()
	site := filepath.Join(dir, "site-packages")
	for _, d := range []string{"lib", "site-packages/tensorrt_libs", "site-packages/onnxruntime/capi", "site-packages/tensorrt_cu12_libs-10.16.1.11.dist-info"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"lib/libnvinfer.so.11.1.0", "site-packages/tensorrt_libs/libnvinfer.so.10"} {
		if err := os.WriteFile(filepath.Join(dir, f), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("libnvinfer.so.11.1.0", filepath.Join(dir, "lib", "libnvinfer.so.11")); err != nil {
		t.Skip(err)
	}
	got := FindTensorRT(filepath.Join(dir, "lib"), []Runtime{{Path: filepath.Join(site, "onnxruntime", "capi", "libonnxruntime.so.1.30.0")}})
	if len(got) < 2 || got[0].Version != "11.1.0" || got[1].Version != "10.16.1" {
		t.Errorf("found %+v", got)
	}
}

func FuzzIR(f *testing.F) {
	f.Add(smallIR)
	f.Fuzz(func(t *testing.T, text string) {
		net, err := parseIR(strings.NewReader(text))
		if err == nil && net.layers < 0 {
			t.Error("layers")
		}
	})
}

func FuzzRecord(f *testing.F) {
	e := Engine{Model: "aa", Options: map[string]string{"a": "b"}, Files: []File{{Name: "x", Bytes: 1}}}
	b, err := e.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parseEngine(b)
		if err != nil {
			return
		}
		again, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if r, err := parseEngine(again); err != nil || r.MakeKey() != e.MakeKey() {
			t.Errorf("%q does not survive", b)
		}
	})
}
