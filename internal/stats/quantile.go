// Package stats owns the statistics of the program: order statistics with exact intervals, means, tests between
// two samples, change points and mergeable histograms. It is the only home of gonum's statistics.
package stats

import (
	"math"
	"slices"
	"sort"

	"gonum.org/v1/gonum/stat/distuv"
)

// Estimate is a number with the interval that its sample supports.
type Estimate struct {
	Value      float64 `json:"value"`      // meaningless unless OK
	Lo         float64 `json:"lo"`         // lower end of the interval, in the unit of the sample
	Hi         float64 `json:"hi"`         // upper end
	N          int     `json:"n"`          // size of the sample
	Need       int     `json:"need"`       // smallest sample that supports the interval
	OK         bool    `json:"ok"`         // false: the sample is too small, print Need instead of Value
	Confidence float64 `json:"confidence"` // of the two-sided interval, in (0, 1)
}

// AtLeast is e with its lower end raised to least, below which no value of the sample lies: the t interval of a few wild
// values may reach below zero. The value stays inside of the interval.
func (e Estimate) AtLeast(least float64) Estimate {
	e.Lo = min(e.Value, max(e.Lo, least))
	return e
}

// Quantile returns the nearest-rank p-quantile, sorted[ceil(p·n)-1], with its distribution-free two-sided interval:
// the order statistics l and u with P(Bin(n,p) < l) ≤ α/2 and P(Bin(n,p) ≥ u) ≤ α/2, where α = 1-conf. It assumes
// independent samples; see EffectiveN. sorted ascends; p and conf are in (0, 1), else OK is false.
func Quantile(sorted []float64, p, conf float64) Estimate {
	n := len(sorted)
	e := Estimate{N: n, Need: Need(p, conf), Confidence: conf}
	if n == 0 || !(p > 0 && p < 1) || !(conf > 0 && conf < 1) {
		return e
	}
	e.Value = sorted[rank(n, p)-1]
	l, u := Ranks(n, p, conf)
	if l < 1 || u > n {
		return e
	}
	e.Lo, e.Hi, e.OK = sorted[l-1], sorted[u-1], true
	return e
}

// rank is the 1-based nearest rank. The slack keeps products such as 0.07·100 from rounding one rank too high.
func rank(n int, p float64) int {
	return min(n, max(1, int(math.Ceil(p*float64(n)-1e-9))))
}

// Ranks returns the 1-based ranks of the two-sided interval of Quantile; l < 1 or u > n says that it does not exist.
func Ranks(n int, p, conf float64) (l, u int) {
	half := (1 - conf) / 2
	b := distuv.Binomial{N: float64(n), P: p}
	// First k with P(Bin ≤ k) above α/2: it is the largest l with P(Bin ≤ l-1) ≤ α/2.
	l = sort.Search(n, func(k int) bool { return b.CDF(float64(k)) > half })
	// At k = n-1 the upper tail is p^n, so a miss (k = n) gives u = n+1.
	u = sort.Search(n, func(k int) bool { return b.CDF(float64(k)) >= 1-half }) + 1
	return l, u
}

// Need returns the smallest n for which the two-sided interval of the p-quantile exists: both p^n and (1-p)^n are at
// most (1-conf)/2. It is 0 for p or conf outside (0, 1).
func Need(p, conf float64) int {
	if !(p > 0 && p < 1) || !(conf > 0 && conf < 1) {
		return 0
	}
	return int(math.Ceil(math.Log((1-conf)/2)/math.Log(max(p, 1-p)) - 1e-9))
}

// Sorted returns an ascending copy of x.
func Sorted(x []float64) []float64 {
	s := slices.Clone(x)
	slices.Sort(s)
	return s
}

// Median returns the median of x, the mean of the middle two for an even count, NaN for none. x is left as it is.
func Median(x []float64) float64 {
	return sortedMedian(Sorted(x))
}

func sortedMedian(s []float64) float64 {
	n := len(s)
	if n == 0 {
		return math.NaN()
	}
	return (s[(n-1)/2] + s[n/2]) / 2
}

// MAD returns the median absolute deviation from the median times 1.4826, which estimates the standard deviation of a
// normal sample. NaN for an empty one.
func MAD(x []float64) float64 {
	m := Median(x)
	d := make([]float64, len(x))
	for i, v := range x {
		d[i] = math.Abs(v - m)
	}
	return 1.4826 * Median(d)
}
