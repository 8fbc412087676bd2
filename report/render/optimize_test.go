package render

import (
	"path/filepath"
	"testing"

	"infer/report"
)

// optimizeDoc is an optimization that wrote a model, with everything in it.
func optimizeDoc(t *testing.T) *report.Document {
	t.Helper()
	x := report.OptimizeDetails{
		Level: "safe", Output: "models/encoder.opt.onnx", OutputHash: "0f",
		Passes: []report.PassRun{
			{Pass: "name-nodes", Verdict: "unchanged", Nodes: 334},
			{Pass: "fold-constants", Changed: 97, Verdict: "kept", Nodes: 233, Drift: ptr(0.0), Seconds: 0.031},
			{Pass: "fold-batch-norm", Changed: 11, Verdict: "kept", Nodes: 222, Drift: ptr(0.224), Seconds: 0.044},
			{Pass: "fuse-gelu", Verdict: "rolled_back", Nodes: 222, Drift: ptr(1812.4), Seconds: 0.12, Why: `output "logits": 154 of 154 elements are outside the tolerance, the largest difference is 0.018`},
			{Pass: "eliminate-dead", Verdict: "unchanged", Nodes: 222},
		},
		Before: report.ModelFacts{Nodes: 334, Initializers: 56, Params: 802_000, Bytes: 3_241_000, MACs: 600_000, Activations: 6660, Opset: 13, IR: 7},
		After:  report.ModelFacts{Nodes: 222, Initializers: 71, Params: 802_000, Bytes: 3_231_000, MACs: 600_000, Activations: 6660, Opset: 17, IR: 8},
		Ops:    []report.OpChange{{Op: "Constant", Before: 91}, {Op: "BatchNormalization", Before: 11}, {Op: "com.microsoft.Gelu", After: 1}, {Op: "Add", Before: 12, After: 12}},
		Edits:  []string{"opset 13 became 17", "axis 0 of input input_ids is dynamic now: batch"},
		Kept:   []string{"ai.example.Tokenize: a custom operator"},
		Verification: report.Agreement{Verdict: "within", Source: "random, seed 1", Sets: 3, Rel: 1e-5, Abs: 1e-5, Outputs: []report.OutputDrift{
			{Output: "logits", DType: "float32", Elements: 462, MaxAbs: 2.1e-6, MaxRel: 4.3e-7, SQNR: ptr(131.2), Rows: 6, Same: 6},
			{Output: "label", DType: "int64", Elements: 6},
		}, Notes: []string{`output "sample" is random: it differs from run to run of the original itself, and was not compared`}},
		Speed:  &report.SpeedChange{Base: *level95(303e-6, 290e-6, 319e-6, 700), Head: *level95(258e-6, 249e-6, 263e-6, 700), Speedup: *level95(1.17, 1.12, 1.21, 7), Outcome: "faster", Rounds: 7},
		Phases: []report.Phase{{Name: "record the original", Seconds: 0.18}, {Name: "passes", Seconds: 0.35}},
	}
	d := base(t, "optimize", x)
	d.Manifest.Model.Path = "models/encoder.onnx"
	d.Warn("pass fuse-gelu is rolled back: %s", x.Passes[3].Why)
	return d
}

// driftDoc is one that wrote nothing.
func unlikeDoc(t *testing.T) *report.Document {
	d := base(t, "optimize", report.OptimizeDetails{Level: "none", Before: report.ModelFacts{Nodes: 4, Bytes: 100}, After: report.ModelFacts{Nodes: 4, Bytes: 100},
		Verification: report.Agreement{Verdict: "drifts", Why: `output "y": 1 of 2 elements differ`, Sets: 1, Rel: 1e-5, Abs: 1e-5, Outputs: []report.OutputDrift{{Output: "y", DType: "float32", Why: "shape 2 where the original has 3"}}}})
	d.Verdict = report.FailedGate
	d.Gates = []report.GateResult{{Expr: "outputs agree", Verdict: report.Fail, Reason: `output "y": 1 of 2 elements differ`}}
	return d
}

// listDoc is the list of passes.
func listDoc(t *testing.T) *report.Document {
	return base(t, "optimize", report.OptimizeDetails{Listed: []report.PassListing{{Pass: "fold-constants", Level: "safe", Doc: "computes what no input changes once"}, {Pass: "fuse-qkv", Level: "full", Doc: "makes one MatMul of three"}}})
}

func optimizeDocs(t *testing.T) map[string]*report.Document {
	return map[string]*report.Document{"optimize": optimizeDoc(t), "optimize-drift": unlikeDoc(t), "optimize-list": listDoc(t)}
}

func TestOptimize(t *testing.T) {
	for name, d := range optimizeDocs(t) {
		golden(t, filepath.Join("testdata", name+".txt"), render(t, d, "text", Options{Width: 80}))
		golden(t, filepath.Join("testdata", name+".md"), render(t, d, "markdown", Options{}))
	}
}

func hostileOptimizeDoc(t *testing.T) *report.Document {
	return base(t, "optimize", report.OptimizeDetails{Level: hostile, Output: hostile, Passes: []report.PassRun{{Pass: hostile, Verdict: hostile, Why: hostile}, {Pass: hostile, Verdict: "unchanged"}},
		Ops: []report.OpChange{{Op: hostile, Before: 1}}, Edits: []string{hostile}, Kept: []string{hostile}, Before: report.ModelFacts{Nodes: 1}, After: report.ModelFacts{Nodes: 1},
		Verification: report.Agreement{Verdict: "drifts", Why: hostile, Source: hostile, Provider: hostile, Sets: 1, Outputs: []report.OutputDrift{{Output: hostile, DType: hostile, Why: hostile}}, Notes: []string{hostile}}})
}

func TestOptimizeHostile(t *testing.T) { harmless(t, hostileOptimizeDoc(t)) }
