package search

import (
	"math"
	"time"
)

// firstGuess is the rate, requests a second, that an unbounded search begins with.
const firstGuess = 10.0

// A search tries rates near the break for refineShare of its time, and for refineMost where what is known still varies
// by wide times the precision. A confirmation takes at most confirmShare: it may have to be repeated.
const (
	refineShare  = 0.4
	refineMost   = 0.65
	confirmShare = 0.1
	wide         = 2.5
)

// move is what to do next: a trial, or an end with its reason.
type move struct {
	rate    float64
	window  time.Duration
	confirm bool
	end     string
}

// bracket is what the steps say at first sight: rates, 0 for none.
type bracket struct {
	lowest, highest float64 // tried
	broke           float64 // lowest that is known to be above the break
	held            float64 // highest below broke at which a trial held
}

func (f *finder) bracket() bracket {
	var b bracket
	for i, s := range f.r.Steps {
		b.highest = max(b.highest, s.Rate)
		if b.lowest == 0 || s.Rate < b.lowest {
			b.lowest = s.Rate
		}
		if f.above[i] && (b.broke == 0 || s.Rate < b.broke) {
			b.broke = s.Rate
		}
	}
	for _, s := range f.r.Steps {
		if s.Holds && (b.broke == 0 || s.Rate < b.broke) {
			b.held = max(b.held, s.Rate)
		}
	}
	return b
}

// next says what to do next. Doubling goes on until a trial fails for sure: a few misses of few requests are no reason
// to stop, and what is too fast fails within a second.
func (f *finder) next() move {
	b, least, top := f.bracket(), max(f.o.Lo, MinRate), f.o.Hi
	if top == 0 {
		top = MaxRate
	}
	explore := func(rate float64) move { return move{rate: rate, window: f.explore(rate)} }
	switch n := f.doubtful(); {
	case n > 0 && n < patience:
		return f.last
	case b.highest == 0 && f.o.Lo > 0:
		return explore(f.o.Lo)
	case b.highest == 0:
		return explore(firstGuess)
	case b.broke > 0 && b.broke <= least:
		return f.hopeless(b.broke)
	case b.broke == 0 && b.highest < top:
		return explore(min(2*b.highest, top))
	case b.broke == 0 && b.held == top:
		return move{rate: top, window: f.confirmation(top), confirm: true}
	case b.held == 0 && f.o.Lo == 0 && b.lowest > least:
		return explore(max(b.lowest/2, least))
	}
	return f.refine()
}

// refine tries where the break most likely is until that is known well or the time for it is gone, and then confirms.
func (f *finder) refine() move {
	b, last := f.fit(), f.r.Steps[len(f.r.Steps)-1]
	at := f.clamp(b.quantile(0.5))
	if last.Confirm && last.Rate <= f.o.Lo || f.o.Lo > 0 && b.quantile(f.o.Confidence) < f.o.Lo {
		return f.hopeless(f.o.Lo)
	}
	if last.Confirm {
		at = f.clamp(min(at, last.Rate*(1-f.o.Precision)))
	} else if f.vague(b) {
		return move{rate: at, window: f.refinement(at)}
	}
	return move{rate: at, window: f.confirmation(at), confirm: true}
}

// vague reports whether more trials near the break pay.
func (f *finder) vague(b *fit) bool {
	deviation := math.Log(b.quantile(0.84)/b.quantile(0.16)) / 2
	share := f.r.Spent.Seconds() / f.o.MaxTime.Seconds()
	return deviation > f.o.Precision && share < refineShare || deviation > wide*f.o.Precision && share < refineMost
}

// hopeless ends a search that found no rate at which all objectives hold.
func (f *finder) hopeless(rate float64) move {
	f.none = true
	return move{end: f.despair(rate)}
}

func (f *finder) clamp(rate float64) float64 {
	if f.o.Lo == 0 {
		return min(max(rate, MinRate), MaxRate)
	}
	return min(max(rate, f.o.Lo), f.o.Hi)
}

// fit joins what all trials say, for breaks from somewhat below those that held to somewhat above those that failed.
func (f *finder) fit() *fit {
	b := f.bracket()
	lo, hi := b.held, b.broke
	if lo == 0 {
		lo = b.lowest / 2
	}
	for i, s := range f.r.Steps {
		if !f.above[i] {
			hi = max(hi, s.Rate)
		}
	}
	var fits []*fit
	for k, b := range f.o.Objectives {
		trials := make([]seen, len(f.seen[k]))
		for i, t := range f.seen[k] {
			t.group = max(t.group, f.group[k])
			trials[i] = t
		}
		fits = append(fits, newFit(trials, b, lo/1.5, hi*1.5))
	}
	return first(fits)
}

func seconds(s float64) time.Duration { return time.Duration(min(s, 1e9) * float64(time.Second)) }

// explore is the window of a trial that only looks where the break may be: time for 20 requests, for the slowest of them
// to be decided, and for five that may miss if that does not take long.
func (f *finder) explore(rate float64) time.Duration {
	w, shares := seconds(20/rate), time.Duration(0)
	for _, b := range f.o.Objectives {
		w = max(w, seconds(3*b.Limit))
		shares = max(shares, seconds(5/b.share()/rate))
	}
	return min(f.o.MaxTrial, max(f.o.MinTrial, w, min(2*f.o.MinTrial, shares)))
}

// half is the time for half a group of misses, at a rate at which an objective just holds. More trials at different
// rates say more than longer ones.
func (f *finder) half(rate float64) time.Duration {
	w := 0.0
	for k, b := range f.o.Objectives {
		w = max(w, f.group[k]/b.share()/rate/2, 3*b.Limit)
	}
	return seconds(w)
}

// refinement is the window of a trial near the break.
func (f *finder) refinement(rate float64) time.Duration {
	return min(f.o.MaxTrial, max(2*f.o.MinTrial, f.half(rate)))
}

// confirmation is the window of a confirmation run: by rate and objectives, 10 s and more.
func (f *finder) confirmation(rate float64) time.Duration {
	most := time.Duration(confirmShare * float64(f.o.MaxTime))
	window := min(most, max(10*time.Second, f.half(rate)))
	// A few more than enough: arrivals are random.
	return max(f.o.MinTrial, window, min(f.o.MaxTime/3, seconds(1.2*float64(f.enough())/rate)))
}

// enough is how many requests it takes to confirm: as many as would hardly ever be without a miss at a rate at which an
// objective fails. Of an objective that allows no miss none are enough; it counts as one that allows 1 %.
func (f *finder) enough() int64 {
	n := 0.0
	for _, b := range f.o.Objectives {
		share := b.Allowed
		if share == 0 {
			share = 0.01
		}
		n = max(n, math.Ceil(math.Log(1-f.o.Confidence)/math.Log1p(-share)))
	}
	return int64(n)
}
