package stats

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Mean returns the arithmetic mean with a Student t interval whose sample size is EffectiveN(x), so that runs that
// follow each other closely do not narrow it. OK needs two values.
func Mean(x []float64, conf float64) Estimate {
	e := Estimate{N: len(x), Need: 2, Confidence: conf}
	if len(x) < 2 || !(conf > 0 && conf < 1) {
		return e
	}
	m, sd := stat.MeanStdDev(x, nil)
	n := max(2, EffectiveN(x))
	t := distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(1 - (1-conf)/2)
	h := t * sd / math.Sqrt(n)
	e.Value, e.Lo, e.Hi, e.OK = m, m-h, m+h, true
	return e
}

// CoV returns the sample's standard deviation over its mean, NaN below two values.
func CoV(x []float64) float64 {
	if len(x) < 2 {
		return math.NaN()
	}
	m, sd := stat.MeanStdDev(x, nil)
	return sd / m
}

// EffectiveN returns how many independent values the ordered series x is worth: n / (1 + 2Σρ), the sum over Geyer's
// initial positive sequence of autocorrelations (Practical Markov Chain Monte Carlo, 1992). It is in [1, n].
func EffectiveN(x []float64) float64 {
	n := len(x)
	if n < 4 {
		return float64(n)
	}
	if n > 2*maxLagged {
		return effectiveByBlocks(x)
	}
	m := stat.Mean(x, nil)
	acov := func(k int) (c float64) {
		for i := k; i < n; i++ {
			c += (x[i] - m) * (x[i-k] - m)
		}
		return c
	}
	c0 := acov(0)
	if c0 == 0 {
		return float64(n)
	}
	sum := acov(1) / c0
	// The bound on the lag keeps a long trending series from costing n².
	for k := 2; sum > 0 && k+1 < min(n/2, 1000); k += 2 {
		pair := (acov(k) + acov(k+1)) / c0
		if pair <= 0 {
			break
		}
		sum += pair
	}
	return min(float64(n), max(1, float64(n)/(1+2*max(0, sum))))
}

// maxLagged bounds the autocorrelations, which take time in n times the lags.
const maxLagged = 1 << 15

// effectiveByBlocks is EffectiveN of a long series from the means of maxLagged blocks: the variance of the mean is that
// of a block's mean over how many independent blocks there are (batch means).
func effectiveByBlocks(x []float64) float64 {
	size := len(x) / maxLagged
	means := make([]float64, len(x)/size)
	for i := range means {
		means[i] = stat.Mean(x[i*size:(i+1)*size], nil)
	}
	between := stat.Variance(means, nil)
	if between == 0 {
		return float64(len(x))
	}
	n := stat.Variance(x, nil) * EffectiveN(means) / between
	return min(float64(len(x)), max(1, n))
}

// BlockQuantile is Quantile for an ordered, autocorrelated series: the interval comes from a circular block bootstrap
// with the given block length and number of resamples, seeded. OK and Need are those of Quantile.
func BlockQuantile(series []float64, p, conf float64, block, resamples int, seed uint64) Estimate {
	e := Quantile(Sorted(series), p, conf)
	n := len(series)
	if !e.OK || resamples < 1 {
		e.OK = false
		return e
	}
	block = min(n, max(1, block))
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	draw, got := make([]float64, 0, n+block), make([]float64, resamples)
	for i := range got {
		draw = draw[:0]
		for len(draw) < n {
			at := r.IntN(n)
			for j := range block {
				draw = append(draw, series[(at+j)%n])
			}
		}
		draw = draw[:n]
		slices.Sort(draw)
		got[i] = draw[rank(n, p)-1]
	}
	slices.Sort(got)
	e.Lo, e.Hi = got[rank(resamples, (1-conf)/2)-1], got[rank(resamples, 1-(1-conf)/2)-1]
	return e
}

// Wilson returns the proportion hits/n with Wilson's score interval (1927). OK needs n > 0 and 0 ≤ hits ≤ n.
func Wilson(hits, n int, conf float64) Estimate {
	e := Estimate{N: n, Need: 1, Confidence: conf}
	if n < 1 || hits < 0 || hits > n || !(conf > 0 && conf < 1) {
		return e
	}
	e.Value, e.Lo, e.Hi = wilson(float64(hits), float64(n), conf)
	e.OK = true
	return e
}

func wilson(hits, n, conf float64) (p, lo, hi float64) {
	z, p := distuv.UnitNormal.Quantile(1-(1-conf)/2), hits/n
	mid := (p + z*z/(2*n)) / (1 + z*z/n)
	h := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	// At 0 and n hits the bound is p itself, which rounding misses by an ulp.
	return p, min(p, max(0, mid-h)), max(p, min(1, mid+h))
}
