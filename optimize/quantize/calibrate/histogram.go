package calibrate

import "math"

// Histogram counts elements in bins of equal width. The width is a power of two, and so small that the elements seen so
// far, and zero, just fit into the bins that there may be; when they no longer do, neighbours are added up two by two.
// Dividing by a power of two is exact, so the histogram is a function of the elements alone: neither their order, nor
// how they came in parts, nor which of two histograms is merged into the other, moves a single count.
//
// Bin i covers [i·w, (i+1)·w), a negative one (i·w, (i+1)·w]: mirrored, so that bins i and −1−i hold the same
// magnitudes. Elements that are exactly zero are counted apart: they cost no precision whatever the scale, and after a
// Relu they are most.
type Histogram struct {
	Exp    int      // the width of a bin is 2^Exp
	First  int32    // index of the bin that Counts begins with
	Counts []uint64 // from the bin of the smallest element to that of the largest; nil for none
	Zeros  uint64   // elements that are exactly zero; not in Counts
	Min    float32  // the smallest element; meaningless for none
	Max    float32  // the largest one

	limit int // how many bins there may be
}

// The bounds of Exp: powers of two that are normal float32 numbers, and so are their reciprocals.
const minExp, maxExp = -126, 126

// The bounds of Options.Bins: with the least, elements at both ends of float32 still fit; the most are 1 MiB.
const minBins, maxBins = 16, 1 << 16

// newHistogram returns an empty histogram of at least bins bins for the range of its elements and zero, which every
// range of quantization has, and at most twice as many.
func newHistogram(bins int) *Histogram { return &Histogram{Exp: minExp, limit: 2 * bins} }

// Width returns the width of a bin.
func (h *Histogram) Width() float64 { return math.Ldexp(1, h.Exp) }

// Elements returns how many elements were counted.
func (h *Histogram) Elements() uint64 {
	n := h.Zeros
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// bin returns the index of the bin of v, which is not −0, where a bin is 2^exp wide.
func bin(v float32, exp int) int32 { return int32(v*power(-exp)) + int32(math.Float32bits(v))>>31 }

// power returns 2^e, −127 < e < 128.
func power(e int) float32 { return math.Float32frombits(uint32(e+127) << 23) }

// exponent returns the Exp of a histogram of limit bins with elements from lo to hi: the smallest at which so many bins
// reach from one to the other, by way of zero. It never falls when the range grows.
func exponent(lo, hi float32, limit int) int {
	lo, hi = min(lo, 0), max(hi, 0)
	exp := minExp
	if hi > lo {
		_, e := math.Frexp((float64(hi) - float64(lo)) / float64(limit)) // no narrower bins can do than 2^(e-1)
		exp = max(exp, e-1)
	}
	for int(bin(hi, exp))-int(bin(lo, exp)) >= limit {
		exp++
	}
	return exp
}

// add counts x, whose elements are finite and lie between lo and hi, the smallest and the largest of them.
func (h *Histogram) add(x []float32, lo, hi float32) {
	h.reach(lo, hi)
	h.Zeros += count(h.Counts, x, power(-h.Exp), h.First)
}

// count adds x to counts, where an element v has its place at v·inv, rounded towards minus infinity, less first.
// It returns how many elements are zero; they are not counted.
func count(counts []uint64, x []float32, inv float32, first int32) (zeros uint64) {
	for _, v := range x {
		b := math.Float32bits(v)
		zero := uint32((uint64(b<<1) - 1) >> 63) // 1 for +0 and −0, without a branch that half of all elements take
		at := int32(v*inv) + int32(b)>>31 + int32(zero&(b>>31)) - first
		counts[at]++
		zeros += uint64(zero)
	}
	if zeros > 0 {
		counts[-first] -= zeros
	}
	return zeros
}

// reach widens the histogram to elements from lo to hi.
func (h *Histogram) reach(lo, hi float32) {
	if h.Counts != nil {
		lo, hi = min(lo, h.Min), max(hi, h.Max)
		if lo == h.Min && hi == h.Max {
			return
		}
	}
	exp := exponent(lo, hi, h.limit)
	first := bin(lo, exp)
	counts := make([]uint64, int(bin(hi, exp))-int(first)+1)
	h.pour(counts, first, exp)
	h.Exp, h.First, h.Counts, h.Min, h.Max = exp, first, counts, lo, hi
}

// pour adds h's counts to those of a histogram of the same or wider bins that reaches as far.
func (h *Histogram) pour(counts []uint64, first int32, exp int) {
	shift := min(exp-h.Exp, 31)
	for i, c := range h.Counts {
		counts[(h.First+int32(i))>>shift-first] += c
	}
}

// merge adds what o counted; o stays as it is. Both have the same limit.
func (h *Histogram) merge(o *Histogram) {
	if o.Counts == nil {
		return
	}
	h.reach(o.Min, o.Max)
	o.pour(h.Counts, h.First, h.Exp)
	h.Zeros += o.Zeros
}

// clone returns a copy that shares nothing.
func (h *Histogram) clone() *Histogram {
	c := *h
	c.Counts = append([]uint64(nil), h.Counts...)
	return &c
}
