package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"infer/internal/fault"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func ptr[T any](v T) *T { return &v }

// measured returns a metric with a 95 % interval.
func measured(name string, v, lo, hi float64, n int) Metric {
	m := NewMetric(name)
	m.Value, m.Lo, m.Hi, m.Confidence, m.N, m.Method = &v, &lo, &hi, 0.95, n, "order-statistic"
	return m
}

// full returns a document that uses every field.
func full(t *testing.T) *Document {
	t.Helper()
	d := New("profile")
	d.Created = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	d.Manifest = Manifest{Tool: "0.1.0", Go: "go1.26.0",
		Model:   &ModelRef{Path: "m.onnx", SHA256: strings.Repeat("ab", 32), Bytes: 10},
		Runtime: &RuntimeRef{Name: "onnxruntime", Version: "1.30.0", Path: "lib.so", SHA256: "00", Providers: []string{"cpu"}},
		Host:    map[string]any{"os": "linux", "cpus": 2}, CPUs: 1.5, Options: map[string]any{"runs": 100, "seed": uint64(math.MaxUint64)},
		Bindings: map[string]string{"batch": "1"}, Data: &DataRef{Source: "random", Rows: 3}, Seed: ptr(uint64(math.MaxUint64)), Command: []string{"infer", "profile", "a<b>&c"}}
	d.Add(measured("latency_p50", 0.1, 0.09, 0.11, 100), NewMetric("latency_p99"), Exact("macs", 4089184256))
	m := measured("throughput", 10, 9, 11, 100)
	m.Labels = map[string]string{"batch": "8"}
	d.Add(m)
	d.Gates = []GateResult{{Expr: "latency_p50<1s", Verdict: Pass, Reason: "it is"}}
	d.AddCheck("cpu_throttled", true, "%d periods", 0)
	d.Warn("latency_p99 needs %d runs", 368)
	if err := d.SetDetails(ProfileDetails{By: "op", ByOp: []Share{{Name: "Conv", Count: 1, Seconds: 0.1, Share: 1}}}); err != nil {
		t.Fatal(err)
	}
	d.Extra = map[string]json.RawMessage{"zeta": json.RawMessage(`[1,2]`), "alpha": json.RawMessage(`{"x":1.50}`)}
	return d
}

func written(t *testing.T, d *Document) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	first := written(t, full(t))
	path := filepath.Join("testdata", "full.json")
	if *update {
		if err := os.WriteFile(path, first, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, want) {
		t.Errorf("%s differs:\n%s", path, first)
	}
	d, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	if again := written(t, d); !bytes.Equal(first, again) {
		t.Errorf("reading and writing again changes it:\n%s\nwant\n%s", again, first)
	}
}

// An empty document has lists and objects, never null.
func TestNoNulls(t *testing.T) {
	for _, d := range []*Document{New("inspect"), {Kind: "inspect"}} {
		if b := written(t, d); bytes.Contains(b, []byte("null")) {
			t.Errorf("null in\n%s", b)
		}
	}
}

func TestNotFinite(t *testing.T) {
	d := New("profile")
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		d.Add(measured("latency_p50", v, 0, 1, 3), measured("latency_p90", 0.5, v, 1, 3))
	}
	got, err := Read(bytes.NewReader(written(t, d)))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range got.Metrics {
		if m.Lo != nil || m.Hi != nil || (m.Value != nil) != (m.Name == "latency_p90") {
			t.Errorf("%+v keeps a bad number", m)
		}
	}
	if len(got.Warnings) != 4 || len(d.Warnings) != 0 || !math.IsNaN(*d.Metrics[0].Value) {
		t.Errorf("warnings %q in the file, %q in memory", got.Warnings, d.Warnings)
	}
	d.Manifest.Options = map[string]any{"x": math.NaN()}
	if err := Write(&bytes.Buffer{}, d); err == nil || !strings.Contains(err.Error(), "manifest") {
		t.Errorf("a NaN among the options gives %v", err)
	}
	if err := d.SetDetails(math.NaN()); err == nil {
		t.Error("NaN details are accepted")
	}
}

func TestWarnAndMetric(t *testing.T) {
	d := New("profile")
	d.Warn("a %d", 1)
	d.Warn("a 1")
	if len(d.Warnings) != 1 {
		t.Errorf("warnings %q, want one", d.Warnings)
	}
	m := measured("throughput", 1, 1, 1, 1)
	m.Labels = map[string]string{"batch": "8"}
	d.Add(m)
	if d.Metric("throughput", nil) != nil || d.Metric("throughput", map[string]string{"batch": "8"}) != &d.Metrics[0] {
		t.Error("Metric does not go by the labels")
	}
	d.AddCheck("noise", false, "loud")
	if d.Validity.Verdict != NotValid {
		t.Error("a check that is not ok leaves the document valid")
	}
}

func TestReadRefuses(t *testing.T) {
	deep := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	for _, c := range []struct{ name, in, want string }{
		{"empty", " \n", "an empty file"},
		{"onnx", "\x08\x08\x12\x07pytorch\x00", "a binary file"},
		{"npy", "\x93NUMPY\x01\x00", "a NumPy array"},
		{"zip", "PK\x03\x04rest", "a zip archive"},
		{"utf-16", "\xff\xfe{\x00}\x00", "UTF-16 text"},
		{"page", "<html></html>", "an HTML or XML page without a report"},
		{"cut page", "<html>" + embedOpen + `{"schema":`, "an HTML or XML page without a report"},
		{"ort trace", `[{"cat":"Session"}]`, "a JSON list (an ONNX Runtime trace?)"},
		{"chrome trace", `{"traceEvents":[]}`, "a Chrome trace"},
		{"yaml", "profile:\n  runs: 3\n", "text that is not JSON"},
		{"other object", `{"a":1}`, "a JSON object without a schema"},
		{"schema of another type", `{"schema":{"x":1}}`, "a JSON object without a schema"},
		{"next schema", `{"schema":"infer.report/v2"}`, `its schema is "infer.report/v2"`},
		{"truncated", `{"schema":"infer.report/v1","kind":"pro`, "not a complete report"},
		{"two documents", `{"schema":"infer.report/v1"}{}`, "not a complete report"},
		{"wrong type", `{"schema":"infer.report/v1","metrics":{"a":1}}`, `field "metrics"`},
		{"bad time", `{"schema":"infer.report/v1","created":"yesterday"}`, `field "created"`},
		{"deep", `{"schema":"infer.report/v1","details":` + deep + `}`, "nested deeper"},
		{"deep in quotes is fine", `{"schema":"infer.report/v1","kind":"` + strings.ReplaceAll(deep, "[", `\"[`) + `"}`, ""},
		{"byte order mark is fine", "\xef\xbb\xbf" + `{"schema":"infer.report/v1"}`, ""},
	} {
		d, err := Read(strings.NewReader(c.in))
		switch {
		case c.want == "" && (err != nil || d.Metrics == nil):
			t.Errorf("%s: document %+v, error %v", c.name, d, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != fault.Usage):
			t.Errorf("%s: error %v of kind %v, want one with %q", c.name, err, fault.KindOf(err), c.want)
		}
	}
	if _, err := Read(&endless{}); err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Errorf("endless input gives %v", err)
	}
	if _, err := ReadFile(filepath.Join(t.TempDir(), "nothing")); fault.KindOf(err) != fault.Usage {
		t.Errorf("a missing file gives %v", err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestValidate(t *testing.T) {
	d := &Document{Schema: "x", Kind: "dance", Verdict: "fine", Gates: []GateResult{{Verdict: "maybe"}}, Validity: Validity{Verdict: "so-so"}}
	a := measured("latency_p50", 2, 0, 1, -1)
	b := measured("latency_p90", 0.5, 1, 0, 1)
	b.Unit, b.Better, b.Confidence = "ms", "faster", 2
	c := NewMetric("macs")
	c.Lo = ptr(1.)
	e := measured("latency_p95", math.NaN(), 0, 1, 1)
	d.Add(a, b, c, e, NewMetric(""), NewMetric("nodes"), NewMetric("nodes"))
	err := d.Validate()
	if err == nil {
		t.Fatal("no fault found")
	}
	for _, want := range []string{
		`schema is "x"`, `kind "dance"`, `verdict "fine"`, "created is missing", `has verdict "maybe"`, `validity verdict "so-so"`,
		`"latency_p50": n is -1`, `value 2 is outside its interval [0, 1]`, `"latency_p90": unit "ms"`, `unit is "ms", want "s"`,
		`better is "faster"`, "confidence 2", "upside down", `"macs": it has one end of an interval only`,
		"NaN is not a finite number", "it has no name", "metric nodes{} is there twice",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
	if err := full(t).Validate(); err != nil {
		t.Error(err)
	}
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	raw, err := jsonschema.UnmarshalJSON(strings.NewReader(SchemaJSON()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource("report.json", raw); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("report.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validSchema(t *testing.T, s *jsonschema.Schema, doc []byte) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

func TestSchemaAccepts(t *testing.T) {
	s := compiled(t)
	docs := map[string]*Document{"full": full(t)}
	for _, k := range kinds() {
		docs[k] = New(k)
	}
	for _, v := range verdicts() {
		d := New("compare")
		d.Verdict = v
		docs["verdict "+string(v)] = d
	}
	every := New("report")
	for _, k := range Known() {
		every.Add(NewMetric(k.Name))
	}
	docs["every metric"] = every
	for name, d := range docs {
		if err := validSchema(t, s, written(t, d)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := d.Validate(); err != nil {
			t.Errorf("%s: Validate: %v", name, err)
		}
	}
	pages, err := filepath.Glob("render/testdata/*.json")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no documents of the renderer: %v", err)
	}
	for _, p := range pages {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := validSchema(t, s, b); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
}

// The names of the contract for quantize, convert and optimize exist and may be in such documents.
func TestQuantizeMetrics(t *testing.T) {
	for _, name := range []string{"model_bytes", "size_ratio", "latency_p50", "latency_p50_base", "speedup", "accuracy_top1", "accuracy_top1_base",
		"accuracy_drop", "agreement_top1", "sqnr_db", "max_abs_diff", "cosine", "peak_rss", "elapsed"} {
		for _, kind := range []string{"quantize", "convert", "optimize"} {
			if k, ok := KnownByName(name); !ok || !k.In(kind) {
				t.Errorf("%s has no metric %s", kind, name)
			}
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	s := compiled(t)
	for _, c := range []struct{ name, old, new string }{
		{"schema", `"infer.report/v1"`, `"infer.report/v2"`},
		{"kind", `"kind": "profile"`, `"kind": "dance"`},
		{"created", `"2026-11-23T12:00:00Z"`, `"yesterday"`},
		{"verdict", `"verdict": "ok"`, `"verdict": "fine"`},
		{"no metrics", `"metrics": [`, `"metrix": [`},
		{"unit", `"unit": "s"`, `"unit": "ms"`},
		{"better", `"better": "lower"`, `"better": "faster"`},
		{"value", `"value": 0.1`, `"value": "0.1"`},
		{"one end", `"lo": 0.09,`, ``},
		{"n", `"n": 100`, `"n": -1`},
		{"confidence", `"confidence": 0.95`, `"confidence": 95`},
		{"label", `"batch": "8"`, `"batch": 8`},
		{"gate", `"verdict": "pass"`, `"verdict": "maybe"`},
		{"validity", `"verdict": "valid"`, `"verdict": "so-so"`},
		{"check", `"ok": true`, `"ok": "yes"`},
		{"sha256", strings.Repeat("ab", 32), "xyz"},
	} {
		doc := string(written(t, full(t)))
		changed := strings.Replace(doc, c.old, c.new, 1)
		if changed == doc {
			t.Fatalf("%s: %q is not in the document", c.name, c.old)
		}
		if err := validSchema(t, s, []byte(changed)); err == nil {
			t.Errorf("%s: the schema accepts %s", c.name, c.new)
		}
	}
}

// What Read accepts is written, and written again, the same.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"schema":"infer.report/v1","kind":"profile","x":1e400,"created":"2026-11-23T12:00:00+01:00"}`))
	f.Add([]byte(`{"schema":"infer.report/v1","metrics":[{"name":"a","value":1e308}],"details":{"a\u2028<":"\u202e"},"SCHEMA":1,"":null}`))
	f.Add([]byte("<p>" + embedOpen + `{"schema":"infer.report/v1","manifest":{"options":{"s":18446744073709551615}}}` + embedClose))
	if b, err := os.ReadFile(filepath.Join("testdata", "full.json")); err == nil {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		d, err := Read(bytes.NewReader(in))
		if err != nil {
			if fault.KindOf(err) != fault.Usage {
				t.Fatalf("kind %v: %v", fault.KindOf(err), err)
			}
			return
		}
		_ = d.Validate()
		d.Judge(nil)
		first := written(t, d)
		d2, err := Read(bytes.NewReader(first))
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, first)
		}
		if again := written(t, d2); !bytes.Equal(first, again) {
			t.Fatalf("unstable:\n%s\n%s", first, again)
		}
	})
}

// A document that was read from a page is written as it was before, whatever stands in its strings.
func TestPageReadsBack(t *testing.T) {
	d := New("compare")
	d.Warn("a<b && c>d, \\u003c is no <, \\\\u003e neither, \u2028 and \u202e")
	if err := d.SetDetails(map[string]string{"gate": "latency_p99<=+5%", "path": `C:\u0026\x`}); err != nil {
		t.Fatal(err)
	}
	page, err := EmbedHTML(d)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Read(strings.NewReader("<html>" + string(page) + "</html>"))
	if err != nil {
		t.Fatal(err)
	}
	var before, after strings.Builder
	if err := errors.Join(Write(&before, d), Write(&after, back)); err != nil {
		t.Fatal(err)
	}
	if before.String() != after.String() {
		t.Errorf("before:\n%s\nafter:\n%s", before.String(), after.String())
	}
}
