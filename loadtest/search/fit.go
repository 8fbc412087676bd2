package search

import "math"

// seen is what a trial told of one objective.
type seen struct {
	rate, due, missed float64
	group             float64 // requests that are worth one independent one, in this trial
}

// fit is what all trials together say of the rate at which one objective breaks: a posterior over a grid of that rate
// and of how steeply the share of misses rises there. The model is a straight line of the log odds of a miss over the
// log of the rate through the break, the prior is flat in the logs of rate and steepness. A step (a server that is
// fast until it falls over) is a line that is very steep, so the search becomes a bisection by itself.
type fit struct {
	allowed float64
	rates   []float64 // candidates for the break, ascending
	weight  []float64 // posterior of each, sums to 1
	steep   float64   // posterior mean of the log of the steepness, as a steepness
}

const (
	fitRates  = 240
	fitSteeps = 20
	leastFlat = 2.0    // log odds by log rate: twice the rate, eight times the odds
	mostSteep = 3000.0 //
)

var steepMid, steepSd, steepMin = 1.5, 0.7, 4.0

// odds is the log odds of a share.
func odds(p float64) float64 { return math.Log(p / (1 - p)) }

// newFit fits trials for breaks in [lo, hi].
func newFit(trials []seen, allowed, limit, lo, hi float64) *fit {
	f := &fit{allowed: allowed, rates: make([]float64, fitRates), weight: make([]float64, fitRates)}
	for i := range f.rates {
		f.rates[i] = lo * math.Pow(hi/lo, (float64(i)+0.5)/fitRates)
	}
	at := odds(allowed)
	mid, sd := max(steepMin, steepMid*math.Sqrt(lo*hi)*limit), steepSd
	if limit == 0 {
		mid, sd = 30, 1.5
	}
	logs := make([]float64, fitRates*fitSteeps)
	best := math.Inf(-1)
	for j := range fitSteeps {
		steep := steepness(j)
		for i, x := range f.rates {
			sum := -math.Pow(math.Log(steep/mid)/sd, 2) / 2
			for _, t := range trials {
				sum += t.likelihood(at+steep*math.Log(t.rate/x), allowed)
			}
			logs[j*fitRates+i] = sum
			best = max(best, sum)
		}
	}
	total, mean := 0.0, 0.0
	for j := range fitSteeps {
		for i := range f.rates {
			w := math.Exp(logs[j*fitRates+i] - best)
			f.weight[i] += w
			total += w
			mean += w * math.Log(steepness(j))
		}
	}
	for i := range f.weight {
		f.weight[i] /= total
	}
	f.steep = math.Exp(mean / total)
	return f
}

func steepness(j int) float64 {
	return leastFlat * math.Pow(mostSteep/leastFlat, float64(j)/(fitSteeps-1))
}

// farFromAllowed is how many times more or fewer misses than allowed still say how far away the break is. Beyond it the
// line is not to be trusted: such a trial only says on which side the break is.
var farFromAllowed = 20.0

// likelihood is the log of that of a trial where the log odds of a miss are z.
func (t seen) likelihood(z, allowed float64) float64 {
	share := t.missed / t.due
	top, bottom := min(0.5, allowed*farFromAllowed), allowed/farFromAllowed
	switch {
	case share > top:
		share, z = top, min(z, odds(top))
	case share < bottom:
		z = max(z, odds(bottom))
	}
	z = min(max(z, -30), 30)
	// log p and log 1-p, without loss at either end
	p, not := -math.Log1p(math.Exp(-z)), -math.Log1p(math.Exp(z))
	return t.due * (share*p + (1-share)*not) / t.group
}

// quantile returns the rate below which the break is with probability p.
func (f *fit) quantile(p float64) float64 { return quantile(f.rates, f.weight, p) }

func quantile(rates, weight []float64, p float64) float64 {
	sum := 0.0
	for i, w := range weight {
		if sum+w >= p && w > 0 {
			step := math.Log(rates[1] / rates[0])
			return rates[i] * math.Exp(step*((p-sum)/w-0.5))
		}
		sum += w
	}
	return rates[len(rates)-1]
}

// first returns the fit of the lowest of several breaks, for the same rates.
func first(fits []*fit) *fit {
	f := &fit{allowed: fits[0].allowed, rates: fits[0].rates, weight: make([]float64, fitRates), steep: fits[0].steep}
	above := make([]float64, len(fits)) // P(break k at or above rate i)
	for k := range above {
		above[k] = 1
	}
	last, low := 1.0, math.Inf(1)
	for i := range f.rates {
		next := 1.0
		for k, g := range fits {
			above[k] = max(0, above[k]-g.weight[i])
			next *= above[k]
		}
		f.weight[i] = last - next
		last = next
	}
	for _, g := range fits {
		if m := g.quantile(0.5); m < low {
			low, f.steep, f.allowed = m, g.steep, g.allowed
		}
	}
	return f
}
