package stats

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// McNemar returns the two-sided p-value of McNemar's exact conditional test: of two classifiers that answered the same
// rows, gained rows only the second has right and lost rows only the first. Rows on which they agree say nothing; of
// the others each is as likely to be a gain as a loss when the classifiers are equally good, so p is twice the smaller
// tail of a binomial with a half, at most 1. No such rows give 1. The counts are not negative.
// Ref: McNemar, Psychometrika 12 (1947); Fagerland, Lydersen, Laake, BMC Med. Res. Methodol. 13:91 (2013).
func McNemar(gained, lost int) float64 {
	n := gained + lost
	if n <= 0 {
		return 1
	}
	tail := distuv.Binomial{N: float64(n), P: 0.5}.CDF(float64(min(gained, lost)))
	return min(1, 2*tail)
}

// PairedDifference returns the difference of two proportions that were counted on the same n rows, (gained−lost)/n,
// with Tango's score interval: the shifts that a score test does not refuse. It is to pairs what Wilson is to one
// proportion (where lost is 0 their upper ends are the same), stays inside [-1, 1], has a width where nothing was
// gained or lost, and leaves out 0 exactly where (gained−lost)²/(gained+lost), McNemar's statistic, is above z².
// OK needs n > 0 and counts that are not negative and together at most n.
// Ref: Tango, Statistics in Medicine 17 (1998), 891-908.
func PairedDifference(gained, lost, n int, conf float64) Estimate {
	e := Estimate{N: n, Need: 1, Confidence: conf}
	if n < 1 || gained < 0 || lost < 0 || gained+lost > n || !(conf > 0 && conf < 1) {
		return e
	}
	z := distuv.UnitNormal.Quantile(1 - (1-conf)/2)
	g, l, f := float64(gained), float64(lost), float64(n)
	e.Value = (g - l) / f
	// The score falls as the shift grows: from above z left of the interval to below -z right of it.
	e.Lo = bisect(-1, e.Value, func(d float64) bool { return pairedScore(g, l, f, d) > z })
	e.Hi = bisect(e.Value, 1, func(d float64) bool { return pairedScore(g, l, f, d) >= -z })
	e.OK = true
	return e
}

// pairedScore is the score statistic for the hypothesis that the difference is d, in (-1, 1): the distance from it over
// its deviation under the most likely probability q of a loss that has this difference.
func pairedScore(gained, lost, n, d float64) float64 {
	b := (2*n-gained+lost)*d - gained - lost
	c := -lost * d * (1 - d)
	q := max((math.Sqrt(max(0, b*b-8*n*c))-b)/(4*n), 0, -d) // the probability of a gain is q+d
	return (gained - lost - n*d) / math.Sqrt(n*max(2*q+d*(1-d), math.SmallestNonzeroFloat64))
}

// bisect returns where left turns from true to false between lo and hi.
func bisect(lo, hi float64, left func(float64) bool) float64 {
	for range 60 {
		if mid := (lo + hi) / 2; left(mid) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}
