package delta

import (
	"math"
	"slices"

	"infer/internal/stats"
	"infer/report"
)

// noise is what two profiles of one model would differ by. The noise within a profile says nothing of it: a machine that
// is slower for a minute moves all nodes alike, and each by a little more or less. Both are told by the nodes that are the
// same computation on both sides.
type noise struct {
	common *report.Interval // nil: there are fewer than leastAlike
	factor float64          // of the node times, 1 where common is nil
	sd     float64          // of the logarithm of a node's factor around it
	df     float64          // degrees of freedom behind sd
}

const (
	// leastAlike nodes tell how nodes move between two profiles.
	leastAlike = 8
	// guessed is the noise of a node where there are too few.
	guessed = 0.10
	// leastNoise is assumed of a node in any case.
	leastNoise = 0.02
	// significance is the probability that any node at all is found to have moved where none did, at most.
	significance = 0.05
)

// noiseOf takes the median and the median absolute deviation, which a few nodes that did change do not move.
func noiseOf(rows []report.ExplainRow) noise {
	var logs []float64
	for _, r := range rows {
		if alike(r) && !r.Below && *r.Base > 0 && *r.Head > 0 {
			logs = append(logs, math.Log(*r.Head / *r.Base))
		}
	}
	n := noise{factor: 1, sd: guessed, df: math.Inf(1)}
	if len(logs) < leastAlike {
		return n
	}
	slices.Sort(logs)
	m := stats.Quantile(logs, 0.5, 0.95)
	center := stats.Median(logs)
	apart := make([]float64, len(logs))
	for i, v := range logs {
		apart[i] = math.Abs(v - center)
	}
	const normal = 1.4826 // standard deviations in a median absolute deviation of normal values
	n.factor, n.sd = math.Exp(center), max(leastNoise, normal*stats.Median(apart))
	// The deviation is as sure as one of 0.37 times as many values would be. Ref: the efficiency of the median absolute
	// deviation, Rousseeuw and Croux, Journal of the American Statistical Association 88 (1993) 1273-1283.
	n.df = max(1, 0.37*float64(len(logs)-1))
	n.common = &report.Interval{Value: n.factor, N: len(logs)}
	if m.OK {
		lo, hi := math.Exp(m.Lo), math.Exp(m.Hi)
		n.common.Lo, n.common.Hi = &lo, &hi
	}
	return n
}

// judge says of each row on both sides whether it moved otherwise than the nodes that are alike did.
func (n noise) judge(rows []report.ExplainRow) {
	var p []float64
	var tested []*report.ExplainRow
	for i := range rows {
		if r := &rows[i]; both(*r) && !r.Below && r.Lo != nil && r.Hi != nil {
			p, tested = append(p, n.chance(*r)), append(tested, r)
		}
	}
	for i, adjusted := range stats.Holm(p) {
		tested[i].PAdjusted, tested[i].Significant = &adjusted, adjusted <= significance
	}
}

// chance is the two-sided p-value that a node moved as the others did.
func (n noise) chance(r report.ExplainRow) float64 {
	const z = 1.959964 // of the 95 % interval of the row
	between := n.sd * n.factor * *r.Base
	within := max(1, n.factor) / z
	s := stats.Student{
		Value: *r.Head - n.factor**r.Base, DF: n.df,
		Down: math.Hypot(within*(r.Change-*r.Lo), between),
		Up:   math.Hypot(within*(*r.Hi-r.Change), between),
	}
	p := 2 * min(s.Above(0), s.Negative().Above(0))
	if math.IsNaN(p) {
		return 1 // a node that took no time on either side
	}
	return min(1, p)
}
