package render

import (
	"infer/internal/stats"
	"infer/report"
)

// percentiles is the table of what users wait and what the server took for it. Of a closed loop the two are the same.
func (v *load) percentiles() section {
	t := &table{cols: []column{{head: ""}, {head: "p50", right: true}, {head: "p90", right: true, drop: 3}, {head: "p95", right: true, drop: 1},
		{head: "p99", right: true}, {head: v.confidence()}, {head: "p99.9", right: true, drop: 4}, {head: "max", right: true, drop: 2}}}
	rows := []struct {
		name, prefix string
		all          *stats.Sketch
	}{{"latency", "latency_", &v.latency}, {"service", "service_", &v.service}}
	if v.closed() || v.imported() {
		rows = rows[1:]
	}
	for _, r := range rows {
		if row, ok := v.percentileRow(r.name, r.prefix, r.all); ok {
			t.rows = append(t.rows, row)
		}
	}
	if len(t.rows) == 0 || v.onlyWarmUp() {
		return section{}
	}
	s := section{title: "Latency", table: t.compact()}
	n := ""
	if c := v.latency.Count(); c > 0 {
		what := "answer"
		if v.compared() {
			what = "right answer"
		}
		n = "; " + wholeOf(c, what)
	}
	if m := v.d.Metric("latency_p99", nil); m != nil && m.Lo != nil && m.Method != "" {
		n += "; interval by " + m.Method
	}
	if v.closed() {
		s.title = "Service time"
		s.lines = []cell{{text: "closed loop: the next request waits for an answer, so this is the service time. What users would wait in a queue " +
			"is not in it (coordinated omission): measure that with --rps" + n, tone: warn}}
		return s
	}
	if v.imported() {
		s.title = "Service time"
		s.lines = []cell{{text: "from when a request was sent to its answer: the tool does not tell how late it sent" + n, tone: warn}}
		return s
	}
	s.lines = []cell{faint("latency: from when a request was due to its answer; service: from when it was sent" + n)}
	return s
}

// confidence is the head of the interval column.
func (v *load) confidence() string {
	for _, name := range []string{"latency_p99", "service_p99"} {
		if m := v.d.Metric(name, nil); m != nil && m.Lo != nil && m.Confidence > 0 {
			return "[" + percent(m.Confidence) + " CI]"
		}
	}
	return "[interval]"
}

// percentileRow is a row of percentiles; false where none was measured.
func (v *load) percentileRow(name, prefix string, all *stats.Sketch) ([]cell, bool) {
	row, any := []cell{str(name)}, false
	for _, p := range []string{"p50", "p90", "p95", "p99"} {
		m := v.d.Metric(prefix+p, nil)
		text, between := "", ""
		if m != nil {
			text, between = m.Text()
			any = true
		}
		c := str(text)
		if m != nil && m.Value == nil {
			c.tone, between = warn, ""
		}
		if row = append(row, c); p == "p99" {
			row = append(row, faint(between))
		}
	}
	extreme := ""
	if all.Count() >= int64(report.SamplesNeeded("latency_p999")) {
		extreme = seconds(all.Quantile(0.999))
	}
	row = append(row, str(extreme), str(""))
	if m := v.d.Metric(prefix+"max", nil); m != nil {
		text, _ := m.Text()
		row[len(row)-1], any = str(text), true
	}
	return row, any
}
