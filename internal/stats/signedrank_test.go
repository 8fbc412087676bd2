package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Tables of the distribution: for n = 8 P(W ≤ 3) = 5/256 = 0.0195 and P(W ≤ 4) = 0.0273 (Hollander, Wolfe, Chicken, table A.4).
func TestRankSumsBelow(t *testing.T) {
	for _, c := range []struct {
		n    int
		tail float64
		want int
	}{{8, 0.025, 4}, {8, 0.0039, 0}, {8, 1.0 / 256, 1}, {10, 0.025, 9}, {6, 0.025, 1}, {5, 0.025, 0}, {20, 0.025, 53}} {
		if got := rankSumsBelow(c.n, c.tail); got != c.want {
			t.Errorf("n=%d tail %v: %d, want %d", c.n, c.tail, got, c.want)
		}
	}
}

func TestSignedRankP(t *testing.T) {
	for _, c := range []struct {
		name  string
		d     []float64
		shift float64
		want  float64
	}{
		{"all positive", []float64{1, 2, 3, 4, 5, 6}, 0, 1.0 / 64},
		{"one small negative", []float64{-1, 2, 3, 4, 5, 6}, 0, 2.0 / 64},
		{"all negative", []float64{-1, -2, -3}, 0, 1},
		{"shifted", []float64{1, 2, 3, 4, 5, 6}, 0.5, 1.0 / 64},
		{"zeros say nothing", []float64{0, 0, 1, 2, 3}, 0, 1.0 / 8},
		{"ties", []float64{1, 1, 1, 1}, 0, 1.0 / 16},
		{"ties on both sides", []float64{1, -1}, 0, 3.0 / 4}, // sums 0, 1.5, 1.5 and 3: seen is 1.5
		{"none", nil, 0, 1},
	} {
		if got := SignedRankP(c.d, c.shift); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: p %v, want %v", c.name, got, c.want)
		}
	}
}

// The interval and the test are one: a shift at the edge is just refused, one inside is not.
func TestSignedRankInterval(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{6, 8, 13, 40} {
		d := make([]float64, n)
		for i := range d {
			d[i] = r.NormFloat64() + 0.3
		}
		e := SignedRank(d, 0.95)
		if !e.OK || e.Lo > e.Value || e.Value > e.Hi {
			t.Fatalf("n=%d: %+v", n, e)
		}
		if p := SignedRankP(d, e.Lo-1e-9); p > 0.025 {
			t.Errorf("n=%d: p %v just below the interval", n, p)
		}
		if p := SignedRankP(d, e.Lo+1e-9); p <= 0.025 {
			t.Errorf("n=%d: p %v just inside the interval", n, p)
		}
	}
	if e := SignedRank([]float64{1, 2, 3, 4, 5}, 0.95); e.OK || e.Need != 6 {
		t.Errorf("five pairs: %+v", e)
	}
	if e := SignedRank(nil, 0.95); e.OK {
		t.Errorf("no pairs: %+v", e)
	}
}

// The exact p-values of 400 pairs and the approximation above go over into each other.
func TestSignedRankLarge(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	d := make([]float64, maxExactRanks)
	for i := range d {
		d[i] = r.NormFloat64() + 0.1
	}
	exact := SignedRankP(d, 0)
	approx := SignedRankP(append(d, 1e-12), 0)
	if math.Abs(exact-approx) > 0.002 {
		t.Errorf("exact %v, approximate %v", exact, approx)
	}
}

func TestHolm(t *testing.T) {
	got := Holm([]float64{0.01, 0.04, 0.03, 0.005})
	for i, want := range []float64{0.03, 0.06, 0.06, 0.02} { // Holm's own procedure by hand
		if math.Abs(got[i]-want) > 1e-12 {
			t.Errorf("p %d adjusted to %v, want %v", i, got[i], want)
		}
	}
	if len(Holm(nil)) != 0 {
		t.Error("no tests give p-values")
	}
}

// A shift as large as Detectable is found about as often as it says.
func TestDetectable(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	const n, tail, trials = 16, 0.025, 2000
	found := 0
	for range trials {
		d := make([]float64, n)
		for i := range d {
			d[i] = r.NormFloat64()
		}
		shift := Detectable(d, tail, 0.8) // of this sample's own deviation
		for i := range d {
			d[i] = r.NormFloat64() + shift
		}
		if SignedRankP(d, 0) <= tail {
			found++
		}
	}
	if share := float64(found) / trials; share < 0.72 || share > 0.86 {
		t.Errorf("found %v of the shifts, want about 0.8", share)
	}
	if !math.IsNaN(Detectable([]float64{1}, 0.025, 0.8)) {
		t.Error("one pair detects something")
	}
}
