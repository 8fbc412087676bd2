package schedule

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestNumbers: the package's own functions are those of math but for the last bits.
func TestNumbers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	near := func(got, want float64) bool { return math.Abs(got-want) <= 4.5e-16*math.Abs(want) } // two units in the last place
	for range 100000 {
		x := math.Ldexp(rng.Float64()+0.5, rng.IntN(120)-60)
		if got, want := ln(x), math.Log(x); !near(got, want) {
			t.Fatalf("ln %v = %v, want %v", x, got, want)
		}
		y := -700 * rng.Float64() * rng.Float64() * rng.Float64()
		if got, want := exp(y), math.Exp(y); !near(got, want) {
			t.Fatalf("exp %v = %v, want %v", y, got, want)
		}
	}
	for _, c := range []struct{ got, want float64 }{
		{ln(1), 0}, {exp(0), 1}, {exp(-1e300), 0}, {exp(math.Inf(-1)), 0}, {ln(0x1p-53), -53 * math.Ln2},
	} {
		if c.got != c.want {
			t.Errorf("%v, want %v", c.got, c.want)
		}
	}
}
