package schedule

import (
	"encoding/binary"
	"hash/fnv"
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

// TestBits: moments are the same to the last bit on every machine. Rounding to nanoseconds hides nearly all of what a
// fused product would do to a short schedule, and little of what it would do to a long one; see TestGolden.
func TestBits(t *testing.T) {
	for arrival, want := range map[string]uint64{
		"poisson": 0xf9f1059ce9b33004, "gamma:0.3": 0xbd4217cadd78066, "gamma:4": 0xd3b3664390b3bbf4, "burst:3": 0xceefcf3af98e8033,
	} {
		a, err := ParseArrival(arrival)
		if err != nil {
			t.Fatal(err)
		}
		m := moment{arrival: a}
		m.rng.Seed(1, 0)
		h := fnv.New64a()
		for i := range int64(20000) {
			var b [8]byte
			binary.LittleEndian.PutUint64(b[:], math.Float64bits(m.next(i)))
			h.Write(b[:])
		}
		if got := h.Sum64(); got != want {
			t.Errorf("%s: %#x, want %#x", arrival, got, want)
		}
	}
}
