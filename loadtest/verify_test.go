package loadtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/loadtest/sample"
	"infer/report"
)

// written writes the samples of run(t, k, nil), as a load does.
func written(t *testing.T, d *report.Document) string {
	t.Helper()
	x, err := Details(d)
	if err != nil {
		t.Fatal(err)
	}
	x.Figures = nil
	bare := *d
	bare.Metrics = nil
	if err := bare.SetDetails(x); err != nil {
		t.Fatal(err)
	}
	return samplesFile(t, &bare, sample.FoldOptions{To: time.Second, Limit: 20 * time.Millisecond})
}

// samplesFile writes the samples of loaded with the document and the fold that they are of.
func samplesFile(t *testing.T, d *report.Document, o sample.FoldOptions) string {
	t.Helper()
	doc, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "s")
	w, err := sample.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Add(loaded()); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(sample.Header{Fold: o, Document: doc}); err != nil {
		t.Fatal(err)
	}
	return path
}

// verified verifies d as it is after a change of its JSON.
func verified(t *testing.T, d *report.Document, change func(tree map[string]any), samples ...string) *report.Verification {
	t.Helper()
	var b bytes.Buffer
	if err := report.Write(&b, d); err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(b.Bytes(), &tree); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(tree)
	}
	raw, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	again, err := report.Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Recompute(again, samples)
	if err != nil {
		t.Fatal(err)
	}
	v, err := again.Verify(r)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestRecompute: a load test follows from its samples, and from its counts, as it is.
func TestRecompute(t *testing.T) {
	d := run(t, 1, nil)
	for _, samples := range [][]string{nil, {written(t, d)}} {
		v := verified(t, d, nil, samples...)
		if v.Differs != 0 || v.Same < 30 {
			t.Errorf("%+v", v.First())
		}
		// What the system took from the generator is in no count.
		if v.Left != 2 {
			t.Errorf("%d are not recomputed", v.Left)
		}
	}
	if d.Verification() != nil || len(d.Validity.Checks) == 0 {
		t.Error("the document itself was changed")
	}
}

// TestTampered: a changed number of the details is found by the samples, one that follows from others without them, too.
func TestTampered(t *testing.T) {
	d := run(t, 1, nil)
	samples := written(t, d)
	figures := func(tree map[string]any) map[string]any {
		return tree["details"].(map[string]any)["figures"].(map[string]any)
	}
	section := func(tree map[string]any) map[string]any { return figures(tree)["sections"].([]any)[3].(map[string]any) }
	slice := func(tree map[string]any) map[string]any { return figures(tree)["timeline"].([]any)[5].(map[string]any) }
	more := func(m map[string]any, key string) { m[key] = m[key].(float64) + 1 }
	for _, c := range []struct {
		name    string
		change  func(tree map[string]any)
		without bool // found without samples, too
	}{
		{"good", func(tree map[string]any) { more(figures(tree), "good") }, true},
		{"checked", func(tree map[string]any) { more(figures(tree), "checked") }, false},
		{"bytes", func(tree map[string]any) { more(figures(tree), "bytes") }, false},
		{"due", func(tree map[string]any) { more(section(tree), "due") }, true},
		{"sent", func(tree map[string]any) { more(section(tree), "sent") }, true},
		{"answered", func(tree map[string]any) { more(section(tree), "answered") }, true},
		{"outcome", func(tree map[string]any) { more(section(tree)["outcomes"].(map[string]any), "ok") }, true},
		{"sum of latency", func(tree map[string]any) { more(section(tree)["latency"].(map[string]any), "sum") }, true},
		{"largest service time", func(tree map[string]any) { more(section(tree)["service"].(map[string]any), "max") }, true},
		{"slice due", func(tree map[string]any) { more(slice(tree), "due") }, true},
		{"slice p50", func(tree map[string]any) { slice(tree)["p50"] = 0.25 }, true},
		{"slice failed", func(tree map[string]any) { more(slice(tree), "failed") }, false},
		{"slowest", func(tree map[string]any) { more(figures(tree)["slowest"].([]any)[0].(map[string]any), "latency") }, true},
		{"window", func(tree map[string]any) {
			more(tree["details"].(map[string]any)["window"].(map[string]any), "seconds")
		}, true},
		{"missed", func(tree map[string]any) {
			more(tree["details"].(map[string]any)["slo"].([]any)[0].(map[string]any), "missed")
		}, true},
		{"reading", func(tree map[string]any) { tree["details"].(map[string]any)["reading"] = []any{"p99 is 3 ms."} }, true},
		{"gate", func(tree map[string]any) { tree["gates"].([]any)[0].(map[string]any)["verdict"] = "fail" }, true},
		{"verdict", func(tree map[string]any) { tree["verdict"] = "failed_gate" }, true},
		{"check", func(tree map[string]any) {
			checks := tree["validity"].(map[string]any)["checks"].([]any)
			checks[1].(map[string]any)["detail"] = "the generator was late by 1 ms"
		}, true},
	} {
		if v := verified(t, d, c.change, samples); v.Differs == 0 {
			t.Errorf("%s: not found by the samples", c.name)
		}
		if v := verified(t, d, c.change); (v.Differs > 0) != c.without {
			t.Errorf("%s: found without samples: %v, want %v: %+v", c.name, v.Differs > 0, c.without, v.First())
		}
	}
	for i, m := range d.Metrics {
		for _, key := range []string{"value", "lo", "hi", "n"} {
			if !slices.Contains([]string{"latency_p50", "throughput", "error_rate", "send_lag_p99"}, m.Name) && key != "value" {
				continue
			}
			change := func(tree map[string]any) {
				metric := tree["metrics"].([]any)[i].(map[string]any)
				if x, ok := metric[key].(float64); ok && key == "n" {
					metric[key] = x + 1
				} else if ok {
					metric[key] = x*1.001 + 1e-6
				}
			}
			tampered := map[string]*float64{"value": m.Value, "lo": m.Lo, "hi": m.Hi, "n": new(float64)}[key] != nil
			if v := verified(t, d, change, samples); (v.Differs > 0) != tampered || tampered && !strings.HasPrefix(v.First().Name, m.Name) {
				t.Errorf("%s of %s: %+v", key, m.Name, v.First())
			}
		}
	}
}

// TestRecomputeMerged: merged runs and shards follow from the samples of all of them.
func TestRecomputeMerged(t *testing.T) {
	var docs []*report.Document
	var samples []string
	for k := 1; k <= 3; k++ {
		docs = append(docs, run(t, k, nil))
		samples = append(samples, written(t, docs[k-1]))
	}
	d, err := MergeRuns(docs, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, given := range [][]string{nil, {samples[2], samples[0], samples[1]}} {
		if v := verified(t, d, nil, given...); v.Differs != 0 || v.Same < 25 {
			t.Errorf("%+v", v.First())
		}
	}
	change := func(tree map[string]any) {
		r := tree["details"].(map[string]any)["runs"].([]any)[1].(map[string]any)
		r["n"] = r["n"].(float64) + 1
	}
	if v := verified(t, d, change); v.Differs == 0 {
		t.Error("another number of requests in a run is not found")
	}
	if _, err := Recompute(d, samples[:2]); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "is of 3 loads, and the samples are of 2") {
		t.Error(err)
	}
	var shards []*report.Document
	samples = nil
	for k := range 2 {
		s := run(t, 1, func(x *report.LoadDetails) { x.Schedule.Shard = fmt.Sprintf("%d/2", k) })
		shards, samples = append(shards, s), append(samples, written(t, s))
	}
	whole, err := Merge(shards, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, given := range [][]string{nil, samples} {
		if v := verified(t, whole, nil, given...); v.Differs != 0 || v.Same < 25 {
			t.Errorf("shards: %+v", v.First())
		}
	}
	for _, w := range whole.Warnings {
		if strings.Contains(w, "this sample has 100") {
			t.Errorf("a warning of one shard alone: %s", w)
		}
	}
}

// TestRecomputeRefuses: samples of another load are refused, and so are those of a document that has none.
func TestRecomputeRefuses(t *testing.T) {
	d, other := run(t, 1, nil), run(t, 2, nil)
	if _, err := Recompute(d, []string{written(t, other)}); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "are of the load of 2026-11-27T12:02:00Z") {
		t.Error(err)
	}
	if _, err := Recompute(report.New("profile"), nil); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
	sweep := run(t, 1, func(x *report.LoadDetails) {})
	x, err := Details(sweep)
	if err != nil {
		t.Fatal(err)
	}
	x.Figures = nil
	if err := sweep.SetDetails(x); err != nil {
		t.Fatal(err)
	}
	if _, err := Recompute(sweep, []string{written(t, d)}); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
}

// TestRecomputeCurve: the metrics of a sweep follow from its points as far as those tell them.
func TestRecomputeCurve(t *testing.T) {
	f := sample.NewFold(sample.FoldOptions{To: time.Second})
	f.Add(loaded())
	p := pointOf(f.Figures(), 100, 0, true, "")
	d := report.New("loadtest")
	metrics, _ := sample.Metrics(f.Figures())
	for _, m := range metrics {
		m.Labels = p.Labels()
		d.Add(m)
	}
	if err := d.SetDetails(&report.LoadDetails{Points: []report.LoadPoint{p}}); err != nil {
		t.Fatal(err)
	}
	v := verified(t, d, nil)
	if v.Differs != 0 || v.Same < 4 || v.Left == 0 {
		t.Errorf("%+v: %+v", v, v.First())
	}
	change := func(tree map[string]any) {
		tree["details"].(map[string]any)["points"].([]any)[0].(map[string]any)["throughput"] = 101.
	}
	if v := verified(t, d, change); v.Differs == 0 || v.First().Name != "throughput{rps=100}" {
		t.Errorf("%+v", v.First())
	}
}

// FuzzRecompute: no document, however it was changed, makes verifying or merging fail in another way than by an error.
func FuzzRecompute(f *testing.F) {
	t := &testing.T{}
	var b bytes.Buffer
	if err := report.Write(&b, run(t, 1, nil)); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := report.Read(bytes.NewReader(raw))
		if err != nil || d.Validate() != nil {
			return
		}
		if r, err := Recompute(d, nil); err == nil {
			_, _ = d.Verify(r)
		}
		other := *d
		other.Created = d.Created.Add(time.Minute)
		if m, err := MergeRuns([]*report.Document{d, &other}, nil, nil); err == nil {
			_ = report.Write(&bytes.Buffer{}, m)
		}
	})
}
