package render

import (
	"path/filepath"
	"testing"

	"infer/report"
)

// convertDocs are conversions of every kind, and checks.
func convertDocs(t *testing.T) map[string]*report.Document {
	t.Helper()
	return map[string]*report.Document{
		"convert-half": halfConvertDoc(t), "convert-openvino": openVINODoc(t), "convert-tensorrt": tensorRTDoc(t), "convert-drift": driftDoc(t),
		"convert-check": checkDoc(t),
	}
}

// halfConvertDoc is a conversion to float16 with external data.
func halfConvertDoc(t *testing.T) *report.Document {
	d := base(t, "convert", report.ConvertDetails{
		To: "fp16", Output: "models/mobilenet.fp16.onnx", OutputHash: "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0",
		Files:   []report.ArtifactFile{{Path: "models/mobilenet.fp16.onnx", Bytes: 31_200, What: "model"}, {Path: "models/mobilenet.fp16.onnx.data", Bytes: 6_960_000, What: "external data"}},
		Before:  &report.ModelFacts{Nodes: 100, Initializers: 104, Params: 3_487_816, Bytes: 13_964_571, MACs: 300_774_272, Activations: 9_633_792, Opset: 13, IR: 7},
		After:   &report.ModelFacts{Nodes: 104, Initializers: 106, Params: 3_487_818, Bytes: 6_991_200, MACs: 300_774_272, Activations: 4_816_896, Opset: 13, IR: 7},
		Changes: []string{"the ranges of 99 values were seen on 512 calibration rows"},
		Conversion: &report.HalfConversion{DType: "float16", Nodes: 98, Float: 2, Casts: 4, Clamped: 1, Flushed: 7,
			Kept: []string{"Resize_12 (Resize): \"scaled\" reaches 7.1e+04", "TopK_3 (TopK): no float16 form that computes the same"}},
		Verification: &report.Agreement{Verdict: "within", Source: "random, seed 1", Sets: 3, Rel: 3e-2, Abs: 3e-2, Share: 0.95,
			Outputs: []report.OutputDrift{{Output: "logits", DType: "float32", Elements: 3000, Beyond: 2, MaxAbs: 0.0413, MaxRel: 0.0021, SQNR: ptr(58.3), Rows: 3, Same: 3}}},
		Speed:  &report.SpeedChange{Base: *level95(12.1e-3, 12.0e-3, 12.3e-3, 40), Head: *level95(12.9e-3, 12.7e-3, 13.1e-3, 40), Speedup: *level95(0.938, 0.92, 0.95, 8), Outcome: "slower", Rounds: 8},
		Phases: []report.Phase{{Name: "convert", Seconds: 0.12}, {Name: "compare outputs", Seconds: 0.31}, {Name: "measure speed", Seconds: 3}},
	})
	d.Manifest.Model.Path, d.Manifest.Model.Bytes = "models/mobilenet.onnx", 13_964_571
	d.Add(report.Exact("model_bytes", 6_991_200), report.Exact("size_ratio", 6_991_200./13_964_571), metric("speedup", 0.938, 0.92, 0.95, 8), report.Exact("elapsed", 3.5))
	d.Gates = []report.GateResult{{Expr: "outputs agree", Verdict: report.Pass, Reason: "outputs agree within the tolerance on 3 sets of inputs"}}
	d.Warn("1 constants were too large for float16 and were cut to its range")
	return d
}

// openVINODoc is a compiled model that two providers run.
func openVINODoc(t *testing.T) *report.Document {
	return base(t, "convert", report.ConvertDetails{
		To: "openvino", Via: "provider", Output: "m.openvino.onnx", Files: []report.ArtifactFile{{Path: "m.openvino.onnx", Bytes: 5_100_000, What: "model"}},
		Before:       &report.ModelFacts{Nodes: 66, Bytes: 4_950_076, Opset: 13, IR: 7},
		Changes:      []string{"1 compiled parts of the graph, and 2 nodes beside them"},
		Verification: &report.Agreement{Verdict: "equal", Source: "data/test", Sets: 1, Provider: "openvino", Notes: []string{"output \"noise\" is random: it was not compared"}},
		Speed:        &report.SpeedChange{Base: *level95(12e-3, 11e-3, 13e-3, 40), Head: *level95(6e-3, 5e-3, 7e-3, 40), Speedup: *level95(2, 1.9, 2.1, 8), Outcome: "faster", Rounds: 8},
		Placement:    []report.PlacedNodes{{Provider: "CPUExecutionProvider", Nodes: 2}, {Provider: "OpenVINOExecutionProvider", Nodes: 1}},
	})
}

// tensorRTDoc is an engine that a tool of others built.
func tensorRTDoc(t *testing.T) *report.Document {
	e := &report.EngineFacts{
		Key: "a1b2c3d4e5f60718293a4b5c6d7e8f90", Rebuilt: "the driver is another one: 570.1, it was 560.4", Version: "TensorRT 10.16.1", GPU: "NVIDIA H100 80GB HBM3", Compute: "9.0",
		Driver: "570.1", Profiles: []string{"x:1x3x224x224/8x3x224x224/32x3x224x224"}, Seconds: 41.2,
	}
	for i, n := range []string{"conv1 + relu1", "conv2", "pool"} {
		e.Layers = append(e.Layers, report.Share{Name: n, Count: 1, Seconds: 1e-4 * float64(3-i), Share: float64(3-i) / 6})
	}
	return base(t, "convert", report.ConvertDetails{
		To: "tensorrt", Via: "trtexec", Output: "m.engine", Files: []report.ArtifactFile{{Path: "m.engine", Bytes: 9_100_000, What: "engine"}, {Path: "m.engine.cache", Bytes: 120_000, What: "timing cache"}},
		Verification: &report.Agreement{Verdict: "not_run", Why: "an engine is run by trtexec alone"}, Engine: e,
		Tool: &report.ToolRun{Name: "trtexec", Version: "10.16.1", Command: []string{"trtexec", "--onnx=m.onnx", "--saveEngine=m.engine"}, Seconds: 44.1},
		Next: &report.NextStep{Command: "infer convert m.engine --check", Why: "it says whether the engine loads on another machine"},
	})
}

// driftDoc is a conversion that was not kept.
func driftDoc(t *testing.T) *report.Document {
	d := base(t, "convert", report.ConvertDetails{
		To: "onnx:opset=21", Before: &report.ModelFacts{Nodes: 3},
		Verification: &report.Agreement{Verdict: "drifts", Why: "output \"y\": 3 of 10 elements are outside the tolerance, the largest difference is 0.2", Sets: 1, Rel: 1e-5, Abs: 1e-5,
			Outputs: []report.OutputDrift{{Output: "y", DType: "float32", Elements: 10, Beyond: 3, MaxAbs: 0.2, MaxRel: 0.1}, {Output: "z", DType: "int64", Why: "the shape is 1x3, it was 3"}}},
	})
	d.Verdict = report.FailedGate
	d.Gates = []report.GateResult{{Expr: "outputs agree", Verdict: report.Fail, Reason: "output \"y\": 3 of 10 elements are outside the tolerance"}}
	return d
}

// checkDoc is the check of an artifact that would not load.
func checkDoc(t *testing.T) *report.Document {
	d := base(t, "convert", report.ConvertDetails{Check: &report.ArtifactCheck{
		Path: "m.engine", Kind: "tensorrt_engine", Facts: []report.Fact{{Name: "TensorRT", Value: "10.16"}, {Name: "compute capability", Value: "9.0"}},
		Findings: []report.Finding{
			{Name: "file", Level: "ok", Detail: "9.1 MB, complete"}, {Name: "driver", Level: "warning", Detail: "570.1 is older than that of the build"},
			{Name: "gpu", Level: "error", Detail: "there is no NVIDIA GPU here", Fix: "copy it to the machine that it was built on"},
		},
	}})
	d.Verdict = report.FailedGate
	return d
}

func TestConvertGolden(t *testing.T) {
	endings := map[string]string{"text": ".txt", "json": ".json", "markdown": ".md", "html": ".html", "csv": ".csv", "junit": ".xml"}
	for name, d := range convertDocs(t) {
		if err := d.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, format := range Formats() {
			golden(t, filepath.Join("testdata", name+endings[format]), render(t, d, format, Options{}))
		}
	}
}

func TestCheckSummary(t *testing.T) {
	for _, c := range []struct {
		levels []string
		want   string
	}{
		{nil, "It would load here."},
		{[]string{"ok", "warning"}, "It would load here."},
		{[]string{"error", "ok"}, "It would not load here: error 0."},
		{[]string{"error", "error"}, "It would not load here, for 2 reasons."},
	} {
		k := &report.ArtifactCheck{}
		for i, l := range c.levels {
			k.Findings = append(k.Findings, report.Finding{Level: l, Detail: l + " " + string(rune('0'+i)) + "."})
		}
		if got := checkSummary(k); got != c.want {
			t.Errorf("%v: %q, want %q", c.levels, got, c.want)
		}
	}
}

// hostileConvertDoc has the hostile name wherever a conversion has a name.
func hostileConvertDoc(t *testing.T) *report.Document {
	const h = hostile
	return base(t, "convert", report.ConvertDetails{
		To: h, Via: h, Output: h, OutputHash: h, Files: []report.ArtifactFile{{Path: h, What: h}, {Path: h, What: h}}, Changes: []string{h},
		Conversion:   &report.HalfConversion{DType: h, Kept: []string{h}},
		Verification: &report.Agreement{Verdict: "drifts", Why: h, Source: h, Sets: 1, Provider: h, Notes: []string{h}, Outputs: []report.OutputDrift{{Output: h, DType: h, Why: h}}},
		Placement:    []report.PlacedNodes{{Provider: h, Nodes: 1}},
		Engine:       &report.EngineFacts{Key: h, Rebuilt: h, Version: h, GPU: h, Compute: h, Driver: h, Profiles: []string{h}, Layers: []report.Share{{Name: h, Share: 1}}},
		Tool:         &report.ToolRun{Name: h, Version: h, Command: []string{h}}, Phases: []report.Phase{{Name: h}}, Next: &report.NextStep{Command: h, Why: h},
	})
}

// hostileCheckDoc has it wherever a check has one.
func hostileCheckDoc(t *testing.T) *report.Document {
	const h = hostile
	return base(t, "convert", report.ConvertDetails{Check: &report.ArtifactCheck{Path: h, Kind: h, Facts: []report.Fact{{Name: h, Value: h}}, Findings: []report.Finding{{Name: h, Level: "error", Detail: h, Fix: h}}}})
}
