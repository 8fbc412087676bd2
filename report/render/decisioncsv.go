package render

import (
	"cmp"
	"encoding/json"
	"maps"

	"infer/report"
)

// decisionDetails returns the details of a decision; those of other documents, and what cannot be read, are empty.
func decisionDetails(d *report.Document) (x report.DecisionDetails) {
	if d.Kind == "report" && len(d.Details) > 0 {
		if err := json.Unmarshal(d.Details, &x); err != nil {
			return report.DecisionDetails{}
		}
	}
	return x
}

// decisionMetrics returns what is known of the configurations of a decision as metrics: the label "config" says of which,
// and "outcome" marks what a business measured.
func decisionMetrics(d *report.Document) []report.Metric {
	x := decisionDetails(d)
	var ms []report.Metric
	for _, c := range x.Configs {
		add := func(m report.Metric) {
			labels := map[string]string{"config": c.Name}
			maps.Copy(labels, m.Labels)
			if m.Labels = labels; d.Metric(m.Name, labels) == nil {
				ms = append(ms, m)
			}
		}
		for _, m := range c.Metrics {
			add(m)
		}
		for _, l := range []struct {
			name, unit string
			level      *report.Level95
		}{{"throughput_at_slo", "1/s", c.AtSLO}, {"cost_per_million", "1", c.Cost}} {
			if l.level != nil {
				add(levelMetric(l.name, l.unit, *l.level))
			}
		}
		if c.Replicas > 0 {
			n := float64(c.Replicas)
			add(report.Metric{Name: "replicas", Unit: "1", Value: &n, Method: "exact"})
		}
		if c.Hourly != nil {
			add(report.Metric{Name: "cost_per_hour", Unit: "1", Value: c.Hourly, Method: "exact"})
		}
	}
	for _, o := range x.Outcomes {
		m := levelMetric(o.Metric, "1", report.Level95{Value: o.Value, Lo: o.Lo, Hi: o.Hi, N: int(o.N)})
		m.Method, m.Labels = o.Method, map[string]string{"config": o.Variant, "outcome": "true"}
		ms = append(ms, m)
	}
	return ms
}

// levelMetric returns a value with its interval as a metric.
func levelMetric(name, unit string, l report.Level95) report.Metric {
	m := report.Metric{Name: name, Unit: unit, Value: &l.Value, Lo: l.Lo, Hi: l.Hi, N: l.N}
	if l.Lo != nil && l.Hi != nil {
		m.Confidence = 0.95
	}
	return m
}

// addDecision adds a case for every objective of every configuration. One that does not hold is a failure where none is
// chosen that holds it, and skipped else: that a configuration is not good enough is what a decision is for.
func (s *testSuite) addDecision(d *report.Document, o Options) {
	x := decisionDetails(d)
	exit := report.ExitCode(d, o.Strict)
	s.add("verdict", "verdict", string(d.Verdict), string(d.Verdict)+": "+cmp.Or(x.Headline, title(d)), d.Verdict == report.OK || d.Verdict == report.Inconclusive && exit == 0, exit != 0)
	for _, c := range x.Configs {
		for _, g := range c.SLO {
			kind, ok, fails, reason := g.Verdict, g.Verdict == report.Pass, exit != 0 && (g.Verdict == report.Fail || o.Strict), g.Reason
			if !c.Valid { // what such a configuration keeps is neither kept nor missed
				kind, fails, reason = "invalid", !ok && exit == 4, joined("not to be trusted: "+c.Why, g.Reason)
				ok = false
			}
			s.add("slo", c.Name+": "+g.Expr, kind, reason, ok, fails)
		}
	}
}
