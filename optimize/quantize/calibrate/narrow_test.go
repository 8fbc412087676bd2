package calibrate

import (
	"math"
	"testing"

	"infer/optimize/quantize/affine"
)

func TestNarrowFindsTheLeast(t *testing.T) {
	bowl := func(a, b float64) func(lo, hi float64) float64 {
		return func(lo, hi float64) float64 { return 1 + (lo-a)*(lo-a) + (hi-b)*(hi-b) }
	}
	for _, c := range []struct {
		name             string
		lo, hi           float64
		symmetric        bool
		cost             func(lo, hi float64) float64
		wantLo, wantHigh float64
	}{
		{"inside", -10, 10, false, bowl(-1.7, 6.3), -1.7, 6.3},
		{"one end far in", -1000, 3, false, bowl(-5, 2.9), -5, 2.9},
		{"at the ends", -10, 10, false, bowl(-20, 20), -10, 10},
		{"one-sided", 0, 10, false, bowl(0, 4.2), 0, 4.2},
		{"one-sided below", -10, 0, false, bowl(-3, 0), -3, 0},
		{"all above zero", 5, 10, false, bowl(0, 7), 0, 7},
		{"symmetric", -10, 10, true, bowl(-4, 4), -4, 4},
		{"symmetric, no further than seen", -1, 10, true, bowl(-4, 4), -1, 4},
		{"flat", -10, 10, false, func(_, _ float64) float64 { return 3 }, -10, 10},
		{"never", -10, 10, false, func(_, _ float64) float64 { return math.Inf(1) }, -10, 10},
	} {
		lo, hi := narrow(c.lo, c.hi, c.symmetric, 8, c.cost)
		if math.Abs(lo-c.wantLo) > 0.01*math.Abs(c.wantLo) || math.Abs(hi-c.wantHigh) > 0.01*math.Abs(c.wantHigh) {
			t.Errorf("%s: [%g, %g], want [%g, %g]", c.name, lo, hi, c.wantLo, c.wantHigh)
		}
	}
}

// TestMSEIsNoWorseThanAnyRangeOnAGrid searches all 100 × 100 ranges.
func TestMSEIsNoWorseThanAnyRangeOnAGrid(t *testing.T) {
	skewed := normal(30000, 8)
	for i, v := range skewed {
		if v > 0 {
			skewed[i] = v * v
		}
	}
	outlier := append(normal(30000, 9), 60, -25)
	for name, x := range map[string][]float32{"normal": normal(30000, 7), "skewed": skewed, "outliers": outlier, "relu": relu(normal(30000, 10))} {
		for _, g := range []affine.Grid{u8, s8, u4} {
			h := histogramOf(256, x)
			d := newDensity(h)
			least := math.Inf(1)
			for i := 1; i <= 100; i++ {
				for j := 1; j <= 100; j++ {
					least = min(least, d.noise(g.Fit(d.lo*float64(i)/100, d.hi*float64(j)/100)))
				}
			}
			lo, hi := evidence{seen: h}.bounds(Method{Name: MSE}, g)
			if got := d.noise(g.Fit(lo, hi)); got > least*1.005 {
				t.Errorf("%s on %v: noise %g in [%g, %g], the grid has %g", name, g, got, lo, hi, least)
			}
		}
	}
}

// TestMSEOfTheNormalDistribution: for 15 levels (u4 over [−a, a]) the error of a standard normal variable is least near
// a = 2.7. Both parts are known: inside, scale²/12; outside, 2·((1+a²)·Φ(−a) − a·φ(a)). It is minimised here anew.
func TestMSEOfTheNormalDistribution(t *testing.T) {
	theory := func(a float64) float64 {
		tail := math.Erfc(a/math.Sqrt2) / 2
		density := math.Exp(-a*a/2) / math.Sqrt(2*math.Pi)
		step := 2 * a / 15
		return step*step/12*(1-2*tail) + 2*((1+a*a)*tail-a*density)
	}
	best := 1.0
	for a := 1.0; a < 5; a += 0.001 {
		if theory(a) < theory(best) {
			best = a
		}
	}
	lo, hi := evidence{seen: histogramOf(2048, normal(1<<20, 11))}.bounds(Method{Name: MSE}, u4)
	// The zero point is one of 16 levels: no range is exactly symmetric, so only its width is known, to one step.
	if width := hi - lo; math.Abs(width-2*best) > 2*best/15 {
		t.Errorf("[%g, %g], want a width of %g", lo, hi, 2*best)
	}
}
