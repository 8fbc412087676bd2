package search

import (
	"context"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"
)

// table is how many searches a server gets in TestSearchTable, which then prints its table:
//
//	go test ./loadtest/search -run TestSearchTable -table 200
var table = flag.Int("table", 0, "searches a server; print the table")

type served struct {
	name   string
	q      queue
	lo, hi float64
	breaks func(queue) float64
	quick  float64 // of the few searches of an ordinary test, this share is within 10 %
}

func servers() []served {
	second := func(servers int, service func(*rand.Rand) float64, limit float64) queue {
		return queue{servers: servers, service: service, limits: []float64{limit}, warmUp: 1}
	}
	return []served{
		{"1 × 10 ms, p99<200ms", second(1, fixed(.01), .2), 20, 400, func(queue) float64 { return breaksMD1(.01, .2, .01) }, 0.8},
		{"1 × 10 ms, p99<50ms", second(1, fixed(.01), .05), 20, 400, func(queue) float64 { return breaksMD1(.01, .05, .01) }, 0.7},
		{"1 × 2 ms, p99<20ms", second(1, fixed(.002), .02), 10, 2000, func(queue) float64 { return breaksMD1(.002, .02, .01) }, 0.8},
		{"4 × 1 ms exponential, p99<20ms", second(4, exponential(.001), .02), 50, 20000, func(queue) float64 { return breaksMMc(4, .001, .02, .01) }, 0.8},
		{"8 × 20 ms, p99<30ms", second(8, fixed(.02), .03), 10, 1000, func(q queue) float64 { return breaksBySimulation(q, 400, .01) }, 0.8},
		{"4 × 20 ms lognormal σ=1, p99<200ms", second(4, lognormal(.02, 1), .2), 10, 1000, func(q queue) float64 { return breaksBySimulation(q, 200, .01) }, 0.7},
	}
}

// TestSearchTable compares what searches find on simulated queues with the rate at which the objective truly breaks.
// As an ordinary test it takes a few searches of those servers whose truth is a formula, and wants only what a search
// that works cannot miss.
func TestSearchTable(t *testing.T) {
	n := *table
	if n > 0 {
		fmt.Println("| server, objective | breaks at | found / true, middle 95 % | within 5 % | over by more than 5 % | interval has the truth | trial time, median (90 %) |")
		fmt.Println("| --- | --- | --- | --- | --- | --- | --- |")
	}
	for i, s := range servers() {
		if n == 0 && i > 3 {
			break
		}
		truth := s.breaks(s.q)
		results := searches(t, s, max(n, 4))
		var ratio, took []float64
		var within, close, over, covered, confirmed float64
		for _, r := range results {
			took = append(took, r.Spent.Seconds())
			if r.Lo <= truth && truth <= r.Hi {
				covered++
			}
			if r.Max == nil {
				continue
			}
			x := *r.Max / truth
			ratio = append(ratio, x)
			within, close, over = within+one(math.Abs(x-1) <= .05), close+one(math.Abs(x-1) <= .1), over+one(x > 1.05)
			confirmed += one(r.Confirmed)
		}
		all := float64(len(results))
		if n > 0 {
			fmt.Printf("| %s | %.1f/s | %.3f to %.3f | %.1f %% | %.1f %% | %.0f %% | %.0f s (%.0f s) |\n", s.name, truth,
				at(ratio, .025), at(ratio, .975), 100*within/all, 100*over/all, 100*covered/all, at(took, .5), at(took, .9))
			continue
		}
		if close/all < s.quick || confirmed/all < .8 {
			t.Errorf("%s breaks at %.1f/s: found %.3f of it, %.0f of %.0f confirmed", s.name, truth, ratio, confirmed, all)
		}
	}
}

func searches(t *testing.T, s served, n int) []*Result {
	t.Helper()
	results := make([]*Result, n)
	o := Options{Objectives: []Objective{{Expr: "p99", Allowed: .01, Limit: s.q.limits[0]}}, Lo: s.lo, Hi: s.hi, WarmUp: time.Second}
	var wg sync.WaitGroup
	for g := range 2 {
		wg.Go(func() {
			for i := g; i < n; i += 2 {
				r, err := Find(context.Background(), o, s.q.trial(uint64(i)*7919+1), nil)
				if err != nil {
					t.Errorf("%s: %v", s.name, err)
					r = &Result{}
				}
				if r.Spent > DefaultOptions.MaxTime {
					t.Errorf("%s took %s of %s", s.name, r.Spent, DefaultOptions.MaxTime)
				}
				results[i] = r
			}
		})
	}
	wg.Wait()
	return results
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func at(x []float64, p float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	slices.Sort(x)
	return x[min(len(x)-1, int(p*float64(len(x))))]
}
