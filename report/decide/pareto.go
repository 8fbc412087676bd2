package decide

import (
	"math"

	"infer/internal/stats"
	"infer/report"
)

// runNoise is by how much two runs of the same thing differ with nothing changed, which the interval of a single run does
// not see: what is nearer than that is not told apart. Ref: repeated runs on shared machines, docs/benchmarks.md.
const runNoise = 0.05

// quality is the metric that stands for accuracy in the front: the accuracy where any configuration has one, else the
// agreement with the base; "" where there is neither.
func quality(configs []report.DecisionConfig) string {
	for _, name := range []string{"accuracy_top1", "agreement_top1"} {
		for i := range configs {
			if metricOf(&configs[i], name) != nil {
				return name
			}
		}
	}
	return ""
}

// latencyName is the metric of the front's other axis: p99, or p50 where not every configuration has a p99.
func latencyName(configs []report.DecisionConfig) string {
	loaded := loadTested(configs)
	for i := range configs {
		if loaded && len(configs[i].Curve) == 0 {
			continue
		}
		if metricOf(&configs[i], "latency_p99") == nil && metricOf(&configs[i], "latency_p50") != nil {
			return "latency_p50"
		}
	}
	return "latency_p99"
}

// markFront says of every configuration that can be believed whether another one dominates it: is better in accuracy or
// latency, beyond the interval of the difference and the noise between runs, and not worse in the other. What no interval
// tells apart is tied, and both are on the front. Where there are load tests, what has none has no place.
func markFront(x *report.DecisionDetails) {
	latency, loaded := latencyName(x.Configs), loadTested(x.Configs)
	placed := func(c *report.DecisionConfig) bool {
		return c.Valid && len(c.Curve) > 0 == loaded && metricOf(c, latency) != nil && metricOf(c, x.Quality) != nil
	}
	for i := range x.Configs {
		c := &x.Configs[i]
		c.Front, c.Dominated = placed(c), ""
		for j := range x.Configs {
			o := &x.Configs[j]
			if i == j || !placed(c) || !placed(o) || c.Dominated != "" {
				continue
			}
			quick := quicker(o, c, latency)
			good := moreAccurate(o, c, x.Quality)
			if quick >= 0 && good >= 0 && quick+good > 0 {
				c.Front, c.Dominated = false, o.Name
			}
		}
	}
}

// quicker is 1 where a has a lower latency than b for sure, -1 where b has, 0 where they cannot be told apart: latency
// grows with the load, so that a lower one at a lower load says nothing.
func quicker(a, b *report.DecisionConfig, latency string) int {
	q := stats.Quotient(estimate(*metricOf(a, latency)), estimate(*metricOf(b, latency)))
	switch {
	case !q.OK:
		return 0
	case q.Hi < 1-runNoise && !lessLoad(a, b):
		return 1
	case q.Lo > 1/(1-runNoise) && !lessLoad(b, a):
		return -1
	}
	return 0
}

// lessLoad reports whether a was measured at a lower load than b.
func lessLoad(a, b *report.DecisionConfig) bool {
	x, y := metricOf(a, "throughput"), metricOf(b, "throughput")
	return x != nil && y != nil && *x.Value*rowsOf(a) < (1-runNoise)**y.Value*rowsOf(b)
}

// moreAccurate is 1 where a is more accurate than b for sure, -1 where b is, 0 where they cannot be told apart.
func moreAccurate(a, b *report.DecisionConfig, name string) int {
	if sameModel(a, b) {
		return 0
	}
	d := stats.Difference(estimate(*metricOf(a, name)), estimate(*metricOf(b, name)))
	if da, db := metricOf(a, "accuracy_drop"), metricOf(b, "accuracy_drop"); name == "accuracy_top1" && da != nil && db != nil {
		switch { // counted on the same rows, a difference is known better than from two accuracies
		case db.Method == isBase:
			d = negative(estimate(*da))
		case da.Method == isBase:
			d = estimate(*db)
		}
	}
	switch {
	case !d.OK:
		return 0
	case d.Lo > 0:
		return 1
	case d.Hi < 0:
		return -1
	}
	return 0
}

// estimate is a metric as stats knows it; without an interval it is not OK, unless it is exact.
func estimate(m report.Metric) stats.Estimate {
	e := stats.Estimate{Value: math.NaN(), N: m.N, Confidence: 0.95}
	if m.Value == nil {
		return e
	}
	e.Value = *m.Value
	e.Lo, e.Hi = ends(m)
	e.OK = m.Lo != nil && m.Hi != nil || m.Method == "exact" || m.Method == "count" || m.Method == isBase
	return e
}

func negative(e stats.Estimate) stats.Estimate {
	e.Value, e.Lo, e.Hi = -e.Value, -e.Hi, -e.Lo
	return e
}
