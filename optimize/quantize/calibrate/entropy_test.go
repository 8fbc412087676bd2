package calibrate

import (
	"math"
	"math/rand/v2"
	"testing"

	"infer/optimize/quantize/affine"
)

// divergenceByDefinition computes KL(P‖Q) bin by bin.
func divergenceByDefinition(counts []uint64, a, b, levels int) float64 {
	p, q := make([]float64, b-a), make([]float64, b-a)
	for i, c := range counts {
		p[min(max(i-a, 0), b-a-1)] += float64(c)
	}
	for g := range levels {
		begin, end := g*(b-a)/levels, (g+1)*(b-a)/levels
		mass, filled := 0.0, 0.0
		for _, c := range counts[a+begin : a+end] {
			if mass += float64(c); c > 0 {
				filled++
			}
		}
		for i := begin; i < end; i++ {
			if counts[a+i] > 0 {
				q[i] = mass / filled
			}
		}
	}
	var sumP, sumQ, d float64
	for i := range p {
		sumP, sumQ = sumP+p[i], sumQ+q[i]
	}
	for i := range p {
		if p[i] > 0 {
			d += p[i] / sumP * math.Log(p[i]/sumP/(max(q[i], epsilon)/sumQ))
		}
	}
	return d
}

func TestDivergence(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 500 {
		counts := make([]uint64, 20+r.IntN(60))
		for i := range counts {
			if r.IntN(3) > 0 {
				counts[i] = r.Uint64N(100)
			}
		}
		levels := 2 + r.IntN(8)
		a := r.IntN(len(counts) - levels)
		b := a + levels + r.IntN(len(counts)-a-levels+1)
		inside := uint64(0)
		for _, c := range counts[a:b] {
			inside += c
		}
		got, want := newSums(counts).divergence(a, b, levels), divergenceByDefinition(counts, a, b, levels)
		if inside == 0 {
			want = math.Inf(1)
		}
		if !(math.Abs(got-want) < 1e-9) && got != want {
			t.Fatalf("bins %d to %d of %v at %d levels: %g, want %g", a, b, counts, levels, got, want)
		}
	}
}

// TestEntropySearches: 400 000 standard normal numbers and one at 60, for which 128 bins leave nothing to choose and the
// range stays at 60. The bulk ends at 4.9; a cut below 3 would drop 0.3 % of it.
func TestEntropySearches(t *testing.T) {
	x := append(normal(400000, 1), 60)
	for name, c := range map[string]struct {
		x      []float32
		g      affine.Grid
		lo, hi [2]float64
	}{
		"symmetric":  {x, s8, [2]float64{-12, -3}, [2]float64{3, 12}},
		"asymmetric": {x, u8, [2]float64{-6, -3}, [2]float64{3, 12}},
		"one-sided":  {relu(append(normal(400000, 2), 60)), u8, [2]float64{0, 0}, [2]float64{3, 12}},
		"below zero": {negated(relu(append(normal(400000, 3), 60))), u8, [2]float64{-12, -3}, [2]float64{0, 0}},
	} {
		lo, hi := histogramOf(2048, c.x).entropy(c.g)
		if lo < c.lo[0] || lo > c.lo[1] || hi < c.hi[0] || hi > c.hi[1] {
			t.Errorf("%s: [%g, %g], want ends in %v and %v", name, lo, hi, c.lo, c.hi)
		}
	}
}

func negated(x []float32) []float32 {
	for i := range x {
		x[i] = -x[i]
	}
	return x
}

// TestEntropyOfFewBins: with fewer bins than levels every bin has a level of its own, and the whole range is best.
func TestEntropyOfFewBins(t *testing.T) {
	x := append(normal(10000, 1), 60)
	h := histogramOf(2048, x)
	if lo, hi := h.entropy(s16); lo != float64(h.Min) || hi != 60 {
		t.Errorf("int16: [%g, %g], want [%g, 60]", lo, hi, h.Min)
	}
	for _, c := range [][]float32{{0, 0}, {3, 3}, {-2, 2}, {5, 5.5, 6}} {
		h := histogramOf(2048, c)
		lo, hi := h.entropy(u8)
		if lo != float64(min(h.Min, 0)) || hi != float64(max(h.Max, 0)) {
			t.Errorf("%v: [%g, %g]", c, lo, hi)
		}
	}
}
