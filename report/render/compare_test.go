package render

import (
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/report"
)

// livePairs simulates n pairs of blocks whose head takes ratio times as long, and more so at high percentiles.
func livePairs(n int, ratio, noise float64) (ps []report.ComparePair) {
	rnd := rand.New(rand.NewPCG(7, uint64(n)))
	for i := range n {
		first, second := "base", "head"
		if i%2 == 1 {
			first, second = second, first
		}
		p := report.ComparePair{Seed: uint64(i + 1), First: first}
		for _, which := range []string{first, second} {
			b := report.CompareBlock{At: 3.4 * float64(2*i), Seconds: 3, N: 2400 + int64(rnd.IntN(90))}
			if which == second {
				b.At += 3.4
			}
			scale := math.Exp(noise * rnd.NormFloat64())
			if which == "head" {
				scale *= ratio
			}
			for j, q := range report.ShiftPercentiles {
				x := 1.1e-3 * (1 + q*q*q) * scale
				if which == "head" {
					x *= 1 + 0.03*float64(j)/12*(ratio-1)/0.12
				}
				b.Quantiles = append(b.Quantiles, x)
			}
			b.Values = map[string]float64{"latency_p50": b.Quantiles[6], "latency_p99": b.Quantiles[12], "throughput": 1 / b.Quantiles[6]}
			if which == "base" {
				p.Base = b
			} else {
				p.Head = b
			}
		}
		ps = append(ps, p)
	}
	return ps
}

// shiftOf is the shift function of pairs, the interval that of a mean of logarithms.
func shiftOf(ps []report.ComparePair) (out []report.ShiftPoint) {
	for j, q := range report.ShiftPercentiles {
		var base, head, ds []float64
		for _, p := range ps {
			base, head = append(base, p.Base.Quantiles[j]), append(head, p.Head.Quantiles[j])
			ds = append(ds, math.Log(p.Head.Quantiles[j]/p.Base.Quantiles[j]))
		}
		r, lo, hi := spread(ds)
		out = append(out, report.ShiftPoint{Percentile: q, Base: middle(base), Head: middle(head), Ratio: r, Lo: &lo, Hi: &hi})
	}
	return out
}

func middle(xs []float64) float64 {
	s := slices.Sorted(slices.Values(xs))
	return s[len(s)/2]
}

// spread is the ratio of a sample of logarithms and its interval.
func spread(ds []float64) (r, lo, hi float64) {
	mean, ss := 0.0, 0.0
	for _, d := range ds {
		mean += d / float64(len(ds))
	}
	for _, d := range ds {
		ss += (d - mean) * (d - mean)
	}
	half := 2.36 * math.Sqrt(ss/float64(len(ds)-1)/float64(len(ds)))
	return math.Exp(mean), math.Exp(mean - half), math.Exp(mean + half)
}

// pairMetricOf is a metric of pairs, compared by ratio.
func pairMetricOf(ps []report.ComparePair, name, gate, verdict string) report.CompareMetric {
	known := report.NewMetric(name)
	m := report.CompareMetric{Name: name, Unit: known.Unit, Better: known.Better, Gate: gate, Verdict: verdict, Pairs: len(ps), Method: "signed-rank"}
	var base, head, ds []float64
	for _, p := range ps {
		base, head = append(base, p.Base.Values[name]), append(head, p.Head.Values[name])
		ds = append(ds, math.Log(p.Head.Values[name]/p.Base.Values[name]))
	}
	r, lo, hi := spread(ds)
	m.Base, m.Head, m.Ratio, m.RatioLo, m.RatioHi, m.MDE = ptr(middle(base)), ptr(middle(head)), &r, &lo, &hi, ptr(1.4*(hi/r-1))
	m.Significant = lo > 1 || hi < 1
	return m
}

// differenceOf is a metric that a gate compares by difference.
func differenceOf(name, gate, verdict string, base, head, lo, hi float64, n int) report.CompareMetric {
	known := report.NewMetric(name)
	return report.CompareMetric{Name: name, Unit: known.Unit, Better: known.Better, Gate: gate, Verdict: verdict, Base: &base, Head: &head,
		Change: ptr(head - base), ChangeLo: &lo, ChangeHi: &hi, Pairs: n, Significant: lo > 0 || hi < 0}
}

// compareDoc is the document of a live comparison of two models.
func compareDoc(t *testing.T, verdict report.Verdict, ps []report.ComparePair, change func(*report.Document, *report.CompareDetails)) *report.Document {
	t.Helper()
	d := base(t, "compare", struct{}{})
	d.Verdict, d.Manifest.Model, d.Manifest.Bindings = verdict, nil, nil
	d.Manifest.Command = []string{"infer", "compare", "--a", "base/model.onnx", "--b", "model.onnx", "--gate", "latency_p99<=+5%"}
	c := report.CompareDetails{Mode: "live", Method: "paired blocks in ABBA order, exact signed-rank test",
		Base:  report.CompareSide{Name: "base/model.onnx", Kind: "model", Model: &report.ModelRef{Path: "base/model.onnx", SHA256: strings.Repeat("0123456789abcdef", 4), Bytes: 1_234_567}},
		Head:  report.CompareSide{Name: "model.onnx", Kind: "model", Model: &report.ModelRef{Path: "model.onnx", SHA256: strings.Repeat("fedcba9876543210", 4), Bytes: 1_234_571}},
		Alpha: 0.05, MinEffect: 0.01, Pairs: ps}
	if n := len(ps); n > 0 {
		c.Seconds, c.Looks, c.Shift = 6.8*float64(n), []report.CompareLook{{Pairs: n, Tail: 0.025}}, shiftOf(ps)
	}
	if change != nil {
		change(d, &c)
	}
	for _, m := range c.Metrics {
		if m.Gate != "" {
			d.Gates = append(d.Gates, report.GateResult{Expr: m.Gate, Verdict: m.Verdict, Reason: m.Reason})
		}
	}
	if err := d.SetDetails(c); err != nil {
		t.Fatal(err)
	}
	return d
}

func compareDocs(t *testing.T) map[string]*report.Document {
	t.Helper()
	return map[string]*report.Document{
		"compare-regressed": regressedDoc(t), "compare-ok": okDoc(t), "compare-inconclusive": inconclusiveDoc(t), "compare-not-comparable": notComparableDoc(t),
		"compare-forced": forcedDoc(t), "compare-baseline": baselineDoc(t), "compare-invalid": invalidCompareDoc(t), "compare-interrupted": interruptedCompareDoc(t),
	}
}

// regressedDoc is a model with one node made slower, its accuracy on labelled rows, and what moved.
func regressedDoc(t *testing.T) *report.Document {
	ps := livePairs(8, 1.12, 0.02)
	ps[2].Head.Disturbed, ps[5].Base.Invalid = []string{"cpu_steal"}, "41 runs in 3 s, p99 needs 368"
	return compareDoc(t, report.Regressed, ps, func(d *report.Document, c *report.CompareDetails) {
		p99 := pairMetricOf(ps, "latency_p99", "latency_p99<=+5%", report.Fail)
		p99.PValue, p99.PAdjusted, p99.Reason = ptr(0.0039), ptr(0.0078), "the whole interval lies above +5 %"
		through := pairMetricOf(ps, "throughput", "throughput>=-20%", report.Pass)
		through.PValue, through.PAdjusted, through.Reason = ptr(0.99), ptr(0.99), "the whole interval lies above -20 %"
		top1 := differenceOf("accuracy_top1", "accuracy_top1>=-0.5pt", report.GateInconclusive, 0.952, 0.950, -0.0065, 0.0025, 1000)
		top1.MDE, top1.Method, top1.Reason = ptr(0.0061), "tango", "the limit -0.5 pt lies inside the interval: label more rows"
		size := report.CompareMetric{Name: "model_bytes", Unit: "B", Better: "lower", Base: ptr(1_234_567.), Head: ptr(1_234_571.), Ratio: ptr(1_234_571. / 1_234_567), Pairs: 1, Method: "exact"}
		size.RatioLo, size.RatioHi, size.Significant = size.Ratio, size.Ratio, true
		c.Metrics = []report.CompareMetric{p99, through, top1, pairMetricOf(ps, "latency_p50", "", ""), size, {Name: "session_init", Unit: "s", Better: "lower", Base: ptr(0.0042)}}
		c.Explain = &report.CompareExplain{What: "nodes", Reading: "/conv2/Conv takes 96 % of what head takes longer.", Total: report.ExplainRow{Base: ptr(1.19e-3), Head: ptr(1.34e-3), Change: 0.15e-3, Lo: ptr(0.14e-3), Hi: ptr(0.163e-3)},
			Rows: []report.ExplainRow{{Name: "/conv2/Conv", Op: "Conv", Base: ptr(0.61e-3), Head: ptr(0.75e-3), Change: 0.14e-3, Lo: ptr(0.13e-3), Hi: ptr(0.15e-3), Share: 0.93},
				{Name: "/deliberately_slow/Pow", Op: "Pow", State: "added", Head: ptr(11e-6), Change: 11e-6, Share: 0.07},
				{Name: "/fc1/Gemm", Op: "Gemm", Base: ptr(0.3e-3), Head: ptr(0.301e-3), Change: 1e-6, Lo: ptr(-4e-6), Hi: ptr(6e-6), Share: 0.006},
				{Name: "/dropout/Identity", Op: "Identity", State: "removed", Base: ptr(2e-6), Change: -2e-6, Share: 1}}}
		c.Accuracy = &report.CompareAccuracy{Rows: 1000, Both: 943, Gained: 7, Lost: 9}
		c.Reason, c.Next = "latency_p99 is worse by more than the gate allows", &report.NextStep{Command: "infer inspect model.onnx --diff base/model.onnx", Why: "see what the change of the model is"}
		d.Add(metric("latency_p99", *p99.Head, 0.98**p99.Head, 1.03**p99.Head, 8))
	})
}

// okDoc is a comparison of two servers in which nothing moved.
func okDoc(t *testing.T) *report.Document {
	ps := livePairs(6, 1.004, 0.025)
	return compareDoc(t, report.OK, ps, func(d *report.Document, c *report.CompareDetails) {
		c.Base, c.Head = report.CompareSide{Name: "http://127.0.0.1:8000", Kind: "server"}, report.CompareSide{Name: "infer serve model.onnx --http :8010", Kind: "command"}
		p99 := pairMetricOf(ps, "latency_p99", "latency_p99<=+10%", report.Pass)
		p99.PValue, p99.Reason = ptr(0.6), "the whole interval lies below +10 %"
		c.Metrics = []report.CompareMetric{p99, pairMetricOf(ps, "latency_p50", "", ""), pairMetricOf(ps, "throughput", "", "")}
		d.Gates = []report.GateResult{{Expr: "latency_p50<20ms", Verdict: report.Pass, Reason: "latency_p50 is 1.25 ms [1.21, 1.29] (n=6), limit < 20 ms"}}
		c.Differs = []report.CompareDiffers{{What: "max-batch", Base: "", Head: "8", Allowed: true}}
		c.Explain = &report.CompareExplain{What: "phases", Reading: "no phase moved beyond noise", Rows: []report.ExplainRow{
			{Name: "queue", Base: ptr(0.2e-3), Head: ptr(0.21e-3), Change: 10e-6, Lo: ptr(-8e-6), Hi: ptr(28e-6), Share: 1}, {Name: "compute", Base: ptr(0.9e-3), Head: ptr(0.898e-3), Change: -2e-6, Lo: ptr(-12e-6), Hi: ptr(9e-6), Share: 1}}}
		c.Looks, c.Reason = []report.CompareLook{{Pairs: 4}, {Pairs: 6}}, "every gate holds"
	})
}

// inconclusiveDoc is a comparison on a noisy machine.
func inconclusiveDoc(t *testing.T) *report.Document {
	ps := livePairs(16, 1.03, 0.12)
	for _, i := range []int{1, 4, 5, 11, 13} {
		ps[i].Base.Disturbed, ps[i].Head.Disturbed = []string{"cpu_steal"}, []string{"cpu_pressure"}
	}
	return compareDoc(t, report.Inconclusive, ps, func(d *report.Document, c *report.CompareDetails) {
		p99 := pairMetricOf(ps, "latency_p99", "latency_p99<=+5%", report.GateInconclusive)
		p99.PValue, p99.Reason = ptr(0.31), "the limit +5 % lies inside the interval"
		c.Metrics = []report.CompareMetric{p99, pairMetricOf(ps, "throughput", "", "")}
		c.Looks, c.Reason = []report.CompareLook{{Pairs: 6}, {Pairs: 10}, {Pairs: 16}}, "after 16 pairs, within --max-time, the noise is larger than what the gate asks about"
		d.Warn("%s", "5 of 16 pairs were disturbed: cpu_steal, cpu_pressure")
	})
}

// fileSide is a side of documents.
func fileSide(name string, n int) report.CompareSide {
	s := report.CompareSide{Name: name, Kind: "files"}
	for i := range n {
		s.Runs = append(s.Runs, report.CompareRun{Path: fmt.Sprintf("%s/run-%d.json", name, i+1), SHA256: strings.Repeat("ab", 32), Kind: "profile", Created: "2026-11-22T09:00:00Z", Valid: true})
	}
	return s
}

func notComparableDoc(t *testing.T) *report.Document {
	return compareDoc(t, report.NotComparable, nil, func(d *report.Document, c *report.CompareDetails) {
		c.Mode, c.Base, c.Head = "files", fileSide("base", 1), fileSide("head", 1)
		c.Differs = []report.CompareDiffers{{What: "threads", Base: "2", Head: "4"}, {What: "machine", Base: "9f31c0 (AMD EPYC 7763)", Head: "77ab02 (Intel Xeon 8370C)"}}
		c.Reason, c.Next = "not comparable: threads 2 against 4; machine 9f31c0 (AMD EPYC 7763) against 77ab02 (Intel Xeon 8370C)", &report.NextStep{Command: "infer compare base.json head.json --vary threads", Why: "where that is what is compared"}
		d.Gates = []report.GateResult{{Expr: "latency_p99<=+5%", Verdict: report.GateInconclusive, Reason: c.Reason}}
	})
}

func forcedDoc(t *testing.T) *report.Document {
	return compareDoc(t, report.Regressed, nil, func(d *report.Document, c *report.CompareDetails) {
		c.Mode, c.Base, c.Head, c.Forced, c.Method = "files", fileSide("base", 5), fileSide("head", 4), true, "exact permutation of runs"
		c.Head.Runs[3].Valid, c.Head.Runs[3].Why = false, "cpu_throttled: 41 of 312 periods"
		c.Differs = []report.CompareDiffers{{What: "threads", Base: "2", Head: "4"}}
		m := report.CompareMetric{Name: "latency_p50", Unit: "s", Better: "lower", Gate: "latency_p50<=+5%", Verdict: report.Fail, Base: ptr(1.21e-3), Head: ptr(1.53e-3), Ratio: ptr(1.264),
			RatioLo: ptr(1.19), RatioHi: ptr(1.34), PValue: ptr(0.008), Pairs: 3, Significant: true, Method: "permutation", Reason: "the whole interval lies above +5 %"}
		batch := m
		batch.Gate, batch.Verdict, batch.Labels, batch.Reason = "", "", map[string]string{"batch": "8"}, ""
		c.Metrics, c.Reason = []report.CompareMetric{m, batch}, "latency_p50 is worse by more than the gate allows"
	})
}

// baselineDoc compares with a store of accepted runs, one regression in which was accepted.
func baselineDoc(t *testing.T) *report.Document {
	return compareDoc(t, report.OK, nil, func(d *report.Document, c *report.CompareDetails) {
		c.Mode, c.Base, c.Head, c.Method = "files", fileSide("git:refs/infer/baseline", 12), fileSide("run.json", 1), "prediction interval of one more run"
		m := report.CompareMetric{Name: "latency_p99", Unit: "s", Better: "lower", Gate: "latency_p99<=+5%", Verdict: report.Pass, Base: ptr(12.3e-3), Head: ptr(12.1e-3), Ratio: ptr(0.984),
			RatioLo: ptr(0.941), RatioHi: ptr(1.029), MDE: ptr(0.058), Pairs: 1, Method: "prediction", Reason: "within what accepted runs are"}
		rss := report.CompareMetric{Name: "peak_rss", Unit: "B", Better: "lower", Gate: "peak_rss<=+5%", Verdict: report.Pass, Base: ptr(48.2e6), Head: ptr(53.1e6), Ratio: ptr(53.1 / 48.2),
			RatioLo: ptr(1.09), RatioHi: ptr(1.12), Pairs: 1, Significant: true, Method: "prediction", Reason: "worse, and accepted up to 55 MB"}
		c.Metrics = []report.CompareMetric{m, rss}
		c.Baseline = &report.CompareBaseline{Spec: "git:refs/infer/baseline", Kind: "git", Runs: 12, Left: 3, Newest: "2026-11-20T12:00:00Z", Updated: true}
		c.Accepted = []report.Acceptance{{Metric: "peak_rss", Reason: "the new tokenizer keeps its table in memory", At: "2026-11-10T08:00:00Z", Until: ptr(55e6)}}
		c.Reason = "every gate holds, one by an accepted regression"
		d.Warn("the newest accepted run is 3 days old")
	})
}

func invalidCompareDoc(t *testing.T) *report.Document {
	ps := livePairs(2, 1.01, 0.3)
	return compareDoc(t, report.Invalid, ps, func(d *report.Document, c *report.CompareDetails) {
		m := pairMetricOf(ps, "latency_p99", "latency_p99<=+5%", report.GateInconclusive)
		m.Reason = "the blocks are not to be trusted"
		c.Metrics, c.Reason = []report.CompareMetric{m}, "head died after 2 pairs"
		d.AddCheck("head_answers", false, "http://127.0.0.1:8010: connection refused")
	})
}

func interruptedCompareDoc(t *testing.T) *report.Document {
	ps := livePairs(3, 1.05, 0.05)
	return compareDoc(t, report.Interrupted, ps, func(d *report.Document, c *report.CompareDetails) {
		m := pairMetricOf(ps, "latency_p99", "latency_p99<=+5%", report.GateInconclusive)
		m.RatioLo, m.RatioHi, m.MDE, m.Reason = nil, nil, nil, "3 pairs support no interval"
		c.Metrics, c.Reason = []report.CompareMetric{m}, "interrupted after 3 pairs"
		for i := range c.Shift {
			c.Shift[i].Lo, c.Shift[i].Hi = nil, nil
		}
	})
}

func TestGoldenCompare(t *testing.T) {
	docs := compareDocs(t)
	endings := map[string]string{"text": ".txt", "json": ".json", "markdown": ".md", "html": ".html", "csv": ".csv", "junit": ".xml"}
	for name, d := range docs {
		if err := d.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, format := range Formats() {
			if format == "json" && name != "compare-regressed" {
				continue // the page has it, too
			}
			golden(t, filepath.Join("testdata", name+endings[format]), render(t, d, format, Options{}))
		}
	}
	golden(t, "testdata/compare-regressed-120.txt", render(t, docs["compare-regressed"], "text", Options{Width: 120}))
	golden(t, "testdata/compare-regressed-ascii-60.txt", render(t, docs["compare-regressed"], "text", Options{Width: 60, ASCII: true}))
}

// hostileCompareDoc has the hostile name wherever a comparison has a name.
func hostileCompareDoc(t *testing.T) *report.Document {
	const h = hostile
	ps := livePairs(4, 1.1, 0.02)
	ps[0].Base.Disturbed, ps[1].Base.Invalid, ps[2].First = []string{h}, h, h
	return compareDoc(t, report.Regressed, ps, func(d *report.Document, c *report.CompareDetails) {
		m := pairMetricOf(ps, "latency_p99", h, report.Fail)
		m.Reason, m.Method = h, h
		other := m
		other.Name, other.Gate, other.Labels, other.Unit, other.Better = h, "", map[string]string{h: h}, h, h
		c.Metrics = []report.CompareMetric{m, other}
		side := report.CompareSide{Name: h, Kind: h, Model: &report.ModelRef{Path: h, SHA256: h}, Runs: []report.CompareRun{{Path: h, SHA256: h, Kind: h, Created: h, Why: h}}}
		c.Mode, c.Method, c.Base, c.Head, c.Forced = "live", h, side, side, true
		c.Differs = []report.CompareDiffers{{What: h, Base: h, Head: h}}
		c.Explain = &report.CompareExplain{What: h, Reading: h, Rows: []report.ExplainRow{{Name: h, Op: h, State: "changed operator"}}}
		c.Baseline = &report.CompareBaseline{Spec: h, Kind: h, Newest: h}
		c.Accepted = []report.Acceptance{{Metric: h, Reason: h, At: h}}
		c.Reason, c.Next = h, &report.NextStep{Command: h, Why: h}
		d.AddCheck(h, false, "%s", h)
	})
}

// The line that everybody reads.
func TestCompareHeadline(t *testing.T) {
	gated := func(verdict string) report.CompareMetric {
		return report.CompareMetric{Name: "latency_p99", Unit: "s", Better: "lower", Gate: "latency_p99 <= +5%", Verdict: verdict, Base: ptr(0.0123), Head: ptr(0.0138),
			Ratio: ptr(1.123), RatioLo: ptr(1.098), RatioHi: ptr(1.151), MDE: ptr(0.062), Pairs: 8, Significant: true}
	}
	absolute := gated(report.Fail)
	absolute.Gate = "latency_p99<10ms"
	size := report.CompareMetric{Name: "model_bytes", Unit: "B", Better: "lower", Gate: "model_bytes<=+1%", Verdict: report.Fail, Base: ptr(100.), Head: ptr(102.), Ratio: ptr(1.02), Pairs: 1, Method: "exact"}
	through := report.CompareMetric{Name: "throughput", Unit: "1/s", Better: "higher", Gate: "throughput>=-3%", Verdict: report.Pass, Ratio: ptr(0.997), RatioLo: ptr(0.985), RatioHi: ptr(1.01), MDE: ptr(0.021), Pairs: 8}
	top1 := differenceOf("accuracy_top1", "accuracy_top1>=-0.5pt", report.GateInconclusive, 0.95, 0.948, -0.0065, 0.0025, 1000)
	top1.MDE, top1.Method = ptr(0.0061), "tango"
	improve, lacks := gated(report.Fail), report.CompareMetric{Name: "latency_p90", Unit: "s", Gate: "p90<=+5%", Verdict: report.GateInconclusive, Reason: "was not measured"}
	improve.Gate = "p99<=-20%"
	open := gated(report.GateInconclusive)
	batch := func(size, verdict string) report.CompareMetric {
		m := gated(verdict)
		m.Labels = map[string]string{"batch": size}
		return m
	}
	for _, c := range []struct {
		verdict report.Verdict
		mode    string
		metrics []report.CompareMetric
		want    string
	}{
		{report.Regressed, "live", []report.CompareMetric{through, gated(report.Fail)}, "latency_p99 +12.3 % [+9.8, +15.1] (8 pairs), gate <=+5%"},
		{report.Regressed, "files", []report.CompareMetric{gated(report.Fail), size}, "latency_p99 +12.3 % [+9.8, +15.1] (8 runs a side), gate <=+5%; and 1 gate more"},
		{report.Regressed, "live", []report.CompareMetric{improve}, "gate missed: latency_p99 +12.3 % [+9.8, +15.1] (8 pairs), not -20%"},
		{report.Inconclusive, "live", []report.CompareMetric{open, lacks}, "latency_p90 was not measured on both sides, gate <=+5%; and 1 gate more"},
		{report.FailedGate, "live", []report.CompareMetric{absolute}, "latency_p99 13.8 ms, gate <10ms"},
		{report.Regressed, "files", []report.CompareMetric{size}, "model_bytes +2.0 %, gate <=+1%"},
		{report.OK, "live", []report.CompareMetric{gated(report.Pass)}, "latency_p99 +12.3 % [+9.8, +15.1] (8 pairs), gate <=+5%, would have caught +6.2 %"},
		{report.OK, "live", []report.CompareMetric{through}, "throughput -0.3 % [-1.5, +1.0] (8 pairs), gate >=-3%, would have caught -2.1 %"},
		{report.Inconclusive, "live", []report.CompareMetric{gated(report.Pass), top1}, "accuracy_top1 -0.20 pt [-0.65, +0.25] (1000 rows), gate >=-0.5pt, would catch -0.61 pt"},
		{report.OK, "files", []report.CompareMetric{{Name: "peak_rss", Unit: "B"}}, "peak_rss was not measured on both sides; no gate judges it"},
		{report.Regressed, "files", []report.CompareMetric{batch("1", report.Pass), batch("8", report.Fail)}, "latency_p99{batch=8} +12.3 % [+9.8, +15.1] (8 runs a side), gate <=+5%"},
		{report.OK, "files", nil, "a reason"},
		{report.Invalid, "live", []report.CompareMetric{gated(report.GateInconclusive)}, "a reason"},
		{report.Interrupted, "live", []report.CompareMetric{gated(report.GateInconclusive)}, "after 8 pairs: latency_p99 +12.3 % [+9.8, +15.1] (8 pairs), gate <=+5%, would catch +6.2 %"},
	} {
		d := report.New("compare")
		d.Verdict = c.verdict
		for _, m := range c.metrics {
			if n := len(d.Gates); n > 0 && d.Gates[n-1].Expr == m.Gate {
				d.Gates[n-1].Verdict = m.Verdict // one gate over a sweep: the last decides
			} else if m.Gate != "" {
				d.Gates = append(d.Gates, report.GateResult{Expr: m.Gate, Verdict: m.Verdict})
			}
		}
		if got := newComparison(d, report.CompareDetails{Mode: c.mode, Metrics: c.metrics, Reason: "a reason."}).headline(); got != c.want {
			t.Errorf("%s of %s: %q, want %q", c.verdict, c.mode, got, c.want)
		}
	}
}

// Every change has a word for its direction, an interval in its unit, and as many digits as tell it from none.
func TestChangeText(t *testing.T) {
	for _, c := range []struct {
		m                   report.CompareMetric
		change, between, to string
	}{
		{report.CompareMetric{Name: "latency_p99", Unit: "s", Better: "lower", Ratio: ptr(1.123), RatioLo: ptr(1.098), RatioHi: ptr(1.151)}, "+12.3 %", "[+9.8, +15.1]", worse},
		{report.CompareMetric{Name: "latency_p99", Unit: "s", Better: "lower", Ratio: ptr(0.5)}, "-50.0 %", "", better},
		{report.CompareMetric{Name: "throughput", Unit: "1/s", Better: "higher", Ratio: ptr(20.), RatioLo: ptr(19.), RatioHi: ptr(21.)}, "+1900 %", "[+1800, +2000]", better},
		{report.CompareMetric{Name: "throughput", Unit: "1/s", Better: "higher", Ratio: ptr(1.00031), RatioLo: ptr(1.0003), RatioHi: ptr(1.00032)}, "+0.031 %", "[+0.030, +0.032]", better},
		{report.CompareMetric{Name: "model_bytes", Unit: "B", Better: "lower", Ratio: ptr(1.000003), RatioLo: ptr(1.000003), RatioHi: ptr(1.000003)}, "+0.0003 %", "", worse},
		{report.CompareMetric{Name: "model_bytes", Unit: "B", Better: "lower", Ratio: ptr(1.)}, "0.0 %", "", ""},
		{report.CompareMetric{Name: "accuracy_top1", Unit: "1", Better: "higher", Change: ptr(-0.0052), ChangeLo: ptr(-0.0091), ChangeHi: ptr(-0.0013)}, "-0.52 pt", "[-0.91, -0.13]", worse},
		{report.CompareMetric{Name: "latency_p50", Unit: "s", Better: "lower", Change: ptr(1.5e-3), ChangeLo: ptr(1e-3), ChangeHi: ptr(2e-3)}, "+1.50 ms", "[1.00, 2.00]", worse},
		{report.CompareMetric{Name: "batch_size_mean", Unit: "1", Ratio: ptr(1.5)}, "+50.0 %", "", ""},
		{report.CompareMetric{Name: "latency_p50", Unit: "s", Better: "lower", Base: ptr(1.)}, "—", "", ""},
		{report.CompareMetric{Name: "latency_p50", Unit: "s", Better: "lower", Ratio: ptr(math.MaxFloat64)}, "— %", "", worse},
	} {
		change, between := changeText(c.m)
		if to := direction(c.m); change != c.change || between != c.between || to != c.to {
			t.Errorf("%s: %q %q %q, want %q %q %q", c.m.Name, change, between, to, c.change, c.between, c.to)
		}
	}
}

// With this noise and this change, twice as near the limit takes four times the pairs.
func TestPairsNeeded(t *testing.T) {
	for _, c := range []struct {
		ratio, half float64
		want        int
	}{{1.00, math.Log(1.05) * 1.5, 18}, {1.00, math.Log(1.05) * 3, 72}, {1.05, 0.1, 0}, {1.049, 0.1, 0}} {
		m := report.CompareMetric{Gate: "latency_p99<=+5%", Verdict: report.GateInconclusive, Pairs: 8, Ratio: &c.ratio,
			RatioLo: ptr(c.ratio * math.Exp(-c.half)), RatioHi: ptr(c.ratio * math.Exp(c.half))}
		if got := newComparison(report.New("compare"), report.CompareDetails{Metrics: []report.CompareMetric{m}}).pairsNeeded(); got != c.want {
			t.Errorf("ratio %g, half width %g: %d pairs, want %d", c.ratio, c.half, got, c.want)
		}
	}
}

// The Markdown is a comment: it is found again by its marker, and no table of it is longer than ten rows.
func TestCompareMarkdown(t *testing.T) {
	for id, want := range map[string]string{"": "<!-- infer:report:compare -->", "bert-1": "<!-- infer:report:compare:bert-1 -->", "a b-->": "<!-- infer:report:compare:a?b--? -->"} {
		if first, _, _ := strings.Cut(render(t, regressedDoc(t), "markdown", Options{ID: id}), "\n"); first != want {
			t.Errorf("id %q: first line %q, want %q", id, first, want)
		}
	}
	for name, d := range compareDocs(t) {
		rows := 0
		for l := range strings.Lines(render(t, d, "markdown", Options{})) {
			if !strings.HasPrefix(l, "|") {
				rows = 0
			} else if rows++; rows > markdownRows+2 {
				t.Errorf("%s: a table has more than %d rows", name, markdownRows)
				break
			}
		}
	}
}

// The kinds of a gate's outcome, as continuous-integration servers tell them apart.
func TestCompareJUnit(t *testing.T) {
	docs := compareDocs(t)
	for _, c := range []struct {
		doc                                string
		strict                             bool
		tests, failures, errs, skipped     int
		kind, name, message, propertyValue string
	}{
		{"compare-regressed", false, 3, 1, 0, 1, "regression", "latency_p99<=+5%", "latency_p99 +15.0 % [+13.5, +16.5] (8 pairs): the whole interval lies above +5 %", "lower"},
		{"compare-regressed", true, 3, 2, 0, 0, "inconclusive", "accuracy_top1>=-0.5pt", "accuracy_top1 -0.20 pt [-0.65, +0.25] (1000 rows): the limit -0.5 pt lies inside the interval: label more rows", "higher"},
		{"compare-ok", false, 2, 0, 0, 0, "", "", "", ""},
		{"compare-inconclusive", false, 1, 0, 0, 1, "", "", "", ""},
		{"compare-invalid", false, 1, 0, 1, 0, "untrusted", "latency_p99<=+5%", "invalid: head died after 2 pairs", "lower"},
		{"compare-not-comparable", false, 1, 0, 1, 0, "untrusted", "latency_p99<=+5%", "not_comparable: threads 2 against 4, machine 9f31c0 (AMD EPYC 7763) against 77ab02 (Intel Xeon 8370C)", ""},
	} {
		var all testSuites
		if err := xml.Unmarshal([]byte(render(t, docs[c.doc], "junit", Options{Strict: c.strict})), &all); err != nil {
			t.Fatal(err)
		}
		if all.Tests != c.tests || all.Failures != c.failures || all.Errors != c.errs || all.Skipped != c.skipped {
			t.Errorf("%s: %d tests, %d failures, %d errors, %d skipped; want %d, %d, %d, %d", c.doc, all.Tests, all.Failures, all.Errors, all.Skipped, c.tests, c.failures, c.errs, c.skipped)
		}
		for _, x := range all.Suites[0].Cases {
			m := x.Failure
			if x.Error != nil {
				m = x.Error
			}
			if x.Name == c.name && (m == nil || m.Type != c.kind || m.Message != c.message) {
				t.Errorf("%s: %s is %+v, want %s: %s", c.doc, x.Name, m, c.kind, c.message)
			}
			if x.Name == c.name && c.propertyValue != "" && !slices.Contains(x.Properties.List, property{"better", c.propertyValue}) {
				t.Errorf("%s: %s has properties %+v", c.doc, x.Name, x.Properties)
			}
		}
	}
}

func TestCompareCSV(t *testing.T) {
	rows, err := csv.NewReader(strings.NewReader(render(t, regressedDoc(t), "csv", Options{}))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(rows[0], " "); got != "name labels unit better base head ratio difference lo hi p mde n gate verdict" {
		t.Errorf("head %q", got)
	}
	for _, want := range [][]string{
		{"accuracy_top1", "", "1", "higher", "0.952", "0.95", "", "-0.0020000000000000018", "-0.0065", "0.0025", "", "0.0061", "1000", "accuracy_top1>=-0.5pt", "inconclusive"},
		{"session_init", "", "s", "lower", "0.0042", "", "", "", "", "", "", "", "0", "", ""},
	} {
		if !slices.ContainsFunc(rows, func(r []string) bool { return slices.Equal(r, want) }) {
			t.Errorf("no row %q in %q", want, rows)
		}
	}
}

// A page of the longest comparison is one that can be sent around.
func TestComparePageSize(t *testing.T) {
	ps := livePairs(64, 1.1, 0.05)
	d := compareDoc(t, report.Regressed, ps, func(_ *report.Document, c *report.CompareDetails) {
		c.Metrics = []report.CompareMetric{pairMetricOf(ps, "latency_p99", "latency_p99<=+5%", report.Fail)}
	})
	if n := len(render(t, d, "html", Options{})); n > 300_000 {
		t.Errorf("%d bytes", n)
	}
}

// TestCompareAdvice: more pairs are no advice for a gate on what was not measured.
func TestCompareAdvice(t *testing.T) {
	lacks := report.CompareMetric{Name: "latency_p99", Gate: "latency_p99<=+5%", Verdict: report.GateInconclusive, Reason: "was not measured"}
	c := report.CompareDetails{Mode: "live", Metrics: []report.CompareMetric{lacks}}
	if got := newComparison(report.New("compare"), c).advice(); !strings.Contains(got, "latency_p99 was not measured") || strings.Contains(got, "more pairs") {
		t.Error(got)
	}
}

// TestDecisionJUnitInvalid: what a configuration that is not to be trusted keeps is no failure, and none of kind "pass".
func TestDecisionJUnitInvalid(t *testing.T) {
	d := report.New("report")
	d.Verdict = report.Invalid
	x := report.DecisionDetails{Configs: []report.DecisionConfig{{Name: "a", Why: "drift", SLO: []report.DecisionObjective{
		{Expr: "p99<1s", Verdict: report.Pass, Reason: "holds"}, {Expr: "p99<1ms", Verdict: report.Fail, Reason: "missed"}}}}, SLO: []string{"p99<1s", "p99<1ms"}}
	if err := d.SetDetails(x); err != nil {
		t.Fatal(err)
	}
	out := render(t, d, "junit", Options{})
	if strings.Contains(out, `type="pass"`) || strings.Count(out, `<failure type="invalid"`) != 2 { // the verdict, and what was missed
		t.Error(out)
	}
}
