package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// queue is a server with one worker that requests come to at random: M/D/1, or with spread M/G/1.
type queue struct {
	load   float64 // of the base: share of the time that it works
	spread float64 // deviation of the logarithm of a service time
	known  map[float64]float64
}

// p99 returns that of n requests after a tenth of warm-up, in service times of the base; scale is how much longer the
// service takes. Both blocks of a pair have the same arrivals, and services of their own.
func (q *queue) p99(arrivals, services *rand.Rand, scale float64, n int) float64 {
	latency := make([]float64, 0, n)
	wait := 0.0
	for i := range n + n/10 {
		service := scale
		if q.spread > 0 {
			service *= math.Exp(q.spread*services.NormFloat64() - q.spread*q.spread/2)
		}
		if i >= n/10 {
			latency = append(latency, wait+service)
		}
		wait = max(0, wait+service-arrivals.ExpFloat64()/q.load)
	}
	slices.Sort(latency)
	return latency[int(math.Ceil(0.99*float64(n)-1e-9))-1]
}

// scale returns how much longer the service must take so that the p99 of many requests grows by a ratio: waiting makes
// it grow faster than the service.
func (q *queue) scale(ratio float64) float64 {
	if ratio == 1 {
		return 1
	}
	if s, ok := q.known[ratio]; ok {
		return s
	}
	long := func(scale float64) float64 {
		return q.p99(rand.New(rand.NewPCG(1, 1)), rand.New(rand.NewPCG(1, 2)), scale, 300_000)
	}
	lo, hi, base := 1.0, ratio, long(1)
	for range 14 {
		mid := (lo + hi) / 2
		if long(mid)/base < ratio {
			lo = mid
		} else {
			hi = mid
		}
	}
	if q.known == nil {
		q.known = map[float64]float64{}
	}
	q.known[ratio] = lo
	return lo
}
