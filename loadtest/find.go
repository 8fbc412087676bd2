package loadtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"infer/loadtest/drive"
	"infer/loadtest/sample"
	"infer/loadtest/schedule"
	"infer/loadtest/search"
	"infer/report"
)

// FindOptions say how the highest rate is searched.
type FindOptions struct {
	Lo, Hi  float64       // between these rates; 0, 0: open
	MaxTime time.Duration // of all trials
}

// Find searches the highest rate at which every objective of o holds and fills d: max_rps, the trials, and the figures of
// the confirmation. When ctx ends, d has what is known, with the verdict interrupted.
func Find(ctx context.Context, rig *Rig, o Options, fo FindOptions, h Hooks, d *report.Document) error {
	objectives, err := searchable(o.SLO)
	if err != nil {
		return err
	}
	x := &report.LoadDetails{Target: rig.Target}
	o.Floor = false // each trial says itself whether the generator kept up
	if err := o.prepare(ctx, rig, h, x); err != nil {
		return err
	}
	f := &finder{rig: rig, o: o, h: h, objectives: objectives, begin: time.Now(), between: [2]float64{fo.Lo, fo.Hi}}
	so := search.Options{Lo: fo.Lo, Hi: fo.Hi, MaxTime: fo.MaxTime, WarmUp: trialWarmUp}
	for _, v := range objectives {
		limit := v.gate.Limit
		if v.errors {
			limit = failTogether
		}
		so.Objectives = append(so.Objectives, search.Objective{Expr: v.gate.Expr, Allowed: v.allowed, Limit: limit})
	}
	result, err := search.Find(ctx, so, f.trial, f.note)
	if err != nil {
		return err
	}
	return f.fill(ctx, d, x, result)
}

// trialWarmUp comes before the window of each trial, at its rate.
const trialWarmUp = time.Second

// failTogether is how far apart, in seconds, requests may be that fail together, in a server whose queue is full. It stands in
// for the limit of an objective on errors: trials are long enough then for a queue that grows to show.
const failTogether = 0.1

// finder runs the trials of a search.
type finder struct {
	rig        *Rig
	o          Options
	h          Hooks
	objectives []objective
	begin      time.Time
	between    [2]float64 // the range that was asked for; 0, 0: open
	trials     int
	points     []report.LoadPoint
	steps      []report.LoadSearchStep
	confirm    *trialFigures // the newest confirmation that held
	current    *trialFigures
	answers    *report.LoadCorrectness // of all trials; nil: nobody compares them
}

// trialFigures is what came of one trial.
type trialFigures struct {
	rate     float64
	seed     uint64
	schedule *schedule.Schedule
	warmUp   time.Duration
	m        *measured
	figures  *report.LoadFigures
}

// trial is a search.Trial.
func (f *finder) trial(ctx context.Context, rate float64, d time.Duration, watch func(search.Evidence) bool) (search.Evidence, error) {
	f.settle(ctx)
	f.trials++
	seed := f.o.Schedule.Seed + uint64(f.trials)
	so := schedule.Options{Arrival: f.o.Schedule.Arrival, Seed: seed, Stages: []schedule.Stage{{From: rate, To: rate, For: trialWarmUp + d}}}
	s, err := schedule.New(so)
	if err != nil {
		return search.Evidence{}, err
	}
	l := load{schedule: s, from: trialWarmUp, to: trialWarmUp + d, limit: f.o.limit()}
	t := newTally(f.objectives, s, l.from, l.to, f.o.Timeout)
	l.keep = t.add
	running, stop := context.WithCancel(ctx)
	defer stop()
	show := f.o.live(f.h, fmt.Sprintf("trial %d, %s", f.trials, report.FormatValue(report.Rate, rate)), l)
	l.watch = func(at time.Duration, fold *sample.Fold) {
		if show != nil {
			show(at, fold)
		}
		if at > l.from && watch(t.evidence(at)) {
			stop()
		}
	}
	begin := time.Now()
	m, err := f.o.run(running, f.rig, l)
	if err != nil {
		return search.Evidence{}, err
	}
	took := time.Since(begin)
	e := t.evidence(min(took, l.to+f.o.Timeout))
	if m.cut {
		e = t.evidence(took)
	}
	f.current = &trialFigures{rate: rate, seed: seed, m: m, figures: m.fold.Figures(), schedule: s, warmUp: l.from}
	f.answers = addCorrectness(f.answers, correctnessOf(f.rig, f.current.figures, m))
	e.Trusted, e.Why = f.trust(f.current)
	f.points = append(f.points, pointOf(f.current.figures, rate, 0, e.Trusted, e.Why))
	return e, nil
}

// trust says whether the generator kept up.
func (f *finder) trust(t *trialFigures) (ok bool, why string) {
	limit := f.lagLimit()
	if lag := t.figures.Lag; lag.Count() > 0 && lag.Quantile(0.99) > limit {
		return false, fmt.Sprintf("the generator was late by %s at p99, limit %s", seconds(lag.Quantile(0.99)), seconds(limit))
	}
	if cpu := generatorOf(t.m).CPU; !f.rig.local() && cpu > maxCPU {
		return false, fmt.Sprintf("the generator used %s of its CPUs, limit %s", percent(cpu), percent(maxCPU))
	}
	return true, ""
}

// lagLimit is how late the generator may be: little beside what the objectives allow.
func (f *finder) lagLimit() float64 {
	limit := leastLag
	for _, o := range f.objectives {
		if !o.errors {
			limit = max(limit, maxLagShare*o.gate.Limit)
		}
	}
	return limit
}

// settle waits until the server has worked off what an overload left in its queues: until a request of its own is within
// the limits again, five seconds at the most.
func (f *finder) settle(ctx context.Context) {
	limit := 20 * time.Millisecond
	for _, o := range f.objectives {
		if !o.errors {
			limit = max(limit, time.Duration(o.gate.Limit*float64(time.Second)))
		}
	}
	for end := time.Now().Add(5 * time.Second); f.trials > 0 && time.Now().Before(end) && ctx.Err() == nil; {
		quick := false
		_, err := f.rig.Generator.Run(ctx, drive.Load{
			Concurrency: 1, Duration: time.Second, Requests: 1, Timeout: 5 * time.Second, Connections: f.o.Connections, Payloads: f.rig.Target.Payloads, Lanes: 1,
			Emit: func(s []sample.Sample) { quick = s[0].Outcome == sample.OK && s[0].ServiceTime() < limit },
		})
		if err != nil || quick {
			return
		}
	}
}

// note takes a step of the search when it is decided.
func (f *finder) note(s search.Step) {
	step := report.LoadSearchStep{
		Rate: s.Rate, Verdict: string(s.Verdict), Objective: f.objectives[s.Objective].gate.Expr, N: s.N, Missed: s.Missed, Seconds: s.Window.Seconds(), Reason: s.Reason, Confirm: s.Confirm,
	}
	if len(f.points) > 0 {
		p := f.points[len(f.points)-1]
		step.P50, step.P99 = p.P50, p.P99
	}
	f.steps = append(f.steps, step)
	if s.Confirm && s.Holds && f.current != nil {
		f.confirm = f.current
	}
}

// fill writes the result into d.
func (f *finder) fill(ctx context.Context, d *report.Document, x *report.LoadDetails, r *search.Result) error {
	x.Schedule = report.LoadSchedule{Loop: "open", Arrival: f.o.Schedule.Arrival, Seed: f.o.Schedule.Seed}
	x.Search = &report.LoadSearch{Range: f.between, Max: r.Max, Holds: r.Holds, Breaks: r.Breaks, Confirmed: r.Confirmed,
		Steps: f.steps, Reason: r.Reason, Seconds: time.Since(f.begin).Seconds()}
	x.Points = f.points
	m := report.NewMetric("max_rps")
	m.Value, m.Method = r.Max, "search"
	for _, s := range f.steps {
		m.N += int(s.N)
	}
	if r.Max != nil && r.Lo <= *r.Max && *r.Max <= r.Hi { // Hi is 0 where nothing broke
		m.Lo, m.Hi, m.Confidence = &r.Lo, &r.Hi, r.Confidence
	}
	d.Add(m)
	if t := f.confirm; t != nil && r.Max != nil && t.rate == *r.Max {
		f.describe(d, x, t)
	}
	f.judge(d, x, r)
	x.Correctness = f.answers
	judgeAnswers(d, x)
	if r.Max == nil && ctx.Err() == nil && !slices.ContainsFunc(r.Steps, func(s search.Step) bool { return s.Trusted && !s.Holds }) {
		d.AddCheck(CheckCPU, false, "%s", r.Reason) // no trial says anything about the server
	}
	d.Judge(f.o.Gates)
	if ctx.Err() != nil {
		d.Verdict = report.Interrupted
	}
	readSearch(d, x, f.o.SLO)
	return d.SetDetails(x)
}

// describe reports the figures of the confirmation, at the rate that was found.
func (f *finder) describe(d *report.Document, x *report.LoadDetails, t *trialFigures) {
	x.Schedule.Stages = []report.LoadStage{{From: t.rate, To: t.rate, For: t.figures.Seconds}}
	x.Schedule.Seed, x.Schedule.SHA256, x.Schedule.Planned = t.seed, t.schedule.Hash(t.warmUp), t.schedule.Planned(t.warmUp, t.m.end)
	x.Window = report.LoadWindow{WarmUp: t.warmUp.Seconds(), Seconds: t.figures.Seconds, Drain: t.m.drain.Seconds()}
	x.Figures, x.Generator, x.Server = t.figures, generatorOf(t.m), serverOf(t.figures, t.m.server)
	derive(d, x)
	check(d, x, f.rig.local(), t.m.usage, f.lagLimit())
}

// judge adds a gate for every objective: it holds at the rate that was found, or at none.
func (f *finder) judge(d *report.Document, x *report.LoadDetails, r *search.Result) {
	var last search.Step
	if n := len(r.Steps); n > 0 {
		last = r.Steps[n-1]
	}
	for k, o := range f.objectives {
		g := report.GateResult{Expr: o.gate.Expr, Verdict: report.GateInconclusive, Reason: r.Reason}
		switch {
		case r.Max == nil && last.Verdict == search.Fail && last.Objective == k:
			g.Verdict = report.Fail
		case r.Max != nil && r.Confirmed:
			g.Verdict, g.Reason = confirmed(o, r)
		case r.Max != nil:
			g.Reason = fmt.Sprintf("holds at %s, and no time was left to confirm it", report.FormatValue(report.Rate, *r.Max))
		}
		d.Gates = append(d.Gates, g)
		x.SLO = append(x.SLO, report.LoadSLO{Expr: g.Expr, Verdict: g.Verdict, Reason: g.Reason})
	}
}

// confirmed says what the confirmation is worth. At the edge of what holds none can be certain; with fewer requests than
// the percentile needs it says nothing.
func confirmed(o objective, r *search.Result) (verdict, reason string) {
	at := report.FormatValue(report.Rate, *r.Max)
	for i := len(r.Steps) - 1; i >= 0; i-- {
		s := r.Steps[i]
		switch {
		case !s.Confirm || !s.Holds:
		case s.Verdict == search.Pass:
			return report.Pass, "holds at " + at + ", confirmed"
		case s.N >= int64(report.SamplesNeeded(o.gate.Metric)):
			return report.Pass, fmt.Sprintf("held at %s in the confirmation (%d of %d requests missed it), too near to where it breaks to be certain", at, s.Missed, s.N)
		default:
			return report.GateInconclusive, fmt.Sprintf("held at %s in a confirmation of %d requests, and %d are needed", at, s.N, report.SamplesNeeded(o.gate.Metric))
		}
	}
	return report.GateInconclusive, "holds at " + at + ", not confirmed"
}

// readSearch says in words what a search found.
func readSearch(d *report.Document, x *report.LoadDetails, slos []report.Gate) {
	r := &reader{d: d, x: x, slos: slos}
	s := x.Search
	if s.Max == nil && s.Holds > 0 {
		r.say("The highest rate of a trial that held is %s; the search did not end.", report.FormatValue(report.Rate, s.Holds))
	}
	r.say("%s.", upperFirst(s.Reason))
	if s.Max != nil {
		r.say("Plan for less: at %s, 70 %% of it, a burst or a slow minute does not break the objective at once.", report.FormatValue(report.Rate, 0.7**s.Max))
		x.Next = step(fmt.Sprintf("%s --rps %s --duration 60s%s", command(x.Target), digits(0.7**s.Max), objectivesText(slos)), "it shows the latency at 70 %% of what was found, over a longer time")
	}
	if x.Figures != nil {
		r.obstacle()
	}
	x.Reading = r.said
}

// upperFirst begins a sentence.
func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
