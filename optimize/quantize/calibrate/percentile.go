package calibrate

import (
	"math"
	"slices"
)

// percentile returns the range with at least p percent of the elements: where symmetric, of their magnitudes, else with
// as many cut from one end as from the other, at most. Bins are cut whole.
func (h *Histogram) percentile(p float64, symmetric bool) (lo, hi float64) {
	counts := h.withZeros()
	n := 0.0
	for _, c := range counts {
		n += float64(c)
	}
	spare := math.Floor((100-p)/100*n + 1e-9)
	w := h.Width()
	if symmetric {
		folded := h.fold(counts)
		end := float64(keep(folded, spare)) * w
		return max(-end, float64(h.Min)), min(end, float64(h.Max))
	}
	spare = math.Floor((100-p)/200*n + 1e-9)
	end := keep(counts, spare)
	slices.Reverse(counts)
	begin := len(counts) - keep(counts, spare)
	lo, hi = (float64(h.First)+float64(begin))*w, (float64(h.First)+float64(end))*w
	return max(lo, float64(h.Min)), min(hi, float64(h.Max))
}

// keep returns how many bins are left when as many as may are cut from the end whose elements are at most spare.
func keep(counts []uint64, spare float64) int {
	n := len(counts)
	for n > 1 && float64(counts[n-1]) <= spare {
		spare -= float64(counts[n-1])
		n--
	}
	return n
}

// withZeros returns the counts with the zeros in their bin.
func (h *Histogram) withZeros() []uint64 {
	counts := slices.Clone(h.Counts)
	if h.Zeros > 0 {
		counts[-h.First] += h.Zeros
	}
	return counts
}

// fold returns the counts of magnitudes: bin i of the result holds bins i and −1−i.
func (h *Histogram) fold(counts []uint64) []uint64 {
	end := int(h.First) + len(counts)
	folded := make([]uint64, max(end, -int(h.First)))
	for i, c := range counts {
		at := int(h.First) + i
		if at < 0 {
			at = -1 - at
		}
		folded[at] += c
	}
	return folded
}
