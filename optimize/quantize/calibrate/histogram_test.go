package calibrate

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
)

// normal returns n numbers of the standard normal distribution.
func normal(n int, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

func relu(x []float32) []float32 {
	for i, v := range x {
		x[i] = max(v, 0)
	}
	return x
}

// histogramOf returns a histogram of at least bins bins of parts, added one after the other.
func histogramOf(bins int, parts ...[]float32) *Histogram {
	h := newHistogram(bins)
	for _, x := range parts {
		if s := look(x); s.lo <= s.hi {
			h.add(x, s.lo, s.hi)
		}
	}
	return h
}

// naive counts x by the definition: elements that are exactly zero apart, bin i from i·w up, mirrored below zero.
func naive(x []float32, exp int) (bins map[int32]uint64, zeros uint64) {
	bins = map[int32]uint64{}
	for _, v := range x {
		at := int32(math.Floor(math.Ldexp(math.Abs(float64(v)), -exp)))
		switch {
		case v == 0:
			zeros++
			continue
		case v < 0:
			at = -1 - at
		}
		bins[at]++
	}
	return bins, zeros
}

func checkNaive(t *testing.T, h *Histogram, x []float32) {
	t.Helper()
	want, zeros := naive(x, h.Exp)
	if h.Zeros != zeros {
		t.Errorf("%d zeros, want %d", h.Zeros, zeros)
	}
	for i, c := range h.Counts {
		at := h.First + int32(i)
		if c != want[at] {
			t.Errorf("bin %d of width 2^%d: %d elements, want %d", at, h.Exp, c, want[at])
		}
		delete(want, at)
	}
	if len(want) > 0 {
		t.Errorf("bins that the histogram lacks: %v", want)
	}
	if h.Elements() != uint64(len(x)) {
		t.Errorf("%d elements, want %d", h.Elements(), len(x))
	}
}

func TestHistogramCounts(t *testing.T) {
	for _, c := range []struct {
		name string
		x    []float32
	}{
		{"normal", normal(5000, 1)},
		{"relu", relu(normal(5000, 2))},
		{"zeros of both signs", []float32{0, negZ, negZ}},
		{"minus zero and positive", []float32{negZ, 1, 2}},
		{"negative", []float32{-1, -1.5, -2, -4}},
		{"edges of both signs", []float32{-4, -3, -2, -1, 1, 2, 3, 4}},
		{"a hair below zero", []float32{-1e-30, 1e-30, -1, 1}},
		{"far from zero", []float32{1000, 1000.5, 1001}},
		{"one number", []float32{0.1, 0.1}},
		{"subnormal", []float32{1e-45, -1e-45, 3e-45}},
		{"both ends of float32", []float32{-math.MaxFloat32, 0, math.MaxFloat32}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, bins := range []int{minBins, 2048} {
				h := histogramOf(bins, c.x)
				checkNaive(t, h, c.x)
				if len(h.Counts) > 2*bins {
					t.Errorf("%d bins, at most %d were to be", len(h.Counts), 2*bins)
				}
			}
		})
	}
}

// TestHistogramResolution: the range of the elements and zero lies over at least Bins bins.
func TestHistogramResolution(t *testing.T) {
	for _, x := range [][]float32{normal(1000, 3), relu(normal(1000, 4)), {1000, 1001}, {-7, -5}, {0, 1e-30}, {3}} {
		h := histogramOf(2048, x)
		if bins := (float64(max(h.Max, 0)) - float64(min(h.Min, 0))) / h.Width(); bins < 2047 || bins > 4096 {
			t.Errorf("elements from %g to %g: %g bins of 2^%d", h.Min, h.Max, bins, h.Exp)
		}
	}
}

// TestHistogramIsAFunctionOfTheElements: bit for bit the same whatever the order, the parts, and the way of merging.
func TestHistogramIsAFunctionOfTheElements(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for range 200 {
		var parts [][]float32
		var all []float32
		for range 1 + r.IntN(6) {
			x := normal(r.IntN(40), r.Uint64())
			scale := float32(math.Exp2(float64(r.IntN(80) - 40)))
			for i := range x {
				switch x[i] *= scale; r.IntN(4) {
				case 0:
					x[i] = 0
				case 1:
					x[i] = max(x[i], negZ)
				}
			}
			parts, all = append(parts, x), append(all, x...)
		}
		want := histogramOf(minBins, all)
		checkNaive(t, want, all)
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		if got := histogramOf(minBins, parts...); !reflect.DeepEqual(got, want) {
			t.Fatalf("added in parts:\n%+v\nwant\n%+v", got, want)
		}
		at := r.IntN(len(parts) + 1)
		a, b := histogramOf(minBins, parts[:at]...), histogramOf(minBins, parts[at:]...)
		before := b.clone()
		if a.merge(b); !reflect.DeepEqual(a, want) {
			t.Fatalf("merged:\n%+v\nwant\n%+v", a, want)
		}
		if b.Counts != nil && !reflect.DeepEqual(b, before) {
			t.Fatal("merge changed its argument")
		}
	}
}

func BenchmarkHistogram(b *testing.B) {
	for name, x := range map[string][]float32{"normal": normal(1<<20, 1), "relu": relu(normal(1<<20, 1))} {
		b.Run(name, func(b *testing.B) {
			h, s := newHistogram(2048), look(x)
			b.SetBytes(4 << 20)
			for b.Loop() {
				h.add(x, s.lo, s.hi)
			}
		})
	}
}
