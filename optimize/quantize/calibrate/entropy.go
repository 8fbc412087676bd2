package calibrate

import (
	"math"

	"infer/optimize/quantize/affine"
)

// epsilon stands for the share of an element that quantization leaves in a bin to which only cut elements belong.
const epsilon = 1e-4

// entropy returns the range for which the elements, cut off at its ends, and their quantization diverge least in the
// sense of Kullback and Leibler. Ref: S. Migacz, "8-bit Inference with TensorRT", 2017; as there, a range has at least
// as many bins as levels. With fewer bins than levels (16-bit grids) there is nothing to choose and the range is whole.
//
// Zeros are left out: they are exact under every range, and after a Relu they would outweigh all else.
func (h *Histogram) entropy(g affine.Grid) (lo, hi float64) {
	qlo, qhi := g.Levels()
	levels := int(qhi) - int(qlo) + 1
	w := h.Width()
	if g.Symmetric {
		s := newSums(h.fold(h.Counts))
		cost := func(_, hi float64) float64 { return s.divergence(0, int(math.Ceil(hi/w)), (levels+1)/2) }
		return h.outward(narrow(float64(h.Min), float64(h.Max), true, 32, cost))
	}
	s := newSums(h.Counts)
	first := float64(h.First)
	cost := func(lo, hi float64) float64 {
		return s.divergence(int(math.Floor(lo/w)-first), int(math.Ceil(hi/w)-first), levels)
	}
	return h.outward(narrow(float64(h.Min), float64(h.Max), false, 32, cost))
}

// outward moves the ends of a range to those of their bins, as far as there are elements.
func (h *Histogram) outward(lo, hi float64) (float64, float64) {
	w := h.Width()
	return max(math.Floor(lo/w)*w, min(float64(h.Min), 0)), min(math.Ceil(hi/w)*w, max(float64(h.Max), 0))
}

// sums holds for each bin what all bins before it add up to: a sum over any bins is one subtraction.
type sums struct {
	counts []uint64
	mass   []float64 // Σ c
	filled []float64 // bins with c > 0
	xlogx  []float64 // Σ c·ln c
}

func newSums(counts []uint64) sums {
	n := len(counts)
	s := sums{counts, make([]float64, n+1), make([]float64, n+1), make([]float64, n+1)}
	for i, c := range counts {
		s.mass[i+1], s.filled[i+1], s.xlogx[i+1] = s.mass[i]+float64(c), s.filled[i], s.xlogx[i]+xlogx(float64(c))
		if c > 0 {
			s.filled[i+1]++
		}
	}
	return s
}

func xlogx(x float64) float64 {
	if x == 0 {
		return 0
	}
	return x * math.Log(x)
}

// divergence returns KL(P‖Q) for the bins from a to b (exclusive). P are their counts, those of all bins outside added
// to the nearest end. Q is what levels leave of the counts alone: in each of levels groups of bins the mass is spread
// evenly over the bins that hold any. It is +Inf where there are fewer bins than levels, unless those are all.
func (s sums) divergence(a, b, levels int) float64 {
	n := len(s.counts)
	a = min(max(a, 0), n)
	b = min(max(b, a), n)
	below, inside, above := s.mass[a], s.mass[b]-s.mass[a], s.mass[n]-s.mass[b]
	if b-a < levels && b-a < n || inside == 0 {
		return math.Inf(1)
	}
	levels = min(levels, b-a)
	all := below + inside + above
	p := s.xlogx[b] - s.xlogx[a] // Σ P·ln P
	p += s.cut(a, below) + s.cut(b-1, above)
	q, low, high := 0.0, epsilon, epsilon // Σ P·ln Q; Q at the ends
	for i, begin := 0, a; i < levels; i++ {
		end := a + (i+1)*(b-a)/levels
		if mass := s.mass[end] - s.mass[begin]; mass > 0 {
			each := mass / (s.filled[end] - s.filled[begin])
			q += mass * math.Log(each)
			if begin <= a && a < end && s.counts[a] > 0 {
				low = each
			}
			if end >= b && s.counts[b-1] > 0 {
				high = each
			}
		}
		begin = end
	}
	q += below*math.Log(low) + above*math.Log(high)
	return (p-q)/all - math.Log(all) + math.Log(inside)
}

// cut returns what more elements in bin i add to Σ P·ln P.
func (s sums) cut(i int, more float64) float64 {
	c := float64(s.counts[i])
	return xlogx(c+more) - xlogx(c)
}
