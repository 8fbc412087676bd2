package render

import (
	"slices"
	"strings"

	"infer/report"
)

// steps is what each configuration gains over the one before it, apart: bars that begin at 0, with the step before as
// a shadow behind them.
func (v *decision) steps() section {
	if len(v.Steps) == 0 {
		return section{}
	}
	t := &table{cols: []column{{head: "metric", group: true}, {head: "configuration", shrink: true}, {head: "", bar: true, drop: 1}, {head: "value", right: true},
		{head: "this step", right: true}, {head: ""}}}
	for _, name := range v.stepMetrics() {
		t.rows = append(t.rows, v.stepRows(name)...)
	}
	return section{title: "What each step gains", table: t.compact(),
		lines: []cell{faint("bars begin at 0; shadow or mark: the step before; ~: no change that can be told from noise")}}
}

// stepMetrics are the names of the metrics that the steps are shown by: what is decided by, what it costs, and what it
// is paid with. The median is shown where there is no p99.
func (v *decision) stepMetrics() []string {
	has := func(name string) bool {
		return slices.ContainsFunc(v.Steps, func(s report.DecisionStep) bool {
			return slices.ContainsFunc(s.Metrics, func(m report.CompareMetric) bool { return m.Name == name })
		})
	}
	latency := "latency_p99"
	if !has(latency) {
		latency = "latency_p50"
	}
	names := []string{latency, "throughput_at_slo", "cost_per_million", v.Quality, "model_bytes"}
	return slices.DeleteFunc(names, func(name string) bool { return !has(name) })
}

// stepRows are the rows of one metric: where it began, then after each step.
func (v *decision) stepRows(name string) [][]cell {
	var rows [][]cell
	largest := 0.0
	for _, s := range v.Steps {
		for _, m := range s.Metrics {
			if m.Name == name {
				largest = max(largest, orZero(m.Base), orZero(m.Head))
			}
		}
	}
	part := func(x *float64) float64 {
		if largest <= 0 {
			return 0
		}
		return orZero(x) / largest
	}
	head := str(metricWords(name))
	for _, s := range v.Steps {
		i := slices.IndexFunc(s.Metrics, func(m report.CompareMetric) bool { return m.Name == name })
		if i < 0 {
			continue
		}
		m := s.Metrics[i]
		if len(rows) == 0 {
			rows = append(rows, []cell{head, str(s.From), {bar: part(m.Base)}, str(v.stepValue(s.From, m, m.Base))})
		}
		x := change(&m)
		between := x.sub
		x.sub = ""
		rows = append(rows, []cell{{}, str(s.To), {bar: part(m.Head), ghost: part(m.Base)}, str(v.stepValue(s.To, m, m.Head)), x, faint(between)})
	}
	return rows
}

func orZero(x *float64) float64 {
	if x == nil {
		return 0
	}
	return *x
}

// stepValue writes a value of a metric of a step, a cost in its currency.
func (v *decision) stepValue(config string, m report.CompareMetric, x *float64) string {
	if m.Name == "cost_per_million" && x != nil {
		return v.money(report.DecisionConfig{Name: config}, *x)
	}
	return sideText(m, x)
}

// metricWords says what a metric of a decision is.
func metricWords(name string) string {
	switch name {
	case "throughput_at_slo":
		return "rate within the objectives"
	case "cost_per_million":
		return "cost of a million inferences"
	case "peak_rss":
		return "peak memory"
	case "model_bytes":
		return "size of the model"
	}
	return strings.ReplaceAll(strings.TrimSuffix(name, "_top1"), "_", " ")
}
