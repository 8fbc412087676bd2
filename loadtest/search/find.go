package search

import (
	"context"
	"fmt"
	"math"
	"time"
)

// finder is a search under way.
type finder struct {
	o     Options
	trial Trial
	tell  func(Step)
	r     Result
	seen  [][]seen  // by objective, then by step
	above []bool    // by step: the break is below its rate
	last  move      // of the newest step
	group []float64 // by objective: requests that are worth one independent one, as far as known
	why   string    // what kept the generator from its highest rates, "" for nothing
	none  bool      // no rate holds
}

// leastCost is what a trial counts for at least, so that a search ends though its trials take no time.
const leastCost = 200 * time.Millisecond

// Find searches the highest rate at which all objectives hold. It doubles the rate until an objective fails, then tries
// rates where all trials together (see fit) have the break, and at the end confirms the rate in a longer trial of its
// own. A trial that fails because the generator did not keep up is repeated, patience times in all. progress, which may be nil, is told each step as it ends, by the calling goroutine. When ctx ends, what is known
// comes back with a nil error and the reason "interrupted"; an error of a trial ends the search too, and comes back
// beside what is known. Options that are no good give a nil result and an error of kind Usage.
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
	switch {
	case ctx.Err() != nil && f.r.Max == nil:
		f.r.Reason, err = "interrupted", nil
	case err != nil:
		f.r.Reason = "a trial failed"
	}
	f.conclude()
	return &f.r, err
}

func (f *finder) run(ctx context.Context) error {
	for ctx.Err() == nil {
		m := f.next()
		m.window = min(m.window, f.left())
		if m.end == "" && m.window < f.o.MinTrial {
			m.end = "the time for the search is used up"
		}
		if m.end != "" {
			f.r.Reason = m.end
			if n := f.doubtful(); n > 0 && n < patience {
				f.r.Reason += fmt.Sprintf(", and what %s/s does is not known: %s", number(f.last.rate), f.why)
			}
			return nil
		}
		s, err := f.try(ctx, m)
		if err != nil {
			return err
		}
		if m.confirm && s.Holds && ctx.Err() == nil {
			f.r.Max, f.r.Confirmed, f.r.Reason = &s.Rate, s.N >= f.enough(), f.found(s)
			return nil
		}
	}
	return nil
}

// left is the time that a trial's window may still take.
func (f *finder) left() time.Duration { return f.o.MaxTime - f.r.Spent - f.o.WarmUp }

// try runs one trial and takes it in.
func (f *finder) try(ctx context.Context, m move) (Step, error) {
	f.regroup(m.rate)
	f.last = m
	w := &watcher{objectives: f.o.Objectives, group: f.group, alpha: 1 - f.o.Confidence, longest: m.window, shortest: f.o.MinTrial}
	if m.confirm {
		w.shortest = m.window
	}
	e, err := f.trial(ctx, m.rate, m.window, w.watch)
	f.r.Spent += max(leastCost, e.Elapsed+f.o.WarmUp)
	if err != nil || e.Due == 0 && ctx.Err() != nil {
		return Step{}, err
	}
	w.judge(e, w.alpha/2)
	s := Step{
		Rate: m.rate, Verdict: w.verdict, Holds: w.holds, N: e.Due, Missed: e.Missed[w.decider], Objective: w.decider,
		Window: e.Elapsed, Confirm: m.confirm, Trusted: e.Trusted,
	}
	above := s.Verdict == Fail
	if !e.Trusted && !s.Holds {
		s.Verdict, above, f.why = Inconclusive, f.doubtful()+1 >= patience, e.Why
	}
	s.Reason = f.explain(w, e, s)
	defer f.tell(s)
	f.above, f.r.Steps = append(f.above, above), append(f.r.Steps, s)
	if !f.tells(len(f.r.Steps) - 1) {
		return s, nil
	}
	for k := range f.o.Objectives {
		t := seen{rate: m.rate, due: max(1, float64(e.Due)), missed: float64(e.Missed[k]), group: groups(e.Sections[k])}
		// A failure with fewer misses speaks for itself, by its counts: near the break chance has a part in it.
		t.above = above && (w.overload || !e.Trusted || k == w.decider && t.missed > t.due/2)
		f.seen[k] = append(f.seen[k], t)
	}
	f.regroup(m.rate)
	return s, nil
}

// patience is how many trials in a row at one rate may not be trusted until the rate counts as one that the generator
// cannot offer: a busy machine spoils one trial now and then, a generator at its end all of them.
const patience = 3

// doubtful is how many trials at the end of the steps, at one rate, do not hold and cannot be trusted.
func (f *finder) doubtful() int {
	n := 0
	for i := len(f.r.Steps) - 1; i >= 0; i-- {
		s := f.r.Steps[i]
		if s.Holds || s.Trusted || s.Rate != f.last.rate {
			break
		}
		n++
	}
	return n
}

// tells reports whether step i says anything: it held, can be trusted, or is the last that patience waited for.
func (f *finder) tells(i int) bool {
	s := f.r.Steps[i]
	return s.Holds || s.Trusted || f.above[i]
}

// regroup joins the trials' figures on how requests hang together, each with the weight of its misses. Before any are
// seen, the requests that are due within four times the limit are taken to be one group: what waits that long shares
// its queue with its neighbours.
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
	limit, failed := math.Inf(1), false
	for i, s := range f.r.Steps {
		failed = failed || !s.Holds && f.tells(i)
	}
	if failed {
		b := f.fit()
		limit = b.quantile(0.5)
		f.r.Lo, f.r.Hi = b.quantile((1-f.o.Confidence)/2), b.quantile(1-(1-f.o.Confidence)/2)
	}
	if f.r.Max != nil {
		limit = *f.r.Max
	}
	for _, s := range f.r.Steps {
		if s.Holds && s.Rate <= limit && !f.none {
			f.r.Holds = max(f.r.Holds, s.Rate)
		}
	}
	for i, s := range f.r.Steps {
		if !s.Holds && f.tells(i) && s.Rate > f.r.Holds && (f.r.Breaks == 0 || s.Rate < f.r.Breaks) {
			f.r.Breaks = s.Rate
		}
	}
	if best := f.r.Holds; f.r.Max == nil && best > 0 {
		f.r.Max = &best
	}
	if f.r.Max == nil {
		return
	}
	if f.r.Lo == 0 || f.r.Lo > *f.r.Max {
		f.r.Lo = *f.r.Max
	}
	if f.r.Hi > 0 {
		f.r.Hi = max(f.r.Hi, *f.r.Max)
	}
}
