package search

import "math"

// seen is what a trial told of one objective.
type seen struct {
	rate, due, missed float64 // due > 0
	group             float64 // requests that are worth one independent one, ≥ 1
	above             bool    // the break is below this rate, whatever the counts say: the trial failed, or the generator did
}

// fit is what all trials together say of the rate at which one objective breaks: the posterior over a grid of that rate
// and of how steeply misses rise there. The model is a straight line of the log odds of a miss over the log of the rate.
// A server that is fast until it falls over is a very steep line, so for it the search becomes a bisection by itself.
type fit struct {
	rates  []float64 // candidates for the break, ascending, equally far apart in the logarithm
	weight []float64 // of each; they sum to 1
}

// The grid. Steepness is in log odds by log rate: at 3 twice the rate has eight times the odds of a miss.
const (
	fitRates  = 240
	fitSteeps = 20
	leastFlat = 2.0
	mostSteep = 3000.0
)

// odds returns the log odds of a share.
func odds(p float64) float64 { return math.Log(p / (1 - p)) }

// newFit fits trials for a break in [lo, hi].
func newFit(trials []seen, b Objective, lo, hi float64) *fit {
	f := &fit{rates: make([]float64, fitRates), weight: make([]float64, fitRates)}
	for i := range f.rates {
		f.rates[i] = lo * math.Pow(hi/lo, (float64(i)+0.5)/fitRates)
	}
	allowed, logs, best := b.share(), make([]float64, fitRates*fitSteeps), math.Inf(-1)
	at := odds(allowed)
	for j := range fitSteeps {
		steep := leastFlat * math.Pow(mostSteep/leastFlat, float64(j)/(fitSteeps-1))
		prior := b.prior(steep, math.Sqrt(lo*hi))
		for i, x := range f.rates {
			sum := prior
			for _, t := range trials {
				sum += t.likelihood(at+steep*math.Log(t.rate/x), allowed)
			}
			logs[j*fitRates+i] = sum
			best = max(best, sum)
		}
	}
	total := 0.0
	for j := range fitSteeps {
		for i := range f.rates {
			w := math.Exp(logs[j*fitRates+i] - best)
			f.weight[i] += w
			total += w
		}
	}
	for i := range f.weight {
		f.weight[i] /= total
	}
	return f
}

// prior is the log of the density of a steepness before any trial. In heavy traffic a wait passes a limit L with
// probability e^{-2(c-λ)L/(ca²+cs²)}, c the capacity, ca and cs the coefficients of variation of arrivals and service
// (Kingman 1961), so the log odds rise by 2λL/(ca²+cs²) by log rate: 2λL where service times are constant, λL where they
// are exponential, however many servers there are. Of what is not latency nothing is known.
func (b Objective) prior(steep, rate float64) float64 {
	middle, spread := 30.0, 1.5
	if b.Limit > 0 {
		middle, spread = max(4, 1.5*rate*b.Limit), 0.9
	}
	z := math.Log(steep/middle) / spread
	return -z * z / 2
}

// The line is trusted between these multiples of the allowed share. A trial with more or fewer misses only says on which
// side the break is: far below it misses have other reasons than the queue, far above it the queue has not grown out.
const (
	farAbove = 10.0
	farBelow = 1 / 3.0
)

// worthOfFailure is how many independent requests a trial counts for whose result is that the break is lower.
const worthOfFailure = 30.0

// likelihood is the log of that of a trial at a rate where the log odds of a miss are z.
func (t seen) likelihood(z, allowed float64) float64 {
	share, n := t.missed/t.due, t.due/t.group
	top := min(0.5, allowed*farAbove)
	switch bottom := allowed * farBelow; {
	case t.above:
		share, z, n = top, min(z, odds(top)), max(n, worthOfFailure)
	case share > top:
		share, z = top, min(z, odds(top))
	case share < bottom:
		z = max(z, odds(bottom))
	}
	z = min(max(z, -30), 30)
	p := -math.Log1p(math.Exp(-z)) // log p; log (1-p) is p-z
	return n * (share*p + (1-share)*(p-z))
}

// quantile returns the rate below which the break is with probability p.
func (f *fit) quantile(p float64) float64 {
	step, sum := math.Log(f.rates[1]/f.rates[0]), 0.0
	for i, w := range f.weight {
		if w > 0 && sum+w >= p {
			return f.rates[i] * math.Exp(step*((p-sum)/w-0.5))
		}
		sum += w
	}
	return f.rates[len(f.rates)-1]
}

// first returns the fit of the lowest of several breaks that do not depend on each other; all have the same rates.
func first(fits []*fit) *fit {
	f := &fit{rates: fits[0].rates, weight: make([]float64, fitRates)}
	above := make([]float64, len(fits)) // by fit: P(its break is above rate i)
	for k := range above {
		above[k] = 1
	}
	before := 1.0
	for i := range f.rates {
		all := 1.0
		for k, g := range fits {
			above[k] = max(0, above[k]-g.weight[i])
			all *= above[k]
		}
		f.weight[i], before = before-all, all
	}
	return f
}
