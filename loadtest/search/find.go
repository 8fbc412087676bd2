package search

import (
	"context"
	"math"
	"time"
)

// firstGuess is the rate, requests a second, that an unbounded search begins with.
const firstGuess = 10.0

// finder is a search under way.
type finder struct {
	o     Options
	trial Trial
	tell  func(Step)
	r     Result
	seen  [][]seen  // by objective, then by step
	above []bool    // by step: the break is below its rate
	group []float64 // by objective: requests that are worth one independent one, as far as known
	why   string    // what kept the generator from its highest rates, "" for nothing
}

// Find searches the highest rate at which all objectives hold. It doubles the rate until an objective fails, then tries
// rates where all trials together (see fit) have the break, and at the end confirms the rate in a longer trial of its
// own. Each call of trial must offer arrivals of its own (a fresh seed), or a confirmation confirms nothing. progress,
// which may be nil, is told each step as it ends, by the calling goroutine. When ctx ends, what is known comes back with
// a nil error and the reason "interrupted"; an error of a trial ends the search too, and comes back beside what is known.
func Find(ctx context.Context, o Options, trial Trial, progress func(Step)) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(Step) {}
	}
	o = o.withDefaults()
	f := &finder{o: o, trial: trial, tell: progress, seen: make([][]seen, len(o.Objectives)), group: make([]float64, len(o.Objectives))}
	f.r.Confidence = o.Confidence
	err := f.run(ctx)
	f.conclude()
	if err != nil {
		f.r.Reason = "a trial failed"
	}
	return &f.r, err
}

// move is what to do next: a trial, or an end with its reason.
type move struct {
	rate    float64
	window  time.Duration
	confirm bool
	end     string
}

func (f *finder) run(ctx context.Context) error {
	for {
		if ctx.Err() != nil {
			f.r.Reason = "interrupted"
			return nil
		}
		m := f.next()
		m.window = min(m.window, f.left())
		if m.end == "" && m.window < f.o.MinTrial {
			m.end = "the time for the search is used up"
		}
		if m.end != "" {
			f.r.Reason = m.end
			return nil
		}
		s, err := f.try(ctx, m)
		if err != nil {
			return err
		}
		if m.confirm && s.Holds && ctx.Err() == nil {
			f.r.Max, f.r.Confirmed = &s.Rate, true
			f.r.Reason = f.found(s.Rate)
			return nil
		}
	}
}

// left is the time that a trial's window may still take.
func (f *finder) left() time.Duration { return f.o.MaxTime - f.r.Spent - f.o.WarmUp }

// next says what to do next.
func (f *finder) next() move {
	held, highest, broke := f.bracket()
	top := f.o.Hi
	if top == 0 {
		top = MaxRate
	}
	switch lo := f.o.Lo; {
	case highest == 0 && lo > 0:
		return move{rate: lo, window: f.explore(lo)}
	case highest == 0:
		return move{rate: firstGuess, window: f.explore(firstGuess)}
	case broke > 0 && broke <= max(lo, MinRate):
		return move{end: f.hopeless(broke)}
	case broke == 0 && highest < top:
		at := min(2*highest, top)
		return move{rate: at, window: f.explore(at)}
	case broke == 0 && held == top:
		return move{rate: top, window: f.confirmation(top), confirm: true}
	case held == 0 && lo == 0:
		at := max(broke/2, MinRate)
		return move{rate: at, window: f.explore(at)}
	}
	return f.refine()
}

// refine tries where the break most likely is, or confirms once that is known well or half of the time is gone.
func (f *finder) refine() move {
	b := f.fit()
	if f.o.Lo > 0 && b.quantile(f.o.Confidence) < f.o.Lo {
		return move{end: f.hopeless(f.o.Lo)}
	}
	at := b.quantile(0.5)
	deviation := math.Log(b.quantile(0.84)/b.quantile(0.16)) / 2
	if n := len(f.r.Steps); f.r.Steps[n-1].Confirm {
		at = min(at, f.r.Steps[n-1].Rate*(1-f.o.Precision))
	} else if deviation > f.o.Precision*precisionX && f.r.Spent < time.Duration(refineShare*float64(f.o.MaxTime)) {
		at = f.clamp(at)
		return move{rate: at, window: f.refinement(at)}
	}
	if f.o.Lo > 0 && at < f.o.Lo && f.r.Steps[len(f.r.Steps)-1].Rate == f.o.Lo && f.r.Steps[len(f.r.Steps)-1].Confirm {
		return move{end: f.hopeless(f.o.Lo)}
	}
	at = f.clamp(at)
	return move{rate: at, window: f.confirmation(at), confirm: true}
}

var refineShare = 0.45
var hard = 0.5
var precisionX = 1.5
var refineGroups, confirmGroups, confirmPart = .5, .5, 8.0

func (f *finder) clamp(rate float64) float64 {
	if f.o.Lo == 0 {
		return min(max(rate, MinRate), MaxRate)
	}
	return min(max(rate, f.o.Lo), f.o.Hi)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// explore is the window of a trial that only looks where the break may be: 20 requests, and 5 of those that may miss,
// if that does not take long.
func (f *finder) explore(rate float64) time.Duration {
	w, shares := seconds(20/rate), time.Duration(0)
	for _, b := range f.o.Objectives {
		w = max(w, seconds(3*b.Limit))
		shares = max(shares, seconds(5/b.share()/rate))
	}
	return min(f.o.MaxTrial, max(f.o.MinTrial, w, min(2*f.o.MinTrial, shares)))
}

// missing is the time in which so many groups of misses would be seen at a rate at which an objective just holds.
func (f *finder) missing(groups, rate float64) time.Duration {
	w := 0.0
	for k, b := range f.o.Objectives {
		w = max(w, groups*f.group[k]/b.share()/rate, 3*b.Limit)
	}
	return seconds(min(w, 1e6))
}

func (f *finder) refinement(rate float64) time.Duration {
	return min(f.o.MaxTrial, max(2*f.o.MinTrial, f.missing(refineGroups, rate)))
}

func (f *finder) confirmation(rate float64) time.Duration {
	if f.o.Confirm > 0 {
		return f.o.Confirm
	}
	most := time.Duration(float64(f.o.MaxTime) / confirmPart)
	return max(f.o.MinTrial, min(10*time.Second, most), min(most, f.missing(confirmGroups, rate)))
}

// bracket returns the lowest rate known to be above the break, the highest below it at which a trial held, and the
// highest tried; 0 for none.
func (f *finder) bracket() (held, highest, broke float64) {
	for i, s := range f.r.Steps {
		highest = max(highest, s.Rate)
		if f.above[i] && (broke == 0 || s.Rate < broke) {
			broke = s.Rate
		}
	}
	for _, s := range f.r.Steps {
		if s.Holds && (broke == 0 || s.Rate < broke) {
			held = max(held, s.Rate)
		}
	}
	return held, highest, broke
}

// fit joins what all trials say, for breaks from somewhat below those that held to somewhat above those that failed.
func (f *finder) fit() *fit {
	lo, _, hi := f.bracket()
	if lo == 0 {
		lo = hi
		for _, s := range f.r.Steps {
			lo = min(lo, s.Rate)
		}
		lo /= 2
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

// try runs one trial and takes it in.
func (f *finder) try(ctx context.Context, m move) (Step, error) {
	f.regroup(m.rate)
	w := &watcher{objectives: f.o.Objectives, group: f.group, alpha: 1 - f.o.Confidence, longest: m.window, shortest: f.o.MinTrial}
	if m.confirm {
		w.shortest = m.window
	}
	e, err := f.trial(ctx, m.rate, m.window, w.watch)
	if err != nil {
		return Step{}, err
	}
	f.r.Spent += e.Elapsed + f.o.WarmUp
	w.judge(e, w.alpha/2)
	s := Step{
		Rate: m.rate, Verdict: w.verdict, Holds: w.holds, N: e.Due, Missed: e.Missed[w.decider], Objective: w.decider,
		Window: e.Elapsed, Confirm: m.confirm, Trusted: e.Trusted,
	}
	above := s.Verdict == Fail
	if !e.Trusted && !s.Holds {
		s.Verdict, above, f.why = Inconclusive, true, e.Why
	}
	s.Reason = f.explain(w, e, s)
	for k := range f.o.Objectives {
		t := seen{rate: m.rate, due: max(1, float64(e.Due)), missed: float64(e.Missed[k]), group: groups(e.Sections[k])}
		t.above = above && (w.overload || !e.Trusted) || above && k == w.decider && t.missed > hard*t.due
		f.seen[k] = append(f.seen[k], t)
	}
	f.above = append(f.above, above)
	f.r.Steps = append(f.r.Steps, s)
	f.regroup(m.rate)
	f.tell(s)
	return s, nil
}

// regroup joins the trials' figures on how requests hang together, each with the weight of its misses. Before any is
// seen, the requests of four times the limit are taken to be one group: who waits that long shares the queue with those
// around him.
func (f *finder) regroup(rate float64) {
	for k, b := range f.o.Objectives {
		g := max(2, 4*rate*b.Limit)
		sum, weight := g*g, g
		for _, t := range f.seen[k] {
			if t.missed < 0.3*t.due {
				sum, weight = sum+t.missed*t.group, weight+t.missed
			}
		}
		f.group[k] = sum / weight
	}
}

// conclude fills in what follows from the steps.
func (f *finder) conclude() {
	held, _, broke := f.bracket()
	if len(f.r.Steps) == 0 {
		return
	}
	f.r.Lo = held
	limit := math.Inf(1)
	if broke > 0 {
		b := f.fit()
		limit = b.quantile(0.5)
		f.r.Lo, f.r.Hi = b.quantile((1-f.o.Confidence)/2), b.quantile(1-(1-f.o.Confidence)/2)
		f.r.Mid = limit
	}
	if f.r.Max != nil {
		limit = *f.r.Max
	}
	for _, s := range f.r.Steps {
		if s.Holds && s.Rate <= limit {
			f.r.Holds = max(f.r.Holds, s.Rate)
		}
	}
	for _, s := range f.r.Steps {
		if !s.Holds && s.Rate > f.r.Holds && (f.r.Breaks == 0 || s.Rate < f.r.Breaks) {
			f.r.Breaks = s.Rate
		}
	}
	if f.r.Max == nil && f.r.Holds > 0 {
		f.r.Max = &f.r.Holds
	}
}
