package decide

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"infer/report"
)

// conclude chooses, and says so: the headline, the gates of the document (those of the configuration that is chosen, or
// comes nearest), its metrics, the levers and the next command.
func conclude(d *report.Document, x *report.DecisionDetails) {
	x.Chosen, x.Levers, x.Next = "", nil, nil
	addMetrics(d, x)
	if len(x.SLO) == 0 {
		x.Headline = compared(x)
		x.Next = next(x, nil)
		return
	}
	var eligible []*report.DecisionConfig
	for i := range x.Configs {
		if c := &x.Configs[i]; c.Valid && c.Verdict == report.Pass {
			eligible = append(eligible, c)
		}
	}
	c := closest(x.Configs)
	doubtful := doubt(x.Configs)
	switch {
	case len(eligible) > 0:
		c = choose(eligible)
		x.Chosen, x.Headline = c.Name, deploy(x, c)
	case !c.Valid:
		d.Verdict = report.Invalid
		x.Headline = "NO CONFIGURATION CAN BE CHOSEN — no measurement of them can be believed; of " + c.Name + ": " + c.Why
		for _, i := range x.Configs {
			d.AddCheck("measurement@"+i.Name, i.Valid, "%s", i.Why)
		}
	case c.Verdict == report.GateInconclusive:
		d.Verdict = report.Inconclusive
		x.Headline = "INCONCLUSIVE — closest: " + c.Name + ", of which it cannot be told whether it meets " + undecided(c)
	case doubtful != nil:
		d.Verdict = report.Inconclusive
		x.Headline = fmt.Sprintf("INCONCLUSIVE — %s may meet the SLO, and its measurement cannot be believed: %s; of the others none meets it", doubtful.Name, doubtful.Why)
	default:
		d.Verdict = report.FailedGate
		x.Levers = levers(c)
		x.Headline = "NO CONFIGURATION MEETS THE SLO — closest: " + c.Name + ", misses " + missed(c)
	}
	for _, o := range c.SLO {
		d.Gates = append(d.Gates, report.GateResult{Expr: o.Expr, Verdict: o.Verdict, Reason: c.Name + ": " + o.Reason})
	}
	x.Next = next(x, c)
}

// doubt is a configuration that cannot be believed and that may meet the objectives, or nil.
func doubt(configs []report.DecisionConfig) *report.DecisionConfig {
	for i := range configs {
		if c := &configs[i]; !c.Valid && c.Verdict != report.Fail {
			return c
		}
	}
	return nil
}

// addMetrics lists what decides as metrics of the document, with the configuration as label.
func addMetrics(d *report.Document, x *report.DecisionDetails) {
	for i := range x.Configs {
		c := &x.Configs[i]
		add := func(m *report.Metric) {
			if m != nil {
				own := *m
				own.Labels = map[string]string{"config": c.Name}
				d.Add(own)
			}
		}
		for _, name := range []string{"latency_p50", "latency_p99", "throughput", "max_rps", "error_rate", "accuracy_top1", "accuracy_drop", "agreement_top1",
			"model_bytes", "peak_rss", "session_init"} {
			add(metricOf(c, name))
		}
		add(ofLevel("throughput_at_slo", "1/s", "higher", c.AtSLO))
		add(ofLevel("cost_per_million", "1", "lower", c.Cost))
	}
}

// compared is the headline where there is no objective.
func compared(x *report.DecisionDetails) string {
	text := fmt.Sprintf("%d configurations, and no objective to choose by: pass --slo 'p99<200ms'", len(x.Configs))
	if len(x.Configs) == 1 {
		text = "1 configuration, and no objective to judge it by: pass --slo 'p99<200ms'"
	}
	var front []string
	for _, c := range x.Configs {
		if c.Front {
			front = append(front, c.Name)
		}
	}
	if len(front) > 0 && len(x.Configs) > 1 {
		text += "; none dominates " + strings.Join(front, ", ")
	}
	return text
}

// deploy is the headline of a choice.
func deploy(x *report.DecisionDetails, c *report.DecisionConfig) string {
	base := &x.Configs[0]
	var meets []string
	for _, o := range c.SLO {
		if o.Measured != nil && o.Measured.Name == "accuracy_drop" && c != base {
			meets = append(meets, accuracyText(c, base))
		} else if o.Measured != nil {
			meets = append(meets, fmt.Sprintf("%s (%s)", o.Expr, textOf(*o.Measured)))
		} else {
			meets = append(meets, o.Expr)
		}
	}
	parts := []string{"DEPLOY " + c.Name + " — meets " + strings.Join(meets, ", ")}
	told := func(name string) bool {
		return slices.ContainsFunc(c.SLO, func(o report.DecisionObjective) bool { return strings.HasPrefix(o.Expr, name) })
	}
	if !told("accuracy") && !told("agreement") {
		parts = append(parts, accuracyText(c, base))
	}
	parts = append(parts, gain(c, base), demandText(x, c))
	return joined(parts...)
}

// accuracyText says how accurate c is, against the base where that is another one.
func accuracyText(c, base *report.DecisionConfig) string {
	if drop := metricOf(c, "accuracy_drop"); drop != nil && c != base {
		return fmt.Sprintf("accuracy %s against %s", pointsText(negative(estimate(*drop)).Value, drop), base.Name)
	}
	if m := metricOf(c, "accuracy_top1"); m != nil {
		return "accuracy " + textOf(*m)
	}
	if m := metricOf(c, "agreement_top1"); m != nil && c != base {
		return "agreement " + textOf(*m) + " with " + base.Name
	}
	return ""
}

// pointsText writes a change of accuracy in points of a percentage, from the drop that it is the opposite of.
func pointsText(v float64, drop *report.Metric) string {
	text := signed(v) + " pt"
	if drop.Lo != nil && drop.Hi != nil {
		text += fmt.Sprintf(" [%s, %s]", signed(-*drop.Hi), signed(-*drop.Lo))
	}
	return text
}

func signed(v float64) string {
	text := fmt.Sprintf("%+.2f", 100*v)
	if text == "-0.00" || text == "+0.00" {
		return "0"
	}
	return strings.Replace(text, "-", "−", 1)
}

// gain says how much cheaper c is than the base, or how much more it serves; nothing where the base tells no limit.
func gain(c, base *report.DecisionConfig) string {
	if c == base || base.AtSLO == nil || c.AtSLO == nil || base.Bound {
		return ""
	}
	least := ""
	if c.Bound {
		least = "at least "
	}
	times := func(v float64) string { return report.FormatValue(report.Factor, v) }
	if c.Cost != nil && base.Cost != nil {
		if r := base.Cost.Value / c.Cost.Value; r >= 1 {
			return least + times(r) + " cheaper than " + base.Name
		} else if !c.Bound {
			return times(1/r) + " dearer than " + base.Name
		}
		return ""
	}
	return least + times(c.AtSLO.Value/base.AtSLO.Value) + " the throughput of " + base.Name
}

// demandText says what the demand takes.
func demandText(x *report.DecisionDetails, c *report.DecisionConfig) string {
	if c.Replicas == 0 {
		return ""
	}
	text := fmt.Sprintf("%d replicas", c.Replicas)
	if c.Replicas == 1 {
		text = "1 replica"
	}
	if c.Bound && c.Replicas > 1 {
		text = "at most " + text
	}
	text += " for " + report.FormatValue(report.Rate, x.Demand)
	if c.Hourly != nil {
		text += " at " + report.FormatMoney(currency(x), *c.Hourly) + "/h"
	}
	return text
}

func currency(x *report.DecisionDetails) string {
	if len(x.Price) == 0 {
		return ""
	}
	return x.Price[0].Currency
}

// textOf is a metric's value with its interval.
func textOf(m report.Metric) string {
	value, interval := m.Text()
	return strings.TrimSpace(value + " " + interval)
}

// missed says which objectives c misses, and by how much.
func missed(c *report.DecisionConfig) string {
	var list []string
	for _, o := range c.SLO {
		if o.Verdict != report.Fail {
			continue
		}
		if o.Measured == nil {
			list = append(list, o.Expr)
			continue
		}
		by := *o.Measured.Value - o.Limit
		switch g, err := report.ParseSLO(o.Expr); {
		case err == nil && (by > 0) == (g.Op[0] == '>'): // the value holds, and too many requests were over the limit
			list = append(list, fmt.Sprintf("%s (%s)", o.Expr, o.Reason))
		case o.Measured.QuantityOf() == report.Ratio:
			list = append(list, fmt.Sprintf("%s by %.2f pt (%s)", o.Expr, 100*math.Abs(by), textOf(*o.Measured)))
		default:
			list = append(list, fmt.Sprintf("%s by %s (%s)", o.Expr, report.FormatValue(o.Measured.QuantityOf(), math.Abs(by)), textOf(*o.Measured)))
		}
	}
	return strings.Join(list, ", ")
}

// undecided says which objectives of c are undecided, and why.
func undecided(c *report.DecisionConfig) string {
	var list []string
	for _, o := range c.SLO {
		if o.Verdict == report.GateInconclusive {
			list = append(list, fmt.Sprintf("%s (%s)", o.Expr, o.Reason))
		}
	}
	return strings.Join(list, ", ")
}

// warnings says what stands between the figures and the choice.
func warnings(d *report.Document, x *report.DecisionDetails) {
	machines, perRequest, loads := map[string]bool{}, map[float64]bool{}, map[string]bool{}
	for i := range x.Configs {
		c := &x.Configs[i]
		if !c.Valid && len(x.SLO) > 0 {
			d.Warn("%s cannot be chosen: %s", c.Name, c.Why)
		}
		if c.Host != "" {
			machines[c.Machine+c.Host] = true
		}
		if len(c.Curve) > 0 {
			perRequest[rowsOf(c)] = true
			loads[cmp.Or(c.At, nameOf(c.Curve[0]))] = true
		} else if metricOf(c, "latency_p50") != nil {
			d.Warn("%s has no load test: its latency is that of one caller after the other, with no queue", c.Name)
		}
		if c.AtSLO != nil && len(x.Price) > 0 && c.Cost == nil {
			d.Warn("there is no price for %s", c.Name)
		}
		if x.Quality != "" && metricOf(c, x.Quality) == nil {
			d.Warn("%s: no document tells its accuracy (%s), so that it has no place in the front", c.Name, x.Quality)
		}
	}
	if len(machines) > 1 {
		d.Warn("the configurations were measured on different machines: what they differ in is the machine, too")
	}
	if len(loads) > 1 {
		d.Warn("latencies are of different loads (%s): a lower one at a lower load does not count as better", strings.Join(sortedSet(loads), ", "))
	}
	if len(perRequest) > 1 {
		d.Warn("requests have different numbers of rows: rates are requests a second, costs those of rows")
	}
	if x.Use == 1 && (len(x.Price) > 0 || x.Demand > 0) {
		d.Warn("costs and replicas are those of machines that are used to 100 %% all the time: pass --utilization for less")
	}
}
