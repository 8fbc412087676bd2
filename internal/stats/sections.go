package stats

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// minSections is from how many sections on their spread tells how values hang together.
const minSections = 6

// SectionQuantile returns the p-quantile of all sections together, with an interval that holds although neighbouring
// requests share a queue. sections are parts of one run in the order of time, about equal in length, best 24; empty
// ones and nil are left out. OK and Need are those of Quantile. method is "order-statistic" where nothing speaks
// against independent values, else "sections". reliable is false where the sample is too short for how its values hang
// together, or has too few sections to tell: then an end of the interval is merely the least or the largest value, and
// the truth may lie outside: measure longer.
//
// The interval is that of order statistics for the effective size of the sample. Requests that wait behind the same
// burst exceed a level together, so the counts of exceedances of the sections spread more than the binomial: by the
// index of dispersion d of Dispersion, n values are worth n/d independent ones. d is the largest over the level p and
// lower ones, since a p99 of a loaded queue is exceeded in a handful of bursts only, too few to tell their size from,
// and the same bursts are seen better lower down. Where no d is beyond the 90 % point of its distribution under
// independence (chi-squared with one degree of freedom less than there are sections), d is 1; else the size is
// divided by (t/z)² too, as d was estimated. scripts/coverage measures how often such intervals cover the truth.
func SectionQuantile(sections []*Sketch, p, conf float64) (e Estimate, method string, reliable bool) {
	var all Sketch
	var parts []*Sketch
	for _, s := range sections {
		if s.Count() > 0 {
			parts = append(parts, s)
			all.Merge(s)
		}
	}
	e = Estimate{N: int(all.n), Need: Need(p, conf), Confidence: conf}
	if all.n == 0 || !(p > 0 && p < 1) || !(conf > 0 && conf < 1) {
		return e, "", false
	}
	e.Value = all.Quantile(p)
	l, u := Ranks(e.N, p, conf)
	if l < 1 || u > e.N {
		return e, "", false
	}
	e.OK = true
	d := 1.0
	for _, level := range []float64{0.5, 0.75, 0.9, 0.95, p} {
		if level <= p {
			d = max(d, exceedances(parts, all.Quantile(level)))
		}
	}
	if len(parts) < minSections || d <= binomialUpTo(len(parts)) {
		e.Lo, e.Hi = all.AtRank(int64(l)), all.AtRank(int64(u))
		return e, "order-statistic", len(parts) >= minSections
	}
	lo, hi, reliable := effectiveRanks(float64(all.n), d*widening(len(parts), conf), p, conf)
	// The value is between them but for a sample of next to no effective size.
	e.Lo, e.Hi = min(e.Value, all.AtRank(lo)), max(e.Value, all.AtRank(hi))
	return e, "sections", reliable
}

// exceedances is the dispersion of the values above v.
func exceedances(parts []*Sketch, v float64) float64 {
	hits, sizes := make([]float64, len(parts)), make([]float64, len(parts))
	for i, s := range parts {
		hits[i], sizes[i] = float64(s.Above(v)), float64(s.n)
	}
	return Dispersion(hits, sizes)
}

// Dispersion returns how much more the counts hits, of sizes each, vary than independent trials would: the variance of
// their sum over that of a binomial. It is 1 on average for independent trials, 25 where they succeed 25 at a time; 1
// for fewer than two counts, and where all or none are hits.
func Dispersion(hits, sizes []float64) float64 {
	var h, n, ss, m float64
	for i := range hits {
		h, n = h+hits[i], n+sizes[i]
	}
	share := h / n
	for i := range hits {
		if sizes[i] > 0 {
			m++
			r := hits[i] - share*sizes[i]
			ss += r * r
		}
	}
	if m < 2 || h <= 0 || h >= n {
		return 1
	}
	return ss * m / (m - 1) / (n * share * (1 - share))
}

// binomialUpTo is the dispersion of m counts that nine of ten independent samples stay below.
func binomialUpTo(m int) float64 {
	return distuv.ChiSquared{K: float64(m - 1)}.Quantile(0.9) / float64(m-1)
}

// widening is (t/z)², by which the variance is to be multiplied as it was estimated from m counts.
func widening(m int, conf float64) float64 {
	half := 1 - (1-conf)/2
	w := distuv.StudentsT{Sigma: 1, Nu: float64(m - 1)}.Quantile(half) / distuv.UnitNormal.Quantile(half)
	return w * w
}

// effectiveRanks are the Ranks for n values that are worth n/d: F of the k-th of m independent values is Beta(k, m+1-k),
// which goes on between whole k and m. ok is false where a rank would lie outside of the sample, and is its end.
func effectiveRanks(n, d, p, conf float64) (lo, hi int64, ok bool) {
	m := n / d
	at := func(target float64) float64 { // the k for which the chance that F of the k-th is at most p is target
		a, b := 0.0, m+1
		for range 60 {
			k := (a + b) / 2
			if (distuv.Beta{Alpha: k, Beta: m + 1 - k}).CDF(p) > target {
				a = k
			} else {
				b = k
			}
		}
		return (a + b) / 2
	}
	l, u := at(1-(1-conf)/2), at((1-conf)/2)
	// Rounded outwards, as whole bursts are: d values each, of which those below the l-th are certain.
	lo = int64(math.Floor((l-1)*d)) + 1
	hi = int64(math.Ceil(u * d))
	return max(1, lo), min(int64(n), hi), l >= 1 && u <= m
}

// SectionRatio returns the sum of num over that of den, which are of parts of one run in the order of time (events and
// seconds, sums and counts), with a Student t interval from how far the parts are off it. Neighbours that are off in
// the same direction count as fewer parts (EffectiveN). OK needs two parts with a positive den. Lengths are equal.
func SectionRatio(num, den []float64, conf float64) Estimate {
	e := Estimate{Need: 2, Confidence: conf}
	var a, b float64
	for i := range den {
		if den[i] > 0 {
			a, b = a+num[i], b+den[i]
			e.N++
		}
	}
	if e.N == 0 || !(conf > 0 && conf < 1) {
		return e
	}
	e.Value = a / b
	var off []float64
	var ss float64
	for i := range den {
		if den[i] > 0 {
			r := num[i] - e.Value*den[i]
			off, ss = append(off, r), ss+r*r
		}
	}
	if e.N < e.Need || math.IsNaN(ss) || math.IsInf(ss, 0) {
		return e
	}
	m := max(2, EffectiveN(off))
	t := distuv.StudentsT{Sigma: 1, Nu: m - 1}.Quantile(1 - (1-conf)/2)
	// The variance of the sum is that of a part times the parts, and more by as many as they are worth fewer.
	h := t * math.Sqrt(ss/float64(e.N-1)/m) * float64(e.N) / b
	e.Lo, e.Hi, e.OK = e.Value-h, e.Value+h, true
	return e
}

// SectionShare returns the share of hits in sizes, which are counts of parts of one run in the order of time, with
// Wilson's interval for as many trials as they are worth: all ("wilson"), or where hits come together more than
// independent ones would, as many as Dispersion says ("sections"). Lengths are equal.
func SectionShare(hits, sizes []float64, conf float64) (e Estimate, method string) {
	e = Estimate{Need: 1, Confidence: conf}
	var h, n float64
	parts := 0
	for i := range hits {
		h, n = h+hits[i], n+sizes[i]
		if sizes[i] > 0 {
			parts++
		}
	}
	e.N = int(n)
	if n <= 0 || !(conf > 0 && conf < 1) {
		return e, ""
	}
	method = "wilson"
	worth := 1.0
	if parts >= minSections {
		if d := Dispersion(hits, sizes); d > binomialUpTo(parts) {
			worth, method = d*widening(parts, conf), "sections"
		}
	}
	e.Value, e.Lo, e.Hi = wilson(h/worth, n/worth, conf)
	e.OK = true
	return e, method
}
