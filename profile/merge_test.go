package profile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/internal/stats"
	"infer/model/measure"
	"infer/report"
)

// profiled is the k-th of some profiles: runs of about a millisecond times a factor, in which gates hold.
func profiled(t *testing.T, k, n int, factor float64) *report.Document {
	t.Helper()
	r := &runner{d: report.New("profile")}
	series := func(scale float64) *measure.Series {
		rng := rand.New(rand.NewPCG(uint64(k), uint64(scale*1000)))
		s := &measure.Series{Class: measure.Flat}
		for range n {
			s.Seconds = append(s.Seconds, factor*scale*(0.001+0.0002*rng.ExpFloat64()))
		}
		return s
	}
	r.base = series(1)
	addLatency(r.d, r.base, 2, nil)
	r.details.Latency = r.base.Histogram()
	r.addStage(report.StageRow{Stage: "pre", Command: "cat"}, series(0.1).Seconds)
	s := series(4)
	addLatency(r.d, s, 8, map[string]string{"batch": "8"})
	r.details.Batches = []report.BatchRow{{Batch: 8, Runs: n, Latency: s.Histogram(), WarmUp: &report.WarmUp{Runs: k, Class: "flat"}}}
	for i := range 3 {
		r.details.Cold = append(r.details.Cold, report.ColdStart{LibraryLoad: 0.1, SessionInit: 0.01 * float64(k+i), FirstRun: 0.002, PeakRSS: 1e6})
	}
	addCold(r.d, r.details.Cold)
	count(r.d, "macs", 1234, 1, "count")
	r.details.ProfiledRuns, r.details.Inflation = 10*k, 1.5
	r.details.ByNode = []report.Share{{Name: "/a/b/Conv", Op: "Conv", Count: 1, Seconds: 0.0006 * factor, Share: 0.6}, {Name: "/a/c/Relu", Op: "Relu", Count: 1, Seconds: 0.0004 * factor, Share: 0.4}}
	r.details.ByOp = []report.Share{{Name: "Conv", Op: "Conv", Count: 1, Seconds: 0.0006 * factor, Share: 0.6}, {Name: "Relu", Op: "Relu", Count: 1, Seconds: 0.0004 * factor, Share: 0.4}}
	r.details.ByBlock = []report.Share{{Name: "a/b", Op: "Conv", Count: 1, Seconds: 0.0006 * factor, Share: 0.6}, {Name: "a/c", Op: "Relu", Count: 1, Seconds: 0.0004 * factor, Share: 0.4}}
	r.details.ByProvider = []report.Share{{Name: "CPUExecutionProvider", Count: 2, Seconds: 0.001 * factor, Traced: 0.002 * factor, Share: 1}}
	r.details.Correction = &report.Correction{Untraced: report.Interval{Value: 0.001 * factor, N: 8}, Scale: 1, Nodes: 2, SharesOnly: k == 3}
	r.details.Advice = []report.Advice{{Rule: "LAYOUT"}}
	r.details.WarmUp = &report.WarmUp{Runs: 5, Class: "flat"}
	r.details.Interference = []report.Measurement{{Name: "wall", Value: 1, Unit: "s"}, {Name: "other_cpu", Value: 0.1 * float64(k), Unit: "1"}}
	d := r.d
	d.AddCheck("noise", k != 3, "%d %%", k)
	d.Created = time.Date(2026, 11, 27, 12, k, 0, 0, time.UTC)
	d.Manifest = report.Manifest{Model: &report.ModelRef{Path: "m.onnx", SHA256: strings.Repeat("a", 64)}, Options: map[string]any{"threads": json.Number("2")},
		Runtime: &report.RuntimeRef{Name: "onnxruntime", Version: "1.30.0", Providers: []string{"cpu"}}, Bindings: map[string]string{"x": "2x4"}}
	gates, err := report.ParseGates("profile", []string{"latency_p50<10ms", "peak_rss<1MB"})
	if err != nil {
		t.Fatal(err)
	}
	d.Judge(gates)
	d.Gates = append(d.Gates, report.GateResult{Expr: report.AdvicePrefix + "LAYOUT", Verdict: keepIf(k == 1, report.GateInconclusive, report.Pass)})
	d.Judge(nil)
	if err := d.SetDetails(r.details); err != nil {
		t.Fatal(err)
	}
	return read(t, d, nil)
}

// read is d after a round through JSON, changed on the way.
func read(t *testing.T, d *report.Document, change func(tree map[string]any)) *report.Document {
	t.Helper()
	var b bytes.Buffer
	if err := report.Write(&b, d); err != nil {
		t.Fatal(err)
	}
	raw := b.Bytes()
	if change != nil {
		var tree map[string]any
		if err := json.Unmarshal(raw, &tree); err != nil {
			t.Fatal(err)
		}
		change(tree)
		var err error
		if raw, err = json.Marshal(tree); err != nil {
			t.Fatal(err)
		}
	}
	again, err := report.Read(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if change == nil {
		if err := again.Validate(); err != nil {
			t.Fatal(err)
		}
	}
	return again
}

// TestMergeProfiles: counts add up exactly, bucket by bucket, and values follow from all of them.
func TestMergeProfiles(t *testing.T) {
	docs := []*report.Document{profiled(t, 2, 500, 1), profiled(t, 1, 300, 1), profiled(t, 3, 200, 1.2)}
	want := stats.NewHistogram()
	for _, d := range docs {
		x, err := Details(d)
		if err != nil {
			t.Fatal(err)
		}
		want.Merge(x.Latency)
	}
	d, err := Merge(docs, nil)
	if err != nil {
		t.Fatal(err)
	}
	d = read(t, d, nil)
	x, err := Details(d)
	if err != nil {
		t.Fatal(err)
	}
	// In another order the sum is rounded otherwise; all else is counts.
	got, exact := fmt.Sprint(buckets(x.Latency)), fmt.Sprint(buckets(want))
	if got != exact || x.Latency.Count() != 1000 || x.Batches[0].Latency.Count() != 1000 || x.Batches[0].Runs != 1000 || x.Stages[0].Latency.Count() != 1000 {
		t.Errorf("histogram %s, want %s", got, exact)
	}
	for _, labels := range []map[string]string{nil, {"batch": "8"}, {"stage": "pre"}} {
		for _, name := range []string{"latency_mean", "latency_p50", "latency_p90"} {
			if m := d.Metric(name, labels); m == nil || m.Value == nil || m.N != 1000 || m.Lo == nil || m.Method == "" {
				t.Errorf("%s %v: %+v", name, labels, m)
			}
		}
	}
	// What each run says of its p50 lies in the interval of all.
	for _, r := range x.Runs {
		if m := d.Metric("latency_p50", nil); *r.P50 < *m.Lo*0.999 || *r.P50 > *m.Hi*1.001 {
			t.Errorf("p50 of a run is %g, and that of all in [%g, %g]", *r.P50, *m.Lo, *m.Hi)
		}
	}
	if len(x.Cold) != 9 || d.Metric("session_init", nil).N != 9 || d.Metric("macs", nil) == nil {
		t.Errorf("%d cold starts, session_init %+v", len(x.Cold), d.Metric("session_init", nil))
	}
	// Convolutions took 0.6 ms in 10 and in 20 profiled runs and 0.72 ms in 30: (30·0.6 + 30·0.72) / 60 ms.
	if s := x.ByOp[0]; x.ProfiledRuns != 60 || s.Name != "Conv" || s.Seconds < 0.000659 || s.Seconds > 0.000661 || s.Share < 0.599 || s.Share > 0.601 {
		t.Errorf("shares %+v of %d runs", x.ByOp, x.ProfiledRuns)
	}
	if x.WarmUp.Runs != 15 || x.Interference[0].Value != 3 || x.Interference[1].Value < 0.199 || x.Interference[1].Value > 0.201 {
		t.Errorf("warm-up %+v, interference %+v", x.WarmUp, x.Interference)
	}
	if d.Validity.Verdict != report.NotValid || len(d.Validity.Checks) != 3 || x.Runs[2].Valid || x.Runs[2].Why != "noise: 3 %" {
		t.Errorf("validity %+v, runs %+v", d.Validity, x.Runs)
	}
	if s := x.ByProvider[0]; s.Seconds < 0.001099 || s.Seconds > 0.001101 || s.Traced < 0.002199 || s.Traced > 0.002201 || s.Hi == nil {
		t.Errorf("by provider %+v", s)
	}
	if c := x.Correction; c == nil || c.Untraced.N != 3 || c.Untraced.Lo == nil || c.Untraced.Value < 0.00106 || c.Untraced.Value > 0.00107 || !c.SharesOnly || x.Advice != nil {
		t.Errorf("correction %+v, advice %+v", c, x.Advice)
	}
	if len(d.Gates) != 3 || d.Gates[2].Verdict != report.GateInconclusive || d.Gates[0].Verdict != report.Pass || d.Gates[1].Verdict != report.Fail || d.Verdict != report.FailedGate {
		t.Errorf("gates %+v, verdict %s", d.Gates, d.Verdict)
	}
}

// buckets lists the values of a histogram that occur, with their numbers.
func buckets(h *stats.Histogram) (list [][2]float64) {
	h.Sketch().Buckets(func(v float64, n int64) bool { list = append(list, [2]float64{v, float64(n)}); return true })
	return list
}

// TestMergeProfilesWarnings: percentiles that one run was too small for are had from all of them.
func TestMergeProfilesWarnings(t *testing.T) {
	docs := []*report.Document{profiled(t, 1, 200, 1), profiled(t, 2, 200, 1)}
	if len(docs[0].Warnings) == 0 || docs[0].Metric("latency_p99", nil).Value != nil {
		t.Fatalf("%v", docs[0].Warnings)
	}
	d, err := Merge(docs, nil)
	if err != nil {
		t.Fatal(err)
	}
	if m := d.Metric("latency_p99", nil); m.Value == nil || m.N != 400 || len(d.Warnings) != 0 {
		t.Errorf("%+v, warnings %v", m, d.Warnings)
	}
}

// TestMergeSingleRuns: of one timed run each nobody knows how many rows it had.
func TestMergeSingleRuns(t *testing.T) {
	docs := []*report.Document{profiled(t, 1, 1, 1), profiled(t, 2, 1, 1)}
	d, err := Merge(docs, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d.Metric("latency_mean", nil).Value == nil || d.Metric("throughput", nil) != nil || d.Metric("throughput", map[string]string{"batch": "8"}) == nil {
		t.Errorf("throughput %+v", d.Metric("throughput", nil))
	}
	if d, err = Merge([]*report.Document{docs[0], profiled(t, 3, 10, 1)}, nil); err != nil || d.Metric("throughput", nil) == nil {
		t.Errorf("rows that one run tells: %v", err)
	}
	tamper(t, d, nil)
}

func TestMergeProfilesRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(d *report.Document)
		want   string
	}{
		"model":     {func(d *report.Document) { d.Manifest.Model.SHA256 = strings.Repeat("b", 64) }, "model is m.onnx (aaaaaaaaaaaa) in one and m.onnx (bbbbbbbbbbbb) in the other"},
		"runtime":   {func(d *report.Document) { d.Manifest.Runtime.Version = "1.2" }, "runtime is"},
		"options":   {func(d *report.Document) { d.Manifest.Options["threads"] = json.Number("1") }, `options is {"threads":2} in one and {"threads":1} in the other`},
		"inputs":    {func(d *report.Document) { d.Manifest.Bindings["x"] = "4x4" }, "bindings of the inputs is"},
		"rows":      {func(d *report.Document) { *d.Metric("throughput", nil).Value *= 2 }, "rows of a run is 2 in one and 4"},
		"kind":      {func(d *report.Document) { d.Kind = "loadtest" }, "is no profile"},
		"histogram": {func(d *report.Document) { d.Details = json.RawMessage(`{}`) }, "has no latency_histogram"},
		"merged": {func(d *report.Document) {
			d.Details = json.RawMessage(strings.Replace(string(d.Details), `"profiled_runs"`, `"runs":[{}],"profiled_runs"`, 1))
		}, "of merged runs already"},
		"twice": {func(d *report.Document) { d.Created = d.Created.Add(-time.Minute) }, "here twice"},
	} {
		t.Run(name, func(t *testing.T) {
			other := profiled(t, 2, 100, 1)
			c.change(other)
			if _, err := Merge([]*report.Document{profiled(t, 1, 100, 1), other}, nil); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// TestRecomputeProfile: a profile follows from its histograms, and a changed number of it is found.
func TestRecomputeProfile(t *testing.T) {
	one := profiled(t, 1, 500, 1)
	runs := []*report.Document{one, profiled(t, 2, 400, 1.1), profiled(t, 3, 500, 1)}
	merged, err := Merge(runs, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		d    *report.Document
		runs []*report.Document
	}{{"one run", one, nil}, {"merged runs", merged, nil}, {"merged runs with their documents", merged, runs}} {
		t.Run(c.name, func(t *testing.T) { tamper(t, c.d, c.runs) })
	}
	if _, err := Recompute(merged, runs[:2]); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "other runs than those given") {
		t.Error(err)
	}
	if _, err := Recompute(one, runs); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
}

func tamper(t *testing.T, d *report.Document, runs []*report.Document) {
	verify := func(change func(tree map[string]any)) *report.Verification {
		t.Helper()
		again := read(t, d, change)
		r, err := Recompute(again, runs)
		if err != nil {
			t.Fatal(err)
		}
		v, err := again.Verify(r)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	whole := verify(nil)
	if whole.Differs != 0 || whole.Same < 20 {
		t.Fatalf("%+v", whole.First())
	}
	left := map[string]bool{}
	for _, n := range whole.Numbers {
		left[n.Name] = n.State == report.NumberLeft
	}
	for i := range d.Metrics {
		m := &d.Metrics[i]
		name := m.Name
		if l := report.LabelText(m.Labels); l != "" {
			name += "{" + l + "}"
		}
		if left[name] || m.Value == nil {
			continue
		}
		for _, by := range []float64{1.01, 0.99} { // beyond what a histogram can tell
			v := verify(func(tree map[string]any) {
				metric := tree["metrics"].([]any)[i].(map[string]any)
				metric["value"] = metric["value"].(float64) * by
			})
			if v.Differs == 0 {
				t.Errorf("%s times %g is not found", name, by)
			}
		}
	}
	for what, change := range changes(d) {
		if v := verify(change); v.Differs == 0 {
			t.Errorf("%s: not found", what)
		}
	}
}

// changes are changes of one number of d each, by what they change.
func changes(d *report.Document) map[string]func(tree map[string]any) {
	details := func(tree map[string]any) map[string]any { return tree["details"].(map[string]any) }
	return map[string]func(tree map[string]any){
		"n":       func(tree map[string]any) { tree["metrics"].([]any)[0].(map[string]any)["n"] = 3 },
		"gate":    func(tree map[string]any) { tree["gates"].([]any)[0].(map[string]any)["verdict"] = "fail" },
		"verdict": func(tree map[string]any) { tree["verdict"] = "inconclusive" },
		"validity": func(tree map[string]any) {
			tree["validity"].(map[string]any)["verdict"] = map[string]string{report.Valid: report.NotValid, report.NotValid: report.Valid}[d.Validity.Verdict]
		},
		"share":      func(tree map[string]any) { details(tree)["by_op"].([]any)[0].(map[string]any)["share"] = 0.61 },
		"node":       func(tree map[string]any) { details(tree)["by_node"].([]any)[0].(map[string]any)["seconds"] = 0.0007 },
		"block":      func(tree map[string]any) { details(tree)["by_block"].([]any)[0].(map[string]any)["count"] = 2 },
		"cold start": func(tree map[string]any) { details(tree)["cold"].([]any)[1].(map[string]any)["session_init"] = 0.5 },
		"batch":      func(tree map[string]any) { details(tree)["batches"].([]any)[0].(map[string]any)["runs"] = 3 },
		"histogram":  func(tree map[string]any) { details(tree)["latency_histogram"].(map[string]any)["sum"] = 3. },
		"its buckets": func(tree map[string]any) {
			details(tree)["latency_histogram"].(map[string]any)["buckets"] = []any{[]any{3000, 7}}
		},
	}
}

// FuzzRecompute: no document, however it was changed, makes verifying or merging fail in another way than by an error.
func FuzzRecompute(f *testing.F) {
	t := &testing.T{}
	var b bytes.Buffer
	if err := report.Write(&b, profiled(t, 1, 40, 1)); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"schema":"infer.report/v1","kind":"profile","details":{"latency_histogram":{"sub_bits":7,"min_exp":-34,"buckets":[[1,18446744073709551615]]}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		d, err := report.Read(bytes.NewReader(raw))
		if err != nil || d.Validate() != nil {
			return
		}
		if r, err := Recompute(d, nil); err == nil {
			if _, err := d.Verify(r); err != nil {
				t.Error(err)
			}
		}
		other := *d
		other.Created = d.Created.Add(time.Minute)
		if m, err := Merge([]*report.Document{d, &other}, nil); err == nil {
			_ = report.Write(&bytes.Buffer{}, m)
		}
	})
}
