package stats

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// MeanOf returns a mean of n independent values with the Student t interval that follows from their standard deviation.
// OK needs two values and a finite sd ≥ 0.
func MeanOf(mean, sd float64, n int, conf float64) Estimate {
	e := Estimate{Value: mean, Lo: mean, Hi: mean, N: n, Need: 2, Confidence: conf}
	if n < 2 || !(sd >= 0) || math.IsInf(sd, 0) || !(conf > 0 && conf < 1) {
		return e
	}
	t := distuv.StudentsT{Sigma: 1, Nu: float64(n - 1)}.Quantile(1 - (1-conf)/2)
	h := t * sd / math.Sqrt(float64(n))
	e.Lo, e.Hi, e.OK = mean-h, mean+h, true
	return e
}

// Difference returns a − b of independent estimates, each with its interval, of equal confidence. The variance of each at
// its ends is recovered from how far these are from the value, so that skew is kept; of two intervals by Wilson it is
// Newcombe's method 10, of two t intervals nearly Welch's. N is the smaller one; OK needs both.
// Ref: Newcombe, Statistics in Medicine 17 (1998) 873-890; Zou and Donner, Statistics in Medicine 27 (2008) 1693-1702.
func Difference(a, b Estimate) Estimate {
	e := Estimate{Value: a.Value - b.Value, N: min(a.N, b.N), Need: max(a.Need, b.Need), Confidence: min(a.Confidence, b.Confidence), OK: a.OK && b.OK}
	e.Lo = e.Value - math.Hypot(a.Value-a.Lo, b.Hi-b.Value)
	e.Hi = e.Value + math.Hypot(a.Hi-a.Value, b.Value-b.Lo)
	return e
}

// Quotient returns a / b of independent estimates above 0, as Difference of their logarithms. OK needs both, and lower
// ends above 0; without it the value alone means something, where b is not 0.
func Quotient(a, b Estimate) Estimate {
	log := func(e Estimate) Estimate {
		e.OK = e.OK && e.Lo > 0
		e.Value, e.Lo, e.Hi = math.Log(e.Value), math.Log(e.Lo), math.Log(e.Hi)
		return e
	}
	e := Difference(log(a), log(b))
	e.Value = a.Value / b.Value
	if !e.OK {
		e.Lo, e.Hi = e.Value, e.Value
		return e
	}
	e.Lo, e.Hi = min(e.Value, math.Exp(e.Lo)), max(e.Value, math.Exp(e.Hi))
	return e
}
