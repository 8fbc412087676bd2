package search

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/internal/stats"
)

func TestParsePrecision(t *testing.T) {
	for text, want := range map[string]Precision{
		"p99:5%": {.99, .05}, "p99.9:0.1": {.999, .1}, " p50:1% ": {.5, .01},
	} {
		p, err := ParsePrecision(text)
		if err != nil || math.Abs(p.Quantile-want.Quantile) > 1e-12 || math.Abs(p.Half-want.Half) > 1e-12 {
			t.Errorf("%q: %+v, %v", text, p, err)
		}
	}
	for _, text := range []string{"", "p99", "99:5%", "p0:5%", "p100:5%", "pNaN:5%", "p99:", "p99:0", "p99:0.01%", "p99:100%", "p99:NaN", "p99:-5%", "p99:5%%", "p99:5% x"} {
		if _, err := ParsePrecision(text); fault.KindOf(err) != fault.Usage || err == nil || !strings.Contains(err.Error(), "precision") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParsePrecision(f *testing.F) {
	f.Add("p99:5%")
	f.Add("p99.9:0.1")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePrecision(text)
		if err == nil && !(p.Quantile > 0 && p.Quantile < 1 && p.Half >= .001 && p.Half < 1) {
			t.Fatalf("%q: %+v", text, p)
		}
	})
}

func TestBefore(t *testing.T) {
	// 368 requests are the fewest for an interval of p99 at 95 %.
	if got := (Precision{.99, .05}).Before(100, .95); got != 3680*time.Millisecond {
		t.Errorf("%s, want 3.68s", got)
	}
}

func TestFactor(t *testing.T) {
	p := Precision{.99, .05}
	for _, c := range []struct {
		name string
		e    stats.Estimate
		want float64
	}{
		{"as wanted", stats.Estimate{Value: 1, Lo: .95, Hi: 1.05, N: 1000, Need: 368, OK: true}, 1},
		{"better", stats.Estimate{Value: 1, Lo: .99, Hi: 1.01, N: 1000, Need: 368, OK: true}, 1},
		{"twice as wide", stats.Estimate{Value: 1, Lo: .9, Hi: 1.1, N: 1000, Need: 368, OK: true}, 4},
		{"too few", stats.Estimate{Value: 1, N: 92, Need: 368}, 4},
		{"none", stats.Estimate{Need: 368}, 368},
		{"no interval", stats.Estimate{N: 1000, Need: 368}, 2},
		{"nothing takes time", stats.Estimate{N: 1000, Need: 368, OK: true}, 2},
	} {
		if got := p.Factor(c.e); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: factor %v, want %v", c.name, got, c.want)
		}
	}
}

// TestFactorComesTrue plans loads from pilots of 1000 lognormal latencies: a load as long as planned is about as precise
// as wanted.
func TestFactorComesTrue(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	sample := func(n int) stats.Estimate {
		x := make([]float64, n)
		for i := range x {
			x[i] = math.Exp(.5 * r.NormFloat64())
		}
		return stats.Quantile(stats.Sorted(x), .99, .95)
	}
	p, sum := Precision{.99, .05}, 0.0
	for range 50 {
		sum += halfWidth(sample(int(1000 * p.Factor(sample(1000)))))
	}
	if mean := sum / 50; mean < .03 || mean > .06 {
		t.Errorf("half the width is %.3f on average, want 0.05", mean)
	}
}
