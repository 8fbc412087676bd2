package tune

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"infer/internal/fault"
	"infer/internal/stats"
	"infer/report"
)

// confidence of every interval that is told.
const confidence = 0.95

// standing is how a trial stands to the SLOs.
type standing struct {
	verdict string  // report.Pass, Fail or GateInconclusive; "" without SLOs
	reason  string  // of what is not a pass
	doubt   bool    // inconclusive, and what is known speaks against it
	beyond  float64 // how far the worst of the measured values is on the wrong side of its limit, as a logarithm; 0: none is
}

// class orders standings for the race: what may hold the SLOs, what likely does not, what surely does not.
func (s standing) class() int {
	switch {
	case s.verdict == report.Fail:
		return 2
	case s.doubt:
		return 1
	}
	return 0
}

// timedMetrics are the metrics that blocks are judged by.
func timedMetrics() []string {
	return []string{"latency_mean", "latency_p50", "latency_p90", "latency_p95", "latency_p99", "latency_max", "throughput", "peak_rss"}
}

// checkSLOs refuses the gates that no block and no fact can decide.
func checkSLOs(slos []report.Gate, facts []report.Metric) error {
	known := timedMetrics()
	for _, m := range facts {
		if !slices.Contains(known, m.Name) {
			known = append(known, m.Name)
		}
	}
	for _, g := range slos {
		if len(g.Labels) > 0 {
			return fault.New(fault.Usage, "leave the labels out: settings are told apart by their knobs", "the SLO %q has labels", g.Expr)
		}
		if g.Relative {
			return fault.New(fault.Usage, "leave the sign out", "the SLO %q is a change against a base, and there is no base here", g.Expr)
		}
		if !slices.Contains(known, g.Metric) {
			return fault.New(fault.Usage, "use one of "+strings.Join(known, " "), "the SLO %q: a search does not measure %s", g.Expr, g.Metric)
		}
	}
	return nil
}

// stand judges t by its weighed samples.
func stand(t *trial, slos []report.Gate) standing {
	if len(slos) == 0 {
		return standing{}
	}
	samples := t.weighed()
	d := report.New("tune")
	d.Add(metrics(samples)...)
	d.Add(t.facts...)
	values, runs := rough(samples, t.facts), seconds(samples)
	s := standing{verdict: report.Pass}
	for _, g := range slos {
		r, miss := g.Eval(d), beyond(g, values)
		verdict, reason, doubt := r.Verdict, r.Reason, miss > 0
		if p, ok := percentile(g.Metric); ok && verdict == report.GateInconclusive && g.Op[0] == '<' {
			verdict, reason, doubt = tail(g, runs, p, reason)
		}
		s.beyond = max(s.beyond, miss)
		s.doubt = s.doubt || verdict == report.GateInconclusive && doubt
		if verdict == report.Fail && s.verdict != report.Fail || verdict != report.Pass && s.verdict == report.Pass {
			s.verdict, s.reason = verdict, reason
		}
	}
	return s
}

// tail judges a percentile by how many runs were above its limit, where there are too few runs for an interval: few are
// enough to prove a miss, by the binomial tail that the interval's lower end is by.
func tail(g report.Gate, runs []float64, p float64, reason string) (verdict, why string, doubt bool) {
	n := len(runs)
	at, _ := slices.BinarySearch(runs, g.Limit)
	if g.Op == "<=" {
		at, _ = slices.BinarySearch(runs, math.Nextafter(g.Limit, math.Inf(1)))
	}
	above := n - at
	chance := stats.AtLeast(float64(above), float64(n), 1-p)
	if above > 0 && chance <= (1-confidence)/2 {
		return report.Fail, fmt.Sprintf("%d of %d runs miss %s", above, n, g.Expr), false
	}
	return report.GateInconclusive, reason, above > 0 && chance <= 0.25
}

// percentile returns the p of latency_p99.
func percentile(metric string) (float64, bool) {
	digits, ok := strings.CutPrefix(metric, "latency_p")
	p, err := strconv.ParseFloat("0."+digits, 64)
	return p, ok && err == nil && p > 0 && p < 1
}

// beyond is how far the value of a gate's metric is on the wrong side, as a logarithm; 0 where it is not, or not known.
func beyond(g report.Gate, values map[string]float64) float64 {
	v := values[g.Metric]
	if v <= 0 || g.Limit <= 0 {
		return 0
	}
	x := math.Log(v / g.Limit)
	if g.Op[0] == '>' {
		x = -x
	}
	return max(0, x)
}

// estimates are what samples show, by metric.
func estimates(samples []sample) map[string]stats.Estimate {
	runs := seconds(samples)
	out := map[string]stats.Estimate{"latency_mean": stats.Mean(inTime(samples), confidence), "throughput": throughput(samples)}
	for _, name := range timedMetrics() {
		if p, ok := percentile(name); ok {
			out[name] = stats.Quantile(runs, p, confidence)
		}
	}
	return out
}

// rough are the values of metrics whether or not they have an interval, to tell settings apart by.
func rough(samples []sample, facts []report.Metric) map[string]float64 {
	out := map[string]float64{"peak_rss": peak(samples), "latency_max": longest(samples)}
	for name, e := range estimates(samples) {
		out[name] = e.Value
	}
	for _, m := range facts {
		if m.Value != nil {
			out[m.Name] = *m.Value
		}
	}
	return out
}

// metrics are what samples show, without a value where they are too few for an interval.
func metrics(samples []sample) []report.Metric {
	var out []report.Metric
	all := estimates(samples)
	for _, name := range timedMetrics() {
		if e, ok := all[name]; ok {
			m := report.NewMetric(name)
			if m.N = e.N; e.OK {
				m.Value, m.Lo, m.Hi, m.Confidence = &e.Value, &e.Lo, &e.Hi, confidence
			}
			out = append(out, m)
		}
	}
	if x := longest(samples); x > 0 {
		out = append(out, report.Exact("latency_max", x))
	}
	if x := peak(samples); x > 0 {
		out = append(out, report.Exact("peak_rss", x))
	}
	return out
}

// throughput is the median of blocks.
func throughput(samples []sample) stats.Estimate {
	var rates []float64
	for _, s := range samples {
		rates = append(rates, s.block.Throughput)
	}
	return stats.Quantile(stats.Sorted(rates), 0.5, confidence)
}

// peak is the most memory of a block, bytes.
func peak(samples []sample) (most float64) {
	for _, s := range samples {
		most = max(most, s.block.PeakRSS)
	}
	return most
}

// longest is the longest run.
func longest(samples []sample) (most float64) {
	for _, x := range inTime(samples) {
		most = max(most, x)
	}
	return most
}
