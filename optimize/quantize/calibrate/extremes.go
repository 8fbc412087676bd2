package calibrate

import "math"

// seen is what one look at the elements of a tensor tells.
type seen struct {
	lo, hi   float32 // the smallest and the largest finite element; NaN where there is none. Never −0
	nan, inf int64   // elements
}

// The images of the infinities under key: every finite number lies strictly between.
const (
	keyInf    = 0x7f800000
	keyNegInf = -0x7f800001
)

// key maps the bits of a float32 to an integer of the same order: −NaN < −Inf < … < −0 < +0 < … < +Inf < +NaN.
// Integers have a minimum and a maximum without a branch, and infinities and NaN show in the same two numbers.
func key(b uint32) int32 { return int32(b) ^ int32(b)>>31&math.MaxInt32 }

func unkey(k int32) float32 {
	f := math.Float32frombits(uint32(k ^ k>>31&math.MaxInt32))
	if f == 0 {
		return 0 // never −0
	}
	return f
}

// look scans x.
func look(x []float32) seen {
	lo, hi := int32(math.MaxInt32), int32(math.MinInt32)
	for _, v := range x {
		k := key(math.Float32bits(v))
		lo, hi = min(lo, k), max(hi, k)
	}
	if len(x) > 0 && lo > keyNegInf && hi < keyInf {
		return seen{lo: unkey(lo), hi: unkey(hi)}
	}
	return lookCarefully(x)
}

// lookCarefully is look for a tensor with elements that are not finite, or without elements.
func lookCarefully(x []float32) seen {
	s := seen{lo: float32(math.NaN()), hi: float32(math.NaN())}
	for _, v := range x {
		switch {
		case v != v:
			s.nan++
		case v-v != 0:
			s.inf++
		default:
			v = unkey(key(math.Float32bits(v)))
			if !(s.lo <= v) {
				s.lo = v
			}
			if !(s.hi >= v) {
				s.hi = v
			}
		}
	}
	return s
}

// finite appends the finite elements of x to dst.
func finite(dst, x []float32) []float32 {
	for _, v := range x {
		if v-v == 0 {
			dst = append(dst, v)
		}
	}
	return dst
}
