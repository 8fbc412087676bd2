package stats

import (
	"math"
	"testing"
)

func TestMcNemar(t *testing.T) {
	for _, c := range []struct {
		gained, lost int
		want         float64
	}{
		{0, 0, 1},
		{1, 0, 1},              // 2·(1/2)
		{0, 5, 0.0625},         // 2·(1/2)^5: five losses alone are not significant
		{0, 6, 0.03125},        // 2·(1/2)^6
		{1, 7, 2 * 9.0 / 256},  // 2·(1+8)/2^8
		{7, 1, 2 * 9.0 / 256},  // symmetric
		{2, 8, 2 * 56. / 1024}, // 2·(1+10+45)/2^10
		{4, 4, 1},              // twice the tail is above 1
		{50, 50, 1},
	} {
		if got := McNemar(c.gained, c.lost); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("McNemar(%d, %d) = %v, want %v", c.gained, c.lost, got, c.want)
		}
	}
	// Far out it agrees with the normal approximation with continuity correction: z = (120-1)/√1000 = 3.763.
	if p, want := McNemar(560, 440), math.Erfc(119/math.Sqrt(1000)/math.Sqrt2); math.Abs(p/want-1) > 0.02 {
		t.Errorf("McNemar(560, 440) = %v, want about %v", p, want)
	}
}

func TestPairedDifference(t *testing.T) {
	const z2 = 1.959963984540054 * 1.959963984540054
	for _, c := range []struct{ gained, lost, n int }{{3, 5, 100}, {0, 0, 40}, {7, 0, 60}, {0, 7, 60}, {40, 40, 80}, {1, 0, 1}, {0, 1, 1}, {9, 2, 11}, {12, 30, 5000}} {
		e := PairedDifference(c.gained, c.lost, c.n, 0.95)
		if !e.OK || e.N != c.n || e.Value != float64(c.gained-c.lost)/float64(c.n) || !(-1 <= e.Lo && e.Lo <= e.Value && e.Value <= e.Hi && e.Hi <= 1) {
			t.Errorf("%+v: %+v", c, e)
		}
		// The other way round it is the same with the other sign.
		if r := PairedDifference(c.lost, c.gained, c.n, 0.95); math.Abs(r.Lo+e.Hi) > 1e-12 || math.Abs(r.Hi+e.Lo) > 1e-12 {
			t.Errorf("%+v: %+v, swapped %+v", c, e, r)
		}
		// 0 is outside where McNemar's statistic is above z².
		d, s := float64(c.gained-c.lost), float64(c.gained+c.lost)
		if outside := e.Lo > 0 || e.Hi < 0; outside != (s > 0 && d*d/s > z2) {
			t.Errorf("%+v: [%v, %v], statistic %v", c, e.Lo, e.Hi, d*d/s)
		}
		// The ends are where the score reaches z, with a deviation from a likelihood maximized by search.
		for _, end := range []float64{e.Lo, e.Hi} {
			if math.Abs(end) > 1-1e-9 {
				continue
			}
			q := likeliest(float64(c.gained), float64(c.lost), float64(c.n), end)
			score := (d - float64(c.n)*end) / math.Sqrt(float64(c.n)*(2*q+end-end*end))
			if math.Abs(score*score-z2) > 1e-3 {
				t.Errorf("%+v: score %v at %v, want ±%v", c, score, end, math.Sqrt(z2))
			}
		}
	}
	// No change in n rows: at the end d the score is nd/√(nd(1-d)), so d = z²/(n+z²).
	if e, want := PairedDifference(0, 0, 96, 0.95), z2/(96+z2); math.Abs(e.Hi-want) > 1e-9 || math.Abs(e.Lo+want) > 1e-9 {
		t.Errorf("%+v, want ±%v", e, want)
	}
	// Without losses the upper end is that of one proportion.
	if e, w := PairedDifference(7, 0, 60, 0.95), Wilson(7, 60, 0.95); math.Abs(e.Hi-w.Hi) > 1e-9 {
		t.Errorf("upper end %v, Wilson %v", e.Hi, w.Hi)
	}
	for _, bad := range [][3]int{{0, 0, 0}, {-1, 0, 5}, {0, -1, 5}, {3, 3, 5}} {
		if PairedDifference(bad[0], bad[1], bad[2], 0.95).OK {
			t.Errorf("%v is accepted", bad)
		}
	}
}

// likeliest searches the probability q of a loss that maximizes the likelihood of the counts when that of a gain is q+d.
func likeliest(gained, lost, n, d float64) float64 {
	term := func(count, p float64) float64 {
		if count == 0 {
			return 0
		}
		return count * math.Log(p)
	}
	f := func(q float64) float64 {
		return term(gained, q+d) + term(lost, q) + term(n-gained-lost, 1-2*q-d)
	}
	lo, hi := max(0, -d), (1-d)/2
	for range 200 { // the logarithms are concave in q
		a, b := lo+(hi-lo)/3, hi-(hi-lo)/3
		if f(a) < f(b) {
			lo = a
		} else {
			hi = b
		}
	}
	return (lo + hi) / 2
}

// The interval covers the true difference about as often as it says, by summing the probabilities of all outcomes.
func TestPairedDifferenceCovers(t *testing.T) {
	const n = 50
	lgamma := func(x int) float64 { v, _ := math.Lgamma(float64(x + 1)); return v }
	for _, c := range []struct{ gain, loss float64 }{{0.1, 0.05}, {0.02, 0.02}, {0.01, 0.1}, {0.3, 0.3}} {
		covered := 0.0
		for g := 0; g <= n; g++ {
			for l := 0; g+l <= n; l++ {
				e := PairedDifference(g, l, n, 0.95)
				if d := c.gain - c.loss; e.Lo <= d && d <= e.Hi {
					covered += math.Exp(lgamma(n) - lgamma(g) - lgamma(l) - lgamma(n-g-l) +
						float64(g)*math.Log(c.gain) + float64(l)*math.Log(c.loss) + float64(n-g-l)*math.Log(1-c.gain-c.loss))
				}
			}
		}
		if covered < 0.93 || covered > 0.995 {
			t.Errorf("%+v: covered with probability %.4f", c, covered)
		}
	}
}
