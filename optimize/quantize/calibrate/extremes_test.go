package calibrate

import (
	"math"
	"slices"
	"testing"
)

var (
	nan    = float32(math.NaN())
	negNaN = math.Float32frombits(0xffc00000)
	inf    = float32(math.Inf(1))
	negZ   = float32(math.Copysign(0, -1))
)

func TestKeyKeepsOrder(t *testing.T) {
	ascending := []float32{negNaN, -inf, -math.MaxFloat32, -1, -1e-45, negZ, 0, 1e-45, 1, math.MaxFloat32, inf, nan}
	for i, v := range ascending[1:] {
		if key(math.Float32bits(ascending[i])) >= key(math.Float32bits(v)) {
			t.Errorf("key(%g) is not below key(%g)", ascending[i], v)
		}
	}
	if key(math.Float32bits(inf)) != keyInf || key(math.Float32bits(-inf)) != keyNegInf {
		t.Error("the keys of the infinities are others")
	}
	for _, v := range []float32{-3.5, -1e-45, 0, 1e-45, 7} {
		if got := unkey(key(math.Float32bits(v))); got != v {
			t.Errorf("unkey(key(%g)) = %g", v, got)
		}
	}
	if math.Signbit(float64(unkey(key(math.Float32bits(negZ))))) {
		t.Error("unkey gives −0")
	}
}

func TestLook(t *testing.T) {
	for _, c := range []struct {
		name string
		x    []float32
		want seen
	}{
		{"none", nil, seen{nan, nan, 0, 0}},
		{"one", []float32{-2}, seen{-2, -2, 0, 0}},
		{"both signs", []float32{1, -3, 2}, seen{-3, 2, 0, 0}},
		{"negative", []float32{-1, -3, -2}, seen{-3, -1, 0, 0}},
		{"minus zero", []float32{negZ}, seen{0, 0, 0, 0}},
		{"NaN of both signs", []float32{nan, 1, negNaN, 2}, seen{1, 2, 2, 0}},
		{"infinities", []float32{inf, -inf, -inf, 5}, seen{5, 5, 0, 3}},
		{"nothing finite", []float32{nan, inf}, seen{nan, nan, 1, 1}},
		{"the largest", []float32{math.MaxFloat32, -math.MaxFloat32}, seen{-math.MaxFloat32, math.MaxFloat32, 0, 0}},
	} {
		got := look(c.x)
		if !same(got.lo, c.want.lo) || !same(got.hi, c.want.hi) || got.nan != c.want.nan || got.inf != c.want.inf {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	if got := finite(nil, []float32{nan, 1, inf, negNaN, -2, -inf}); !slices.Equal(got, []float32{1, -2}) {
		t.Errorf("finite: %v", got)
	}
}

// same reports whether a and b have the same bits, any NaN for any other.
func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

func BenchmarkLook(b *testing.B) {
	x := normal(1<<20, 1)
	b.SetBytes(4 << 20)
	for b.Loop() {
		look(x)
	}
}
