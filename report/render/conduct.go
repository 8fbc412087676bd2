package render

import (
	"fmt"
	"math"
	"strings"

	"infer/report"
)

// conduct says what was answered, and with what it was measured: the generator, the server's own account, the tail.
func (v *load) conduct() section {
	s := section{title: "How it went"}
	if v.sweep() {
		return s // what the generator did is told of its first point alone
	}
	add := func(name string, parts ...string) {
		if text := joined(parts...); text != "" {
			s.facts = append(s.facts, fact{name, text})
		}
	}
	offered, sent := v.figure("offered_rate", "%s offered"), v.figure("sent_rate", "%s sent")
	if v.closed() {
		offered, sent = "", "" // they follow from the answers
	}
	add("rates", offered, sent, v.figure("throughput", "%s answered"),
		v.figure("goodput", "%s good"+v.within()), v.figure("row_throughput", "%s in rows"), v.figure("error_rate", "%s errors"))
	add("generator", v.generator()...)
	if v.Target.Protocol != "in-process" {
		add("connections", v.connections()...)
	}
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
			compared += ", " + whole(c.Unchecked) + " not, for want of time or memory"
		}
		add("answers", compared, whole(c.Wrong)+" wrong")
	}
	if n := len(v.d.Validity.Checks); n > 0 && v.d.Validity.Verdict == report.Valid {
		add("valid", plural(n, "check")+" passed")
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
	if m := v.d.Metric("send_lag_p99", nil); m != nil && m.Value != nil && !v.closed() {
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
	add("waiting for a connection", &t.Wait)
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
