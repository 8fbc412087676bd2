package main

import (
	"math"
	"math/rand/v2"

	"infer/internal/stats"
)

// queue is a first-come-first-served queue with Poisson arrivals. A service takes 1 on average.
type queue struct {
	random  *rand.Rand
	service func(*rand.Rand) float64
	gap     float64   // mean, between arrivals
	busy    []float64 // when each server is free, from the last arrival on, ascending
}

func newQueue(servers int, load float64, service func(*rand.Rand) float64, seed uint64) *queue {
	return &queue{
		random: rand.New(rand.NewPCG(seed, 1)), service: service,
		gap: 1 / (load * float64(servers)), busy: make([]float64, servers),
	}
}

// next returns the time since the arrival before, and how long the request that arrives is in the system.
func (q *queue) next() (gap, latency float64) {
	gap = q.random.ExpFloat64() * q.gap
	for i := range q.busy {
		q.busy[i] = max(0, q.busy[i]-gap)
	}
	latency = q.busy[0] + q.service(q.random)
	i := 0
	for ; i+1 < len(q.busy) && q.busy[i+1] < latency; i++ {
		q.busy[i] = q.busy[i+1]
	}
	q.busy[i] = latency
	return gap, latency
}

// settle lets n requests pass, so that the queue is no longer empty for being new.
func (q *queue) settle(n int) {
	for range n {
		q.next()
	}
}

// run returns the latencies of a window in which n requests are expected, in sections of equal time.
func (q *queue) run(n, sections int) []*stats.Sketch {
	out := make([]*stats.Sketch, sections)
	for i := range out {
		out[i] = &stats.Sketch{}
	}
	length := float64(n) * q.gap / float64(sections)
	var at float64
	for {
		gap, latency := q.next()
		at += gap
		i := int(at / length)
		if i >= sections {
			return out
		}
		// A service of 1 is a millisecond, which is where sketches are meant to be used.
		out[i].Add(latency * 1e-3)
	}
}

// truth returns the p-quantile of the latency, from n requests.
func (q *queue) truth(n int, p float64) float64 {
	var all stats.Sketch
	for range n {
		_, latency := q.next()
		all.Add(latency * 1e-3)
	}
	return all.Quantile(p)
}

// steady is a service time with a coefficient of variation of 0.3, lognormal as that of a model on a shared machine.
func steady(r *rand.Rand) float64 {
	const sigma2 = 0.08617769624105241 // ln(1 + 0.3²)
	return math.Exp(r.NormFloat64()*math.Sqrt(sigma2) - sigma2/2)
}

// wild is an exponential one.
func wild(r *rand.Rand) float64 { return r.ExpFloat64() }
