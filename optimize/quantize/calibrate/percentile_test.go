package calibrate

import "testing"

// Eight bins of width 1 from −2 on: the least Bins is 16, so the numbers are made, not counted.
func handmade() *Histogram {
	return &Histogram{Exp: 0, First: -2, Min: -1.5, Max: 5.25, Zeros: 50, Counts: []uint64{1, 9, 20, 10, 5, 3, 1, 1}}
}

func TestPercentile(t *testing.T) {
	// 100 elements, 50 of them zeros, which lie in bin 0.
	for _, c := range []struct {
		name      string
		p         float64
		symmetric bool
		lo, hi    float64
	}{
		{"all", 100, false, -1.5, 5.25},
		// 1 element may go at each end: the bin of −2, and that of 5.
		{"two percent", 98, false, -1, 5},
		// Half a percent at each end is no whole element.
		{"one percent", 99, false, -1.5, 5.25},
		// 4 at each end: below, the first bin (1), not the next (9); above, 1 + 1, and not the 3 of the bin before.
		{"eight percent", 92, false, -1, 4},
		// Magnitudes in bins 0, 1, …: 20+9+50, 10+1, 5, 3, 1, 1. Five may go: 1, 1, 3.
		{"symmetric", 95, true, -1.5, 3},
		// Two may go: 1, 1; the lower end stays at what was seen.
		{"symmetric, two percent", 98, true, -1.5, 4},
		// 18 may go: 1, 1, 3, 5, not 11 more. Both ends are cut.
		{"symmetric, eighteen percent", 82, true, -1.5, 2},
		{"symmetric, 22 percent", 78, true, -1, 1},
	} {
		lo, hi := handmade().percentile(c.p, c.symmetric)
		if lo != c.lo || hi != c.hi {
			t.Errorf("%s: [%g, %g], want [%g, %g]", c.name, lo, hi, c.lo, c.hi)
		}
	}
}

// TestPercentileCountsExactly: 99.9 % of 1000 elements leave exactly one out, though 100−99.9 is a hair below 0.1.
func TestPercentileCountsExactly(t *testing.T) {
	h := &Histogram{Exp: 0, First: 0, Min: 0.5, Max: 9.5, Counts: []uint64{999, 0, 0, 0, 0, 0, 0, 0, 0, 1}}
	if _, hi := h.percentile(99.9, true); hi != 1 {
		t.Errorf("ends at %g, want 1", hi)
	}
	h.Counts[0]-- // 999 elements: no whole one may go
	if _, hi := h.percentile(99.9, true); hi != 9.5 {
		t.Errorf("ends at %g, want 9.5", hi)
	}
}
