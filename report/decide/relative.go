package decide

import (
	"infer/internal/stats"
	"infer/report"
)

// isBase is the method of what the base's model has by definition: no loss of accuracy against itself.
const isBase = "the model of the base"

// sameModel reports whether two configurations run one model for sure.
func sameModel(a, b *report.DecisionConfig) bool {
	return a.Model != nil && b.Model != nil && a.Model.SHA256 != "" && a.Model.SHA256 == b.Model.SHA256
}

// addDrop gives every configuration its loss of accuracy against the base: counted on the same rows where a quantization
// did so, else the difference of two accuracies (Newcombe). from is the hash of the model that a drop in the document is
// against; one that is against another model does not count.
func addDrop(configs []report.DecisionConfig, from map[string]string) {
	base := &configs[0]
	accuracy := metricOf(base, "accuracy_top1")
	if accuracy == nil {
		accuracy = baseAccuracy(configs, from)
	}
	if accuracy == nil {
		return
	}
	for i := range configs {
		c := &configs[i]
		own := metricOf(c, "accuracy_top1")
		switch drop := metricOf(c, "accuracy_drop"); {
		case i == 0 || sameModel(c, base):
			m := report.Exact("accuracy_drop", 0)
			m.N, m.Method = accuracy.N, isBase
			setMetric(c, m)
		case drop != nil && against(from[c.Name], base):
		case own != nil:
			e := stats.Difference(estimate(*accuracy), estimate(*own))
			m := report.NewMetric("accuracy_drop")
			m.Value, m.N, m.Method = &e.Value, e.N, "difference of two accuracies"
			if e.OK {
				m.Lo, m.Hi, m.Confidence, m.Method = &e.Lo, &e.Hi, 0.95, "Newcombe"
			}
			setMetric(c, m)
		}
	}
}

// against reports whether a drop from a model of this hash is one against the base, as far as is known.
func against(sha256 string, base *report.DecisionConfig) bool {
	return sha256 == "" || base.Model == nil || base.Model.SHA256 == "" || base.Model.SHA256 == sha256
}

// baseAccuracy is the base's accuracy as the quantization of another configuration measured it, or nil.
func baseAccuracy(configs []report.DecisionConfig, from map[string]string) *report.Metric {
	for i := range configs {
		if m := metricOf(&configs[i], "accuracy_top1_base"); m != nil && against(from[configs[i].Name], &configs[0]) {
			own := *m
			own.Name = "accuracy_top1"
			setMetric(&configs[0], own)
			return &own
		}
	}
	return nil
}

// setMetric puts m in place of the metric of its name and labels.
func setMetric(c *report.DecisionConfig, m report.Metric) {
	for i := range c.Metrics {
		if o := &c.Metrics[i]; o.Name == m.Name && report.LabelText(o.Labels) == report.LabelText(m.Labels) {
			*o = m
			return
		}
	}
	c.Metrics = append(c.Metrics, m)
}

// change compares two configurations in what decides: latency, throughput within the objectives, cost, accuracy, size,
// memory. What one of them lacks is left out.
func change(base, head *report.DecisionConfig) []report.CompareMetric {
	list := []report.CompareMetric{}
	if len(base.Curve) > 0 == (len(head.Curve) > 0) { // a latency without a load is not that of one with it
		for _, name := range []string{"latency_p50", "latency_p99"} {
			list = appendRatio(list, metricOf(base, name), metricOf(head, name))
		}
	}
	list = appendRatio(list, ofLevel("throughput_at_slo", "1/s", "higher", base.AtSLO), ofLevel("throughput_at_slo", "1/s", "higher", head.AtSLO))
	list = appendRatio(list, ofLevel("cost_per_million", "1", "lower", base.Cost), ofLevel("cost_per_million", "1", "lower", head.Cost))
	list = appendAccuracy(list, base, head)
	for _, name := range []string{"model_bytes", "peak_rss", "session_init"} {
		list = appendRatio(list, metricOf(base, name), metricOf(head, name))
	}
	return list
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
