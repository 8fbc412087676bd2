package render

import (
	"encoding/xml"
	"io"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"infer/report"
)

// level95 returns a value with its interval.
func level95(v, lo, hi float64, n int) *report.Level95 {
	return &report.Level95{Value: v, Lo: &lo, Hi: &hi, N: n}
}

// quantizeDoc returns the report of a search that wrote a model, with everything in it.
func quantizeDoc(t *testing.T) *report.Document {
	t.Helper()
	const name = "static percentile=99.99, bias corrected"
	q := report.QuantizeDetails{
		Mode: "auto", Target: "cpu:avx2", TargetWhy: "this CPU has AVX2 and no VNNI", Output: "models/mobilenet.int8.onnx", Record: "models/mobilenet.int8.quant.json",
		Chosen: name, Reason: "the fastest of the 3 candidates within the budget of 0.5 points of top-1 accuracy",
		Original: report.QuantizeCandidate{Name: "original", Bytes: 13_964_571, P50: level95(12.1e-3, 12.0e-3, 12.3e-3, 910), P99: level95(13.0e-3, 12.7e-3, 14.4e-3, 910), Accuracy: level95(0.718, 0.6893, 0.7450, 1000)},
		Candidates: []report.QuantizeCandidate{
			{Name: "dynamic int8", Bytes: 4_012_345, Speedup: level95(0.71, 0.69, 0.72, 7), P50: level95(17.0e-3, 16.8e-3, 17.3e-3, 35), SQNR: ptr(34.1), Agreement: level95(0.992, 0.984, 0.996, 1000), Accuracy: level95(0.717, 0.688, 0.744, 1000), PValue: ptr(1.0), Nodes: 1, Within: ptr(true), Why: "slower than the original: ConvInteger has no fast kernel"},
			{Name: "static minmax", Bytes: 3_670_016, Speedup: level95(1.84, 1.80, 1.88, 11), P50: level95(6.6e-3, 6.5e-3, 6.7e-3, 910), SQNR: ptr(18.2), Agreement: level95(0.931, 0.914, 0.945, 1000), Accuracy: level95(0.689, 0.660, 0.717, 1000), PValue: ptr(0.0004), Nodes: 52, Pareto: true, Within: ptr(false), Why: "loses 2.9 points of top-1 accuracy, the budget is 0.5"},
			{Name: name, Bytes: 3_670_912, Speedup: level95(1.83, 1.79, 1.87, 11), P50: level95(6.61e-3, 6.52e-3, 6.74e-3, 910), P99: level95(7.4e-3, 7.1e-3, 8.8e-3, 910), SQNR: ptr(27.4), Cosine: ptr(0.99913), MaxDiff: ptr(0.8123),
				Agreement: level95(0.974, 0.962, 0.982, 1000), Accuracy: level95(0.716, 0.6873, 0.7431, 1000), Drop: level95(0.002, -0.0086, 0.0126, 1000), PValue: ptr(0.8450), Gained: ptr(int64(12)), Lost: ptr(int64(14)), Nodes: 52, Pareto: true, Chosen: true, Within: ptr(true)},
			{Name: "static percentile=99.99, 4 groups float", Bytes: 4_201_337, Speedup: level95(1.52, 1.50, 1.55, 7), P50: level95(7.96e-3, 7.9e-3, 8.1e-3, 910), SQNR: ptr(31.0), Agreement: level95(0.986, 0.977, 0.992, 1000), Accuracy: level95(0.719, 0.690, 0.746, 1000), Nodes: 47, Pareto: true, Within: ptr(true)},
			{Name: "static entropy", Why: "could not be made: the runtime refuses the graph: node Conv_7 has no kernel"},
		},
		NotTried: []report.NotTried{{Name: "weight-only int8", Why: "no MatMul or Gemm holds more than 1 % of the weights"}, {Name: "smooth-quant", Why: "no LayerNormalization before a MatMul"}},
		Passes:   []report.PassCount{{Pass: "fuse-conv-bn", Changed: 52}, {Pass: "fold-constants", Changed: 3}},
		Calibration: &report.Calibration{Source: "data/calib", Rows: 512, Method: "percentile=99.99", Tensors: 104, Memory: 1 << 30, Groups: 2, NaN: 0, Inf: 3, Settled: ptr(int64(237)), Resumed: 128,
			Methods: []report.MethodUse{{Method: "percentile=99.99", Tensors: 70}, {Method: "minmax", Tensors: 34}},
			Ranges: []report.RangeOf{{Tensor: "input", Min: -2.118, Max: 2.64, Lo: -2.118, Hi: 2.64, Method: "minmax", Scale: 0.01866, ZeroPoint: 114, DType: "uint8", SQNR: ptr(41.2)},
				{Tensor: "features.0/Clip_output_0", Max: 6, Hi: 5.93, Method: "percentile=99.99", Scale: 0.02325, DType: "uint8", SQNR: ptr(38.4)}}},
		Held: &report.HeldOut{Source: "data/test", Rows: 1000, Labels: true},
		Groups: []report.QuantizeGroup{{Name: "features.18.conv", Nodes: []string{"features.18.conv", "features.18.relu"}, Ops: "Conv+Clip", Error: ptr(1.2e-3), SQNR: ptr(29.2), Gain: ptr(0.41e-3), Bytes: 1_228_800, Kept: true},
			{Name: "classifier.1", Nodes: []string{"classifier.1"}, Ops: "Gemm", Error: ptr(4.1e-3), SQNR: ptr(23.9), Gain: ptr(-12e-6), Bytes: 3_840_000, Reason: "it saves no time: 12 µs slower as integers"},
			{Name: "features.1.depthwise", Nodes: []string{"a", "b"}, Ops: "Conv+Clip"}},
		Fusion: &report.Fusion{Predicted: 52, Actual: 51, Islands: 2, Mismatches: []string{"features.12.conv: QLinearConv was predicted, the runtime makes Conv between DequantizeLinear and QuantizeLinear"}},
		Explain: &report.Explanation{Node: "features.0.conv", Op: "Conv", Form: "static", Why: "integer kernel, 6 % of the time", Group: "features.0.conv",
			Tensors: []report.RangeOf{{Tensor: "features.0/Clip_output_0", Max: 6, Hi: 4.4, Method: "percentile=99.99", Scale: 0.01725, DType: "uint8", SQNR: ptr(38.4)}},
			Weight:  &report.WeightOf{Name: "features.0.weight", Shape: "32x3x3x3", DType: "int8", Axis: 0, ScaleMin: 0.0012, ScaleMax: 0.0231, SQNR: 44.3},
			Facts:   []string{"depthwise neighbours share its output scale"}},
		Phases: []report.Phase{{Name: "load and prepare", Seconds: 0.41}, {Name: "calibrate", Seconds: 21.3}, {Name: "race", Seconds: 12.2}, {Name: "accuracy", Seconds: 33.8}},
		Next:   &report.NextStep{Command: "infer profile models/mobilenet.int8.onnx --by node", Why: "one Conv stays float between integers: see what it costs"},
	}
	for i := range 96 { // half a normal distribution, and an outlier
		q.Explain.Bins = append(q.Explain.Bins, 6*float64(i)/96)
		q.Explain.Counts = append(q.Explain.Counts, uint64(200_000*math.Exp(-math.Pow(6*float64(i)/96, 2)/3)))
	}
	q.Explain.Bins, q.Explain.Counts[95] = append(q.Explain.Bins, 6), 740
	for i, n := range []string{"features.0.conv", "features.1.conv", "features.2.conv", "classifier.1", "pool", "features.12.conv", "x", "y", "z", "flatten"} {
		node := report.QuantizeNode{Node: n, Op: "Conv", Form: "static", Predicted: "QLinearConv", Actual: "QLinearConv"}
		switch {
		case i == 3:
			node = report.QuantizeNode{Node: n, Op: "Gemm", Form: "float", Why: "its group saves no time"}
		case i == 4:
			node = report.QuantizeNode{Node: n, Op: "GlobalAveragePool", Form: "static", Predicted: "QLinearGlobalAveragePool", Actual: "QLinearGlobalAveragePool"}
		case i == 5:
			node.Actual = "Conv"
		case i > 5:
			node = report.QuantizeNode{Node: n, Op: []string{"Shape", "Gather"}[i%2], Form: "float", Why: "the runtime has no integer kernel for it"}
		}
		q.Nodes = append(q.Nodes, node)
	}
	d := base(t, "quantize", q)
	d.Manifest.Model.Path, d.Manifest.Model.Bytes = "models/mobilenet.onnx", 13_964_571
	d.Manifest.Data = &report.DataRef{Source: "data/calib", Rows: 512}
	drop := metric("accuracy_drop", 0.002, -0.0086, 0.0126, 1000)
	drop.Method = "Tango"
	d.Add(report.Exact("model_bytes", 3_670_912), report.Exact("size_ratio", 3_670_912./13_964_571), metric("speedup", 1.83, 1.79, 1.87, 11),
		metric("accuracy_top1", 0.716, 0.6873, 0.7431, 1000), metric("accuracy_top1_base", 0.718, 0.6893, 0.7450, 1000), drop, report.Exact("elapsed", 67.71))
	d.Gates = []report.GateResult{{Expr: "accuracy_drop<=0.5%", Verdict: report.Pass, Reason: "accuracy_drop is 0.2 % (n=1000)"}}
	d.Warn("3 elements of the calibration data are infinite and were left out")
	return d
}

// floatDoc returns the report of a search that wrote nothing, without labels, intervals or anything optional.
func floatDoc(t *testing.T) *report.Document {
	t.Helper()
	d := base(t, "quantize", report.QuantizeDetails{Mode: "auto", Target: "cpu", Reason: "kept float because no candidate is faster than the original",
		Original: report.QuantizeCandidate{Name: "original"}, Candidates: []report.QuantizeCandidate{{Name: "dynamic int8", Speedup: &report.Level95{Value: 0.8, N: 4}}}})
	d.Verdict = report.FailedGate
	return d
}

func halfDoc(t *testing.T) *report.Document {
	t.Helper()
	return base(t, "quantize", report.QuantizeDetails{Mode: "fp16", Target: "cuda", Output: "m.fp16.onnx", Chosen: "fp16", Reason: "asked for by name",
		Original:    report.QuantizeCandidate{Name: "original", Bytes: 1_234_567, P50: level95(1e-3, 0.9e-3, 1.1e-3, 40)},
		Candidates:  []report.QuantizeCandidate{{Name: "fp16", Bytes: 620_000, Speedup: level95(1.9, 1.8, 2.0, 7), P50: level95(0.5e-3, 0.4e-3, 0.6e-3, 40), SQNR: ptr(62.), Agreement: level95(1, 0.993, 1, 512), Chosen: true}},
		Calibration: &report.Calibration{Rows: 5, Settled: ptr(int64(5)), Tensors: 1}, Explain: &report.Explanation{Node: "n", Weight: &report.WeightOf{Name: "w", Axis: -1}},
		Conversion: &report.HalfConversion{DType: "float16", Nodes: 40, Float: 2, Casts: 4, Clamped: 1, Flushed: 7, Kept: []string{"Resize: needs float32 scales"}}})
}

func quantizeDocs(t *testing.T) map[string]*report.Document {
	return map[string]*report.Document{"quantize": quantizeDoc(t), "quantize-float": floatDoc(t), "quantize-half": halfDoc(t)}
}

func TestQuantizeGolden(t *testing.T) {
	endings := map[string]string{"text": ".txt", "json": ".json", "markdown": ".md", "html": ".html", "csv": ".csv", "junit": ".xml"}
	for name, d := range quantizeDocs(t) {
		if err := d.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, format := range Formats() {
			golden(t, filepath.Join("testdata", name+endings[format]), render(t, d, format, Options{}))
		}
	}
	golden(t, filepath.Join("testdata", "quantize-120.txt"), render(t, quantizeDoc(t), "text", Options{Width: 120}))
	golden(t, filepath.Join("testdata", "quantize-ascii-60.txt"), render(t, quantizeDoc(t), "text", Options{Width: 60, ASCII: true, Top: 3}))
}

func TestQuantizeSummary(t *testing.T) {
	for _, c := range []struct {
		name string
		q    report.QuantizeDetails
		want string
	}{
		{"nothing known", report.QuantizeDetails{}, ""},
		{"written", report.QuantizeDetails{Output: "o", Chosen: "static minmax", Reason: "the fastest"}, "static minmax: the fastest."},
		{"kept", report.QuantizeDetails{Reason: "kept float because nothing is faster"}, "Kept float because nothing is faster."},
		{"kept, but near", report.QuantizeDetails{Chosen: "static minmax", Reason: "über the budget."}, "Über the budget.; nearest came static minmax."},
		{"no reason", report.QuantizeDetails{Chosen: "static minmax"}, "static minmax."},
	} {
		if got := quantizeSummary(c.q); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestCharts(t *testing.T) {
	page := render(t, quantizeDoc(t), "html", Options{})
	if n := charts(t, page); n != 3 {
		t.Errorf("%d charts, want that of the candidates, wide and narrow, and that of the values", n)
	}
	// The original has speed-up 1 and accuracy 71.8 %. By hand: x from 0.69 to 1.88 with 8 % of 1.19 on both sides is 0.5948
	// to 1.9752, over 64 to 944: 64 + 880·(1-0.5948)/1.3804 = 322.3, and half of the square less: 317.8. y from 66 % to 74.6 %
	// is 0.65312 to 0.75288, over 336 to 30: 336 - 306·(0.718-0.65312)/0.09976 = 137.0, and half less: 132.5.
	if want := `<rect class="pt base" x="317.8" y="132.5"`; !strings.Contains(page, want) {
		t.Errorf("no %s", want)
	}
}

// charts fails where a picture of a page is not XML, lacks a title or a description of its own, has an id that another
// has, or a number that is none. It returns how many pictures there are.
func charts(t *testing.T, page string) (n int) {
	t.Helper()
	seen := map[string]bool{}
	for rest := page; ; n++ {
		begin := strings.Index(rest, `<svg class="chart"`)
		if begin < 0 {
			return n
		}
		end := begin + strings.Index(rest[begin:], "</svg>") + len("</svg>")
		svg := rest[begin:end]
		rest = rest[end:]
		dec := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := dec.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("no XML: %v\n%s", err, svg)
			}
		}
		if !strings.Contains(svg, `role="img"`) {
			t.Errorf("no picture by its role: %s", svg)
		}
		between := func(open, end string) string {
			_, after, _ := strings.Cut(svg, open)
			_, after, _ = strings.Cut(after, ">")
			text, _, _ := strings.Cut(after, end)
			return text
		}
		title, desc := between("<title id=", "</title>"), between("<desc id=", "</desc>")
		if title == "" || desc == "" || title == desc {
			t.Errorf("title %q and description %q", title, desc)
		}
		for _, id := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(svg, -1) {
			if seen[id[1]] {
				t.Errorf("the id %s is there twice", id[1])
			}
			seen[id[1]] = true
		}
		for _, bad := range []string{"NaN", "Inf", "%!"} {
			if strings.Contains(svg, bad) {
				t.Errorf("%s in\n%s", bad, svg)
			}
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		n      int
		q      report.Quantity
		want   string
	}{
		{0.69, 1.91, 8, report.Factor, "0.8× 1.0× 1.2× 1.4× 1.6× 1.8×"},
		{0.655, 0.755, 5, report.Ratio, "66 % 68 % 70 % 72 % 74 %"},
		{-0.7, 0.7, 4, report.Plain, "-0.5 0.0 0.5"},
		{18, 36, 4, report.Level, "20 dB 25 dB 30 dB 35 dB"},
		{1e-9, 4e-9, 3, report.Plain, "1.00e-09 2.00e-09 3.00e-09 4.00e-09"},
	} {
		ticks, step := axis{lo: c.lo, hi: c.hi}.ticks(c.n)
		var got []string
		for _, v := range ticks {
			got = append(got, tickText(c.q, v, step))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v to %v: %q, want %q", c.lo, c.hi, got, c.want)
		}
	}
	for _, none := range [][]float64{nil, {math.Inf(1)}, {-1e308, 1e308}} {
		if a, ok := around(none); ok {
			t.Errorf("%v gives the axis %+v", none, a)
		}
	}
	if a, ok := around([]float64{0, 0}); !ok || !(a.lo < a.hi) {
		t.Errorf("a lone 0 gives %+v", a)
	}
}

func TestHistogram(t *testing.T) {
	h := histogram{edges: []float64{0, 1, 2, 3, 4, 5}, counts: []uint64{5, 0, 7, 1, 2}, lo: 0.5, hi: 4}
	if !h.ok() {
		t.Fatal("refused")
	}
	r := h.rebin(3) // two old bins each, and the last
	if want := []uint64{5, 8, 2}; !slices.Equal(r.counts, want) || !slices.Equal(r.edges, []float64{0, 2, 4, 5}) {
		t.Errorf("%+v, want counts %v", r, want)
	}
	for i, want := range []string{"in part clipped", "", "clipped"} {
		if got := r.clipped(i); got != want {
			t.Errorf("bin %d: %q, want %q", i, got, want)
		}
	}
	for _, bad := range []histogram{
		{}, {edges: []float64{0}}, {edges: []float64{0, 1}}, {edges: []float64{0, 1}, counts: []uint64{0}}, {edges: []float64{1, 1}, counts: []uint64{1}},
		{edges: []float64{0, 2, 1}, counts: []uint64{1, 1}}, {edges: []float64{-1e308, 1e308}, counts: []uint64{1}},
	} {
		if bad.ok() {
			t.Errorf("%+v is accepted", bad)
		}
	}
}

// hostileQuantizeDoc has the hostile name wherever a quantization has a name.
func hostileQuantizeDoc(t *testing.T) *report.Document {
	const h = hostile
	l := func(v float64) *report.Level95 { return level95(v, v-0.1, v+0.1, 9) }
	c := report.QuantizeCandidate{Name: h, Speedup: l(2), Agreement: l(0.8), Pareto: true, Why: h}
	r := []report.RangeOf{{Tensor: h, Method: h, DType: h, Hi: 1}}
	return base(t, "quantize", report.QuantizeDetails{Mode: h, Target: h, TargetWhy: h, Output: h, Record: h, Chosen: h, Reason: h, Original: report.QuantizeCandidate{Name: h},
		Candidates: []report.QuantizeCandidate{c, {Name: "b", Speedup: l(1), Agreement: l(0.9), Chosen: true}}, NotTried: []report.NotTried{{Name: h, Why: h}},
		Passes: []report.PassCount{{Pass: h}}, Calibration: &report.Calibration{Source: h, Method: h, Loaded: h, Methods: []report.MethodUse{{Method: h}}, Ranges: r},
		Held: &report.HeldOut{Source: h}, Groups: []report.QuantizeGroup{{Name: h, Ops: h, Reason: h}},
		Nodes:  []report.QuantizeNode{{Node: h, Op: h, Form: "float", Why: h}, {Node: h, Op: h, Form: h, Predicted: h, Actual: "x"}},
		Fusion: &report.Fusion{Mismatches: []string{h}}, Conversion: &report.HalfConversion{DType: h, Kept: []string{h}},
		Explain: &report.Explanation{Node: h, Op: h, Form: h, Why: h, Group: h, Tensors: r, Weight: &report.WeightOf{Name: h, Shape: h, DType: h}, Facts: []string{h}, Bins: []float64{0, 1}, Counts: []uint64{1}},
		Phases:  []report.Phase{{Name: h}}, Next: &report.NextStep{Command: h, Why: h}})
}
