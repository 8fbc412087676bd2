package stats

import (
	"math"
	"testing"
)

// The examples are those of Newcombe 1998, table II, method 10.
func TestDifferenceNewcombe(t *testing.T) {
	for _, c := range []struct {
		x1, n1, x2, n2 int
		lo, hi         float64
	}{
		{56, 70, 48, 80, 0.0524, 0.3339}, {9, 10, 3, 10, 0.1705, 0.8090}, {6, 7, 2, 7, 0.0582, 0.8062},
		{5, 56, 0, 29, -0.0381, 0.1926}, {0, 10, 0, 20, -0.1611, 0.2775}, {10, 10, 0, 20, 0.6791, 1}, {10, 10, 0, 10, 0.6075, 1},
	} {
		e := Difference(Wilson(c.x1, c.n1, 0.95), Wilson(c.x2, c.n2, 0.95))
		if !e.OK || math.Abs(e.Lo-c.lo) > 6e-5 || math.Abs(e.Hi-c.hi) > 6e-5 {
			t.Errorf("%d/%d - %d/%d is [%.4f, %.4f], want [%.4f, %.4f]", c.x1, c.n1, c.x2, c.n2, e.Lo, e.Hi, c.lo, c.hi)
		}
	}
}

// 10 values of mean 5 and deviation 2: t(9, 0.975) = 2.2622, so the half width is 1.4307.
func TestMeanOf(t *testing.T) {
	e := MeanOf(5, 2, 10, 0.95)
	if !e.OK || math.Abs(e.Hi-6.4307) > 1e-3 || math.Abs(e.Lo-3.5693) > 1e-3 {
		t.Errorf("got %+v", e)
	}
	for _, bad := range []Estimate{MeanOf(5, 2, 1, 0.95), MeanOf(5, -1, 10, 0.95), MeanOf(5, math.NaN(), 10, 0.95), MeanOf(5, math.Inf(1), 10, 0.95)} {
		if bad.OK {
			t.Errorf("%+v is OK", bad)
		}
	}
}

func TestQuotient(t *testing.T) {
	a := Estimate{Value: 2, Lo: 1.8, Hi: 2.2, OK: true, Confidence: 0.95}
	one := Estimate{Value: 1, Lo: 1, Hi: 1, OK: true, Confidence: 0.95}
	if e := Quotient(a, one); !e.OK || math.Abs(e.Lo-1.8) > 1e-12 || math.Abs(e.Hi-2.2) > 1e-12 || e.Value != 2 {
		t.Errorf("over an exact one: %+v", e)
	}
	e := Quotient(a, a)
	if want := math.Exp(math.Hypot(math.Log(1.1), math.Log(2/1.8))); math.Abs(e.Hi-want) > 1e-12 || math.Abs(e.Lo*e.Hi-1) > 1e-12 {
		t.Errorf("over itself: %+v, want up to %v", e, want)
	}
	if e := Quotient(Estimate{Value: 1, Lo: -1, Hi: 3, OK: true}, a); e.OK || e.Value != 0.5 || e.Lo != 0.5 {
		t.Errorf("with an end below 0: %+v", e)
	}
}
