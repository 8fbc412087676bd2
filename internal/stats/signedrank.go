package stats

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// SignedRank returns the Hodges-Lehmann centre of paired differences d, the median of the averages of all two of them
// (and of each with itself), with the interval that inverts Wilcoxon's signed-rank test: the shifts that the exact test
// does not refuse. It assumes that d is symmetric about the shift, as the difference of two blocks in random or mirrored
// order is where there is no change, and nothing else of its distribution. Need is the smallest number of pairs whose
// test can reach the confidence: 6 for 95 %.
// Ref: Hollander, Wolfe, Chicken, Nonparametric Statistical Methods, 3rd ed., 3.1-3.3.
func SignedRank(d []float64, conf float64) Estimate {
	e := Estimate{N: len(d), Confidence: conf}
	if !(conf > 0 && conf < 1) {
		return e
	}
	e.Need = Need(0.5, conf)
	if len(d) == 0 {
		return e
	}
	s := thin(Sorted(d))
	walsh := make([]float64, 0, len(s)*(len(s)+1)/2)
	for i, x := range s {
		for _, y := range s[i:] {
			walsh = append(walsh, (x+y)/2)
		}
	}
	slices.Sort(walsh)
	e.Value = sortedMedian(walsh)
	k := rankSumsBelow(len(s), (1-conf)/2)
	if len(d) < e.Need || k < 1 {
		return e
	}
	e.Lo, e.Hi, e.OK = walsh[k-1], walsh[len(walsh)-k], true
	return e
}

// rankSumsBelow returns the largest k with P(W < k) ≤ tail, where W is the sum of the ranks of n differences whose signs
// are drawn like coins; 0: there is none but the trivial one.
func rankSumsBelow(n int, tail float64) int {
	ranks := make([]int, n)
	for i := range ranks {
		ranks[i] = 2 * (i + 1)
	}
	p, sum := rankSums(ranks), 0.0
	for k := 0; k < len(p); k += 2 {
		if sum += p[k]; sum > tail*(1+1e-12) {
			return k / 2
		}
	}
	return 0
}

// rankSums returns the probability of every sum of ranks whose signs are drawn like coins: of those that are positive.
// The ranks are doubled, so that those of ties are whole numbers.
func rankSums(doubled []int) []float64 {
	total := 0
	for _, r := range doubled {
		total += r
	}
	p, reach := make([]float64, total+1), 0
	p[0] = 1
	for _, r := range doubled {
		reach += r
		for s := reach; s >= 0; s-- {
			with := 0.0
			if s >= r {
				with = p[s-r]
			}
			p[s] = (p[s] + with) / 2
		}
	}
	return p
}

// maxExactRanks bounds the table of rankSums to a few megabytes; above it the normal approximation is good to 1e-6.
const maxExactRanks = 400

// SignedRankP returns the one-sided p-value of Wilcoxon's signed-rank test that the centre of paired differences d is
// above shift: how likely signs drawn like coins give as large a sum of positive ranks. Exact up to 400 pairs, with
// middle ranks where there are ties; differences equal to shift say nothing and are left out. No pairs give 1.
func SignedRankP(d []float64, shift float64) float64 {
	type ranked struct{ size, sign float64 }
	var x []ranked
	for _, v := range d {
		if v -= shift; v != 0 {
			x = append(x, ranked{math.Abs(v), math.Copysign(1, v)})
		}
	}
	if len(x) == 0 {
		return 1
	}
	slices.SortFunc(x, func(a, b ranked) int { return cmp.Compare(a.size, b.size) })
	doubled, seen := make([]int, len(x)), 0
	for i := 0; i < len(x); {
		j := i
		for j < len(x) && x[j].size == x[i].size {
			j++
		}
		for k := i; k < j; k++ {
			doubled[k] = i + 1 + j
			if x[k].sign > 0 {
				seen += doubled[k]
			}
		}
		i = j
	}
	if len(x) > maxExactRanks {
		n := float64(len(x))
		z := (float64(seen)/2 - 0.5 - n*(n+1)/4) / math.Sqrt(n*(n+1)*(2*n+1)/24)
		return distuv.UnitNormal.CDF(-z)
	}
	p := 0.0
	for _, q := range rankSums(doubled)[seen:] {
		p += q
	}
	return min(1, p)
}

// Holm returns the p-values of m tests adjusted so that refusing those at or below a level keeps the probability of any
// false refusal at that level: p times the number of tests whose p is not smaller, not below the one before, at most 1.
// Ref: Holm, Scandinavian Journal of Statistics 6 (1979), 65-70.
func Holm(p []float64) []float64 {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	out, least := make([]float64, len(p)), 0.0
	for k, i := range order {
		least = max(least, min(1, float64(len(p)-k)*p[i]))
		out[i] = least
	}
	return out
}

// Detectable returns the smallest shift of paired differences like d that a one-sided test of level tail would have found
// with probability power, from their Student deviation: (t(1-tail) + t(power)) sd/√n. NaN below two pairs.
func Detectable(d []float64, tail, power float64) float64 {
	if len(d) < 2 || !(tail > 0 && tail < 1 && power > 0 && power < 1) {
		return math.NaN()
	}
	t := distuv.StudentsT{Sigma: 1, Nu: float64(len(d) - 1)}
	return (t.Quantile(1-tail) + t.Quantile(power)) * stat.StdDev(d, nil) / math.Sqrt(float64(len(d)))
}
