package render

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func ptr[T any](v T) *T { return &v }

// metric returns a measured metric with a 95 % interval.
func metric(name string, v, lo, hi float64, n int) report.Metric {
	m := report.NewMetric(name)
	m.Value, m.Lo, m.Hi, m.Confidence, m.N, m.Method = &v, &lo, &hi, 0.95, n, "order-statistic"
	return m
}

func base(t *testing.T, kind string, details any) *report.Document {
	t.Helper()
	d := report.New(kind)
	d.Created = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	d.Manifest = report.Manifest{
		Tool:    "0.1.0",
		Model:   &report.ModelRef{Path: "models/mnist-cnn.onnx", SHA256: strings.Repeat("0123456789abcdef", 4), Bytes: 1_234_567},
		Runtime: &report.RuntimeRef{Name: "onnxruntime", Version: "1.30.0", Providers: []string{"cpu"}},
		CPUs:    2, Options: map[string]any{"threads": 2}, Seed: ptr(uint64(1)),
		Data: &report.DataRef{Source: "random"}, Bindings: map[string]string{"batch": "1"},
	}
	if err := d.SetDetails(details); err != nil {
		t.Fatal(err)
	}
	return d
}

func profileDoc(t *testing.T) *report.Document {
	t.Helper()
	d := base(t, "profile", report.ProfileDetails{
		By: "op",
		ByOp: []report.Share{
			{Name: "Conv", Op: "Conv", Provider: "CPUExecutionProvider", Count: 2, Seconds: 61.2e-6, Share: 0.612, MACs: ptr(4.3e6)},
			{Name: "Gemm", Op: "Gemm", Provider: "CPUExecutionProvider", Count: 2, Seconds: 30.1e-6, Share: 0.301, MACs: ptr(1.2e6)},
			{Name: "MaxPool", Op: "MaxPool", Provider: "CPUExecutionProvider", Count: 2, Seconds: 8.7e-6, Share: 0.087},
		},
		ProfiledRuns: 20, Inflation: 1.18, Residual: ptr(0.043),
		Cold:   []report.ColdStart{{LibraryLoad: 0.031, SessionInit: 0.0042, FirstRun: 0.0011, PeakRSS: 48.2e6}, {LibraryLoad: 0.029, SessionInit: 0.0039, FirstRun: 0.0012, PeakRSS: 48.3e6}},
		WarmUp: &report.WarmUp{Runs: 120, Class: "warm-up"},
		Memory: &report.Memory{Initializers: 1_200_000, ActivationLowerBound: 150_528, PeakRSS: 52_000_000, PeakNode: "/conv1/Conv",
			AlivePeak: []report.NamedBytes{{Name: "/conv1/Conv_output_0", Bytes: 100_352, DType: "float32", Shape: "1x32x28x28"}}},
		Next: &report.NextStep{Command: "infer profile models/mnist-cnn.onnx --batch 1,2,4,8", Why: "the batch axis is dynamic: throughput per batch size decides how to serve it"},
	})
	p99 := report.NewMetric("latency_p99")
	p99.N = 100
	cold := metric("library_load", 0.029, 0.029, 0.031, 2)
	cold.Confidence = 0
	d.Add(metric("latency_p50", 123.4e-6, 121.9e-6, 124.2e-6, 100), metric("latency_p90", 131e-6, 128e-6, 144e-6, 100), p99,
		metric("throughput", 8103.7, 8052, 8203, 100), cold, report.Exact("macs", 5.5e6), report.Exact("model_bytes", 1_234_567))
	for i, b := range []string{"1", "8"} {
		a, c := metric("latency_p50", 123e-6*float64(1+3*i), 120e-6*float64(1+3*i), 125e-6*float64(1+3*i), 100), metric("throughput", 8130*float64(1+i), 8000*float64(1+i), 8333*float64(1+i), 100)
		a.Labels, c.Labels = map[string]string{"batch": b}, map[string]string{"batch": b}
		d.Add(a, c)
	}
	d.AddCheck("cpu_throttled", true, "0 of 312 periods")
	d.AddCheck("steady_state", false, "the last third of the runs is 4 %% slower than the first")
	d.Warn("latency_p99 needs 368 runs, this sample has 100: measure longer with --runs 400 or --duration 10s, so that the interval exists")
	gates, err := report.ParseGates("profile", []string{"latency_p50<20ms", "latency_p50<100µs", "latency_p50<=123µs", "latency_p99<1ms"})
	if err != nil {
		t.Fatal(err)
	}
	d.Judge(gates)
	return d
}

func inspectDoc(t *testing.T) *report.Document {
	d := base(t, "inspect", report.InspectDetails{
		IRVersion: 8, Opsets: []report.Opset{{Version: 17}, {Domain: "com.microsoft", Version: 1}}, Producer: "pytorch 2.4.0", Graph: "main_graph",
		Inputs:  []report.PortInfo{{Name: "input.1", Type: "tensor", DType: "float32", Shape: "batch x 1x28x28", Bound: "1x1x28x28"}},
		Outputs: []report.PortInfo{{Name: "logits", Type: "tensor", DType: "float32", Shape: "batch x 10", Bound: "1x10"}, {Name: "probs", Type: "sequence"}},
		Ops: []report.OpCount{{Op: "Conv", Count: 2, MACs: ptr(4.3e6), Params: ptr(int64(18_816))}, {Op: "Relu", Count: 3, MACs: ptr(0.)},
			{Domain: "com.microsoft", Op: "FusedMatMul", Count: 1}},
		ParamsBy: []report.DTypeCount{{DType: "float32", Params: 300_000, Bytes: 1_200_000}}, Quantization: report.Quantization{State: "none"},
		Initializers: 1_200_000, Subgraphs: 1, Coverage: report.Coverage{Shapes: 1, Cost: 5. / 6}, Unknown: []string{"com.microsoft.FusedMatMul"},
		Metadata: map[string]string{"author": "me"}, Largest: []report.NamedBytes{{Name: "fc1.weight", Bytes: 800_000, DType: "float32", Shape: "128x1600"}},
		Next: &report.NextStep{Command: "infer profile models/mnist-cnn.onnx", Why: "see what it costs on this machine"},
	})
	d.Manifest.Runtime, d.Manifest.Data, d.Manifest.Seed, d.Manifest.Options, d.Manifest.CPUs = nil, nil, nil, nil, 0
	d.Add(report.Exact("macs", 4089184256), report.Exact("params", 300_000), report.Exact("nodes", 6), report.Exact("model_bytes", 1_234_567))
	return d
}

func otherDocs(t *testing.T) map[string]*report.Document {
	predict := base(t, "predict", report.PredictDetails{Rows: 1000, Resumed: 400, Batch: 32, Labels: "labels.npy", Correct: ptr(int64(987)),
		Outputs: []report.OutputFile{{Name: "logits", File: "pred/logits.npy", DType: "float32", Shape: "1000x10"}},
		Classes: []report.ClassCount{{Class: 0, Name: "zero", Rows: 98, Correct: 98, Predicted: 99}, {Class: 1, Name: "one", Rows: 113, Correct: 110, Predicted: 110}}})
	acc := metric("accuracy_top1", 0.987, 0.978, 0.9925, 1000)
	acc.Method = "wilson"
	predict.Add(acc, metric("throughput", 51234, 50100, 52000, 32))
	runtime := base(t, "runtime", report.RuntimeDetails{
		Libraries: []report.Library{{Path: "~/.cache/infer/onnxruntime/1.30.0/libonnxruntime.so.1.30.0", Version: "1.30.0", Source: "cache", Providers: []string{"CPUExecutionProvider"}, Selected: true},
			{Path: "/usr/lib/libonnxruntime.so", Version: "1.16.3", Source: "system", Problem: "too old: API 16, need 24"}},
		Findings: []report.Finding{{Name: "locale", Level: "warning", Detail: "en_US.UTF-8 is not generated, StringNormalizer will fail", Fix: "run locale-gen en_US.UTF-8"}, {Name: "cpus", Level: "ok", Detail: "2 of 2"}},
		Next:     &report.NextStep{Command: "infer runtime install", Why: "the system copy is too old"}})
	runtime.Manifest = report.Manifest{Tool: "0.1.0"}
	version := base(t, "version", report.VersionDetails{Infer: "0.1.0", Go: "go1.26.0", Platform: "linux/amd64", Pinned: "1.30.0"})
	version.Manifest = report.Manifest{Tool: "0.1.0"}
	diff := base(t, "inspect", report.InspectDetails{Diff: &report.DiffDetails{Base: "a.onnx", Head: "b.onnx",
		Signature: []report.DiffRow{{What: "input x", Base: "float32 1x3", Head: "float16 1x3"}},
		Ops:       []report.DiffRow{{What: "Conv", Base: "53", Head: ""}, {What: "QLinearConv", Base: "", Head: "53"}}}})
	deploy := base(t, "deploy", report.DeployDetails{Target: "docker", Folder: "deploy", Image: "infer-resnet", Reason: "no Docker engine answers on this machine",
		Files: []report.FileDigest{{Path: "Dockerfile", Bytes: 1427, SHA256: strings.Repeat("ab", 32)}, {Path: "models/resnet.onnx", Bytes: 102_000_000, SHA256: "c0"}},
		Next:  &report.NextStep{Command: "docker build -t infer-resnet deploy", Why: "where there is one, this builds the image"}})
	odd := base(t, "loadtest", map[string]any{"curve": []int{1}})
	odd.Verdict = report.Interrupted
	return map[string]*report.Document{"predict": predict, "deploy": deploy, "runtime": runtime, "version": version, "diff": diff, "odd": odd}
}

func render(t *testing.T, d *report.Document, format string, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := Render(&b, d, format, o); err != nil {
		t.Fatalf("%s: %v", format, err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	docs := otherDocs(t)
	docs["profile"], docs["inspect"], docs["nodes"] = profileDoc(t), inspectDoc(t), nodesDoc(t)
	endings := map[string]string{"text": ".txt", "json": ".json", "markdown": ".md", "html": ".html", "csv": ".csv", "junit": ".xml"}
	for name, d := range docs {
		if err := d.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, format := range Formats() {
			if name != "profile" && format != "text" && format != "markdown" {
				continue // the others differ only in the page
			}
			golden(t, filepath.Join("testdata", name+endings[format]), render(t, d, format, Options{}))
		}
	}
	mark := func(l, r string) func(string) string { return func(s string) string { return l + s + r } }
	s := Styles{Bold: mark("<b>", "</b>"), Dim: mark("<d>", "</d>"), Good: mark("<g>", "</g>"), Bad: mark("<r>", "</r>"), Warn: mark("<w>", "</w>"), Accent: mark("<a>", "</a>")}
	golden(t, filepath.Join("testdata", "profile-styled.txt"), render(t, docs["profile"], "text", Options{Styles: s}))
	golden(t, filepath.Join("testdata", "profile-ascii-60.txt"), render(t, docs["profile"], "text", Options{ASCII: true, Width: 60, Top: 2}))
}

// Node names of real transformers and shapes, more than fit.
func nodesDoc(t *testing.T) *report.Document {
	p := report.ProfileDetails{By: "node", Top: 3, ProfiledRuns: 20}
	for i, n := range []string{"/bert/encoder/layer.11/attention/self/query/MatMul_with_a_very_long_suffix", "/bert/encoder/layer.0/output/LayerNorm/Add_1", "Gelu_12", "/x", "/y"} {
		p.ByNode = append(p.ByNode, report.Share{Name: n, Op: []string{"MatMul", "SkipLayerNormalization", "BiasGelu", "Add", "Mul"}[i], Provider: "CPUExecutionProvider",
			Count: 1, Seconds: 0.01 / float64(i+1), Share: 0.4 / float64(i+1), Shapes: "1x128x768, 768x768 → 1x128x768", MACs: ptr(75497472.)})
	}
	return base(t, "profile", p)
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s differs (rewrite with -update after looking):\n%s", path, got)
	}
}

// Whatever the width, no line of a report with ordinary names is longer, and styles take no columns. A path at the end
// of a line stays whole, so that it can be copied.
func TestWidth(t *testing.T) {
	docs := otherDocs(t)
	docs["profile"], docs["inspect"], docs["nodes"] = profileDoc(t), inspectDoc(t), nodesDoc(t)
	maps.Copy(docs, quantizeDocs(t))
	maps.Copy(docs, optimizeDocs(t))
	maps.Copy(docs, convertDocs(t))
	maps.Copy(docs, loadDocs(t))
	maps.Copy(docs, decisionDocs(t))
	maps.Copy(docs, compareDocs(t))
	for name, d := range docs {
		for _, width := range []int{60, 80, 100, 200} {
			for i, l := range strings.Split(render(t, d, "text", Options{Width: width}), "\n") {
				if words := strings.Fields(l); len(words) > 0 && strings.Contains(words[len(words)-1], "/") {
					continue
				}
				if n := columns(l); n > width {
					t.Errorf("%s at width %d: line %d has %d columns: %s", name, width, i+1, n, l)
				}
			}
		}
	}
}

// hostile is a name that tries to leave its place in every format.
const hostile = "a|b`c``<script>alert(1)</script>&\x1b[31mred\x1b[0m\nnext\r\u202eevil]]>--><!--\"'*_[x](y)\x00\u009b"

func hostileDoc(t *testing.T) *report.Document {
	d := base(t, "profile", report.ProfileDetails{By: "node", ByNode: []report.Share{{Name: hostile, Op: hostile, Provider: hostile, Shapes: hostile, Count: 1, Seconds: 1, Share: 1}},
		Memory: &report.Memory{Initializers: 1, ActivationLowerBound: 1, PeakNode: hostile, AlivePeak: []report.NamedBytes{{Name: hostile, Bytes: 1}}},
		WarmUp: &report.WarmUp{Class: hostile}, Next: &report.NextStep{Command: hostile, Why: hostile}})
	d.Manifest.Model.Path, d.Manifest.Bindings = hostile, map[string]string{hostile: hostile}
	d.Warn("%s", hostile)
	d.AddCheck(hostile, false, "%s", hostile)
	d.Gates = []report.GateResult{{Expr: hostile, Verdict: report.Fail, Reason: hostile}}
	m := report.Exact("macs", 1)
	m.Labels = map[string]string{"k": hostile}
	d.Add(m)
	return d
}

func TestHostileNames(t *testing.T) {
	for name, d := range map[string]*report.Document{"profile": hostileDoc(t), "quantize": hostileQuantizeDoc(t), "loadtest": hostileLoadDoc(t), "report": hostileDecisionDoc(t), "compare": hostileCompareDoc(t), "convert": hostileConvertDoc(t), "check": hostileCheckDoc(t)} {
		t.Run(name, func(t *testing.T) { harmless(t, d) })
	}
}

// harmless fails where a name of d leaves its place in some format.
func harmless(t *testing.T, d *report.Document) {
	for _, format := range []string{"text", "markdown", "html", "junit", "json"} {
		out := render(t, d, format, Options{Width: 300})
		for _, bad := range []string{"\x1b", "\x00", "\r", "\u202e", "\u009b"} {
			if strings.Contains(out, bad) {
				t.Errorf("%s: has the raw character %q", format, bad)
			}
		}
	}
	for _, format := range []string{"markdown", "html", "junit"} {
		out := render(t, d, format, Options{})
		if format == "markdown" {
			out = dropCode(out)
		}
		if strings.Contains(out, "<script>alert") {
			t.Errorf("%s: markup of a name is live:\n%s", format, out)
		}
	}
	if out := render(t, d, "text", Options{Width: 300}); !strings.Contains(out, `\x1b[31mred`) {
		t.Errorf("text hides the escape sequence:\n%s", out)
	}
	bars := 0 // of the table's head
	for l := range strings.SplitSeq(render(t, d, "markdown", Options{}), "\n") {
		n := strings.Count(strings.ReplaceAll(l, `\|`, ""), "|")
		switch {
		case !strings.HasPrefix(l, "|"):
			bars = 0
		case bars == 0:
			bars = n
		case n != bars:
			t.Errorf("a name opens a table cell: %d bars for %d in %s", n, bars, l)
		}
	}
	dec := xml.NewDecoder(strings.NewReader(render(t, d, "junit", Options{})))
	for {
		if _, err := dec.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("junit is no XML: %v", err)
		}
	}
}

// dropCode leaves out code spans, whose content is never markup.
func dropCode(s string) string {
	var out []string
	for i, part := range strings.Split(s, "```") { // the hostile name has a run of two, so its fence is three
		if i%2 == 0 {
			out = append(out, part)
		}
	}
	return strings.Join(out, "")
}

func TestReadBack(t *testing.T) {
	for _, d := range []*report.Document{profileDoc(t), hostileDoc(t), quantizeDoc(t), hostileQuantizeDoc(t), loadDocs(t)["loadtest-missed"], hostileLoadDoc(t), chosenDoc(t), hostileDecisionDoc(t), regressedDoc(t), hostileCompareDoc(t)} {
		for _, format := range []string{"json", "html"} {
			got, err := report.Read(strings.NewReader(render(t, d, format, Options{})))
			if err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			var a, b any // the page escapes "<" in its copy, which means the same
			if err := errors.Join(json.Unmarshal([]byte(render(t, got, "json", Options{})), &a), json.Unmarshal([]byte(render(t, d, "json", Options{})), &b)); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(a, b) {
				t.Errorf("%s does not read back:\n%v\nwant\n%v", format, a, b)
			}
		}
	}
	load := loadDoc(t, run{rate: 500, seconds: 10}, func(_ *report.Document, l *report.LoadDetails) { l.Target.URL = "" })
	load.Manifest.Command = nil // or the page has an address as text
	for _, d := range []*report.Document{profileDoc(t), load, regressedDoc(t)} {
		page := strings.ReplaceAll(render(t, d, "html", Options{}), "url(#", "") // a pattern of the page itself
		for _, remote := range []string{"http:", "https:", "src=", "@import", "url("} {
			if strings.Contains(page, remote) {
				t.Errorf("the page refers to something outside: %s", remote)
			}
		}
	}
}

func TestCSV(t *testing.T) {
	d := report.New("profile")
	m := metric("latency_p50", 0.1, 0.05, 0.2, 7)
	m.Labels, m.Method = map[string]string{"b": "x,\"y\"", "a": "1"}, "order-statistic"
	d.Add(m, report.NewMetric("latency_p99"))
	rows, err := csv.NewReader(strings.NewReader(render(t, d, "csv", Options{}))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := [][]string{
		{"name", "labels", "value", "unit", "lo", "hi", "confidence", "n", "method"},
		{"latency_p50", `a=1,b=x,"y"`, "0.1", "s", "0.05", "0.2", "0.95", "7", "order-statistic"},
		{"latency_p99", "", "", "s", "", "", "", "0", ""},
	}
	for i := range want {
		if strings.Join(rows[i], "\x01") != strings.Join(want[i], "\x01") {
			t.Errorf("row %d is %q, want %q", i, rows[i], want[i])
		}
	}
}

// What drives a terminal, or begins a command of a CI service on a line of its own, stays in its cell.
func TestCSVHostile(t *testing.T) {
	const evil = "x\n::error::\x1b[31m\u202e"
	d := report.New("profile")
	m := metric("latency_p50", 0.1, 0.05, 0.2, 7)
	m.Labels, m.Method = map[string]string{evil: evil}, evil
	d.Add(m)
	c := compareDoc(t, report.OK, nil, func(_ *report.Document, c *report.CompareDetails) {
		c.Metrics = []report.CompareMetric{{Name: evil, Unit: evil, Better: evil, Gate: evil, Verdict: evil, Labels: map[string]string{evil: evil}}}
	})
	for _, d := range []*report.Document{d, c} {
		out := render(t, d, "csv", Options{})
		if strings.Contains(out, "\n::") || strings.ContainsAny(out, "\x1b\u202e") || !strings.Contains(out, `x\n::error::\x1b[31m\u202e`) {
			t.Errorf("%s: %q", d.Kind, out)
		}
	}
}

func TestJUnitStrict(t *testing.T) {
	for _, c := range []struct {
		name                     string
		strict                   bool
		gate                     string
		verdict                  report.Verdict
		checkOK                  bool
		tests, failures, skipped int
	}{
		{"all well", false, report.Pass, report.OK, true, 3, 0, 0},
		{"missed", false, report.Fail, report.FailedGate, true, 3, 2, 0},
		{"inconclusive", false, report.GateInconclusive, report.Inconclusive, true, 3, 0, 1},
		{"inconclusive, strict", true, report.GateInconclusive, report.Inconclusive, true, 3, 2, 0},
		{"noisy", false, report.Pass, report.Invalid, false, 3, 0, 2},
		{"noisy, strict", true, report.Pass, report.Invalid, false, 3, 2, 0},
	} {
		d := report.New("profile")
		d.Verdict, d.Gates = c.verdict, []report.GateResult{{Expr: "x", Verdict: c.gate, Reason: "r"}}
		d.AddCheck("noise", c.checkOK, "d")
		var s testSuites
		if err := xml.Unmarshal([]byte(render(t, d, "junit", Options{Strict: c.strict})), &s); err != nil {
			t.Fatal(err)
		}
		if s.Tests != c.tests || s.Failures != c.failures || s.Skipped != c.skipped {
			t.Errorf("%s: %d tests, %d failures, %d skipped; want %d, %d, %d", c.name, s.Tests, s.Failures, s.Skipped, c.tests, c.failures, c.skipped)
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	err := Render(io.Discard, report.New("profile"), "yaml", Options{})
	if fault.KindOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), "junit") {
		t.Errorf("error %v with hint %q", err, fault.HintOf(err))
	}
}

func TestWriteError(t *testing.T) {
	full := errors.New("disk full")
	for _, f := range Formats() {
		if err := Render(failing{full}, profileDoc(t), f, Options{}); !errors.Is(err, full) {
			t.Errorf("%s: error %v, want the writer's", f, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// A document without anything, and one whose details have another shape, still give a page.
func TestPoorDocuments(t *testing.T) {
	for _, kind := range []string{"profile", "inspect", "predict", "deploy", "runtime", "version", "quantize", "optimize", "convert", "loadtest", "report", "compare", "?"} {
		for _, details := range []string{"", "null", "{}", `{"by_op":7,"ops":"x","libraries":{},"rows":"x","infer":1,"candidates":3,"target":4,"metrics":5}`} {
			d := &report.Document{Kind: kind, Details: []byte(details)}
			for _, f := range Formats() {
				if out := render(t, d, f, Options{}); out == "" {
					t.Errorf("%s of kind %q with details %s is empty", f, kind, details)
				}
			}
		}
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{
		{"abcdefghij", 10, "abcdefghij"},
		{"abcdefghij", 5, "ab…ij"},
		{"abcdefghij", 6, "abc…ij"},
		{"abcdefghij", 1, "…"},
		{"日本語の名前", 7, "日本…前"}, // two columns a character
		{"日本語の名前", 8, "日本…前"},
	} {
		if got := shorten(c.in, c.n); columns(got) > c.n || got != c.want {
			t.Errorf("shorten(%q, %d) = %q with %d columns, want %q", c.in, c.n, got, columns(got), c.want)
		}
	}
}

func TestMarkdownIsBounded(t *testing.T) {
	d := report.New("profile")
	for range 3000 {
		d.Warnings = append(d.Warnings, strings.Repeat("word ", 10))
	}
	d.Add(report.Exact("macs", 1))
	if n := len(render(t, d, "markdown", Options{})); n > markdownLimit+1000 {
		t.Errorf("%d characters, a comment takes 65536", n)
	}
}

// Whatever a document read from a file says, rendering it neither panics nor lets a control character through.
func FuzzRender(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, p := range files {
		b, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, 80)
	}
	for kind, details := range map[string]string{
		"profile": `{"top":-3,"by_op":[{"name":"a","share":-1e308,"seconds":1e308,"count":-1}],"memory":{"initializers":-1},"cold":[{}]}`,
		"inspect": `{"ops":[{"op":"Conv","count":1,"macs":-1}],"inputs":[{}],"diff":null,"metadata":{"a":"\u001b"}}`,
		"predict": `{"classes":[{"rows":-1,"correct":5}],"correct":1}`,
		"quantize": `{"chosen":"a","candidates":[{"name":"a","speedup":{"value":1e308,"lo":-1e308,"hi":1e308,"n":-1},"sqnr_db":-1e308,"gained":-5,"p_value":7},{"speedup":{"value":0},"sqnr_db":0}],
			"explain":{"bins":[0,1e-320,1],"counts":[18446744073709551615,18446744073709551615],"tensors":[{}]},"calibration":{"nan":-1},"fusion":{},"conversion":{},"nodes":[{}],"groups":[{"error":-1}],"phases":[{"seconds":-1e308},{}]}`,
		"compare": `{"mode":"live","alpha":-1e308,"metrics":[{"name":"latency_p99","unit":"s","better":"lower","gate":"latency_p99<=-100%","verdict":"inconclusive","base":1e-320,"head":1e308,"ratio":1e308,"ratio_lo":-1,"ratio_hi":1e308,"mde":-1e308,"p_value":-1,"pairs":-5},
			{"name":"a","difference":1e308,"difference_lo":-1e308,"difference_hi":0},{}],"shift":[{"percentile":5,"ratio":0},{"ratio":1e-320,"lo":1,"hi":-1},{"ratio":1,"lo":1,"hi":1e308},{"ratio":2}],"looks":[1],
			"pairs":[{"base":{"at":-1e308,"values":{"latency_p99":1e-300}},"head":{"values":{"latency_p99":1e300}}},{"base":{"at":1,"values":{"latency_p99":1}},"head":{"at":1,"values":{"latency_p99":2},"invalid":"x"}},{}],
			"explain":{"rows":[{"share":-1e308},{"change":1e308}]},"accuracy":{"rows":-1,"gained":5},"baseline":{"newest":"9999"},"accepted":[{"until":-1e308}],"base":{"runs":[{"sha256":"a"}]},"differs":[{}]}`,
		"report": `{"chosen":"a","base":"a","slo":["p99<1ms","accuracy_top1>=1%","x"],"demand":1e308,"utilization":-1,"price":[{"per_hour":-1}],"levers":[""],
			"configs":[{"name":"a","metrics":[{"name":"latency_p99","unit":"s","value":1e-320,"lo":-1e308,"hi":1e308},{"name":"accuracy_top1","unit":"1","value":2},{"name":"peak_rss","unit":"B","value":-5}],"pareto":true,
			"slo":[{"measured":null},{"measured":{"name":"x","value":1e308},"limit":-1e308,"headroom":1e308},{},{},{}],"throughput_at_slo":{"value":0},"cost_per_million":{"value":-1e308},"replicas":-9,"hourly":1e308,
			"relative":[{"name":"latency_p99","ratio":1e308,"ratio_lo":-1}],"shares":[{"name":"x","seconds":1e308},{"seconds":-1e308}],"tail":{"n":-1,"queue":9},"curve":[{"p99":1e-320,"offered_rate":1e308},{"p99":1e308},{"p99":1,"concurrency":-1}],"cold":[{"session_init":-1e308}],"checks":[{}],"manifests":[{"options":{"a":[1]}}]},
			{"metrics":[{"name":"latency_p99","unit":"s","value":1},{"name":"accuracy_top1","unit":"1","value":-2}]}],
			"outcomes":[{"variant":"b","method":"wilson","change":{"value":1e308}}],"steps":[{"metrics":[{"name":"x","base":-1,"head":1e308,"ratio":0}]}],"sources":[{"created":"x","sha256":"12"}]}`,
		"convert": `{"to":"x","before":{"nodes":-1},"after":{"macs":1e308},"files":[{"bytes":-5},{}],"placement":[{"nodes":-3},{}],"engine":{"layers":[{"share":-1e308,"seconds":1e308}],"build_seconds":-1},
			"verification":{"verdict":"drifts","sets":-1,"outputs":[{"max_abs":1e308,"rows":1,"same":-5}]},"speed":{"base":{"value":1e308,"n":1},"head":{"value":-1,"lo":1,"hi":-1,"n":1},"speedup":{"value":0,"lo":0,"hi":0,"n":1}},"conversion":{"clamped":-1},"tool":{"command":[""]},"phases":[{"seconds":-1}]}`,
		"runtime": `{"libraries":[{}],"findings":[{"level":"\u0000"}]}`,
		"loadtest": `{"schedule":{"loop":"open","stages":[{"from":-1e308,"to":1e308,"for":1e308}]},"window":{"seconds":1e308},"tail":{"n":-1,"rest":1,"generator":1},"faults":[{"count":-1}],"slo":[{"expr":"p99<1ms","n":-1,"missed":5}],
			"points":[{"p99":1e-320,"throughput":1e308},{"p99":1e308,"p99_lo":-1,"p99_hi":1,"concurrency":1}],"figures":{"timeline":[{"p50":1e-300,"p99":1,"max":-1,"failed":-1,"seconds":1},{"at":1,"p50":0,"p99":0,"max":1e308,"seconds":1}],"slowest":[{}],
			"sections":[{"outcomes":{"dropped":-9223372036854775808},"latency":{"layout":"log2/1024/-26/14","n":2,"sum":1,"min":3,"max":1,"counts":"5 7"},"service":{"layout":"log2/1024/-26/14","n":4294967296,"sum":1,"min":0,"max":1,"counts":"1:4294967295 4"}}]}}`,
	} {
		f.Add([]byte(`{"schema":"infer.report/v1","kind":"`+kind+`","details":`+details+`,"metrics":[{"name":"x","unit":"s","value":1e-320,"lo":-1e308,"hi":1e308}]}`), 1)
	}
	f.Fuzz(func(t *testing.T, in []byte, width int) {
		d, err := report.Read(bytes.NewReader(in))
		if err != nil {
			return
		}
		for _, format := range []string{"text", "markdown", "html", "junit", "csv"} {
			out := render(t, d, format, Options{Width: width % 1000, Top: width % 7})
			if format != "csv" && strings.ContainsAny(out, "\x00\x1b\r\u009b\u202e") {
				t.Fatalf("%s lets a control character through: %q", format, out)
			}
		}
	})
}
