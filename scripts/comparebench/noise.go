package main

import (
	"math"
	"math/rand/v2"

	"infer/report"
)

// noise is what disturbs a p99 on a machine, as a model. Deviations are of the logarithm of a p99: 0.05 is 5 %.
type noise struct {
	name string
	// Of everything that is measured together, of a pair of blocks (or of a stored run), and of a single block.
	job, pair, block float64
	requests         int     // of a block, whose p99 is the order statistic of so many; 0: it is the truth
	run              int     // of a stored run of half a minute
	spread           float64 // deviation of the logarithm of a request's latency, where there is no queue
	queue            *queue  // nil: requests do not wait for each other
	hits             float64 // share of the blocks that somebody disturbs
	hit              float64 // by how much at the mean, exponential
	gust             float64 // mean length in seconds of disturbances by hit, as long as the gaps of quiet between them; 0: none
	drift            float64 // change of the logarithm from the first block to the last
	recorded         []float64
}

// live returns the pairs of blocks of a trial: of n pairs in total, blocks of which take a time in seconds with their
// warm-up. The p99 of the head is ratio times that of the base but for noise.
func (x noise) live(r *rand.Rand, ratio float64, n int, seconds float64) []report.ComparePair {
	job := x.job * r.NormFloat64()
	weather, start := newWeather(r, x.gust), r.IntN(max(1, len(x.recorded)))
	at := 0
	measure := func(shared, ratio float64, seed uint64) report.CompareBlock {
		log := job + shared + x.block*r.NormFloat64() + x.drift*float64(at)/float64(2*n)
		if r.Float64() < x.hits {
			log += math.Log1p(x.hit * r.ExpFloat64())
		}
		if x.gust > 0 {
			log += x.hit * weather.share(float64(at)*seconds, seconds)
		}
		if len(x.recorded) > 0 {
			log += x.recorded[(start+at)%len(x.recorded)]
		}
		at++
		return report.CompareBlock{Seconds: seconds, N: int64(x.requests), Values: map[string]float64{"latency_p99": x.p99(r, ratio, x.requests, seed) * math.Exp(log)}}
	}
	pairs, headFirst := make([]report.ComparePair, n), false
	for i := range pairs {
		p := &pairs[i]
		p.Seed, p.First = r.Uint64(), "base"
		shared := x.pair * r.NormFloat64()
		if headFirst = i%2 == 0 && r.IntN(2) == 1 || i%2 == 1 && !headFirst; headFirst { // mirrored, as measure.Pairs does it
			p.First = "head"
			p.Head = measure(shared, ratio, p.Seed)
			p.Base = measure(shared, 1, p.Seed)
			continue
		}
		p.Base = measure(shared, 1, p.Seed)
		p.Head = measure(shared, ratio, p.Seed)
	}
	return pairs
}

// stored returns the p99s of n runs of one side, all of one job at some other time than those of the other side.
func (x noise) stored(r *rand.Rand, ratio float64, n int) []float64 {
	job, start := x.job*r.NormFloat64(), r.IntN(max(1, len(x.recorded)))
	weather := newWeather(r, x.gust)
	out := make([]float64, n)
	for i := range out {
		log := job + x.pair*r.NormFloat64() + x.block*r.NormFloat64() + x.drift*float64(i)/float64(n)
		if r.Float64() < x.hits {
			log += math.Log1p(x.hit * r.ExpFloat64())
		}
		if x.gust > 0 {
			log += x.hit * weather.share(30*float64(i), 30)
		}
		if len(x.recorded) > 0 {
			log += x.recorded[(start+i)%len(x.recorded)]
		}
		out[i] = x.p99(r, ratio, x.run, r.Uint64()) * math.Exp(log)
	}
	return out
}

// p99 returns that of a block of n requests, whose arrivals the seed makes.
func (x noise) p99(r *rand.Rand, ratio float64, n int, seed uint64) float64 {
	switch {
	case n == 0:
		return ratio
	case x.queue != nil:
		return x.queue.p99(rand.New(rand.NewPCG(seed, 0)), r, x.queue.scale(ratio), n)
	}
	// The uniform order statistics from the largest down: no need to draw all n.
	u := 1.0
	for i := n; i >= int(math.Ceil(0.99*float64(n)-1e-9)); i-- {
		u *= math.Pow(1-r.Float64(), 1/float64(i))
	}
	return ratio * math.Exp(x.spread*(normalQuantile(u)-normalQuantile(0.99)))
}

// normalQuantile is the inverse of the normal distribution.
func normalQuantile(p float64) float64 { return math.Sqrt2 * math.Erfinv(2*p-1) }

// weather is when something lasting disturbs: it comes and goes.
type weather struct {
	r      *rand.Rand
	mean   float64   // seconds
	change []float64 // when it comes, goes, comes …
}

func newWeather(r *rand.Rand, mean float64) *weather {
	w := &weather{r: r, mean: mean, change: []float64{0}}
	if r.IntN(2) == 0 {
		w.change = append(w.change, 0) // it begins in quiet
	}
	return w
}

// share is how much of the time from at on was disturbed.
func (w *weather) share(at, seconds float64) float64 {
	end := at + seconds
	for w.change[len(w.change)-1] < end {
		w.change = append(w.change, w.change[len(w.change)-1]+w.mean*w.r.ExpFloat64())
	}
	sum := 0.0
	for i := 0; i+1 < len(w.change); i += 2 {
		sum += max(0, min(end, w.change[i+1])-max(at, w.change[i]))
	}
	return sum / seconds
}
