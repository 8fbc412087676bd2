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
	for i := range configs {
		if metricOf(&configs[i], "latency_p99") == nil && metricOf(&configs[i], "latency_p50") != nil {
			return "latency_p50"
		}
	}
	return "latency_p99"
}

// markFront says of every configuration that can be believed whether another one dominates it: is better in accuracy or
// latency, beyond the interval of the difference and the noise between runs, and not worse in the other. What no interval
// tells apart is tied, and both are on the front.
func markFront(x *report.DecisionDetails) {
	latency := latencyName(x.Configs)
	placed := func(c *report.DecisionConfig) bool {
		return c.Valid && metricOf(c, latency) != nil && metricOf(c, x.Quality) != nil
	}
	for i := range x.Configs {
		c := &x.Configs[i]
		c.Front, c.Dominated = placed(c), ""
		for j := range x.Configs {
			o := &x.Configs[j]
			if i == j || !placed(c) || !placed(o) || c.Dominated != "" {
				continue
			}
			quick := quicker(*metricOf(o, latency), *metricOf(c, latency))
			good := moreAccurate(o, c, x.Quality)
			if quick >= 0 && good >= 0 && quick+good > 0 {
				c.Front, c.Dominated = false, o.Name
			}
		}
	}
}

// quicker is 1 where a is a lower time than b for sure, -1 where b is, 0 where they cannot be told apart.
func quicker(a, b report.Metric) int {
	q := stats.Quotient(estimate(a), estimate(b))
	switch {
	case !q.OK:
		return 0
	case q.Hi < 1-runNoise:
		return 1
	case q.Lo > 1/(1-runNoise):
		return -1
	}
	return 0
}

// moreAccurate is 1 where a is more accurate than b for sure, -1 where b is, 0 where they cannot be told apart.
func moreAccurate(a, b *report.DecisionConfig, name string) int {
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
