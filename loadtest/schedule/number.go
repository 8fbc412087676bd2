package schedule

import "math"

// root is the square root, which IEEE 754 fixes to the last bit.
func root(x float64) float64 { return math.Sqrt(x) }

// mul is a product that no compiler may fuse with the sum that it goes into: a conversion rounds.
func mul(x, y float64) float64 { return float64(x * y) }

// ln 2 in two parts: the product of the high one with an exponent is exact.
const (
	ln2High = 6.93147180369123816490e-01
	ln2Low  = 1.90821492927058770002e-10
)

// ln is the natural logarithm of x > 0, finite, to one unit in the last place, the same on every machine.
// Ref: FreeBSD's e_log.c (fdlibm), Copyright (C) 1993 by Sun Microsystems, Inc. Permission to use, copy, modify, and
// distribute that software is freely granted, provided that this notice is preserved.
func ln(x float64) float64 {
	f, exponent := math.Frexp(x)
	if f < math.Sqrt2/2 {
		f, exponent = f*2, exponent-1
	}
	f--
	k := float64(exponent)
	s := f / (2 + f)
	s2 := mul(s, s)
	s4 := mul(s2, s2)
	odd := mul(s2, 6.666666666666735130e-01+mul(s4, 2.857142874366239149e-01+mul(s4, 1.818357216161805012e-01+mul(s4, 1.479819860511658591e-01))))
	even := mul(s4, 3.999999999940941908e-01+mul(s4, 2.222219843214978396e-01+mul(s4, 1.531383769920937332e-01)))
	half := mul(0.5, mul(f, f))
	return mul(k, ln2High) - ((half - (mul(s, half+odd+even) + mul(k, ln2Low))) - f)
}

// exp is e to the power of x ≤ 0, to one unit in the last place where it is a normal number, the same on every
// machine. Ref: FreeBSD's e_exp.c (fdlibm), notice as with ln.
func exp(x float64) float64 {
	if x < -745 {
		return 0
	}
	k := math.Ceil(mul(x, math.Log2E) - 0.5)
	high := x - mul(k, ln2High)
	low := mul(k, ln2Low)
	r := high - low
	t := mul(r, r)
	c := r - mul(t, 1.66666666666666657415e-01+mul(t, -2.77777777770155933842e-03+mul(t, 6.61375632143793436117e-05+mul(t, -1.65339022054652515390e-06+mul(t, 4.13813679705723846039e-08)))))
	return math.Ldexp(1-((low-mul(r, c)/(2-c))-high), int(k))
}
