package loadtest

import (
	"context"
	"slices"
	"time"

	"infer/internal/stats"
	"infer/loadtest/schedule"
	"infer/report"
)

// floorTime is how long the generator is measured alone.
const floorTime = 2 * time.Second

// floor offers the load's own requests at the load's own rate to a server in this process that does nothing.
func (o *Options) floor(ctx context.Context, rig *Rig, h Hooks) (*report.LoadFloor, error) {
	g, end, err := rig.Null(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	defer g.Close()
	alone := *rig
	alone.Generator, alone.Check = g, nil
	d := min(floorTime, o.window()/5+200*time.Millisecond)
	l := load{concurrency: o.Concurrency, from: d / 5, to: d, duration: d, quiet: true}
	if o.open() {
		l.schedule, err = o.floorSchedule(d)
		if err != nil {
			return nil, err
		}
	}
	whole := l
	whole.from = 0 // its warm-up is over before anybody could read of it
	l.watch = o.live(h, "floor", whole)
	if err := g.Open(ctx, o.initial(rig)); err != nil {
		return nil, err
	}
	m, err := o.run(ctx, &alone, l)
	if err != nil {
		return nil, err
	}
	f := m.fold.Figures()
	out := &report.LoadFloor{Seconds: f.Seconds, P50: floorLevel(f, 0.5), P99: floorLevel(f, 0.99)}
	for i := range f.Sections {
		out.N += f.Sections[i].Latency.Count()
	}
	if f.Lag.Count() > 0 {
		out.LagP99 = f.Lag.Quantile(0.99)
	}
	return out, nil
}

// floorSchedule is the load's arrivals at its highest rate, or the begin of its trace.
func (o *Options) floorSchedule(d time.Duration) (*schedule.Schedule, error) {
	so := o.Schedule
	if so.Trace != nil {
		n, _ := slices.BinarySearch(so.Trace, d)
		so.Trace = so.Trace[:max(1, n)]
	} else {
		peak := 0.0
		for _, s := range so.Stages {
			peak = max(peak, s.From, s.To)
		}
		so.Stages = []schedule.Stage{{From: peak, To: peak, For: d}}
	}
	return schedule.New(so)
}

func floorLevel(f *report.LoadFigures, p float64) report.Level95 {
	var parts []*stats.Sketch
	for i := range f.Sections {
		parts = append(parts, f.Sections[i].Latency)
	}
	e, _, _ := stats.SectionQuantile(parts, p, 0.95)
	l := report.Level95{Value: e.Value, N: e.N}
	if e.OK {
		l.Lo, l.Hi = &e.Lo, &e.Hi
	}
	return l
}
