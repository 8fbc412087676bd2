package calibrate

import "math"

// octaves is how far narrow narrows a range: to 1/256.
const octaves = 8

// narrow returns the range inside that from lo to hi and zero for which cost is least, as far as a search finds it: it
// tries both ends scaled alike, with perOctave scales between one and its half, then one end at a time, and from the
// best goes on in ever smaller steps. Where symmetric, both ends have the same magnitude, but none goes beyond lo or
// hi. The search is a fixed sequence and takes the first of equals, so the same cost gives the same range.
func narrow(lo, hi float64, symmetric bool, perOctave int, cost func(lo, hi float64) float64) (float64, float64) {
	lo, hi = min(lo, 0), max(hi, 0)
	s := search{lo: lo, hi: hi, cost: cost}
	if symmetric {
		s.hi = max(hi, -lo)
		s.lo = -s.hi
	}
	s.bestLo, s.bestHi, s.least = s.lo, s.hi, cost(s.lo, s.hi)
	step := math.Exp2(-1 / float64(perOctave))
	s.sweep(step, perOctave, func(f float64) (float64, float64) { return s.lo * f, s.hi * f })
	alone := !symmetric && lo < 0 && hi > 0
	if alone {
		s.sweep(step, perOctave, func(f float64) (float64, float64) { return s.lo * f, s.bestHi })
		s.sweep(step, perOctave, func(f float64) (float64, float64) { return s.bestLo, s.hi * f })
	}
	for ; step < 1-1e-3; step = math.Sqrt(step) {
		for s.move(step, step) || s.move(1/step, 1/step) || alone && (s.move(step, 1) || s.move(1/step, 1) || s.move(1, step) || s.move(1, 1/step)) {
		}
	}
	return max(s.bestLo, lo), min(s.bestHi, hi)
}

// search is the state of narrow.
type search struct {
	lo, hi         float64 // the widest range
	bestLo, bestHi float64
	least          float64 // cost of the best
	cost           func(lo, hi float64) float64
}

// sweep tries the ranges of the factors step, step², … down to 2^-octaves, and of one.
func (s *search) sweep(step float64, perOctave int, of func(factor float64) (lo, hi float64)) {
	for i, f := 0, 1.0; i <= octaves*perOctave; i, f = i+1, f*step {
		s.try(of(f))
	}
}

// move tries the best range with its ends scaled by factors.
func (s *search) move(atLo, atHi float64) bool { return s.try(s.bestLo*atLo, s.bestHi*atHi) }

// try takes a range where it costs less than the best, by more than rounding.
func (s *search) try(lo, hi float64) bool {
	lo, hi = max(lo, s.lo), min(hi, s.hi)
	if lo == s.bestLo && hi == s.bestHi {
		return false
	}
	c := s.cost(lo, hi)
	if !(c < s.least-1e-12*math.Abs(s.least)) {
		return false
	}
	s.bestLo, s.bestHi, s.least = lo, hi, c
	return true
}
