package stats

import (
	"math"
	"testing"
)

// TestAtLeastLoadGen holds AtLeast to MLPerf LoadGen's early stopping: the smallest n for which t misses or fewer have a
// chance of at most 1 % where the share of misses is 1 - p. The counts are those of its rules (t = 1 at p99: 662).
func TestAtLeastLoadGen(t *testing.T) {
	for _, c := range []struct {
		p      float64
		misses int
		n      int
	}{
		{.99, 0, 459}, {.99, 1, 662}, {.99, 10, 2010}, {.99, 100, 12571}, {.9, 0, 44}, {.9, 5, 127}, {.999, 2, 8403},
	} {
		few := func(n int) float64 { return 1 - AtLeast(float64(c.misses+1), float64(n), 1-c.p) }
		if few(c.n) > .01 || few(c.n-1) <= .01 {
			t.Errorf("p %v, %d misses: P is %.5f at %d and %.5f at %d, want the step over 0.01 there", c.p, c.misses, few(c.n), c.n, few(c.n-1), c.n-1)
		}
	}
}

func TestAtLeastEnds(t *testing.T) {
	for _, c := range []struct{ hits, n, p, want float64 }{
		{0, 10, .5, 1}, {-1, 10, .5, 1}, {11, 10, .5, 0}, {1, 10, 0, 0}, {1, 10, 1, 1}, {10, 10, .5, math.Pow(.5, 10)},
		{0.5, 0.5, .25, .5}, // I_x(a, 1) = x^a
		{1, 0, .5, 0},
	} {
		if got := AtLeast(c.hits, c.n, c.p); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("AtLeast(%v, %v, %v) = %v, want %v", c.hits, c.n, c.p, got, c.want)
		}
	}
}
