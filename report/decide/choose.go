package decide

import (
	"math"

	"infer/report"
)

// choose picks among configurations that meet every objective: the cheapest for the demand, or a million inferences; with
// no price that of the fewest replicas, then of the highest throughput. What is within the noise between runs is equal,
// and more headroom decides, then a lower latency; at last the order in which they were named.
func choose(list []*report.DecisionConfig) *report.DecisionConfig {
	keep := func(tolerance float64, of func(*report.DecisionConfig) (float64, bool)) {
		best := math.Inf(1)
		for _, c := range list {
			if v, ok := of(c); ok {
				best = min(best, v)
			}
		}
		if math.IsInf(best, 1) {
			return
		}
		var left []*report.DecisionConfig
		for _, c := range list {
			if v, ok := of(c); ok && v <= best+tolerance*math.Abs(best) {
				left = append(left, c)
			}
		}
		list = left
	}
	keep(0, func(c *report.DecisionConfig) (float64, bool) { return orZero(c.Hourly), c.Hourly != nil })
	keep(runNoise, func(c *report.DecisionConfig) (float64, bool) { return value(c.Cost), c.Cost != nil })
	keep(0, func(c *report.DecisionConfig) (float64, bool) { return float64(c.Replicas), c.Replicas > 0 })
	keep(runNoise, func(c *report.DecisionConfig) (float64, bool) { return -value(c.AtSLO), c.AtSLO != nil })
	keep(0, func(c *report.DecisionConfig) (float64, bool) {
		h := leastHeadroom(c.SLO)
		return -h, !math.IsInf(h, 1)
	})
	for _, name := range []string{"latency_p99", "latency_p50"} {
		keep(0, func(c *report.DecisionConfig) (float64, bool) {
			m := metricOf(c, name)
			if m == nil {
				return 0, false
			}
			return *m.Value, true
		})
	}
	return list[0]
}

func orZero(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

func value(l *report.Level95) float64 {
	if l == nil {
		return 0
	}
	return l.Value
}

// closest is the configuration that comes nearest to the objectives: a valid one before others, an inconclusive one
// before one that misses them, then that which fails clearly fewer requests, then that which misses by least. Nil of none.
func closest(configs []report.DecisionConfig) *report.DecisionConfig {
	var best *report.DecisionConfig
	for i := range configs {
		if c := &configs[i]; best == nil || nearer(c, best) {
			best = c
		}
	}
	return best
}

func nearer(a, b *report.DecisionConfig) bool {
	if a.Valid != b.Valid {
		return a.Valid
	}
	if ra, rb := rank(a.Verdict), rank(b.Verdict); ra != rb {
		return ra < rb
	}
	if ma, mb := unmeasured(a), unmeasured(b); ma != mb {
		return ma < mb
	}
	if fa, fb := failed(a), failed(b); math.Abs(fa-fb) > muchFailed {
		return fa < fb
	}
	return leastHeadroom(a.SLO) > leastHeadroom(b.SLO)
}

// muchFailed is a difference in the shares of failed requests beyond which latencies, which are those of the answered
// ones, say nothing about which of two servers is the better one.
const muchFailed = 0.03

// failed is the share of requests that failed or were refused, 0 where that is not known.
func failed(c *report.DecisionConfig) float64 {
	if m := metricOf(c, "error_rate"); m != nil {
		return *m.Value
	}
	return 0
}

// unmeasured counts the objectives of which nothing is known.
func unmeasured(c *report.DecisionConfig) int {
	n := 0
	for _, o := range c.SLO {
		if o.Measured == nil {
			n++
		}
	}
	return n
}
