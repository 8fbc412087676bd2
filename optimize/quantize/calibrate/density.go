package calibrate

import (
	"math"

	"infer/optimize/quantize/affine"
)

// density is a histogram as a function of the real numbers: the elements of a bin are spread over it evenly, the first
// and the last bin end at the smallest and the largest element. With it the error of quantization is an integral that
// has a closed form, true also where a step is smaller than a bin.
type density struct {
	edges  []float64 // one more than bins
	per    []float64 // elements per unit of length in a bin
	points []point   // elements of bins without a length
	lo, hi float64
	signal float64 // Σx²
}

type point struct{ x, n float64 }

// newDensity returns the density of a histogram with elements.
func newDensity(h *Histogram) density {
	w := h.Width()
	n := len(h.Counts)
	d := density{edges: make([]float64, n+1), per: make([]float64, n), lo: float64(h.Min), hi: float64(h.Max)}
	for i := range d.edges {
		d.edges[i] = (float64(h.First) + float64(i)) * w
	}
	d.edges[0], d.edges[n] = d.lo, d.hi
	for i, c := range h.Counts {
		a, b := d.edges[i], d.edges[i+1]
		if c == 0 {
			continue
		}
		if b <= a {
			d.points = append(d.points, point{a, float64(c)})
			d.signal += a * a * float64(c)
			continue
		}
		d.per[i] = float64(c) / (b - a)
		d.signal += float64(c) * (a*a + a*b + b*b) / 3
	}
	return d
}

// noise returns Σ(x−Q(x))² where Q quantizes with p and dequantizes. Zero is a level, and zeros have no error.
//
// With y = x/scale and k the level nearest to y, at most the last one, the integral of (y−k)² from 0 to y is
// k/12 + (y−k)³/3: a whole step is worth 1/12, and beyond the last level k stays.
func (d density) noise(p affine.Params) float64 {
	lowest, highest := affine.Grid{DType: p.DType}.Levels()
	scale := float64(p.Scale)
	inverse, first, last := 1/scale, float64(lowest-p.Zero), float64(highest-p.Zero)
	integral := func(x float64) float64 {
		y := x * inverse
		k := min(max(math.Floor(y+0.5), first), last)
		r := y - k
		return k/12 + r*r*r/3
	}
	sum, before := 0.0, integral(d.edges[0])
	for i, per := range d.per {
		here := integral(d.edges[i+1])
		sum += per * (here - before)
		before = here
	}
	sum *= scale * scale * scale
	for _, pt := range d.points {
		r := pt.x - scale*min(max(math.RoundToEven(pt.x*inverse), first), last)
		sum += pt.n * r * r
	}
	return sum
}

// sqnr returns 10·log10(signal/noise), +Inf where there is no noise.
func (d density) sqnr(p affine.Params) float64 {
	noise := d.noise(p)
	if noise <= 0 {
		return math.Inf(1)
	}
	return 10 * math.Log10(d.signal/noise)
}
