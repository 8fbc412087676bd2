package compare

import (
	"math"
	"math/rand/v2"
	"testing"

	"infer/report"
)

// However the time that is left is thought of, all looks together spend no more than Alpha, and a look that is the last
// leaves nothing.
func TestLooksSpendAlpha(t *testing.T) {
	o := gatesOf(t, "latency_p99<=+5%")
	r := rand.New(rand.NewPCG(1, 1))
	for trial := range 200 {
		x, most := &report.CompareDetails{}, 1+r.IntN(80)
		ended := false
		for n := 1; n <= 100; n++ {
			x.Pairs = append(x.Pairs, block("latency_p99", 1, math.Exp(0.03+0.2*r.NormFloat64())))
			most = max(n, most+r.IntN(9)-4)
			before := len(x.Looks)
			Look(x, most, o)
			if n >= most {
				ended = true
				break
			}
			if len(x.Looks) > before && x.Looks[before].Pairs != n {
				t.Fatalf("a look at %d pairs says %d", n, x.Looks[before].Pairs)
			}
		}
		spent := 0.0
		for _, l := range x.Looks {
			if !(l.Tail > 0) {
				t.Fatalf("trial %d: a look spends %v", trial, l.Tail)
			}
			spent += l.Tail
		}
		if spent > o.Alpha+1e-12 || ended && spent < o.Alpha-1e-12 {
			t.Fatalf("trial %d: looks spend %v of %v: %+v", trial, spent, o.Alpha, x.Looks)
		}
	}
}

func TestLooks(t *testing.T) {
	for _, c := range []struct {
		name     string
		most, at int // pairs, and by which the outcome is decided
		gates    []string
		pairs    int
		log      float64 // change of every pair
		noise    float64 // deviation of it
	}{
		{"worse, at once", 24, 8, []string{"latency_p99<=+5%"}, 8, 0.5, 0.01},
		{"equal, at once", 24, 8, []string{"latency_p99<=+5%"}, 8, 0, 0.01},
		{"a minimum of pairs", 24, 12, []string{"latency_p99<=+5%"}, 12, 0.5, 0.01},
		{"no look shortly before the last", 10, 10, []string{"latency_p99<=+5%"}, 8, 0.5, 0.01},
		{"three gates need smaller p-values", 24, 9, []string{"latency_p99<=+5%", "latency_p99<=+6%", "latency_p99<=+7%"}, 8, 0.5, 0.01},
		{"not to be told", 24, 24, []string{"latency_p99<=+5%"}, 8, 0.05, 0.3},
		{"nothing to wait for", 24, 8, []string{"throughput>=-5%"}, 8, 0, 0.01},
		{"no gate", 24, 8, nil, 8, 0, 0.01},
		{"one pair in all", 1, 1, []string{"latency_p99<=+5%"}, 8, 0.5, 0.01},
	} {
		o := gatesOf(t, c.gates...)
		o.Pairs = c.pairs
		x, r := &report.CompareDetails{}, rand.New(rand.NewPCG(7, 7))
		for range c.most {
			x.Pairs = append(x.Pairs, block("latency_p99", 1, math.Exp(c.log+c.noise*r.NormFloat64())))
			if Look(x, c.most, o) {
				break
			}
		}
		if len(x.Pairs) != c.at {
			t.Errorf("%s: ended after %d pairs, want %d (%+v)", c.name, len(x.Pairs), c.at, x.Looks)
		}
	}
}
