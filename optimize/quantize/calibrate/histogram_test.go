package calibrate

import (
	"math/rand/v2"
	"testing"
)

func gaussian(n int, seed uint64, relu bool) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
		if relu && x[i] < 0 {
			x[i] = 0
		}
	}
	return x
}

func BenchmarkLook(b *testing.B) {
	x := gaussian(1<<20, 1, false)
	b.SetBytes(4 << 20)
	for b.Loop() {
		look(x)
	}
}

func BenchmarkAdd(b *testing.B) {
	for _, relu := range []bool{false, true} {
		name := "normal"
		if relu {
			name = "relu"
		}
		x := gaussian(1<<20, 1, relu)
		s := look(x)
		b.Run(name, func(b *testing.B) {
			h := newHistogram(2048)
			b.SetBytes(4 << 20)
			for b.Loop() {
				h.add(x, s.lo, s.hi)
			}
		})
	}
}
