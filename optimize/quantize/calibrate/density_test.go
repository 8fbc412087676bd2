package calibrate

import (
	"math"
	"testing"

	"infer/model/tensor"
	"infer/optimize/quantize/affine"
)

var (
	u8  = affine.Grid{DType: tensor.Uint8}
	s8  = affine.Grid{DType: tensor.Int8, Symmetric: true}
	u4  = affine.Grid{DType: tensor.Uint4}
	s16 = affine.Grid{DType: tensor.Int16, Symmetric: true}
)

// measured returns Σ(x−Q(x))² and Σx², element by element.
func measured(x []float32, p affine.Params) (noise, signal float64) {
	y := make([]float32, len(x))
	p.Fake(y, x)
	for i, v := range x {
		d := float64(v) - float64(y[i])
		noise += d * d
		signal += float64(v) * float64(v)
	}
	return noise, signal
}

// TestNoiseIsThatOfTheElements compares the integral with quantization itself. Bins are wider than a step for int16 and
// much narrower for uint4.
func TestNoiseIsThatOfTheElements(t *testing.T) {
	x := normal(200000, 5)
	for _, c := range []struct {
		name string
		x    []float32
		g    affine.Grid
		lo   float64
		hi   float64
		tol  float64
	}{
		{"uint8 whole", x, u8, -4.5, 4.5, 0.01},
		{"uint8 clipped", x, u8, -2, 1.5, 0.001},
		{"int8 symmetric", x, s8, -3, 3, 0.01},
		{"uint4", x, u4, -3, 3, 0.01},
		{"int16", x, s16, -5, 5, 0.02},
		{"after a relu", relu(normal(200000, 6)), u8, 0, 4, 0.01},
		{"reduced", x, affine.Grid{DType: tensor.Uint8, Reduced: true}, -2, 2, 0.01},
	} {
		p := c.g.Fit(c.lo, c.hi)
		noise, signal := measured(c.x, p)
		d := newDensity(histogramOf(2048, c.x))
		if got := d.noise(p); math.Abs(got/noise-1) > c.tol {
			t.Errorf("%s: noise %g, measured %g", c.name, got, noise)
		}
		if math.Abs(d.signal/signal-1) > 1e-4 {
			t.Errorf("%s: signal %g, measured %g", c.name, d.signal, signal)
		}
		if want := 10 * math.Log10(signal/noise); math.Abs(d.sqnr(p)-want) > 0.1 {
			t.Errorf("%s: %g dB, measured %g", c.name, d.sqnr(p), want)
		}
	}
}

// TestNoiseOfAUniformDensity: over whole steps it is scale²/12 an element. 0 to 255 at scale 1 is half a step at each
// end and 254 whole ones between, each centred on a level.
func TestNoiseOfAUniformDensity(t *testing.T) {
	h := &Histogram{Exp: 0, First: 0, Min: 0, Max: 255, Counts: make([]uint64, 256)}
	for i := range 255 {
		h.Counts[i] = 12
	}
	d := newDensity(h)
	if got := d.noise(u8.Fit(0, 255)); math.Abs(got-255) > 1e-9 { // 12·255/12
		t.Errorf("noise %g, want 255", got)
	}
	// Beyond 100 all becomes 100: Σ ∫(x−100)² from 100 to 255 is 12·155³/3, and 12·100·s²/12 below, s = 100/255,
	// but for the half step above the last level, which both have.
	if got, want := d.noise(u8.Fit(0, 100)), 4*math.Pow(155, 3)+100*math.Pow(100.0/255, 2); math.Abs(got/want-1) > 1e-5 {
		t.Errorf("clipped: noise %g, want %g", got, want)
	}
}

// TestNoiseOfPoints: a bin whose elements are all one number has no length. 3 at scale 2 rounds to 4 (ties to even), or
// is cut to 2.
func TestNoiseOfPoints(t *testing.T) {
	d := newDensity(histogramOf(minBins, []float32{3, 3}))
	if got := d.noise(affine.Params{DType: tensor.Uint8, Scale: 2}); got != 2 {
		t.Errorf("noise %g, want 2·(3−4)²", got)
	}
	if got := d.noise(affine.Params{DType: tensor.Uint4, Scale: 2, Zero: 14}); got != 2 {
		t.Errorf("noise %g, want 2·(3−2)²", got)
	}
	if got := d.sqnr(affine.Params{DType: tensor.Uint8, Scale: 3}); !math.IsInf(got, 1) {
		t.Errorf("%g dB where 3 is a level", got)
	}
}
