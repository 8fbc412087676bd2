package loadtest

import (
	"context"
	"math"
	"runtime/debug"
	"time"

	"infer/internal/host"
	"infer/loadtest/drive"
	"infer/loadtest/sample"
	"infer/loadtest/schedule"
	"infer/report"
)

// load is one load on a rig: what to send, which part of it counts, and who looks on.
type load struct {
	schedule    *schedule.Schedule // nil: closed loop
	concurrency int
	duration    time.Duration // closed loop: of all of it
	requests    int64         // closed loop: of all of it; 0: no bound
	from, to    time.Duration // the window
	limit       time.Duration // of goodput
	quiet       bool          // no look at the server and the machine: a trial or a floor
	keep        func([]sample.Sample)
	watch       func(at time.Duration, f *sample.Fold) // called every tick while the load runs
}

// tick is how often a running load is looked at.
const tick = 250 * time.Millisecond

// measured is what came of a load.
type measured struct {
	fold   *sample.Fold
	stats  drive.Stats
	usage  usage
	server *report.LoadServer
	end    time.Duration // of the window: where it was cut, the moment of that
	drain  time.Duration // from the end of the window to the last answer
	cut    bool
}

// run sends l to rig and folds the samples. When ctx ends it returns what was measured until then, with cut set.
func (o *Options) run(ctx context.Context, rig *Rig, l load) (*measured, error) {
	bounded := l.schedule == nil && l.requests > 0 // its requests end the window
	m := &measured{fold: sample.NewFold(sample.FoldOptions{From: l.from, To: l.to, Capped: bounded, Limit: l.limit}), end: l.to}
	emit := m.fold.Add
	if l.keep != nil {
		emit = func(s []sample.Sample) {
			l.keep(s)
			m.fold.Add(s)
		}
	}
	begin := time.Now()
	eye := observe(ctx, rig, l, m, begin)
	stats, err := rig.Generator.Run(ctx, drive.Load{
		Schedule: l.schedule, Concurrency: l.concurrency, Duration: l.duration, Requests: l.requests,
		Timeout: o.Timeout, Connections: o.connections(), Payloads: rig.Target.Payloads, Check: rig.Check,
		Spin: o.spin(l.schedule), Lanes: lanes(l.schedule), Emit: emit,
	})
	took := time.Since(begin)
	eye.close(m)
	m.stats = stats
	if err != nil {
		return nil, err
	}
	if m.cut = ctx.Err() != nil; m.cut {
		m.end = min(m.end, max(l.from, took))
	}
	if bounded {
		m.end = min(m.end, max(l.from, took))
	}
	m.drain = max(0, took-m.end)
	m.fold.End(m.end)
	return m, nil
}

// spin is how long before a request is due the pacer stops sleeping.
func (o *Options) spin(s *schedule.Schedule) time.Duration {
	if o.Spin != Auto || s == nil {
		return max(0, o.Spin)
	}
	_, peak := s.Expected()
	return drive.AutoSpin(host.EffectiveCPUs().Count, peak)
}

// lanePace is the rate from which on one thread is not enough.
const lanePace = 25000

func lanes(s *schedule.Schedule) int {
	cpus := host.EffectiveCPUs().Count
	if s == nil {
		return max(1, cpus/2)
	}
	_, peak := s.Expected()
	return min(cpus, max(1, int(math.Ceil(peak/lanePace))))
}

// usage is what the generator's process used during the window.
type usage struct {
	interference host.Interference
	cpus         host.CPUs
	gcs          int64
	gcPause      time.Duration
	rss          host.Memory
}

// eye looks at the machine and the server at the begin and the end of the window, and lets others look at the fold.
type eye struct {
	rig    *Rig
	l      load
	done   chan struct{}
	ended  chan struct{}
	before host.Sample
	gc     debug.GCStats
	began  bool // before and gc are those of the begin of the window
	until  func(context.Context) *report.LoadServer
}

func observe(ctx context.Context, rig *Rig, l load, m *measured, begin time.Time) *eye {
	e := &eye{rig: rig, l: l, done: make(chan struct{}), ended: make(chan struct{})}
	go e.look(ctx, m, begin)
	return e
}

func (e *eye) look(ctx context.Context, m *measured, begin time.Time) {
	defer close(e.ended)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	window := time.NewTimer(e.l.from)
	defer window.Stop()
	for {
		select {
		case <-e.done:
			return
		case <-window.C:
			if !e.l.quiet {
				e.begin(ctx)
			}
		case <-ticker.C:
			if e.l.watch != nil {
				e.l.watch(time.Since(begin), m.fold)
			}
		}
	}
}

func (e *eye) begin(ctx context.Context) {
	e.began, e.before = true, host.Snapshot()
	debug.ReadGCStats(&e.gc)
	if e.rig.Watch != nil {
		e.until = e.rig.Watch(ctx)
	}
}

// close ends the looking and takes the difference.
func (e *eye) close(m *measured) {
	close(e.done)
	<-e.ended
	if !e.began {
		return
	}
	var gc debug.GCStats
	debug.ReadGCStats(&gc)
	m.usage = usage{
		interference: host.Diff(e.before, host.Snapshot()), cpus: host.EffectiveCPUs(), gcs: gc.NumGC - e.gc.NumGC,
		gcPause: gc.PauseTotal - e.gc.PauseTotal, rss: host.ProcessMemory(),
	}
	if e.until != nil {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second) // also when the load was interrupted
		defer cancel()
		m.server = e.until(ctx)
	}
}
