package compare

import (
	"testing"

	"infer/report"
)

// Five gates on metrics that did not change: that any of them fails is as rare as for a single one.
func TestHolm(t *testing.T) {
	names := []string{"latency_p50", "latency_p95", "latency_p99", "service_p50", "service_p99"}
	var exprs []string
	for _, n := range names {
		exprs = append(exprs, n+"<=+0%")
	}
	o := gatesOf(t, exprs...)
	o.MinEffect = 0
	alarms := 0
	const trials = 300
	for trial := range trials {
		r := seeded(trial)
		pairs := drawn(r, 24, 1, 0.1)
		for i := range pairs {
			for _, n := range names { // noise of their own
				one := drawn(r, 1, 1, 0.1)[0]
				pairs[i].Base.Values[n], pairs[i].Head.Values[n] = one.Base.Values["latency_p99"], one.Head.Values["latency_p99"]
			}
		}
		if d, _ := lived(t, pairs, o); d.Verdict == report.Regressed {
			alarms++
		}
	}
	if most := atMost(trials, o.Alpha); alarms > most {
		t.Errorf("%d of %d comparisons of equals failed a gate, want at most %d", alarms, trials, most)
	}
}

// Of two gates the one that fails decides, and a p-value is adjusted for both.
func TestHolmAdjusts(t *testing.T) {
	pairs := drawn(seeded(1), 24, 1.3, 0.02)
	for i := range pairs {
		pairs[i].Base.Values["throughput"], pairs[i].Head.Values["throughput"] = 100, 100+float64(i%3-1)
	}
	d, x := lived(t, pairs, gatesOf(t, "throughput>=-5%", "latency_p99<=+5%"))
	if d.Verdict != report.Regressed || d.Gates[0].Verdict != report.Pass || d.Gates[1].Verdict != report.Fail {
		t.Fatalf("verdict %s, gates %+v", d.Verdict, d.Gates)
	}
	for _, m := range x.Metrics[:2] {
		if m.PValue == nil || m.PAdjusted == nil || *m.PAdjusted < *m.PValue {
			t.Errorf("%s: p %v, adjusted %v", m.Name, m.PValue, m.PAdjusted)
		}
	}
	if p := x.Metrics[1]; *p.PAdjusted != 2**p.PValue {
		t.Errorf("the smaller p-value %v becomes %v, want twice that", *p.PValue, *p.PAdjusted)
	}
}

func TestPairsAccepted(t *testing.T) {
	const why = "the new tokenizer is worth it"
	until := 0.012
	for _, c := range []struct {
		name string
		list []report.Acceptance
		want report.Verdict
	}{
		{"not", nil, report.Regressed},
		{"this metric", []report.Acceptance{{Metric: "latency_p99", Reason: why}}, report.OK},
		{"another", []report.Acceptance{{Metric: "latency_p50", Reason: why}}, report.Regressed},
		{"up to less", []report.Acceptance{{Metric: "latency_p99", Reason: why, Until: &until}}, report.Regressed},
	} {
		o := gatesOf(t, "latency_p99<=+5%")
		o.Accepted = c.list
		d, x := lived(t, drawn(seeded(3), 12, 1.3, 0.01), o)
		if d.Verdict != c.want {
			t.Errorf("%s: %s (%s), want %s", c.name, d.Verdict, x.Reason, c.want)
		}
		if c.want == report.OK && (len(x.Accepted) != 1 || x.Accepted[0].Reason != why) {
			t.Errorf("%s: the result does not say why: %+v", c.name, x.Accepted)
		}
	}
}
