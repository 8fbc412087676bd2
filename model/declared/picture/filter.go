package picture

import (
	"math"
	"strings"

	"infer/internal/fault"
)

// Filter is how a pixel of the result is made of pixels of the source.
type Filter int

// The filters, called as in Pillow; Area is its BOX.
const (
	Bilinear Filter = iota
	Nearest
	Area
	Bicubic
	Lanczos
)

var filterNames = []string{"bilinear", "nearest", "area", "bicubic", "lanczos"}

// ParseFilter reads the name of a filter.
func ParseFilter(name string) (Filter, error) {
	for i, n := range filterNames {
		if n == name {
			return Filter(i), nil
		}
	}
	return 0, fault.New(fault.Usage, "use "+strings.Join(filterNames, ", "), "filter %q is not known", name)
}

// String returns the name.
func (f Filter) String() string { return filterNames[f] }

// support is the radius of the kernel, in pixels of the coarser side.
func (f Filter) support() float64 {
	switch f {
	case Nearest, Area:
		return 0.5
	case Bicubic:
		return 2
	case Lanczos:
		return 3
	default:
		return 1
	}
}

// at is the kernel's weight at a distance.
func (f Filter) at(x float64) float64 {
	switch f {
	case Nearest, Area:
		if x > -0.5 && x <= 0.5 {
			return 1
		}
		return 0
	case Bicubic:
		return cubic(math.Abs(x))
	case Lanczos:
		if x < -3 || x >= 3 {
			return 0
		}
		return sinc(x) * sinc(x/3)
	default:
		return max(0, 1-math.Abs(x))
	}
}

// cubic is Keys' kernel with a = -1/2. Ref: Keys, Cubic Convolution Interpolation for Digital Image Processing, 1981.
func cubic(x float64) float64 {
	const a = -0.5
	switch {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return (((x-5)*x+8)*x - 4) * a
	}
	return 0
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}

// taps are the pixels of a line that make one pixel of the result, and their weights in fixed point.
type taps struct {
	first   int
	weights []int32
}

// weightBits are the fraction bits of a weight: with 8 of a pixel and 2 for overshoot they fill an int32, as in Pillow,
// whose results these are to the bit.
const weightBits = 32 - 8 - 2

// tapsOf returns the taps of the pixels lo to hi of a line that is scaled from size to to pixels. Where the line
// shrinks, the kernel grows with it (antialias) or takes the nearest pixels alone.
func tapsOf(f Filter, antialias bool, size, to, lo, hi int) []taps {
	scale := float64(size) / float64(to)
	list := make([]taps, hi-lo)
	if f == Nearest {
		for i := range list {
			list[i] = taps{first: min(size-1, int((float64(lo+i)+0.5)*scale)), weights: []int32{1 << weightBits}}
		}
		return list
	}
	stretch := 1.0
	if antialias {
		stretch = max(scale, 1)
	}
	support, shrink := f.support()*stretch, 1/stretch
	weights := make([]float64, 0, 2*int(math.Ceil(support))+1)
	for i := range list {
		center := (float64(lo+i) + 0.5) * scale
		first := max(0, int(center-support+0.5))
		last := min(size, int(center+support+0.5))
		weights = weights[:0]
		sum := 0.0
		for x := first; x < last; x++ {
			w := f.at((float64(x) - center + 0.5) * shrink)
			weights = append(weights, w)
			sum += w
		}
		list[i] = taps{first: first, weights: make([]int32, len(weights))}
		norm := 1 / sum
		for k, w := range weights {
			list[i].weights[k] = int32(math.Round(w * norm * (1 << weightBits)))
		}
	}
	return list
}
