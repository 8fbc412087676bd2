package decide

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"infer/internal/stats"
	"infer/report"
)

// change compares two configurations in what decides: latency, throughput and failed requests at one and the same load,
// throughput within the objectives, cost, accuracy, size, memory. What one of them lacks is left out; that there is no load
// in common, and that latency is not that of the same share of requests, is in the notes. demand is the rate to plan for,
// 1/s; 0: none.
func change(base, head *report.DecisionConfig, demand float64) report.DecisionStep {
	s := report.DecisionStep{From: base.Name, To: head.Name, Metrics: []report.CompareMetric{}}
	loaded(&s, base, head, demand)
	s.Metrics = appendRatio(s.Metrics, ofLevel("throughput_at_slo", "1/s", "higher", base.AtSLO), ofLevel("throughput_at_slo", "1/s", "higher", head.AtSLO))
	s.Metrics = appendRatio(s.Metrics, ofLevel("cost_per_million", "1", "lower", base.Cost), ofLevel("cost_per_million", "1", "lower", head.Cost))
	s.Metrics = appendAccuracy(s.Metrics, base, head)
	for _, name := range []string{"model_bytes", "peak_rss", "session_init"} {
		s.Metrics = appendRatio(s.Metrics, metricOf(base, name), metricOf(head, name))
	}
	return s
}

// relative is the change of c against the base; of what depends on the load where both are judged at the same one, so that
// it is the change of the figures that stand beside it.
func relative(base, c *report.DecisionConfig, demand float64) []report.CompareMetric {
	s := change(base, c, demand)
	if s.At == "" || s.At == judgedAt(base) && s.At == judgedAt(c) {
		return s.Metrics
	}
	return slices.DeleteFunc(s.Metrics, func(m report.CompareMetric) bool { return atLoad(m.Name) })
}

// judgedAt is the name of the load that the figures of c are of, "" of one without a load test.
func judgedAt(c *report.DecisionConfig) string {
	if len(c.Curve) == 0 {
		return ""
	}
	return cmp.Or(c.At, nameOf(c.Curve[0]))
}

// loaded compares what depends on the load. Without any load test there is but one: one caller after the other.
func loaded(s *report.DecisionStep, base, head *report.DecisionConfig, demand float64) {
	a, b := base, head
	switch {
	case len(base.Curve) == 0 && len(head.Curve) == 0:
	case len(base.Curve) == 0 || len(head.Curve) == 0:
		s.Notes = append(s.Notes, "no latency: only one of the two has a load test, and without a load nobody waits")
		return
	default:
		p, ok := commonLoad(base, head, demand)
		if !ok {
			s.Notes = append(s.Notes, fmt.Sprintf("no latency: no load test of both was at the same load (%s; %s)", loadsOf(base), loadsOf(head)))
			return
		}
		s.At = nameOf(p)
		a, b = atPoint(base, p), atPoint(head, p)
	}
	answered := ofAnswered(a, b)
	if answered != "" {
		s.Notes = append(s.Notes, answered)
	}
	for _, name := range []string{"latency_p50", "latency_p99"} {
		before := len(s.Metrics)
		s.Metrics = appendRatio(s.Metrics, metricOf(a, name), metricOf(b, name))
		if answered != "" && len(s.Metrics) > before { // neither better nor worse: a server that answers more has more to do
			m := &s.Metrics[before]
			m.Better, m.Reason = "", answered
		}
	}
	if s.At == "" {
		return
	}
	s.Metrics = appendRatio(s.Metrics, metricOf(a, "throughput"), metricOf(b, "throughput"))
	s.Metrics = appendErrors(s.Metrics, metricOf(a, "error_rate"), metricOf(b, "error_rate"))
}

// commonLoad is a load that both were tested at: the demanded rate, else the one at which both are judged, else the
// heaviest. Only trials of searches, which are short, do not count.
func commonLoad(a, b *report.DecisionConfig, demand float64) (report.LoadPoint, bool) {
	var list []report.LoadPoint
	for _, p := range a.Curve {
		if slices.ContainsFunc(b.Curve, func(o report.LoadPoint) bool { return key(o) == key(p) }) && tested(a, p) && tested(b, p) {
			list = append(list, p)
		}
	}
	if len(list) == 0 {
		return report.LoadPoint{}, false
	}
	judged := func(p report.LoadPoint) bool { return judgedAt(a) == nameOf(p) && judgedAt(b) == nameOf(p) }
	return slices.MinFunc(list, func(p, o report.LoadPoint) int {
		return cmp.Or(cmp.Compare(truth(sameRate(o.Rate, demand)), truth(sameRate(p.Rate, demand))), cmp.Compare(truth(judged(o)), truth(judged(p))),
			cmp.Compare(truth(above(o, p)), truth(above(p, o))))
	}), true
}

// tested reports whether a point has metrics of its own, as that of a load test or a confirmation has.
func tested(c *report.DecisionConfig, p report.LoadPoint) bool {
	return slices.ContainsFunc(pointMetricsAt(c, p), func(m report.Metric) bool { return m.Value != nil && m.Method != "trial" })
}

// atPoint is c with the metrics of one of its loads alone.
func atPoint(c *report.DecisionConfig, p report.LoadPoint) *report.DecisionConfig {
	return &report.DecisionConfig{Name: c.Name, Metrics: pointMetricsAt(c, p)}
}

// pointMetricsAt is metricsAt for a configuration of a single load, too, whose metrics have no labels.
func pointMetricsAt(c *report.DecisionConfig, p report.LoadPoint) []report.Metric {
	if len(c.Curve) > 1 {
		return metricsAt(c, p)
	}
	return slices.DeleteFunc(slices.Clone(c.Metrics), func(m report.Metric) bool { return len(m.Labels) > 0 || !atLoad(m.Name) })
}

// loadsOf lists the loads that a configuration was tested at.
func loadsOf(c *report.DecisionConfig) string {
	var list []string
	for _, p := range c.Curve {
		if tested(c, p) {
			list = append(list, nameOf(p))
		}
	}
	switch n := len(list); {
	case n == 0:
		return c.Name + ": none"
	case n > 3:
		list = []string{fmt.Sprintf("%d loads from %s to %s", n, list[0], list[n-1])}
	}
	return c.Name + ": " + joined(list...)
}

// ofAnswered says that two latencies are of answered requests, where many more failed on one side; else "".
func ofAnswered(a, b *report.DecisionConfig) string {
	if math.Abs(failed(a)-failed(b)) <= muchFailed {
		return ""
	}
	share := func(c *report.DecisionConfig) string { return report.FormatValue(report.Ratio, failed(c)) }
	return fmt.Sprintf("latency is that of answered requests: %s of those to %s and %s of those to %s failed or were refused", share(a), a.Name, share(b), b.Name)
}

// appendErrors adds the difference of the shares of requests that failed or were refused.
func appendErrors(list []report.CompareMetric, base, head *report.Metric) []report.CompareMetric {
	if base == nil || head == nil {
		return list
	}
	d := stats.Difference(estimate(*head), estimate(*base))
	m := report.CompareMetric{Name: head.Name, Unit: head.Unit, Better: head.Better, Base: base.Value, Head: head.Value, Change: &d.Value, Pairs: 1, Method: "single run"}
	if d.OK {
		m.ChangeLo, m.ChangeHi = &d.Lo, &d.Hi
		m.Significant = d.Lo > 0 || d.Hi < 0
	}
	return append(list, m)
}

// ofLevel is a metric of a level, nil of none.
func ofLevel(name, unit, better string, l *report.Level95) *report.Metric {
	if l == nil {
		return nil
	}
	v := l.Value
	m := &report.Metric{Name: name, Unit: unit, Better: better, Value: &v, N: l.N}
	if l.Lo != nil && l.Hi != nil {
		m.Lo, m.Hi, m.Confidence = l.Lo, l.Hi, 0.95
	}
	return m
}

// appendRatio adds head / base. It is significant where its interval leaves out what single runs differ by anyway; of
// exact sizes, where they differ.
func appendRatio(list []report.CompareMetric, base, head *report.Metric) []report.CompareMetric {
	if base == nil || head == nil || *base.Value <= 0 || *head.Value <= 0 {
		return list
	}
	m := report.CompareMetric{Name: head.Name, Unit: head.Unit, Better: head.Better, Base: base.Value, Head: head.Value, Pairs: 1, Method: "single run"}
	a, b := estimate(*head), estimate(*base)
	q := stats.Quotient(a, b)
	m.Ratio = &q.Value
	switch exact := q.OK && a.Lo == a.Hi && b.Lo == b.Hi; {
	case exact:
		m.Significant = q.Value != 1
		m.Method = "exact"
	case q.OK:
		m.RatioLo, m.RatioHi = &q.Lo, &q.Hi
		m.Significant = q.Hi < 1-runNoise || q.Lo > 1/(1-runNoise)
	}
	return append(list, m)
}

// appendAccuracy adds the difference of the accuracies.
func appendAccuracy(list []report.CompareMetric, base, head *report.DecisionConfig) []report.CompareMetric {
	a, b := metricOf(base, "accuracy_top1"), metricOf(head, "accuracy_top1")
	if a == nil || b == nil {
		return list
	}
	d, method := stats.Difference(estimate(*b), estimate(*a)), "Newcombe"
	from, to := metricOf(base, "accuracy_drop"), metricOf(head, "accuracy_drop")
	if from != nil && from.Method == isBase && to != nil {
		d, method = negative(estimate(*to)), to.Method
	}
	m := report.CompareMetric{Name: b.Name, Unit: b.Unit, Better: b.Better, Base: a.Value, Head: b.Value, Change: &d.Value, Pairs: 1, Method: method}
	if d.OK {
		m.ChangeLo, m.ChangeHi = &d.Lo, &d.Hi
		m.Significant = d.Lo > 0 || d.Hi < 0
	}
	return append(list, m)
}
