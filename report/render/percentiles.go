package render

import (
	"fmt"
	"math"
	"strings"

	"infer/internal/stats"
	"infer/report"
)

// percentiles is the table of what users wait and what the server took for it. Of a closed loop the two are the same.
func (v *load) percentiles() section {
	t := &table{cols: []column{{head: ""}, {head: "p50", right: true}, {head: "p90", right: true, drop: 3}, {head: "p95", right: true, drop: 4},
		{head: "p99", right: true}, {head: v.confidence()}, {head: "p99.9", right: true, drop: 2}, {head: "max", right: true, drop: 1}}}
	rows := []struct {
		name, prefix string
		all          *stats.Sketch
	}{{"latency", "latency_", &v.latency}, {"service", "service_", &v.service}}
	if v.closed() {
		rows = rows[1:]
	}
	for _, r := range rows {
		if row, ok := v.percentileRow(r.name, r.prefix, r.all); ok {
			t.rows = append(t.rows, row)
		}
	}
	if len(t.rows) == 0 {
		return section{}
	}
	s := section{title: "Latency", table: t.compact()}
	n := ""
	if c := v.latency.Count(); c > 0 {
		n = "; " + wholeOf(c, "right answer")
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

// conduct says what was answered, and with what it was measured: the generator, the server's own account, the tail.
func (v *load) conduct() section {
	s := section{title: "How it went"}
	add := func(name string, parts ...string) {
		if text := joined(parts...); text != "" {
			s.facts = append(s.facts, fact{name, text})
		}
	}
	add("rates", v.figure("offered_rate", "%s offered"), v.figure("sent_rate", "%s sent"), v.figure("throughput", "%s answered"),
		v.figure("goodput", "%s good"+v.within()), v.figure("row_throughput", "%s in rows"), v.figure("error_rate", "%s errors"))
	add("generator", v.generator()...)
	add("connections", v.connections()...)
	if t := v.Tail; t != nil {
		add("tail 1 %", v.tailParts()...)
	}
	if x := v.Server; x != nil {
		add("server", optional("queue ", x.Queue, seconds), optional("compute ", x.Compute, seconds), optional("batch ", x.Batch, plainText),
			optional("", x.CPUs, func(c float64) string { return plainText(c) + " CPUs busy" }), optional("throttled ", x.Throttled, percent),
			optional("GPU ", x.GPU, percent), optional("memory ", x.Resident, bytesText[float64]), counted(x.Requests, "request"), counted(x.Failures, "failure"), "by "+x.Source)
	}
	if c := v.Correctness; c != nil {
		compared := fmt.Sprintf("%s compared with %s (rtol %g, atol %g)", whole(c.Checked), c.Source, c.RTol, c.ATol)
		if c.Unchecked > 0 {
			compared += ", " + whole(c.Unchecked) + " not, for want of time"
		}
		add("answers", compared, whole(c.Wrong)+" wrong")
	}
	return s
}

// within says up to which latency an answer is good.
func (v *load) within() string {
	if v.Figures == nil || v.Figures.Limit <= 0 {
		return ""
	}
	return " (up to " + seconds(v.Figures.Limit) + ")"
}

// figure writes a metric in a sentence, "" where it was not measured.
func (v *load) figure(name, format string) string {
	m := v.d.Metric(name, nil)
	if m == nil || m.Value == nil || name == "error_rate" && *m.Value == 0 {
		return ""
	}
	text, _ := m.Text()
	return fmt.Sprintf(format, text)
}

func (v *load) generator() []string {
	g := v.Generator
	var parts []string
	if m := v.d.Metric("send_lag_p99", nil); m != nil && m.Value != nil {
		text, _ := m.Text()
		parts = append(parts, "lag p99 "+text)
	}
	if g.CPUSeconds > 0 || g.CPU > 0 {
		parts = append(parts, "CPU "+percent(g.CPU))
	}
	if f := v.Floor; f != nil {
		parts = append(parts, "floor p99 "+both("latency_p99", &f.P99))
	}
	parts = append(parts, g.Pacer)
	if g.Lanes > 1 {
		parts = append(parts, plural(g.Lanes, "lane"))
	}
	if g.GCs > 0 {
		parts = append(parts, wholeOf(g.GCs, "GC")+" of "+seconds(g.GCPause)+" in all")
	}
	for _, m := range g.Interference {
		x := report.Metric{Name: m.Name, Unit: m.Unit, Value: &m.Value}
		text, _ := x.Text()
		parts = append(parts, strings.ReplaceAll(m.Name, "_", " ")+" "+text)
	}
	return parts
}

func (v *load) connections() []string {
	g := v.Generator
	if g.Opened+g.OpenedDuring+g.InFlight == 0 {
		return nil
	}
	parts := []string{whole(g.Opened) + " opened before"}
	for _, x := range []struct {
		n    int64
		text string
	}{{g.OpenedDuring, "opened during"}, {g.Reconnected, "reconnected"}} {
		if x.n > 0 {
			parts = append(parts, whole(x.n)+" "+x.text)
		}
	}
	if g.Waited > 0 {
		parts = append(parts, wholeOf(g.Waited, "request")+" waited for one")
	}
	return append(parts, whole(g.InFlight)+" in flight at the most")
}

// tailShare is a part of the time of the slowest requests.
type tailShare struct {
	name  string
	share float64
}

func (v *load) tailShares() []tailShare {
	t := v.Tail
	var out []tailShare
	add := func(name string, share *float64) {
		if share != nil && *share >= 0 && *share <= 1 {
			out = append(out, tailShare{name, *share})
		}
	}
	add("queue", t.Queue)
	add("compute", t.Compute)
	rest := "network and the rest"
	if t.Queue == nil && t.Compute == nil {
		rest = "server and network (the server does not tell)"
	}
	add(rest, &t.Rest)
	add("generator", &t.Generator)
	return out
}

func (v *load) tailParts() []string {
	var parts []string
	for _, s := range v.tailShares() {
		if s.share > 0 {
			parts = append(parts, shareText(s.share)+" "+s.name)
		}
	}
	return append(parts, optional("batch ", v.Tail.Batch, plainText), wholeOf(v.Tail.N, "request")+" from "+seconds(v.Tail.From)+" on")
}

// shareText is a share in whole percent.
func shareText(x float64) string {
	if x > 0 && x < 0.005 {
		return "< 1 %"
	}
	return fmt.Sprintf("%.0f %%", math.Round(100*x))
}

func optional(name string, v *float64, text func(float64) string) string {
	if v == nil {
		return ""
	}
	return name + text(*v)
}

func counted(n int64, one string) string {
	if n <= 0 {
		return ""
	}
	return wholeOf(n, one)
}
