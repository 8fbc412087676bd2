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
	t := &table{cols: []column{{head: "configuration", shrink: true}, {head: "rate", right: true}, {head: ""}, {head: "cost of 1 M", right: true}, {head: "", bar: true, drop: 1},
		{head: "replicas", right: true}, {head: "an hour", right: true}, {head: "of its rate", right: true, drop: 2}}}
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
			row[7] = str(v.usedText(c))
		}
		t.rows = append(t.rows, row)
	}
	if dearest == 0 {
		t.cols, t.rows = slices.Delete(t.cols, 4, 5), without(t.rows, 4)
	}
	s := section{title: "Cost and capacity", table: t.compact()}
	if dearest == 0 && !slices.ContainsFunc(v.Configs, func(c report.DecisionConfig) bool { return c.AtSLO != nil }) {
		return section{}
	}
	if v.Demand > 0 {
		s.title += " for " + rateOf(v.Demand)
	}
	s.lines = v.basis()
	return s
}

// without leaves the i-th cell out of every row.
func without(rows [][]cell, i int) [][]cell {
	for r := range rows {
		rows[r] = slices.Delete(rows[r], i, i+1)
	}
	return rows
}

// usedText is the share of what its replicas hold that the demand takes: the rest is the headroom to the knee.
func (v *decision) usedText(c report.DecisionConfig) string {
	if c.AtSLO == nil || c.AtSLO.Value <= 0 || v.Demand <= 0 {
		return ""
	}
	return percent(v.Demand / (float64(c.Replicas) * c.AtSLO.Value))
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
		parts = append(parts, "of its rate: how much of it the demand takes from each replica; what is left is the headroom to the knee")
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
		parts = append(parts, basis, "cost of 1 M inferences: 1 000 000 × price / (3600 × rate"+map[bool]string{true: " × use", false: ""}[v.Use > 0]+")")
	}
	return append(lines, faint(strings.Join(parts, "; ")))
}

// capacityLine is what the demand takes of a configuration, in a sentence.
func (v *decision) capacityLine(c report.DecisionConfig) string {
	s := fmt.Sprintf("%s within the objectives takes %s of %s", rateOf(v.Demand), plural(c.Replicas, "replica"), c.Name)
	if c.Hourly != nil {
		s += ", " + v.money(c, *c.Hourly) + " an hour"
	}
	if used := v.usedText(c); used != "" {
		s += "; each then has " + used + " of the rate that it was seen to hold"
	}
	return s + "."
}
