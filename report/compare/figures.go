package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"infer/internal/stats"
	"infer/report"
)

// addMetrics writes both sides of every metric of x into d, with the label "side": medians over the blocks with their
// order-statistic interval.
func addMetrics(d *report.Document, x *report.CompareDetails) {
	seen := map[string]bool{}
	for _, m := range x.Metrics {
		if seen[m.Name] {
			continue
		}
		seen[m.Name] = true
		for _, side := range []string{"base", "head"} {
			d.Add(sideMetric(x, m, side))
		}
	}
}

func sideMetric(x *report.CompareDetails, c report.CompareMetric, side string) report.Metric {
	m := report.NewMetric(c.Name)
	m.Labels = map[string]string{sideLabel: side}
	value := c.Base
	if side == "head" {
		value = c.Head
	}
	m.Value, m.Method = value, c.Method
	if value == nil {
		return m
	}
	var blocks []float64
	for _, p := range slices.Concat(valid(x.Pairs), valid(x.Cold)) {
		b := p.Base
		if side == "head" {
			b = p.Head
		}
		if v, ok := b.Values[c.Name]; ok {
			blocks = append(blocks, v)
		}
	}
	switch {
	case c.Method == "exact":
		m.N = 1
	case c.Method == "tango":
		e := stats.Wilson(int(math.Round(*value*float64(x.Accuracy.Rows))), x.Accuracy.Rows, 0.95)
		m.N, m.Lo, m.Hi, m.Confidence, m.Method = x.Accuracy.Rows, &e.Lo, &e.Hi, 0.95, "wilson"
	default:
		m.N, m.Method = len(blocks), "median of blocks"
		if e := stats.Quantile(stats.Sorted(blocks), 0.5, 0.95); e.OK && e.Lo <= *value && *value <= e.Hi {
			m.Lo, m.Hi, m.Confidence = &e.Lo, &e.Hi, 0.95
		}
	}
	return m
}

// shift returns the change of latency at every percentile that all blocks have.
func shift(pairs []report.ComparePair, conf float64) []report.ShiftPoint {
	var out []report.ShiftPoint
	pairs = valid(pairs)
	for i, p := range report.ShiftPercentiles {
		var base, head, d []float64
		for _, pair := range pairs {
			b, h := pair.Base.Quantiles, pair.Head.Quantiles
			if i >= len(b) || i >= len(h) || !(b[i] > 0 && h[i] > 0) {
				continue
			}
			base, head, d = append(base, b[i]), append(head, h[i]), append(d, math.Log(h[i]/b[i]))
		}
		if len(d) == 0 || 2*len(d) < len(pairs) {
			continue
		}
		e := stats.SignedRank(d, conf)
		s := report.ShiftPoint{Percentile: p, Base: stats.Median(base), Head: stats.Median(head), Ratio: math.Exp(e.Value)}
		if e.OK {
			lo, hi := math.Exp(e.Lo), math.Exp(e.Hi)
			s.Lo, s.Hi = &lo, &hi
		}
		out = append(out, s)
	}
	return out
}

// checkPairs says whether the pairs can be believed.
func checkPairs(d *report.Document, x *report.CompareDetails) {
	all, good := len(x.Pairs), len(valid(x.Pairs))
	why := ""
	disturbed := map[string]int{}
	count := 0
	for _, p := range x.Pairs {
		for _, b := range []report.CompareBlock{p.Base, p.Head} {
			if why == "" {
				why = b.Invalid
			}
		}
		if names := slices.Concat(p.Base.Disturbed, p.Head.Disturbed); len(names) > 0 {
			count++
			slices.Sort(names)
			for _, n := range slices.Compact(names) {
				disturbed[n]++
			}
		}
	}
	detail := fmt.Sprintf("%d of %d pairs are used", good, all)
	if why != "" {
		detail += "; the first that is not: " + why
	}
	d.AddCheck("pairs", all > 0 && 2*good >= all, "%s", detail)
	if count > 0 {
		var list []string
		for _, k := range report.SortedKeys(disturbed) {
			list = append(list, fmt.Sprintf("%s in %d", k, disturbed[k]))
		}
		d.Warn("others disturbed %d of %d pairs (%s); both sides of a pair meet that alike, and it widens the intervals", count, all, strings.Join(list, ", "))
	}
}
