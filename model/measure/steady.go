// Package measure owns how every verb times a session: warm-up by change point, steady-state runs, interleaved blocks
// of candidates, fresh child processes, and the checks that say whether the numbers can be believed.
package measure

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"time"

	"infer/internal/fault"
	"infer/internal/host"
	"infer/internal/progress"
	"infer/internal/stats"
)

// Run does the measured work once. It must return soon after ctx is done.
type Run func(ctx context.Context) error

// Timed does up to len(seconds) runs in a row, writes how long each took and returns how many there were; see
// engine.Timer.
type Timed func(ctx context.Context, seconds []float64) (runs int, err error)

// Auto as Options.WarmUp runs until a change-point test finds the newest runs steady.
const Auto = -1

// Options says how much to measure. The zero value times runs for 5 s without warm-up.
type Options struct {
	Runs      int           // exactly this many timed runs; 0: for Duration
	Duration  time.Duration // of the timed phase when Runs is 0; 0: 5 s
	MinRuns   int           // timed runs at least, however long they take, when Runs is 0; below 1 counts as 1
	WarmUp    int           // Auto, or exactly this many untimed runs
	MaxWarmUp time.Duration // no new warm-up run after this when WarmUp is Auto; 0: 5 s or half of Duration if shorter
	Timed     Timed         // times short runs in a row in place of the run; nil: each is timed here
	Progress  progress.Func // called between runs, at most every 100 ms and once at the end
	Phase     string        // of the timed runs in Progress; "": "timed runs"
}

// maxRow bounds the runs in a row: those of half a microsecond take inARow.
const maxRow = 100_000

// maxReserve bounds what is allocated ahead for the times of runs: 8 MiB. Longer series grow between runs.
const maxReserve = 1 << 20

const progressEvery = 100 * time.Millisecond

func (o Options) validate() error {
	switch {
	case o.Runs < 0 || o.MinRuns < 0 || o.Duration < 0 || o.MaxWarmUp < 0:
		return fault.New(fault.Usage, "give positive numbers", "runs %d, duration %s: negative", o.Runs, o.Duration)
	case o.WarmUp < Auto:
		return fault.New(fault.Usage, "give auto or a number of runs", "warm-up of %d runs is negative", o.WarmUp)
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.Duration == 0 {
		o.Duration = 5 * time.Second
	}
	if o.MaxWarmUp == 0 {
		o.MaxWarmUp = 5 * time.Second
		if o.Runs == 0 {
			o.MaxWarmUp = min(o.MaxWarmUp, o.Duration/2)
		}
	}
	if o.Phase == "" {
		o.Phase = "timed runs"
	}
	o.MinRuns = max(1, o.MinRuns)
	return o
}

// Steady warms run up and times it, one run after the other on one thread. Between the two clock reads of a run there
// is nothing but the run. When ctx ends it returns what was measured with Interrupted set and a nil error; the run
// that was cut off is not counted. A run that fails otherwise ends the series with its error.
func Steady(ctx context.Context, run Run, o Options) (*Series, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	base := time.Now()
	l := loop{run: run, o: o.withDefaults(), now: func() time.Duration { return time.Since(base) }, sample: host.Snapshot}
	return l.steady(ctx)
}

// loop is Steady with its clock and its counters as seams.
type loop struct {
	run    Run
	o      Options
	now    func() time.Duration
	sample func() host.Sample
	at     time.Duration // the newest reading of the clock
	told   time.Duration // when progress was last sent
	newest float64       // seconds of the newest run, 0 before the first
	row    []float64     // for runs in a row
}

func (l *loop) steady(ctx context.Context) (*Series, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s := &Series{Class: Flat}
	if l.o.Timed != nil {
		l.row = make([]float64, maxRow)
	}
	if err := l.warmUp(ctx, s); err != nil || s.Interrupted {
		return s, err
	}
	s.Seconds = make([]float64, 0, l.reserve(s.WarmUp))
	// Collect now what warm-up and set-up left, so that it is not collected during a timed run.
	runtime.GC()
	before, begin := l.sample(), l.now()
	l.at = begin
	err := l.timed(ctx, s, begin)
	s.Wall = l.now() - begin
	s.Interference = host.Diff(before, l.sample())
	s.Class, s.Changes = Classify(s.Seconds)
	return s, err
}

// reserve guesses how many timed runs there will be.
func (l *loop) reserve(warm []float64) int {
	n := l.o.Runs
	if n == 0 && len(warm) > 0 && warm[len(warm)-1] > 0 {
		n = int(min(maxReserve, 1.5*l.o.Duration.Seconds()/warm[len(warm)-1])) + l.o.MinRuns
	}
	return min(maxReserve, max(n, 1024))
}

func (l *loop) timed(ctx context.Context, s *Series, begin time.Duration) error {
	for {
		elapsed := l.at - begin // the end of the run before: two clock reads a run are enough
		if n := len(s.Seconds); l.o.Runs > 0 && n >= l.o.Runs || l.o.Runs == 0 && n >= l.o.MinRuns && elapsed >= l.o.Duration {
			l.tell(s, elapsed, true)
			return nil
		}
		if ok, err := l.some(ctx, s, &s.Seconds, l.left(len(s.Seconds), elapsed)); !ok {
			return err
		}
		l.tell(s, elapsed, false)
	}
}

// left returns how many more timed runs are wanted, by the newest run's time where the duration decides.
func (l *loop) left(done int, elapsed time.Duration) int {
	if l.o.Runs > 0 {
		return l.o.Runs - done
	}
	n := l.o.MinRuns - done
	if l.newest > 0 {
		n = max(n, int(math.Ceil(min(maxReserve, (l.o.Duration-elapsed).Seconds()/l.newest)-1e-9)))
	}
	return max(1, n)
}

// inARow is about how long short runs are timed in one call: a progress bar and an interrupt do not wait longer.
const inARow = 50 * time.Millisecond

// some does one run, or several short ones in a row but at most most, and appends their times to series. ok is false
// when the series ends here.
func (l *loop) some(ctx context.Context, s *Series, series *[]float64, most int) (ok bool, err error) {
	n := 0
	if l.o.Timed != nil && l.newest > 0 {
		n = min(most, len(l.row), int(inARow.Seconds()/l.newest))
	}
	if n < 2 {
		d, ok, err := l.once(ctx, s)
		if ok {
			l.newest = d
			*series = append(*series, d)
		}
		return ok, err
	}
	if ctx.Err() != nil {
		s.Interrupted = true
		return false, nil
	}
	done, err := l.o.Timed(ctx, l.row[:n])
	l.at = l.now()
	*series = append(*series, l.row[:done]...)
	switch {
	case ctx.Err() != nil:
		s.Interrupted = true
		return false, nil
	case err != nil:
		return false, fmt.Errorf("run %d: %w", len(s.WarmUp)+len(s.Seconds)+1, err)
	case done > 0:
		l.newest = stats.Median(l.row[:done])
	default:
		l.newest = 0 // none was done: the next one is timed here
	}
	return true, nil
}

// once does one run. ok is false when the series ends here.
func (l *loop) once(ctx context.Context, s *Series) (seconds float64, ok bool, err error) {
	if ctx.Err() != nil {
		s.Interrupted = true
		return 0, false, nil
	}
	begin := l.now()
	err = l.run(ctx)
	l.at = l.now()
	d := l.at - begin
	if err == nil {
		return d.Seconds(), true, nil
	}
	// A runtime reports its own error for a run that was cut off, so ask the context and not the error.
	if ctx.Err() != nil {
		s.Interrupted = true
		return 0, false, nil
	}
	return 0, false, fmt.Errorf("run %d: %w", len(s.WarmUp)+len(s.Seconds)+1, err)
}

func (l *loop) tell(s *Series, elapsed time.Duration, last bool) {
	if l.o.Progress == nil || !last && l.at-l.told < progressEvery {
		return
	}
	l.told = l.at
	e := progress.Event{Phase: l.o.Phase, Done: float64(len(s.Seconds)), Total: float64(l.o.Runs), Unit: "runs"}
	if l.o.Runs == 0 {
		e.Done, e.Total, e.Unit = min(elapsed, l.o.Duration).Seconds(), l.o.Duration.Seconds(), "s"
		e.Note = fmt.Sprintf("%d runs", len(s.Seconds))
	}
	l.o.Progress(e)
}
