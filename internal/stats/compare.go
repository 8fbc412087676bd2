package stats

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// MannWhitney returns the U statistic of b over a, the number of pairs with b > a plus half the ties, and its
// two-sided p-value by the tie-corrected normal approximation with continuity correction. Empty samples give p = 1.
func MannWhitney(a, b []float64) (u, p float64) {
	n, m := float64(len(a)), float64(len(b))
	if n == 0 || m == 0 {
		return 0, 1
	}
	sa, all := Sorted(a), Sorted(append(slices.Clone(a), b...))
	for _, v := range b {
		lo, _ := slices.BinarySearch(sa, v)
		hi := lo
		for hi < len(sa) && sa[hi] == v {
			hi++
		}
		u += float64(lo) + float64(hi-lo)/2
	}
	var ties float64
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j] == all[i] {
			j++
		}
		t := float64(j - i)
		ties, i = ties+t*t*t-t, j
	}
	v := n * m / 12 * (n + m + 1 - ties/((n+m)*(n+m-1)))
	if v <= 0 {
		return u, 1
	}
	z := max(0, math.Abs(u-n*m/2)-0.5) / math.Sqrt(v)
	return u, min(1, 2*distuv.UnitNormal.CDF(-z))
}

// maxPairs bounds each sample of HodgesLehmann, and so its pairs to a million.
const maxPairs = 1000

// HodgesLehmann returns the shift from a to b, the median of all differences b-a, with the interval that inverts the
// Mann-Whitney test. Samples above 1000 values are thinned to evenly spaced order statistics, N stays their count.
func HodgesLehmann(a, b []float64, conf float64) Estimate {
	e := Estimate{N: min(len(a), len(b)), Need: 4, Confidence: conf}
	if e.N == 0 || !(conf > 0 && conf < 1) {
		return e
	}
	a, b = thin(Sorted(a)), thin(Sorted(b))
	d := make([]float64, 0, len(a)*len(b))
	for _, x := range a {
		for _, y := range b {
			d = append(d, y-x)
		}
	}
	n, m := float64(len(a)), float64(len(b))
	return walsh(e, d, n*m/2, math.Sqrt(n*m*(n+m+1)/12))
}

// walsh fills e from all pairwise values d of a rank statistic with the given null mean and deviation.
func walsh(e Estimate, d []float64, mean, sd float64) Estimate {
	slices.Sort(d)
	e.Value = sortedMedian(d)
	c := int(math.Floor(mean - distuv.UnitNormal.Quantile(1-(1-e.Confidence)/2)*sd))
	if e.N < e.Need || c < 1 {
		return e
	}
	e.Lo, e.Hi, e.OK = d[c-1], d[len(d)-c], true
	return e
}

func thin(s []float64) []float64 {
	if len(s) <= maxPairs {
		return s
	}
	out := make([]float64, maxPairs)
	for i := range out {
		out[i] = s[(2*i+1)*len(s)/(2*maxPairs)]
	}
	return out
}
