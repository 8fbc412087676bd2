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
	return section{title: "What each step gains", table: t.compact(), lines: append(v.stepNotes(),
		faint("bars begin at 0; shadow or mark: the step before; ~: no change that can be told from noise"))}
}

// stepNotes are the notes of the steps, each with its step.
func (v *decision) stepNotes() []cell {
	var lines []cell
	for _, s := range v.Steps {
		if len(s.Notes) > 0 {
			lines = append(lines, faint(s.From+" to "+s.To+": "+strings.Join(s.Notes, "; ")))
		}
	}
	return lines
}

// stepLoad is the load that a metric of the steps is of, "" where it depends on none; several says that the steps have it at
// different ones.
func (v *decision) stepLoad(name string) (at string, several bool) {
	if !slices.Contains([]string{"latency_p50", "latency_p99", "throughput", "error_rate"}, name) {
		return "", false
	}
	for _, s := range v.Steps {
		if stepMetric(s, name) != nil {
			several = several || at != "" && at != s.At
			at = s.At
		}
	}
	return at, several
}

// stepMetric is the metric of a name of a step, or nil.
func stepMetric(s report.DecisionStep, name string) *report.CompareMetric {
	i := slices.IndexFunc(s.Metrics, func(m report.CompareMetric) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Metrics[i]
}

// stepMetrics are the names of the metrics that the steps are shown by: what is decided by, what it costs, and what it
// is paid with. The median is shown where there is no p99.
func (v *decision) stepMetrics() []string {
	any := func(name string, good func(report.CompareMetric) bool) bool {
		return slices.ContainsFunc(v.Steps, func(s report.DecisionStep) bool {
			m := stepMetric(s, name)
			return m != nil && good(*m)
		})
	}
	has := func(name string) bool { return any(name, func(report.CompareMetric) bool { return true }) }
	latency := "latency_p99"
	if !has(latency) {
		latency = "latency_p50"
	}
	names := []string{latency, "throughput", "error_rate", "throughput_at_slo", "cost_per_million", v.Quality, "model_bytes"}
	return slices.DeleteFunc(names, func(name string) bool {
		switch name {
		case "throughput": // of servers that keep up, it is the load that was offered
			return !any(name, func(m report.CompareMetric) bool { return m.Significant })
		case "error_rate":
			return !any(name, func(m report.CompareMetric) bool { return orZero(m.Base) > 0 || orZero(m.Head) > 0 })
		}
		return !has(name)
	})
}

// stepRows are the rows of one metric: where it began, then after each step. Where a step begins elsewhere than the one
// before it ended, at another load, it has a row for its begin, too.
func (v *decision) stepRows(name string) [][]cell {
	var rows [][]cell
	largest := 0.0
	for _, s := range v.Steps {
		if m := stepMetric(s, name); m != nil {
			largest = max(largest, orZero(m.Base), orZero(m.Head))
		}
	}
	part := func(x *float64) float64 {
		if largest <= 0 {
			return 0
		}
		return orZero(x) / largest
	}
	words := metricWords(name)
	if slices.ContainsFunc(v.Steps, func(s report.DecisionStep) bool { m := stepMetric(s, name); return m != nil && m.Reason != "" }) {
		words += " of answered requests"
	}
	at, several := v.stepLoad(name)
	if at != "" && !several {
		words += " at " + at
	}
	head := str(words)
	var last report.DecisionStep // that has the metric
	for _, s := range v.Steps {
		found := stepMetric(s, name)
		if found == nil {
			continue
		}
		m, load := *found, ""
		if several {
			load = " at " + s.At
		}
		if len(rows) == 0 || last.To != s.From || several && last.At != s.At {
			rows = append(rows, []cell{head, str(s.From + load), {bar: part(m.Base)}, str(v.stepValue(s.From, m, m.Base))})
			head = cell{}
		}
		last = s
		x := change(&m)
		between := x.sub
		x.sub = ""
		rows = append(rows, []cell{{}, str(s.To + load), {bar: part(m.Head), ghost: part(m.Base)}, str(v.stepValue(s.To, m, m.Head)), x, faint(between)})
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
	case "throughput":
		return "answered"
	case "error_rate":
		return "failed or refused"
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
