package search

import (
	"math"
	"testing"
)

// TestFitFindsLine gives a fit exact counts along a line of log odds.
func TestFitFindsLine(t *testing.T) {
	for _, steep := range []float64{8, 40, 100} {
		b := Objective{Allowed: .01}
		var trials []seen
		for _, x := range []float64{-.8, -.4, .4, .8} { // log odds from the break
			p := 1 / (1 + math.Exp(-(odds(.01) + x)))
			trials = append(trials, seen{rate: 100 * math.Exp(x/steep), due: 2000, missed: 2000 * p, group: 1})
		}
		f := newFit(trials, b, 50, 200)
		if m := f.quantile(.5); math.Abs(m/100-1) > .01 {
			t.Errorf("steepness %v: break at %v, want 100", steep, m)
		}
		if lo, hi := f.quantile(.025), f.quantile(.975); lo > 100 || hi < 100 || math.Log(hi/lo) > 2/steep {
			t.Errorf("steepness %v: interval %v to %v", steep, lo, hi)
		}
	}
}

// TestFitBisects has a server that is fast up to 137/s and fails above: with each trial at the median the interval
// shrinks to nothing.
func TestFitBisects(t *testing.T) {
	b := Objective{Allowed: .01, Limit: .1}
	trials := []seen{{rate: 100, due: 1000, group: 1}, {rate: 200, due: 1000, missed: 1000, group: 1, above: true}}
	for range 9 {
		at := newFit(trials, b, 60, 300).quantile(.5)
		trials = append(trials, seen{rate: at, due: 1000, missed: 1000 * one(at > 137), group: 1, above: at > 137})
	}
	if f := newFit(trials, b, 60, 300); math.Abs(f.quantile(.5)/137-1) > .02 {
		t.Errorf("break at %v (%v to %v), want 137", f.quantile(.5), f.quantile(.025), f.quantile(.975))
	}
}

// TestFitGroups makes sure that misses that hang together widen the interval.
func TestFitGroups(t *testing.T) {
	width := func(group float64) float64 {
		f := newFit([]seen{
			{rate: 90, due: 3000, missed: 10, group: group}, {rate: 100, due: 3000, missed: 30, group: group}, {rate: 110, due: 3000, missed: 90, group: group},
		}, Objective{Allowed: .01, Limit: .1}, 50, 200)
		return math.Log(f.quantile(.975) / f.quantile(.025))
	}
	if a, b := width(1), width(30); b < 2*a {
		t.Errorf("interval of independent requests %v, of groups of 30 %v", a, b)
	}
}

func TestFirst(t *testing.T) {
	at := func(rate float64) *fit {
		return newFit([]seen{
			{rate: rate * .99, due: 3000, missed: 15, group: 1}, {rate: rate * 1.01, due: 3000, missed: 60, group: 1},
		}, Objective{Allowed: .01}, 50, 200)
	}
	low, high := at(80), at(120)
	f := first([]*fit{high, low})
	if a, b := f.quantile(.5), low.quantile(.5); math.Abs(a/b-1) > .002 {
		t.Errorf("first break at %v, want %v", a, b)
	}
	same := first([]*fit{low, low})
	if same.quantile(.5) >= low.quantile(.5) {
		t.Errorf("the lower of two equal ones is at %v, each at %v", same.quantile(.5), low.quantile(.5))
	}
	sum := 0.0
	for _, w := range f.weight {
		sum += w
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Errorf("weights sum to %v", sum)
	}
}
