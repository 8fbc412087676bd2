package decide

import (
	"slices"

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

// baseAccuracy is the accuracy of the base's model as the quantization of another configuration measured it, or nil. Every
// configuration of that model gets it.
func baseAccuracy(configs []report.DecisionConfig, from map[string]string) *report.Metric {
	for i := range configs {
		if m := metricOf(&configs[i], "accuracy_top1_base"); m != nil && against(from[configs[i].Name], &configs[0]) {
			own := *m
			own.Name = "accuracy_top1"
			for j := range configs {
				if c := &configs[j]; j == 0 || sameModel(c, &configs[0]) && metricOf(c, own.Name) == nil {
					setMetric(c, own)
				}
			}
			return &own
		}
	}
	return nil
}

// addAgreement gives every configuration of the base's model its agreement with that, where others have one.
func addAgreement(configs []report.DecisionConfig) {
	const name = "agreement_top1"
	if !slices.ContainsFunc(configs, func(c report.DecisionConfig) bool { return metricOf(&c, name) != nil }) {
		return
	}
	for i := range configs {
		if c := &configs[i]; metricOf(c, name) == nil && (i == 0 || sameModel(c, &configs[0])) {
			m := report.Exact(name, 1)
			m.Method = isBase
			setMetric(c, m)
		}
	}
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
