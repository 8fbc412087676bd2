package main

import (
	"math"
	"testing"
)

// With exponential service and one server the latency is exponential with a mean of 1/(1-load): at half load its p90 is
// 2·ln 10 = 4.605 services. With four servers at next to no load it is the service itself: p90 is ln 10.
func TestQueue(t *testing.T) {
	for _, c := range []struct {
		servers int
		load    float64
		want    float64
	}{{1, 0.5, 2 * math.Ln10}, {4, 0.001, math.Ln10}} {
		q := newQueue(c.servers, c.load, wild, 3)
		q.settle(1000)
		if got := q.truth(400_000, 0.9) * 1e3; math.Abs(got/c.want-1) > 0.03 {
			t.Errorf("%d servers at %g: p90 is %g, want %g", c.servers, c.load, got, c.want)
		}
	}
	var n int64
	for _, s := range newQueue(1, 0.3, steady, 4).run(10_000, sections) {
		n += s.Count()
	}
	if n < 9500 || n > 10_500 {
		t.Errorf("%d requests, want about 10 000", n)
	}
}
