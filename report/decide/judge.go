package decide

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"infer/report"
)

// objective is one that every configuration is judged by.
type objective struct {
	report.Gate
	note string // what the limit follows from
}

// same reports whether two gates ask for the same: times are continuous, so that < and <= do.
func same(a, b report.Gate) bool {
	return a.Metric == b.Metric && a.Op[0] == b.Op[0] && a.Limit == b.Limit && report.LabelText(a.Labels) == report.LabelText(b.Labels)
}

// judgedBy returns the objectives that the load tests of the configurations were made with, where none are given. Where
// two ask different things of one metric, that of the first counts, and the warning says so.
func judgedBy(configs []report.DecisionConfig, warn func(string, ...any)) []objective {
	var list []objective
	for _, c := range configs {
		for _, j := range c.Judged {
			g, err := report.ParseSLO(j.Expr)
			if err != nil {
				continue // "answers are right": no objective of a user
			}
			i := slices.IndexFunc(list, func(o objective) bool { return o.Metric == g.Metric && o.Op[0] == g.Op[0] })
			switch {
			case i < 0:
				list = append(list, objective{Gate: g})
			case !same(list[i].Gate, g):
				warn("%s was load-tested with %s, and %s counts: pass --slo to choose", c.Name, g.Expr, list[i].Expr)
			}
		}
	}
	return list
}

// ranks of a verdict: the worst of several counts.
func rank(verdict string) int {
	return slices.Index([]string{report.Pass, report.GateInconclusive, report.Fail}, verdict)
}

// worst is the worst verdict, pass of none.
func worst(list []report.DecisionObjective) string {
	w := report.Pass
	for _, o := range list {
		if rank(o.Verdict) > rank(w) {
			w = o.Verdict
		}
	}
	return w
}

// judge judges one configuration: at the load of its load tests that serves most and holds the objectives, else at the
// one that comes nearest to it. Where others are load-tested (competes), one that is not cannot pass an objective on
// latency or throughput: its figures are of one caller after the other, who never waits in a queue. One that held nowhere
// and missed them at the demanded rate (1/s; 0: none) is judged there.
func judge(c *report.DecisionConfig, objectives []objective, demand float64, competes bool) {
	c.AtSLO, c.Bound, c.At = nil, false, ""
	var loaded []objective
	for _, o := range objectives {
		if atLoad(o.Metric) {
			loaded = append(loaded, o)
		}
	}
	if len(c.Curve) == 0 {
		c.SLO = judgeAt(c, "", c.Metrics, objectives)
		if competes {
			unloaded(c.SLO)
		} else if m := metricOf(c, "throughput"); m != nil && worst(judgeAt(c, "", c.Metrics, loaded)) == report.Pass {
			c.AtSLO, c.Bound = level(*m), true
		}
		c.Verdict = worst(c.SLO)
		return
	}
	p, verdicts := c.Curve[0], map[string]string{}
	if len(c.Curve) > 1 {
		p, verdicts = operatingPoint(c, loaded, demand)
		c.Metrics = slices.DeleteFunc(c.Metrics, func(m report.Metric) bool { return len(m.Labels) == 0 && atLoad(m.Name) })
		c.Metrics = append(c.Metrics, metricsAt(c, p)...)
		c.At = nameOf(p)
	} else {
		verdicts[key(p)] = worst(judgeAt(c, key(p), c.Metrics, loaded))
	}
	c.Valid, c.Why = p.Valid, p.Why
	c.SLO = judgeAt(c, key(p), c.Metrics, objectives)
	c.Verdict = worst(c.SLO)
	if verdicts[key(p)] == report.Pass {
		c.AtSLO = throughputAt(c, p)
		c.Bound = !slices.ContainsFunc(c.Curve, func(o report.LoadPoint) bool { return above(o, p) && verdicts[key(o)] == report.Fail })
	}
}

// unloaded takes back what was judged without a load, except that an objective is missed: more load makes nothing quicker.
func unloaded(list []report.DecisionObjective) {
	for i := range list {
		o := &list[i]
		if g, err := report.ParseSLO(o.Expr); err == nil && atLoad(g.Metric) && o.Verdict == report.Pass {
			o.Verdict = report.GateInconclusive
			o.Reason += ", but with no load, unlike the others: load-test it"
		}
	}
}

// loadTested reports whether any configuration has a load test.
func loadTested(configs []report.DecisionConfig) bool {
	return slices.ContainsFunc(configs, func(c report.DecisionConfig) bool { return len(c.Curve) > 0 })
}

// operatingPoint picks the point to judge by: the one of the highest throughput of rows among those with the best
// verdict, valid ones before others; where none holds, that of the demanded rate if it missed there, else the one that
// misses least.
func operatingPoint(c *report.DecisionConfig, loaded []objective, demand float64) (report.LoadPoint, map[string]string) {
	verdicts, misses := map[string]string{}, map[string]float64{}
	for _, p := range c.Curve {
		list := judgeAt(c, key(p), metricsAt(c, p), loaded)
		verdicts[key(p)] = worst(list)
		misses[key(p)] = leastHeadroom(list)
	}
	order := func(a, b report.LoadPoint) int {
		ra, rb := rank(verdicts[key(a)]), rank(verdicts[key(b)])
		if a.Valid != b.Valid {
			return cmp.Compare(truth(b.Valid), truth(a.Valid))
		}
		if ra != rb {
			return cmp.Compare(ra, rb)
		}
		if ra == rank(report.Fail) && math.Abs(a.ErrorRate-b.ErrorRate) > muchFailed {
			return cmp.Compare(a.ErrorRate, b.ErrorRate)
		}
		if ra == rank(report.Fail) {
			return cmp.Compare(misses[key(b)], misses[key(a)])
		}
		return cmp.Compare(b.Throughput*rows(b), a.Throughput*rows(a))
	}
	best := slices.MinFunc(c.Curve, order)
	if best.Valid && verdicts[key(best)] == report.Pass {
		return best, verdicts
	}
	missed := func(p report.LoadPoint) bool {
		return sameRate(p.Rate, demand) && verdicts[key(p)] == report.Fail
	}
	if i := slices.IndexFunc(c.Curve, missed); i >= 0 {
		best = c.Curve[i]
	}
	return best, verdicts
}

// sameRate reports whether two rates, 1/s, are one but for how they were written.
func sameRate(a, b float64) bool { return a > 0 && math.Abs(a-b) <= 0.005*b }

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

func rows(p report.LoadPoint) float64 { return float64(max(1, p.Batch)) }

// above reports whether a is a heavier load than b, as far as the two can be told apart.
func above(a, b report.LoadPoint) bool {
	switch {
	case a.Batch != b.Batch:
		return false
	case a.Rate > 0 && b.Rate > 0:
		return a.Rate > b.Rate
	case a.Concurrency > 0 && b.Concurrency > 0:
		return a.Concurrency > b.Concurrency
	}
	return a.Throughput > b.Throughput
}

// throughputAt is what was answered a second at a point; where a search found that point, the rate that it found.
func throughputAt(c *report.DecisionConfig, p report.LoadPoint) *report.Level95 {
	if m := metricOf(c, "max_rps"); m != nil && key(report.LoadPoint{Rate: *m.Value}) == key(report.LoadPoint{Rate: p.Rate}) {
		return level(*m)
	}
	if m := metricOf(c, "throughput"); m != nil {
		return level(*m)
	}
	return &report.Level95{Value: p.Throughput, N: int(p.N)}
}

func level(m report.Metric) *report.Level95 {
	return &report.Level95{Value: *m.Value, Lo: m.Lo, Hi: m.Hi, N: m.N}
}

// judgeAt judges the metrics of one load by objectives. What the load test itself said of the same objective counts: it
// knows the requests, and counts failed ones as late.
func judgeAt(c *report.DecisionConfig, at string, metrics []report.Metric, objectives []objective) []report.DecisionObjective {
	d := &report.Document{Metrics: metrics}
	for _, m := range c.Metrics {
		if d.Metric(m.Name, m.Labels) == nil && !atLoad(m.Name) {
			d.Metrics = append(slices.Clip(d.Metrics), m)
		}
	}
	list := []report.DecisionObjective{}
	for _, o := range objectives {
		d := d
		if len(o.Labels) > 0 { // it says itself which load it is on
			d = &report.Document{Metrics: c.Metrics}
		}
		r := o.Eval(d)
		out := report.DecisionObjective{Expr: o.Expr, Limit: o.Limit, Verdict: r.Verdict, Reason: r.Reason}
		if m := d.Metric(o.Metric, o.Labels); m != nil && m.Value != nil {
			out.Measured, out.Headroom = m, headroom(o.Gate, *m.Value)
		}
		if m := out.Measured; m != nil && m.Method == isBase {
			value, _ := m.Text()
			out.Reason = fmt.Sprintf("%s is %s by definition, limit %s %s", m.Name, value, o.Op, report.FormatValue(m.QuantityOf(), o.Limit))
		}
		failures(o.Gate, d, &out)
		for _, j := range c.Judged {
			if g, err := report.ParseSLO(j.Expr); err == nil && j.At == at && len(c.Curve) > 0 && same(g, o.Gate) {
				out.Verdict = j.Verdict
				out.Reason = said(out.Measured, j)
			}
		}
		if out.Verdict == report.Fail && orZero(out.Headroom) > 0 {
			out.Headroom = nil // what was answered is within the limit, and too much was not
		}
		if o.note != "" {
			out.Reason += ", " + o.note
		}
		list = append(list, out)
	}
	return list
}

// said is the reason of a load test's own verdict, with the metric in front of it.
func said(m *report.Metric, j report.LoadSLO) string {
	if m == nil {
		return j.Reason
	}
	value, interval := m.Text()
	return fmt.Sprintf("%s is %s (n=%d): %s", m.Name, strings.TrimSpace(value+" "+interval), m.N, j.Reason)
}

// failures holds failed requests against an objective on a percentile, or on the largest latency: whoever got no answer
// waits longer than any limit.
func failures(g report.Gate, d *report.Document, out *report.DecisionObjective) {
	m := d.Metric("error_rate", nil)
	digits, ok := strings.CutPrefix(g.Metric, "latency_p")
	p, err := strconv.ParseFloat("0."+digits, 64)
	if g.Metric == "latency_max" {
		p, ok, err = 1, true, nil
	}
	if !ok || err != nil || m == nil || m.Value == nil || len(g.Labels) > 0 || g.Op[0] != '<' {
		return
	}
	lo, hi := ends(*m)
	verdict := report.Pass
	switch may := 1 - p; {
	case lo > may:
		verdict = report.Fail
	case *m.Value > 0 && hi > may:
		verdict = report.GateInconclusive
	}
	if rank(verdict) > rank(out.Verdict) {
		value, interval := m.Text()
		out.Verdict = verdict
		out.Reason += fmt.Sprintf("; and %s of the requests failed (n=%d), which count as late", strings.TrimSpace(value+" "+interval), m.N)
	}
}

// headroom is the share of the limit that is left, negative where it is missed; nil for a limit of 0.
func headroom(g report.Gate, v float64) *float64 {
	if g.Limit == 0 {
		return nil
	}
	h := (g.Limit - v) / math.Abs(g.Limit)
	if g.Op[0] == '>' {
		h = -h
	}
	return &h
}

// leastHeadroom is that of the objective that is nearest to its limit, or misses it by most; +Inf where none has one.
func leastHeadroom(list []report.DecisionObjective) float64 {
	least := math.Inf(1)
	for _, o := range list {
		if o.Headroom != nil {
			least = min(least, *o.Headroom)
		}
	}
	return least
}
