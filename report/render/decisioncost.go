package render

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"infer/report"
)

// capacity is the table of what a configuration holds and costs, and how many replicas of it the demand takes.
func (v *decision) capacity() section {
	t := &table{cols: []column{{head: "configuration", shrink: true}, {head: "rate", right: true}, {head: "", drop: 3}, {head: "per million", right: true}, {head: "", bar: true, drop: 1},
		{head: "replicas", right: true}, {head: "an hour", right: true}, {head: "load of each", right: true, drop: 2}}}
	dearest := 0.0
	for _, c := range v.ranked {
		if c.Cost != nil {
			dearest = max(dearest, c.Cost.Value)
		}
	}
	for _, c := range v.ranked {
		row := []cell{v.name(c), {text: "none", tone: dim}, {}, {}, {}, {}, {}, {}}
		if c.AtSLO != nil {
			value, between := level("throughput", c.AtSLO)
			if row[1] = str(value); c.Bound {
				row[1].text = "≥" + noBreak + value
			}
			row[2] = faint(between)
		}
		if c.Cost != nil && dearest > 0 {
			row[3], row[4].bar = str(atMost(c)+v.money(c, c.Cost.Value)), c.Cost.Value/dearest
		}
		if c.Replicas > 0 {
			row[5] = str(strconv.Itoa(c.Replicas))
			if c.Hourly != nil {
				row[6] = str(v.money(c, *c.Hourly))
			}
			if used, ok := v.used(c); ok {
				row[7] = str(shareText(used))
			}
		}
		t.rows = append(t.rows, row)
	}
	if dearest == 0 {
		t.cols, t.rows = slices.Delete(t.cols, 4, 5), without(t.rows, 4)
	}
	s := section{title: "Cost and capacity", table: t.compact()}
	if dearest == 0 && !slices.ContainsFunc(v.Configs, func(c report.DecisionConfig) bool { return c.AtSLO != nil }) {
		return v.noCapacity()
	}
	if v.Demand > 0 {
		s.title += " for " + rateOf(v.Demand)
	}
	s.lines = v.basis()
	return s
}

// noCapacity says why there are no costs and replicas where they were asked for, or objectives are what they follow from.
func (v *decision) noCapacity() section {
	if len(v.Price) == 0 && v.Demand == 0 && len(v.SLO) == 0 {
		return section{}
	}
	why := "none: no configuration was seen to hold the objectives at any rate, and cost and replicas follow from the highest that holds"
	if len(v.SLO) == 0 {
		why = "none: cost and replicas follow from the highest rate that holds the objectives, and there are no objectives (--slo)"
	}
	return section{title: "Cost and capacity", lines: []cell{str(why)}}
}

// without leaves the i-th cell out of every row.
func without(rows [][]cell, i int) [][]cell {
	for r := range rows {
		rows[r] = slices.Delete(rows[r], i, i+1)
	}
	return rows
}

// used is the share of what its replicas hold that the demand takes: the rest is the headroom to the knee.
func (v *decision) used(c report.DecisionConfig) (part float64, ok bool) {
	if c.AtSLO == nil || c.AtSLO.Value <= 0 || v.Demand <= 0 || c.Replicas <= 0 {
		return 0, false
	}
	return v.Demand / (float64(c.Replicas) * c.AtSLO.Value), true
}

// basis says what the figures of the table stand on.
func (v *decision) basis() []cell {
	var lines []cell
	i := slices.IndexFunc(v.Configs, v.chosen)
	if i >= 0 && v.Demand > 0 && v.Configs[i].Replicas > 0 {
		lines = append(lines, str(v.capacityLine(v.Configs[i])))
	}
	parts := []string{"rate: the highest that one replica was seen to hold within the objectives"}
	if slices.ContainsFunc(v.Configs, func(c report.DecisionConfig) bool { return c.Bound }) {
		parts[0] += " (≥: nothing above it was tried)"
	}
	if v.Demand > 0 {
		parts = append(parts, "load of each: the share of its rate that the demand takes; what is left is the headroom to the knee")
	}
	var prices []string
	for _, p := range v.Price {
		text := p.Basis
		if p.Config != "" {
			text = p.Config + " " + p.Basis
		}
		prices = append(prices, text)
	}
	if len(prices) > 0 {
		basis := "price: " + strings.Join(prices, "; ")
		if v.Use > 0 {
			basis += ", planned to be used at " + percent(v.Use) + " of the rate"
		}
		parts = append(parts, basis, "per million: the cost of as many inferences, 1e6 × price / (3600 × rate"+map[bool]string{true: " × use", false: ""}[v.Use > 0]+")")
	}
	return append(lines, faint(strings.Join(parts, "; ")))
}

// capacityLine is what the demand takes of a configuration, in a sentence.
func (v *decision) capacityLine(c report.DecisionConfig) string {
	s := fmt.Sprintf("%s within the objectives takes %s of %s", rateOf(v.Demand), plural(c.Replicas, "replica"), c.Name)
	if c.Hourly != nil {
		s += ", " + v.money(c, *c.Hourly) + " an hour"
	}
	if used, ok := v.used(c); ok {
		s += "; each then runs at " + shareText(used) + " of the rate that it was seen to hold, " + shareText(1-used) + " below the knee"
	}
	return s + "."
}
