package search

import (
	"context"
	"math"
	"slices"
	"time"
)

// firstGuess is the rate that an unbounded search begins with.
const firstGuess = 10.0

// finder is a search under way.
type finder struct {
	o      Options
	trial  Trial
	report func(Step)
	r      Result
	seen   [][]seen // by objective, then as the steps
	group  []float64
}

var (
	aim      = 1.0 // refine at this many times the allowed misses
	enough   = 3.0 // half of interval over precision
	sure     = 0.4 // quantile of confirmation
	confirmX = .5
	trialX   = .5
	group0   = 4.0
	groupW   = 1.0
	reserveX = 2.5
	budgetX  = 0.4
)

// Find searches the highest rate at which all objectives hold. Each call of trial must offer arrivals of its own (a
// fresh seed), or a confirmation confirms nothing. progress, if any, is told each step as it ends. When ctx ends, what
// is known comes back with a nil error and the reason "interrupted"; an error of a trial ends the search as well, and
// comes back beside what is known.
func Find(ctx context.Context, o Options, trial Trial, progress func(Step)) (*Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if progress == nil {
		progress = func(Step) {}
	}
	o = o.withDefaults()
	f := &finder{o: o, trial: trial, report: progress, seen: make([][]seen, len(o.Objectives)), group: make([]float64, len(o.Objectives))}
	f.regroup(firstGuess)
	f.r.Confidence = o.Confidence
	err := f.run(ctx)
	f.conclude(ctx)
	return &f.r, err
}

// run tries rates until the search is over.
func (f *finder) run(ctx context.Context) error {
	for ctx.Err() == nil {
		rate, window, confirm := f.plan()
		window = min(window, f.left())
		if window < f.o.MinTrial {
			f.r.Reason = "time"
			return nil
		}
		s, err := f.try(ctx, rate, window, confirm)
		if err != nil {
			return err
		}
		if confirm && s.Holds {
			f.r.Max, f.r.Confirmed = &s.Rate, true
			return nil
		}
	}
	return nil
}

func (f *finder) left() time.Duration { return f.o.MaxTime - f.r.Spent - f.o.WarmUp }

// plan returns the next rate, for how long, and whether it is to confirm.
func (f *finder) plan() (rate float64, window time.Duration, confirm bool) {
	held, broke := f.bracket()
	switch {
	case len(f.r.Steps) == 0:
		if f.o.Lo == 0 {
			return firstGuess, f.explore(firstGuess), false
		}
		return f.o.Lo, f.explore(f.o.Lo), false
	case broke == 0:
		top := f.o.Hi
		if top == 0 {
			top = MaxRate
		}
		at := 0.0
		for _, s := range f.r.Steps {
			at = max(at, s.Rate)
		}
		if at < top {
			return min(2*at, top), f.explore(2 * at), false
		}
		if held >= top {
			return held, f.confirmation(held), true
		}
	case held == 0 && f.o.Lo > 0 && len(f.r.Steps) > 200:
	case held == 0 && f.o.Lo == 0:
		return broke / 2, f.explore(broke / 2), false
	}
	b := f.fit()
	lo, hi := b.quantile((1-f.o.Confidence)/2), b.quantile(1-(1-f.o.Confidence)/2)
	x := f.clamp(b.quantile(sure))
	reserve := time.Duration(reserveX * float64(f.confirmation(x)+f.o.WarmUp))
	narrow := math.Log(hi/lo)/2 <= enough*f.o.Precision
	if !narrow && f.left() > reserve && f.r.Spent < time.Duration(budgetX*float64(f.o.MaxTime)) {
		at := f.clamp(b.quantile(0.5) * math.Exp((odds(aim*b.allowed)-odds(b.allowed))/b.steep))
		return at, f.refinement(at), false
	}
	if n := len(f.r.Steps); f.r.Steps[n-1].Confirm {
		x = f.clamp(min(x, f.r.Steps[n-1].Rate*(1-f.o.Precision)))
	}
	return x, f.confirmation(x), true
}

func (f *finder) clamp(x float64) float64 {
	if f.o.Lo == 0 {
		return x
	}
	return min(max(x, f.o.Lo), f.o.Hi)
}

func (f *finder) strictest() float64 {
	q := 1.0
	for _, b := range f.o.Objectives {
		q = min(q, b.share())
	}
	return q
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (f *finder) explore(rate float64) time.Duration {
	return min(f.o.MaxTrial, max(f.o.MinTrial, seconds(20/rate), min(f.o.MinTrial*2, seconds(5/f.strictest()/rate))))
}

func (f *finder) worst() float64 { return slices.Max(f.group) }

func (f *finder) refinement(rate float64) time.Duration {
	return min(f.o.MaxTrial, max(2*f.o.MinTrial, seconds(trialX*f.worst()/f.strictest()/rate)))
}

func (f *finder) confirmation(rate float64) time.Duration {
	if f.o.Confirm > 0 {
		return f.o.Confirm
	}
	return max(10*time.Second, min(f.o.MaxTime/6, seconds(confirmX*f.worst()/f.strictest()/rate)))
}

// bracket returns the highest rate that held below the lowest that broke; 0 for none.
func (f *finder) bracket() (held, broke float64) {
	for _, s := range f.r.Steps {
		if s.Verdict == Fail && (broke == 0 || s.Rate < broke) {
			broke = s.Rate
		}
	}
	for _, s := range f.r.Steps {
		if s.Holds && s.Rate > held && (broke == 0 || s.Rate < broke) {
			held = s.Rate
		}
	}
	return held, broke
}

// fit joins what all trials say, between rates somewhat beyond those that held and broke.
func (f *finder) fit() *fit {
	held, broke := f.bracket()
	if held == 0 {
		held = broke / 2
		for _, s := range f.r.Steps {
			held = min(held, s.Rate/2)
		}
	}
	for _, s := range f.r.Steps {
		if s.Verdict != Fail {
			broke = max(broke, s.Rate)
		}
	}
	var fits []*fit
	for k, b := range f.o.Objectives {
		trials := slices.Clone(f.seen[k])
		for i := range trials {
			trials[i].group = max(trials[i].group, f.group[k])
		}
		fits = append(fits, newFit(trials, b.share(), b.Limit, held/1.5, broke*1.5))
	}
	return first(fits)
}

// try runs one trial and takes it in.
func (f *finder) try(ctx context.Context, rate float64, window time.Duration, confirm bool) (Step, error) {
	w := &watcher{objectives: f.o.Objectives, group: f.group, alpha: 1 - f.o.Confidence, longest: window, shortest: f.o.MinTrial}
	if confirm {
		w.shortest = window
	}
	e, err := f.trial(ctx, rate, window, w.watch)
	if err != nil {
		return Step{}, err
	}
	f.r.Spent += e.Elapsed + f.o.WarmUp
	w.judge(e, w.alpha)
	s := Step{Rate: rate, Verdict: w.verdict, N: e.Due, Missed: e.Missed[w.objective], Objective: w.objective, Window: e.Elapsed, Confirm: confirm, Trusted: e.Trusted}
	s.Holds = !w.overload
	for k, b := range f.o.Objectives {
		m := float64(e.Missed[k])
		if m > b.Allowed*float64(e.Due) {
			s.Holds = false
		}
		if w.overload {
			m = float64(e.Due)
		}
		f.seen[k] = append(f.seen[k], seen{rate, float64(e.Due), m, groups(e.Sections[k])})
	}
	f.regroup(rate)
	f.r.Steps = append(f.r.Steps, s)
	f.report(s)
	return s, nil
}

// regroup joins the trials' figures on how requests hang together, each with the weight of its misses.
func (f *finder) regroup(rate float64) {
	for k := range f.group {
		g := max(2, group0*rate*f.o.Objectives[k].Limit)
		sum, weight := g*g*groupW, g*groupW
		for _, t := range f.seen[k] {
			if t.missed < 0.3*t.due {
				sum += t.missed * t.group
				weight += t.missed
			}
		}
		f.group[k] = sum / weight
	}
}

// conclude fills in what follows from the steps.
func (f *finder) conclude(ctx context.Context) {
	_, broke := f.bracket()
	if len(f.r.Steps) > 0 && broke > 0 {
		b := f.fit()
		f.r.Mid = b.quantile(.5)
		f.r.Lo, f.r.Hi = b.quantile((1-f.o.Confidence)/2), b.quantile(1-(1-f.o.Confidence)/2)
	}
}
