package stats

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// maxSplits is up to how many splits Permutation tries them all: those of eight and eight.
const maxSplits = 12870

// Permutation returns the one-sided p-value that the mean of b is above that of a: how many of the ways to split all
// values into groups of these sizes give as large a difference. It assumes that the values of a and b could have been
// exchanged where there is no change, and nothing of their distribution. Exact up to 12870 splits (eight and eight), else
// from seeded draws. Where a or b is empty it is 1.
// Ref: Good, Permutation, Parametric and Bootstrap Tests of Hypotheses, 3rd ed., 3.3.
func Permutation(a, b []float64, seed uint64) float64 {
	if len(a) == 0 || len(b) == 0 {
		return 1
	}
	all := append(append([]float64{}, a...), b...)
	// The mean of b is above that of a where the sum of b is large: that of all stays as it is.
	var seen, size float64
	for _, v := range b {
		seen += v
	}
	for _, v := range all {
		size += math.Abs(v)
	}
	seen -= 1e-12 * size // sums in another order differ by rounding
	if Splits(len(a), len(b)) <= maxSplits {
		hits, splits := countSplits(all, len(b), seen)
		return float64(hits) / float64(splits)
	}
	r, hits := rand.New(rand.NewPCG(seed, uint64(len(all)))), 0
	for range maxSplits {
		sum := 0.0
		for i := range b {
			j := i + r.IntN(len(all)-i)
			all[i], all[j] = all[j], all[i]
			sum += all[i]
		}
		if sum >= seen {
			hits++
		}
	}
	return float64(hits+1) / (maxSplits + 1)
}

// countSplits returns how many of the choices of k values have a sum of at least seen, and how many choices there are.
func countSplits(x []float64, k int, seen float64) (hits, splits int) {
	if k == 0 {
		if seen <= 0 {
			hits = 1
		}
		return hits, 1
	}
	for i := 0; i+k <= len(x); i++ {
		h, s := countSplits(x[i+1:], k-1, seen-x[i])
		hits, splits = hits+h, splits+s
	}
	return hits, splits
}

// Splits returns in how many ways n+m values split into groups of n and m. The least p-value that Permutation can give
// is one over it.
func Splits(n, m int) float64 {
	s := 1.0
	for i := 1; i <= min(n, m); i++ {
		s = math.Round(s * float64(max(n, m)+i) / float64(i))
	}
	return s
}

// Student is an estimate whose error has Student's distribution, with a scale of its own to either side.
type Student struct {
	Value    float64
	Down, Up float64 // standard errors of the lower and the upper end, ≥ 0; infinite: that end is not known
	DF       float64 // degrees of freedom > 0; infinite: the error is normal
}

// Interval returns the two-sided interval at a confidence in (0, 1).
func (s Student) Interval(conf float64) (lo, hi float64) {
	q := s.quantile(1 - (1-conf)/2)
	return s.Value - q*s.Down, s.Value + q*s.Up
}

// Above returns the one-sided p-value that the truth is above v. It goes with Interval: v at its lower end has
// (1-conf)/2.
func (s Student) Above(v float64) float64 {
	d, scale := s.Value-v, s.Down
	if d < 0 {
		scale = s.Up
	}
	switch {
	case scale > 0:
		return s.cdf(-d / scale)
	case d > 0:
		return 0
	}
	return 1 // a difference that is nothing, or goes the other way
}

// Negative returns the estimate of the negative value.
func (s Student) Negative() Student {
	return Student{Value: -s.Value, Down: s.Up, Up: s.Down, DF: s.DF}
}

// Detectable returns the smallest shift that a one-sided test of level tail would have found with probability power.
func (s Student) Detectable(tail, power float64) float64 {
	return (s.quantile(1-tail) + s.quantile(power)) * max(s.Down, s.Up)
}

func (s Student) quantile(p float64) float64 {
	if math.IsInf(s.DF, 1) {
		return distuv.UnitNormal.Quantile(p)
	}
	return distuv.StudentsT{Sigma: 1, Nu: s.DF}.Quantile(p)
}

func (s Student) cdf(t float64) float64 {
	if math.IsInf(s.DF, 1) {
		return distuv.UnitNormal.CDF(t)
	}
	return distuv.StudentsT{Sigma: 1, Nu: s.DF}.CDF(t)
}

// Prediction returns by how much the mean of b is above that of a, where a and b have the same spread. Where b has
// fewer than five values and a has five or more, the spread is that of a: the question is whether b is like a further
// value of a would be. Else both tell it. Fewer than two values that tell it give an infinite error.
// Ref: Hahn and Meeker, Statistical Intervals, 4.7.
func Prediction(a, b []float64) Student {
	const many = 5
	n, m := float64(len(a)), float64(len(b))
	s := Student{Value: stat.Mean(b, nil) - stat.Mean(a, nil), Down: math.Inf(1), Up: math.Inf(1), DF: 1}
	var squares float64
	switch {
	case len(a) >= many && len(b) < many:
		s.DF, squares = n-1, (n-1)*stat.Variance(a, nil)
	case len(b) >= many && len(a) < many:
		s.DF, squares = m-1, (m-1)*stat.Variance(b, nil)
	case len(a) >= 2 && len(b) >= 2:
		s.DF, squares = n+m-2, (n-1)*stat.Variance(a, nil)+(m-1)*stat.Variance(b, nil)
	default:
		return s
	}
	s.Down = math.Sqrt(squares / s.DF * (1/n + 1/m))
	s.Up = s.Down
	return s
}

// Independent returns the difference b - a of two estimates that have nothing to do with each other, each with an
// interval, by the method of variance estimates recovery: what an end of the one adds to the other's, in quadrature. Of
// two proportions with Wilson's intervals that is Newcombe's hybrid score interval.
// Ref: Newcombe, Statistics in Medicine 17 (1998), 873-890, method 10; Zou and Donner, ibid. 27 (2008), 1693-1702.
func Independent(a, b Estimate) Student {
	s := Student{Value: b.Value - a.Value, DF: math.Inf(1)}
	za, zb := distuv.UnitNormal.Quantile(1-(1-a.Confidence)/2), distuv.UnitNormal.Quantile(1-(1-b.Confidence)/2)
	s.Down = math.Hypot((b.Value-b.Lo)/zb, (a.Hi-a.Value)/za)
	s.Up = math.Hypot((b.Hi-b.Value)/zb, (a.Value-a.Lo)/za)
	return s
}

// Widened returns s with a further error that has nothing to do with the others: so large that alone its interval at a
// confidence were half to either side.
func (s Student) Widened(half, conf float64) Student {
	e := half / s.quantile(1-(1-conf)/2)
	s.Down, s.Up = math.Hypot(s.Down, e), math.Hypot(s.Up, e)
	return s
}
