package quantize

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/quantize/emit"
	"infer/report"
)

// TestModes: every mode writes a model of its form that is within its budget, the same bytes every time.
func TestModes(t *testing.T) {
	four := quick(WeightOnly)
	four.Bits = 4
	portable := quick(WeightOnly)
	portable.Portable = true
	tensorwise := quick(Static)
	tensorwise.PerChannel = false
	for _, c := range []struct {
		name      string
		options   Options
		budget    string
		operators map[string]int // of the written file
		smaller   float64        // than this share of the original
	}{
		// Conv 16×1×3×3 and 32×16×3×3, Gemm 128×64 and 64×10: of 13 584 weights 4608 are in the second Conv, 8192 in the
		// first Gemm. MatMulNBits takes that alone: the other one has too few elements to pay.
		{"static", quick(Static), "top1:1", map[string]int{"Conv": 2, "Relu": 0}, 0.5},
		{"static per tensor", tensorwise, "top1:1", map[string]int{"Conv": 2}, 0.5},
		{"dynamic", quick(Dynamic), "top1:1", map[string]int{"DynamicQuantizeLinear": 2, "Gemm": 0}, 0.6}, // Conv stays float
		{"weight-only", quick(WeightOnly), "top1:1", map[string]int{"MatMulNBits": 1, "Gemm": 1}, 0.5},
		{"weight-only of 4 bits", four, "top1:2", map[string]int{"MatMulNBits": 1, "Gemm": 1}, 0.6},
		{"portable", portable, "top1:1", map[string]int{"MatMulNBits": 0, "DequantizeLinear": 1}, 0.5},
		{"fp16", quick(FP16), "agreement:99%", map[string]int{"Conv": 2}, 0.6},
		{"auto", quick(Auto), "", nil, 0.6},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := digits(t)
			if c.budget != "" {
				b, err := ParseBudget(c.budget)
				if err != nil {
					t.Fatal(err)
				}
				c.options.Budget = &b
			}
			r := mustQuantize(t, k, c.options)
			if r.Verdict != report.OK || r.Output != k.Output || r.Record != RecordPath(k.Output) || r.Reason == "" {
				t.Fatalf("verdict %s, output %q, record %q, reason %q, warnings %q", r.Verdict, r.Output, r.Record, r.Reason, r.Warnings)
			}
			if len(r.Gates) != 1 || r.Gates[0].Verdict != report.Pass {
				t.Errorf("gates are %+v", r.Gates)
			}
			if c.name == "auto" {
				if slices.ContainsFunc(r.Nodes, func(n report.QuantizeNode) bool { return n.Form == "float" && strings.Contains(n.Why, "takes longer") }) {
					c.smaller = 1 // a node was measured to be slower as integers and stayed float, with its weights
				}
				checkWritten(t, k, r, c.operators, c.smaller)
				return // which candidate wins is measured
			}
			checkWritten(t, k, r, c.operators, c.smaller)
			again := k
			again.Output = filepath.Join(t.TempDir(), "out.onnx")
			mustQuantize(t, again, c.options)
			if !bytes.Equal(read(t, k.Output), read(t, again.Output)) {
				t.Error("the second file differs")
			}
			if !bytes.Equal(read(t, r.Record), read(t, RecordPath(again.Output))) {
				t.Error("the second record differs")
			}
		})
	}
}

// checkWritten looks at the written file: its operators, and that it is smaller than a share of the original.
func checkWritten(t *testing.T, k Task, r outcome, operators map[string]int, smaller float64) {
	t.Helper()
	got := operatorsOf(t, k.Output)
	for op, n := range operators {
		if got[op] != n {
			t.Errorf("%d %s, want %d: %v", got[op], op, n, got)
		}
	}
	ratio := r.Metric("size_ratio", nil)
	if ratio == nil || *ratio.Value > smaller {
		t.Errorf("size ratio is %g, want %g at most: %+v", *ratio.Value, smaller, r.Nodes)
	}
	if b := r.Metric("model_bytes", nil); b == nil || *b.Value < float64(len(read(t, k.Output))) {
		t.Errorf("model_bytes is %+v, the file has %d", b, len(read(t, k.Output)))
	}
}

// TestExternalData: the weights of a model are found beside it, wherever the command runs, and the outcome is that of the
// model in one file.
func TestExternalData(t *testing.T) {
	k := digits(t)
	one := mustQuantize(t, k, quick(Static))
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := k.Model.Save(path, model.SaveOptions{External: model.ExternalAlways, Threshold: 1}); err != nil {
		t.Fatal(err)
	}
	outside := digits(t)
	outside.Model = load(t, path)
	r := mustQuantize(t, outside, quick(Static))
	if a, b := r.Metric("sqnr_db", nil), one.Metric("sqnr_db", nil); r.Output == "" || r.Chosen != one.Chosen || *a.Value != *b.Value {
		t.Errorf("%s with %g dB, want %s with %g", r.Chosen, *a.Value, one.Chosen, *b.Value)
	}
}

// TestBFloat16: the runtime on the CPU has few kernels of it; what it lacks is said.
func TestBFloat16(t *testing.T) {
	k := digits(t)
	r, err := quantize(t, t.Context(), k, quick(BF16))
	if err != nil {
		if fault.KindOf(err) == fault.Usage {
			t.Error(err)
		}
		t.Skip("no bfloat16 here:", err)
	}
	if r.Verdict == report.OK && r.Conversion == nil {
		t.Error("the document tells nothing of the conversion")
	}
}

// TestAuto: all that makes sense is tried, judged on labels, and the original is beside it.
func TestAuto(t *testing.T) {
	k := digits(t)
	o := quick(Auto)
	o.KeepBest = true
	r := mustQuantize(t, k, o)
	var names []string
	for _, c := range r.Candidates {
		names = append(names, c.Name)
		if c.Accuracy == nil || c.SQNR == nil || c.Agreement == nil || c.Accuracy.N != 360 {
			t.Errorf("%s was judged like this: %+v", c.Name, c)
		}
	}
	for _, want := range []string{"static auto, bias corrected", "dynamic, bias corrected", "weight-only int8", "int8 in the file only", "optimized float"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s was not tried, only %q", want, names)
		}
	}
	chosen := 0
	for _, c := range r.Candidates {
		if c.Chosen {
			chosen++
		}
	}
	if chosen != 1 || r.Chosen == "" || r.Output == "" {
		t.Errorf("%d candidates are chosen, %q", chosen, r.Chosen)
	}
	// 354 of 360 (testdata/digits/README.md).
	if base := r.Metric("accuracy_top1_base", nil); base == nil || !near(*base.Value, 354.0/360) {
		t.Errorf("accuracy_top1_base is %+v", base)
	}
	if r.Held == nil || r.Held.Rows != 360 || !r.Held.Labels || r.Held.Source != "test" {
		t.Errorf("held out: %+v", r.Held)
	}
	if r.Gates[0].Expr != "accuracy_drop<=0.5%" {
		t.Errorf("gates are %+v, want the default budget", r.Gates)
	}
	for _, phase := range []string{"prepare", "judge the original", "calibrate", "rewrite", "judge", "measure speed", "write and verify"} {
		if !slices.ContainsFunc(r.Phases, func(p report.Phase) bool { return p.Name == phase }) {
			t.Errorf("no phase %q in %+v", phase, r.Phases)
		}
	}
}

// TestRowsThereAre: what judges where labels, test rows or calibration rows are missing.
func TestRowsThereAre(t *testing.T) {
	const both = "agreement_top1>=99% sqnr_db>=30" // of fewer than 380 rows
	for _, c := range []struct {
		name    string
		change  func(*Task)
		held    report.HeldOut
		gate    string // of the default budget; "" for none
		warning string
	}{
		{"no labels", func(k *Task) { k.Labels = nil }, report.HeldOut{Source: "test", Rows: 360}, both, "360 rows cannot show"},
		// 200 calibration rows: 40 are held out.
		{"no test rows", func(k *Task) { k.Data, k.Labels = nil, nil }, report.HeldOut{Source: "rows of calib kept apart", Rows: 40}, both, "40 rows cannot show"},
		{"no calibration rows", func(k *Task) { k.Calib = nil }, report.HeldOut{Source: "test", Rows: 360, Labels: true}, "accuracy_drop<=0.5%", ""},
		{"no rows", func(k *Task) { k.Calib, k.Data, k.Labels = nil, nil, nil }, report.HeldOut{Source: "random", Rows: randomHeld}, "", "there is no accuracy budget"},
		{"few rows", func(k *Task) { k.Calib, k.Data, k.Labels = take(k.Calib, 3), nil, nil }, report.HeldOut{Source: "rows of calib kept apart", Rows: 1}, both, "1 rows cannot show"},
		{"one row", func(k *Task) { k.Calib, k.Data, k.Labels = take(k.Calib, 1), nil, nil }, report.HeldOut{Source: "random", Rows: randomHeld}, both, "made-up inputs, which tell little"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := digits(t)
			c.change(&k)
			r := mustQuantize(t, k, quick(Auto))
			if r.Held == nil || *r.Held != c.held {
				t.Errorf("held out: %+v, want %+v", r.Held, c.held)
			}
			var gates []string
			for _, g := range r.Gates {
				gates = append(gates, g.Expr)
			}
			if got := strings.Join(gates, " "); got != c.gate {
				t.Errorf("gates %q, want %q", got, c.gate)
			}
			if !strings.Contains(strings.Join(r.Warnings, "\n"), c.warning) {
				t.Errorf("warnings %q, want %q", r.Warnings, c.warning)
			}
			if k.Calib == nil && !slices.ContainsFunc(r.NotTried, func(n report.NotTried) bool {
				return strings.HasPrefix(n.Name, "static") && strings.Contains(n.Why, "calibration data")
			}) {
				t.Errorf("not tried: %+v", r.NotTried)
			}
		})
	}
}

// TestRefused: what cannot be quantized, or not like this, is an error that says why, and nothing is written.
func TestRefused(t *testing.T) {
	conv, err := ParsePattern("op:Convolution")
	if err != nil {
		t.Fatal(err)
	}
	quantizedModel := func(t *testing.T, k *Task) {
		t.Helper()
		first := *k
		first.Output = filepath.Join(t.TempDir(), "first.onnx")
		mustQuantize(t, first, quick(Static))
		k.Model = load(t, first.Output)
	}
	for _, c := range []struct {
		name   string
		change func(*testing.T, *Task, *Options)
		kind   fault.Kind
		want   string
	}{
		{"quantized already", func(t *testing.T, k *Task, _ *Options) { quantizedModel(t, k) }, fault.Unsupported, "quantized already: it has"},
		{"half precision already", func(t *testing.T, k *Task, _ *Options) {
			first := *k
			first.Output = filepath.Join(t.TempDir(), "first.onnx")
			mustQuantize(t, first, quick(FP16))
			k.Model = load(t, first.Output)
		}, fault.Unsupported, "in half precision already"},
		{"no calibration rows", func(_ *testing.T, k *Task, _ *Options) { k.Calib = counted{} }, fault.Usage, "the data set has no rows"},
		{"no test rows", func(_ *testing.T, k *Task, _ *Options) { k.Data, k.Labels = counted{}, nil }, fault.Usage, "the data set has no rows"},
		{"labels of another length", func(_ *testing.T, k *Task, _ *Options) { k.Labels = k.Labels[:359] }, fault.Usage, "359 labels for 360 rows"},
		{"static without rows", func(_ *testing.T, k *Task, _ *Options) { k.Calib = nil }, fault.Usage, "static quantization needs calibration data"},
		{"--exclude of nothing", func(_ *testing.T, _ *Task, o *Options) { o.Exclude = []Pattern{conv} }, fault.Usage, `--exclude "op:Convolution" matches no node`},
		{"--include of nothing", func(_ *testing.T, _ *Task, o *Options) { o.Include = []Pattern{conv} }, fault.Usage, `--include "op:Convolution" matches no node`},
		{"--explain of no node", func(_ *testing.T, _ *Task, o *Options) { o.Explain = "conv" }, fault.Usage, `--explain "conv"`},
		{"top1 without labels", func(_ *testing.T, k *Task, o *Options) { k.Labels, o.Budget = nil, &Budget{Kind: "top1", Limit: 0.01} }, fault.Usage, "a budget of top1 needs labels"},
		{"dynamic where there are no kernels", func(_ *testing.T, k *Task, o *Options) {
			o.Mode, k.Target.Dynamic = Dynamic, false
		}, fault.Usage, "has no kernels for dynamic quantization"},
		{"rows of another shape", func(_ *testing.T, k *Task, _ *Options) { k.Calib = counted{rows: 20} }, fault.Internal, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			k, o := digits(t), quick(Static)
			c.change(t, &k, &o)
			_, err := quantize(t, t.Context(), k, o)
			if err == nil || !strings.Contains(err.Error(), c.want) || c.want != "" && fault.KindOf(err) != c.kind {
				t.Errorf("error is %v (kind %d), want %q (kind %d)", err, fault.KindOf(err), c.want, c.kind)
			}
			if files, _ := os.ReadDir(filepath.Dir(k.Output)); len(files) > 0 {
				t.Errorf("left behind: %v", files)
			}
		})
	}
}

// TestBudgetMissed: a budget that nothing keeps is a failed gate with a reason, and nothing is written.
func TestBudgetMissed(t *testing.T) {
	for _, mode := range []Mode{Static, Dynamic, WeightOnly} {
		t.Run(string(mode), func(t *testing.T) {
			k, o := digits(t), quick(mode)
			o.Budget = &Budget{Kind: "sqnr", Limit: 200}
			r := mustQuantize(t, k, o)
			if r.Verdict != report.FailedGate || r.Output != "" || r.Gates[0].Verdict != report.Fail || r.Gates[0].Expr != "sqnr_db>=200" {
				t.Errorf("verdict %s, output %q, gates %+v", r.Verdict, r.Output, r.Gates)
			}
			if !strings.Contains(r.Reason, "kept float because the most accurate candidate") || !strings.Contains(r.Reason, "200.0 are asked for") || r.Next == nil {
				t.Errorf("reason is %q, next %+v", r.Reason, r.Next)
			}
			if files, _ := os.ReadDir(filepath.Dir(k.Output)); len(files) > 0 {
				t.Errorf("left behind: %v", files)
			}
		})
	}
}

// TestNothingToQuantize: a graph without weights is a failed gate, not an error.
func TestNothingToQuantize(t *testing.T) {
	m := enginetest.Build(enginetest.Values(enginetest.Value("x", tensor.Float32, "batch", 8)), enginetest.Values(enginetest.Value("y", tensor.Float32, "batch", 8)),
		[]*onnx.Node{enginetest.Node("Relu", enginetest.Names("x"), enginetest.Names("y"))})
	for _, mode := range []Mode{Auto, Static, Dynamic, WeightOnly} {
		t.Run(string(mode), func(t *testing.T) {
			k := task(t, m, map[string]tensor.Shape{"x": {1, 8}})
			r := mustQuantize(t, k, quick(mode))
			if r.Verdict != report.FailedGate || r.Output != "" || !strings.Contains(r.Reason, "nothing to quantize") || len(r.Gates) != 1 || r.Gates[0].Verdict != report.Fail {
				t.Errorf("verdict %s, output %q, reason %q, gates %+v", r.Verdict, r.Output, r.Reason, r.Gates)
			}
			if files, _ := os.ReadDir(filepath.Dir(k.Output)); len(files) > 0 {
				t.Errorf("left behind: %v", files)
			}
		})
	}
}

// TestMixedPrecision: a budget between that of int8 and float leaves some groups float, with a reason each.
func TestMixedPrecision(t *testing.T) {
	full := mustQuantize(t, digits(t), quick(Static))
	all := *full.Metric("sqnr_db", nil).Value
	k, o := digits(t), quick(Static)
	o.Budget = &Budget{Kind: "sqnr", Limit: all + 3}
	o.Sensitivity = true
	r := mustQuantize(t, k, o)
	if r.Verdict != report.OK || r.Output == "" {
		t.Fatalf("verdict %s, reason %q; int8 has %.1f dB", r.Verdict, r.Reason, all)
	}
	if got := *r.Metric("sqnr_db", nil).Value; got < all+3 {
		t.Errorf("SQNR is %.1f dB, %.1f are asked for", got, all+3)
	}
	float := 0
	for _, n := range r.Nodes {
		if n.Form == string(emit.Float) && strings.HasPrefix(n.Why, "quantizing it alone makes an error of") {
			float++
		}
	}
	if strings.Contains(r.Chosen, "groups float") != (float > 0) || float == 0 && !strings.Contains(r.Chosen, "corrected") {
		t.Errorf("%d nodes are float for their error, chosen is %q: %+v", float, r.Chosen, r.Nodes)
	}
	checkGroups(t, r)
}

// checkGroups checks the groups of a report: the four weights of the small classifier, the largest error first.
func checkGroups(t *testing.T, r outcome) {
	t.Helper()
	if len(r.Groups) != 4 {
		t.Fatalf("groups are %+v", r.Groups)
	}
	for i, g := range r.Groups {
		if g.Error == nil || *g.Error <= 0 || g.SQNR == nil || g.Kept == (g.Reason != "") {
			t.Errorf("group %+v", g)
		}
		if i > 0 && *g.Error > *r.Groups[i-1].Error {
			t.Errorf("group %s has a larger error than the one above", g.Name)
		}
	}
}

// TestSearch: the fewest groups that keep a budget stay float, in every form that has groups.
func TestSearch(t *testing.T) {
	for _, c := range []struct {
		mode Mode
		more float64 // dB beyond what quantizing everything gives
	}{{Static, 3}, {Dynamic, 1}, {WeightOnly, 1}} {
		t.Run(string(c.mode), func(t *testing.T) {
			full := mustQuantize(t, digits(t), quick(c.mode))
			all := *full.Metric("sqnr_db", nil).Value
			k, o := digits(t), quick(c.mode)
			o.Budget = &Budget{Kind: "sqnr", Limit: all + c.more}
			r := mustQuantize(t, k, o)
			if r.Verdict != report.OK || !strings.Contains(r.Chosen, "groups float") {
				t.Fatalf("verdict %s, chosen %q, reason %q; candidates %+v", r.Verdict, r.Chosen, r.Reason, r.Candidates)
			}
			if got := *r.Metric("sqnr_db", nil).Value; got < all+c.more {
				t.Errorf("SQNR is %.1f dB, %.1f are asked for", got, all+c.more)
			}
		})
	}
}

// TestExcluded: a node that is excluded stays float and says so; one that is not included as well.
func TestExcluded(t *testing.T) {
	for _, c := range []struct {
		flag, pattern, why string
		float              []string // operators that stay float
	}{
		{"exclude", "op:Conv", "--exclude names it", []string{"Conv"}},
		{"include", "op:Conv", "--include does not name it", []string{"Gemm"}},
	} {
		t.Run(c.flag, func(t *testing.T) {
			p, err := ParsePattern(c.pattern)
			if err != nil {
				t.Fatal(err)
			}
			k, o := digits(t), quick(Static)
			if c.flag == "exclude" {
				o.Exclude = []Pattern{p}
			} else {
				o.Include = []Pattern{p}
			}
			r := mustQuantize(t, k, o)
			seen := 0
			for _, n := range r.Nodes {
				if n.Op != "Conv" && n.Op != "Gemm" {
					continue
				}
				seen++
				if left := slices.Contains(c.float, n.Op); left != (n.Form == "float") || left && n.Why != c.why {
					t.Errorf("%s %s is %s: %q", n.Op, n.Node, n.Form, n.Why)
				}
			}
			if seen != 4 {
				t.Errorf("nodes are %+v", r.Nodes)
			}
		})
	}
}

// TestInterrupted: a cancelled context leaves nothing behind, the old file as it was, and a valid document.
func TestInterrupted(t *testing.T) {
	for _, at := range []string{"prepare", "judge the original", "calibrate", "rewrite", "judge", "measure speed", "write and verify"} {
		t.Run(at, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			k := digits(t)
			if err := os.WriteFile(k.Output, []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			k.Progress = func(e progress.Event) {
				if e.Phase == at {
					cancel()
				}
			}
			r, err := quantize(t, ctx, k, quick(Static))
			if err != nil {
				t.Fatal(err)
			}
			if r.Verdict != report.Interrupted || r.Output != "" {
				t.Errorf("verdict %s, output %q", r.Verdict, r.Output)
			}
			if files, _ := os.ReadDir(filepath.Dir(k.Output)); len(files) != 1 || string(read(t, k.Output)) != "old" {
				t.Errorf("the folder holds %v", files)
			}
		})
	}
}

// TestUnwritable: a folder that cannot be written to is an error that leaves nothing.
func TestUnwritable(t *testing.T) {
	k := digits(t)
	k.Output = filepath.Join(t.TempDir(), "none", "out.onnx")
	_, err := quantize(t, t.Context(), k, quick(Static))
	wantUsage(t, err, "make the folder first", filepath.Dir(k.Output))
}
