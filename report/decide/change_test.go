package decide

import (
	"math"
	"slices"
	"strings"
	"testing"

	"infer/report"
)

// stepOf is the comparison of a step in a metric, nil of none.
func stepOf(s report.DecisionStep, name string) *report.CompareMetric {
	i := slices.IndexFunc(s.Metrics, func(m report.CompareMetric) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Metrics[i]
}

// TestFactsOfAModel: what a document tells of a model, every configuration of that model has.
func TestFactsOfAModel(t *testing.T) {
	quantized := int8Of(t).with("agreement_top1", 0.98, 1000, 0.97, 0.99).
		details(report.QuantizeDetails{Output: "models/int8.onnx", OutputHash: hash("b"), Original: report.QuantizeCandidate{Name: "original", Bytes: 1000}})
	quantized.Metrics = slices.DeleteFunc(quantized.Metrics, func(m report.Metric) bool { return strings.HasPrefix(m.Name, "accuracy") })
	profiled := doc(t, "profile").of("models/model.onnx", "a").with("session_init", 0.2, 5, 0.1, 0.3).with("peak_rss", 5e7, 5).with("latency_p50", 0.01, 100).
		details(report.ProfileDetails{ByOp: []report.Share{{Name: "Conv", Share: 0.7}}, Cold: []report.ColdStart{{SessionInit: 0.2}}})
	d, x := decided(t, Options{SLO: gates(t, "p99<300ms", "agreement_top1>=95%")},
		in("plain=l.json", load(t, 500, 250, 240, 262).of("models/model.onnx", "a")), in("plain=p.json", profiled),
		in("batched=m.json", load(t, 500, 100, 95, 105).of("models/model.onnx", "a")),
		in("int8=n.json", load(t, 500, 60, 55, 65).of("models/int8.onnx", "b")), in("q.json", quantized))
	for _, name := range []string{"plain", "batched"} {
		c := configOf(t, x, name)
		for _, fact := range []string{"agreement_top1", "model_bytes", "session_init", "peak_rss"} {
			if metricOf(c, fact) == nil {
				t.Errorf("%s has no %s", name, fact)
			}
		}
		if c.Verdict != report.Pass || len(c.Shares) != 1 || len(c.Cold) != 1 {
			t.Errorf("%s: %s %+v, %d shares, %d starts", name, c.Verdict, c.SLO, len(c.Shares), len(c.Cold))
		}
		if r := c.SLO[1].Reason; !strings.Contains(r, "agreement_top1 is 100 % by definition") {
			t.Errorf("%s: %s", name, r)
		}
	}
	if c := configOf(t, x, "int8"); !c.Front || metricOf(c, "peak_rss") != nil {
		t.Errorf("int8: %+v", c)
	}
	if slices.ContainsFunc(d.Warnings, func(w string) bool { return strings.Contains(w, "tells its accuracy") }) {
		t.Errorf("%q", d.Warnings)
	}
}

// TestStepsAtOneLoad: latencies of different loads are not compared; of several common loads the demanded one is.
func TestStepsAtOneLoad(t *testing.T) {
	rates := []float64{100, 200, 400}
	a, b := sweep(t, rates, []float64{10, 20, 300}), sweep(t, rates, []float64{8, 10, 40})
	for _, c := range []struct {
		name   string
		demand float64
		a, b   made
		at     string
		ratio  float64 // of p99; 0: none
		note   string
	}{
		{"one load each, the same", 0, load(t, 500, 100, 95, 105), load(t, 500, 50, 45, 55), "500 /s", 0.5, ""},
		{"one load each, others", 0, load(t, 150, 1080, 1000, 1100), load(t, 15, 19, 18, 20), "", 0, "no latency: no load test of both was at the same load (a: 150 /s; b: 15 /s)"},
		{"sweeps, without a demand: the heaviest", 0, a, b, "400 /s", 40. / 300, ""},
		{"sweeps, with a demand", 200, a, b, "200 /s", 0.5, ""},
		{"a sweep and a load", 0, a, load(t, 100, 5, 4, 6), "100 /s", 0.5, ""},
		{"searches, whose trials are short", 0, search(t, 200, 100), search(t, 200, 200), "", 0, "(a: 100 /s; b: 200 /s)"},
		{"a profile and a load", 0, load(t, 100, 5, 4, 6), doc(t, "profile").of("p.onnx", "c").with("latency_p99", 0.01, 1000, 0.009, 0.011).details(report.ProfileDetails{}), "", 0, "only one of the two has a load test"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, x := decided(t, Options{SLO: gates(t, "p99<50ms"), Demand: c.demand}, in("a=a.json", c.a), in("b=b.json", c.b))
			s := x.Steps[0]
			m := stepOf(s, "latency_p99")
			if s.At != c.at || (m != nil) != (c.ratio > 0) || m != nil && math.Abs(*m.Ratio-c.ratio) > 1e-9 || !strings.Contains(strings.Join(s.Notes, "; "), c.note) || c.note == "" && len(s.Notes) > 0 {
				t.Errorf("at %q, %+v, notes %q", s.At, m, s.Notes)
			}
			if (stepOf(s, "throughput") != nil) != (c.at != "") {
				t.Errorf("throughput %+v at %q", stepOf(s, "throughput"), s.At)
			}
		})
	}
}

// TestStepsOfAnswered: a server that answers more requests, some of them late, is no worse than one that refuses most; of
// two that fail, the one that answers more is nearer.
func TestStepsOfAnswered(t *testing.T) {
	refuses, late := load(t, 500, 19, 18, 20).failing(0.71, 0.69, 0.73), load(t, 500, 900, 850, 950).failing(0.02, 0.015, 0.026)
	d, x := decided(t, Options{SLO: gates(t, "p99<200ms")}, in("a=a.json", refuses), in("b=b.json", late))
	s := x.Steps[0]
	if m := stepOf(s, "latency_p99"); m == nil || m.Better != "" || !strings.Contains(m.Reason, "71 % of those to a and 2 % of those to b failed or were refused") || len(s.Notes) != 1 {
		t.Errorf("%+v, notes %q", m, s.Notes)
	}
	if m := stepOf(s, "error_rate"); m == nil || math.Abs(*m.Change+0.69) > 1e-9 || !m.Significant || m.Better != "lower" {
		t.Errorf("error rate %+v", m)
	}
	if !strings.Contains(x.Headline, "closest: b") || d.Verdict != report.FailedGate || strings.Contains(x.Headline, "lever") {
		t.Errorf("%s %s", d.Verdict, x.Headline)
	}
	if o := configOf(t, x, "a").SLO[0]; o.Verdict != report.Fail || o.Headroom != nil {
		t.Errorf("of a server that refuses most: %+v", o)
	}
}

// TestMissedAtTheDemand: a load test that missed the objective at the demanded rate decides, beside trials of a search of
// which none says anything.
func TestMissedAtTheDemand(t *testing.T) {
	missed := load(t, 150, 3300, 2900, 3600).failing(0.68, 0.6, 0.75).invalid("the generator was late")
	trials := report.LoadDetails{Target: report.LoadTarget{URL: "http://localhost:8000", Rows: 1}, SLO: []report.LoadSLO{{Expr: "p99<200ms", Verdict: report.GateInconclusive}},
		Points: []report.LoadPoint{{Rate: 15, Throughput: 15, N: 40, Why: "late"}, {Rate: 150, Throughput: 150, N: 400, Why: "late"}},
		Search: &report.LoadSearch{Steps: []report.LoadSearchStep{{Rate: 15, Verdict: report.GateInconclusive}, {Rate: 150, Verdict: report.GateInconclusive}}}}
	for _, c := range []struct {
		demand  float64
		verdict report.Verdict
		at      string
	}{{150, report.FailedGate, "150 /s"}, {0, report.Inconclusive, "15 /s"}} {
		d, x := decided(t, Options{SLO: gates(t, "p99<200ms"), Demand: c.demand}, in("a=a.json", load(t, 150, 2500, 2000, 2700)),
			in("b=b.json", missed), in("b=s.json", doc(t, "loadtest").details(trials)))
		if b := configOf(t, x, "b"); d.Verdict != c.verdict || b.At != c.at {
			t.Errorf("for %v /s: %s, b %s at %q: %s", c.demand, d.Verdict, b.Verdict, b.At, x.Headline)
		}
	}
	// What holds at a lower rate is a matter of replicas.
	_, x := decided(t, Options{SLO: gates(t, "p99<200ms"), Demand: 150}, in("a=a.json", sweep(t, []float64{100, 150}, []float64{20, 3000})))
	if x.Chosen != "a" || x.Configs[0].Replicas != 2 {
		t.Errorf("%s, %d replicas", x.Headline, x.Configs[0].Replicas)
	}
}
