package tune

import (
	"math"
	"slices"

	"infer/internal/stats"
)

const (
	fewResiduals = 4     // below this the noise is not known
	unknownNoise = 0.06  // and taken to be this
	leastNoise   = 0.003 //
	sweeps       = 6     // of the fit
	clip         = 2     // noise from the middle at which a block counts no more: it was disturbed
	raceWidth    = 2     // standard errors to either side; two intervals apart are 2.8 of their difference
)

// estimate is how a setting compares with the default as far as a race can tell, as logarithms.
type estimate struct {
	value, lo, hi float64
	n             int // rounds
}

// levels is what each setting adds to the score, beside what its rounds do: a round that met a slow machine says so of all
// its settings together, the default's block alone would say it with its own noise. A race goes by this. It assumes that
// a slow machine slows all settings alike, which a confirmation, by pairs of blocks, does not.
type levels struct {
	of    map[*trial]estimate
	noise float64 // standard deviation of the score of a block in its round
}

// levels fits the samples so far, the default at 0.
func (s *search) levels() *levels {
	count := 0
	for _, t := range s.order {
		count += len(t.samples)
	}
	if s.fitted != nil && s.fittedTo == count {
		return s.fitted
	}
	s.fittedTo, s.fitted = count, fit(s.order, s.base)
	return s.fitted
}

// estimate is how t compares with the default.
func (s *search) estimate(t *trial) estimate {
	if e, ok := s.levels().of[t]; ok {
		return e
	}
	return estimate{lo: math.Inf(-1), hi: math.Inf(1)}
}

// fit finds settings and rounds in turn, each given the others, from the pairs with the default on.
func fit(trials []*trial, base *trial) *levels {
	l := &levels{of: map[*trial]estimate{}, noise: unknownNoise}
	at, rounds, k := map[*trial]float64{}, map[int]float64{}, math.Inf(1)
	for _, t := range trials {
		if d := gains(t, base, ""); len(d) > 0 {
			at[t] = stats.Median(d)
		}
	}
	for range sweeps {
		byRound := map[int][]float64{}
		for _, t := range trials {
			for _, x := range t.samples {
				byRound[x.round] = append(byRound[x.round], x.score-at[t])
			}
		}
		for r, x := range byRound {
			rounds[r] = centre(x, k)
		}
		for _, t := range trials {
			if len(t.samples) > 0 {
				at[t] = centre(t.without(rounds), k)
			}
		}
		l.noise = residual(trials, at, rounds)
		k = clip * l.noise
	}
	for _, t := range trials {
		if n := len(t.samples); n > 0 {
			l.of[t] = band(t.without(rounds), at[t], l.noise).minus(at[base])
		}
	}
	l.of[base] = estimate{n: len(base.samples)}
	return l
}

// without returns the scores of t free of their rounds.
func (t *trial) without(rounds map[int]float64) []float64 {
	x := make([]float64, len(t.samples))
	for i, s := range t.samples {
		x[i] = s.score - rounds[s.round]
	}
	return x
}

// centre is the mean of x with what is farther than k from the median drawn in to that.
func centre(x []float64, k float64) float64 {
	m, sum := stats.Median(x), 0.0
	for _, v := range x {
		sum += min(max(v-m, -k), k)
	}
	return m + sum/float64(len(x))
}

// residual is the noise that is left, of all settings together: one alone has too few rounds to tell.
func residual(trials []*trial, at map[*trial]float64, rounds map[int]float64) float64 {
	var left []float64
	known := 0
	for _, t := range trials {
		for _, x := range t.without(rounds) {
			left = append(left, math.Abs(x-at[t]))
		}
		if len(t.samples) > 0 {
			known++
		}
	}
	free := len(left) - known - len(rounds) + 1
	if free < fewResiduals {
		return unknownNoise
	}
	return max(leastNoise, 1.4826*stats.Median(left)*math.Sqrt(float64(len(left))/float64(free)))
}

// band is the interval of a setting by its scores. Two rounds are trusted less than their mean says: one of them may have
// met a disturbance, so it reaches from the worse to the better one at least.
func band(x []float64, at, noise float64) estimate {
	half := raceWidth * noise / math.Sqrt(float64(len(x)))
	e := estimate{value: at, lo: at - half, hi: at + half, n: len(x)}
	if len(x) <= 2 {
		e.lo, e.hi = min(e.lo, slices.Min(x)-half/2), max(e.hi, slices.Max(x)+half/2)
	}
	return e
}

func (e estimate) minus(x float64) estimate {
	e.value, e.lo, e.hi = e.value-x, e.lo-x, e.hi-x
	return e
}
