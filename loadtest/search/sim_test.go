package search

import (
	"context"
	"math"
	"math/rand/v2"
	"time"
)

// queue is a FIFO queue with servers, in virtual time: what a search is tried on.
type queue struct {
	servers int
	service func(r *rand.Rand) float64 // seconds
	limits  []float64                  // by objective: latency in seconds that may not be passed
	fails   float64                    // share of requests that fail
	sheds   float64                    // seconds of waiting above which a request is refused at once; 0: none
	trust   float64                    // rate above which the generator does not keep up; 0: none
	warmUp  float64                    // seconds before the window
	look    float64                    // seconds between calls of watch; 0: 0.25
}

// trial returns a Trial on q, each call with arrivals of its own.
func (q queue) trial(seed uint64) Trial {
	run := uint64(0)
	return func(ctx context.Context, rate float64, d time.Duration, watch func(Evidence) bool) (Evidence, error) {
		run++
		l := &load{queue: q, rate: rate, r: rand.New(rand.NewPCG(seed, run)), free: make([]float64, q.servers)}
		l.next = l.r.ExpFloat64() / rate
		if l.look == 0 {
			l.look = 0.25
		}
		end := d.Seconds()
		for t := l.look; t < end-1e-9 && ctx.Err() == nil; t += l.look {
			if e := l.advance(t); watch(e) {
				return e, nil
			}
		}
		return l.advance(end), nil
	}
}

// load is one trial under way.
type load struct {
	queue
	rate, next float64
	r          *rand.Rand
	free       []float64 // when each server is free
	pending    []request // due and not decided
	bins       []bin     // by time due
}

type request struct{ due, done float64 }

type bin struct {
	due    int64
	missed [4]int64
}

const binWidth = 0.05

// advance serves what is due up to t seconds into the window and returns the evidence then.
func (l *load) advance(t float64) Evidence {
	now := l.warmUp + t
	for ; l.next <= now; l.next += l.r.ExpFloat64() / l.rate {
		first := 0
		for i, f := range l.free {
			if f < l.free[first] {
				first = i
			}
		}
		done := math.Inf(1) // it fails
		if begin := max(l.next, l.free[first]); l.sheds == 0 || begin-l.next <= l.sheds {
			l.free[first] = begin + l.service(l.r)
			if l.fails == 0 || l.r.Float64() >= l.fails {
				done = l.free[first]
			}
		}
		if l.next >= l.warmUp {
			l.pending = append(l.pending, request{l.next, done})
		}
	}
	longest := 0.0
	for _, x := range l.limits {
		longest = max(longest, x)
	}
	kept := l.pending[:0]
	for _, p := range l.pending {
		failed := math.IsInf(p.done, 1)
		if !failed && p.done > now && now-p.due <= longest {
			kept = append(kept, p)
			continue
		}
		at := int((p.due - l.warmUp) / binWidth)
		for len(l.bins) <= at {
			l.bins = append(l.bins, bin{})
		}
		l.bins[at].due++
		for k, x := range l.limits {
			if failed || p.done-p.due > x {
				l.bins[at].missed[k]++
			}
		}
	}
	l.pending = kept
	return l.evidence(t)
}

// evidence sums up the bins in at most 24 sections.
func (l *load) evidence(t float64) Evidence {
	e := Evidence{
		Elapsed: time.Duration(t * float64(time.Second)), Outstanding: int64(len(l.pending)),
		Missed: make([]int64, len(l.limits)), Sections: make([][]Section, len(l.limits)), Trusted: true,
	}
	if l.trust > 0 && l.rate > l.trust {
		e.Trusted, e.Why = false, "the generator was late"
	}
	size := max(1, (len(l.bins)+23)/24)
	for k := range l.limits {
		for i, b := range l.bins {
			if i%size == 0 {
				e.Sections[k] = append(e.Sections[k], Section{})
			}
			s := &e.Sections[k][len(e.Sections[k])-1]
			s.Due += b.due
			s.Missed += b.missed[k]
			e.Missed[k] += b.missed[k]
			if k == 0 {
				e.Due += b.due
			}
		}
	}
	return e
}

func fixed(s float64) func(*rand.Rand) float64 { return func(*rand.Rand) float64 { return s } }

func exponential(mean float64) func(*rand.Rand) float64 {
	return func(r *rand.Rand) float64 { return mean * r.ExpFloat64() }
}

func lognormal(mean, sigma float64) func(*rand.Rand) float64 {
	return func(r *rand.Rand) float64 { return mean * math.Exp(sigma*r.NormFloat64()-sigma*sigma/2) }
}

// breaksMD1 returns the rate at which the share of requests of an M/D/1 queue that take longer than limit is allowed,
// by Crommelin's formula for the distribution of the wait (1932): P(W ≤ t) =
// (1-ρ) Σ_{k=0}^{⌊t/D⌋} (λ(kD-t))^k / k! · e^{-λ(kD-t)}. The terms alternate; up to t/D = 20 doubles hold them.
func breaksMD1(service, limit, allowed float64) float64 {
	return root(1/service, func(rate float64) bool {
		t, sum := limit-service, 0.0
		for k := 0.0; k*service <= t; k++ {
			x := rate * (k*service - t)
			g, _ := math.Lgamma(k + 1)
			term := math.Exp(k*math.Log(-x) - g - x)
			if x == 0 {
				term = 0
			}
			if int(k)%2 == 1 {
				term = -term
			}
			sum += term
		}
		return 1-(1-rate*service)*sum > allowed
	})
}

// breaksMMc does the same for M/M/c with mean service time s: P(T > t) =
// e^{-t/s} (1 + C (1 - e^{-t/s (c-1-a)}) / (c-1-a)) with a = λs and Erlang's C.
func breaksMMc(c int, s, limit, allowed float64) float64 {
	return root(float64(c)/s, func(rate float64) bool {
		a, n := rate*s, float64(c)
		b := 1.0
		for k := 1; k <= c; k++ {
			b = a * b / (float64(k) + a*b)
		}
		wait := n * b / (n - a*(1-b))
		x := n - 1 - a
		return math.Exp(-limit/s)*(1+wait*(1-math.Exp(-limit/s*x))/x) > allowed
	})
}

// breaksBySimulation runs 4 million requests at each of 14 rates.
func breaksBySimulation(q queue, capacity, allowed float64) float64 {
	lo, hi := capacity/4, capacity
	for range 12 {
		mid := math.Sqrt(lo * hi)
		q.warmUp, q.look = 10, 100
		e, _ := q.trial(99)(context.Background(), mid, time.Duration(1e6/mid*float64(time.Second)), func(Evidence) bool { return false })
		if float64(e.Missed[0]) > allowed*float64(e.Due) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return math.Sqrt(lo * hi)
}

func root(hi float64, breaks func(rate float64) bool) float64 {
	lo := 0.0
	for range 60 {
		if mid := (lo + hi) / 2; breaks(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return lo
}
