package stats

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
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

// PairedShift returns the Hodges-Lehmann centre of paired differences d, the median of all Walsh averages, with the
// interval that inverts the Wilcoxon signed-rank test (normal approximation). It needs six pairs for 95 %.
func PairedShift(d []float64, conf float64) Estimate {
	e := Estimate{N: len(d), Need: Need(0.5, conf), Confidence: conf}
	if len(d) == 0 || !(conf > 0 && conf < 1) {
		return e
	}
	s := thin(Sorted(d))
	var w []float64
	for i, x := range s {
		for _, y := range s[i:] {
			w = append(w, (x+y)/2)
		}
	}
	n := float64(len(s))
	return walsh(e, w, n*(n+1)/4, math.Sqrt(n*(n+1)*(2*n+1)/24))
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

// SignFlip returns the one-sided p-value of mean(d) > 0 for paired differences under random signs: exact up to 16
// pairs, 1<<16 seeded draws above. No pairs give 1.
func SignFlip(d []float64, seed uint64) float64 {
	if len(d) == 0 {
		return 1
	}
	seen := stat.Mean(d, nil)*float64(len(d)) - 1e-12*stat.Mean(absolute(d), nil)
	r, draws := rand.New(rand.NewPCG(seed, 1)), 1<<min(len(d), 16)
	hits := 0
	for i := range draws {
		var s float64
		bits := uint64(i)
		for j, v := range d {
			if len(d) > 16 && j%64 == 0 {
				bits = r.Uint64()
			}
			if bits>>(j%64)&1 == 1 {
				v = -v
			}
			s += v
		}
		if s >= seen {
			hits++
		}
	}
	if len(d) > 16 {
		return float64(hits+1) / float64(draws+1)
	}
	return float64(hits) / float64(draws)
}

func absolute(d []float64) []float64 {
	out := make([]float64, len(d))
	for i, v := range d {
		out[i] = math.Abs(v)
	}
	return out
}
