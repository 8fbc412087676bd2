package cmd

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"infer/internal/host"
	"infer/model/engine"
	"infer/model/measure"
	"infer/model/tensor"
	"infer/optimize/tune"
)

// The least that is run of a setting before anything of it is timed: the first runs of a session allocate.
const (
	warmRuns = 3
	warmTime = 30 * time.Millisecond
)

// sliceTime is how long runs in a row are timed in C before the clock of the block is looked at again.
const sliceTime = 10 * time.Millisecond

// openCost is what opening a setting took.
type openCost struct{ init, firstRun time.Duration }

// config returns the session configuration of a setting.
func (s *tuneSpace) config(set tune.Setting) engine.Config {
	c := s.facts.config
	c.Threads = number(set, knobThreads)
	if n := number(set, knobInter); n > 1 || c.InterThreads > 0 {
		c.InterThreads = n
	}
	c.Entries = maps.Clone(c.Entries)
	for k, v := range s.entries(set) {
		if c.Entries == nil {
			c.Entries = map[string]string{}
		}
		c.Entries[k] = v
	}
	c.Providers = slices.Clone(c.Providers)
	for i := range c.Providers {
		c.Providers[i].Options = maps.Clone(c.Providers[i].Options)
	}
	for _, o := range s.providerOptions(set) {
		_ = addProviderOption(c.Providers, o) // it has its key and its value
	}
	return c
}

// entries are the session-config entries of a setting beside those of the flags.
func (s *tuneSpace) entries(set tune.Setting) map[string]string {
	out := map[string]string{}
	for _, k := range s.knobs {
		v := set[k.Name]
		if entry, short := knobEntries[k.Name]; short {
			if v != s.entryDefault(k.Name) {
				out[entry] = v
			}
		} else if s.isEntry(k.Name) {
			out[k.Name] = v
		}
	}
	return out
}

// entryDefault is what the runtime does where the entry of a knob with a short name is not set.
func (s *tuneSpace) entryDefault(knob string) string {
	if knob == knobSpinning {
		return "1"
	}
	return "0"
}

// isEntry reports whether a knob is a session-config entry by its full name.
func (s *tuneSpace) isEntry(knob string) bool {
	return strings.Contains(knob, ".") && !s.isProviderOption(knob)
}

func (s *tuneSpace) isProviderOption(knob string) bool {
	name, _, _ := strings.Cut(knob, ".")
	return name == "provider" || slices.ContainsFunc(s.facts.config.Providers, func(p engine.ProviderSpec) bool { return p.Name == name })
}

// providerOptions are the options that a setting gives to providers, as --provider-option takes them.
func (s *tuneSpace) providerOptions(set tune.Setting) (list []string) {
	for _, k := range s.knobs {
		if strings.Contains(k.Name, ".") && s.isProviderOption(k.Name) {
			list = append(list, strings.TrimPrefix(k.Name, "provider.")+"="+set[k.Name])
		}
	}
	return list
}

// open opens a setting: its sessions, its inputs bound to each, warmed up.
func (t *tuner) open(ctx context.Context, set tune.Setting) (tune.Arm, error) {
	in, err := t.base.data.inputs(t.space.rows(set))
	if err != nil {
		return nil, err
	}
	before := host.ProcessMemory().RSS
	a := &tuneArm{rows: t.rowsOf(set)}
	cost, err := a.open(ctx, t, set, in)
	if err == nil {
		err = a.warm(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	if after := host.ProcessMemory().RSS; after > before {
		a.added = float64(after - before)
	}
	t.opens[settingText(set)] = cost
	return a, nil
}

// rows are the rows of a run as inputs takes them: 0 for those that are bound.
func (s *tuneSpace) rows(set tune.Setting) int64 {
	n, err := strconv.ParseInt(set[knobBatch], 10, 64)
	if err != nil || n == s.facts.rows {
		return 0
	}
	return n
}

func (t *tuner) rowsOf(set tune.Setting) int64 {
	if n := t.space.rows(set); n > 0 {
		return n
	}
	return t.base.data.boundRows()
}

// tuneArm is a setting, opened: lanes that each run one after the other, all lanes at the same time.
type tuneArm struct {
	rows     int64
	added    float64 // bytes of memory that opening it added
	sessions []engine.Session
	lanes    []*lane
}

// open opens the sessions and binds the inputs to each lane.
func (a *tuneArm) open(ctx context.Context, t *tuner, set tune.Setting, in []tensor.Tensor) (cost openCost, err error) {
	v := t.variant(set[knobVariant])
	c := t.space.config(set)
	for i := range number(set, knobInstances) {
		if i < sessions(set) {
			begin := time.Now()
			s, err := t.base.provider.Open(ctx, v.model, c)
			if err != nil {
				return cost, err
			}
			a.sessions = append(a.sessions, s)
			if i == 0 {
				cost.init = time.Since(begin)
				begin = time.Now()
				if err := s.Run(ctx, in, make([]tensor.Tensor, len(s.Outputs()))); err != nil {
					return cost, err
				}
				cost.firstRun = time.Since(begin)
			}
		}
		l := &lane{}
		if l.run, l.timed, l.release, err = measure.Bind(ctx, a.sessions[len(a.sessions)-1], in); err != nil {
			return cost, err
		}
		a.lanes = append(a.lanes, l)
	}
	return cost, nil
}

func (a *tuneArm) warm(ctx context.Context) error {
	for _, l := range a.lanes {
		for n, begin := 0, time.Now(); n < warmRuns || time.Since(begin) < warmTime; n++ {
			if err := l.run(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// Block runs all lanes for about d, and once untimed before: the arm that ran before has the caches. The inputs are
// bound, so that the seed changes nothing.
func (a *tuneArm) Block(ctx context.Context, d time.Duration, _ uint64) (tune.Block, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	begin := make(chan struct{})
	var ready, done sync.WaitGroup
	for _, l := range a.lanes {
		ready.Add(1)
		done.Go(func() {
			l.seconds, l.err = l.seconds[:0], l.run(ctx)
			ready.Done()
			if <-begin; l.err == nil {
				l.err = l.block(ctx, d)
			}
			if l.err != nil {
				cancel() // the others would run on without it
			}
		})
	}
	ready.Wait()
	before, at := host.Snapshot(), time.Now()
	close(begin)
	done.Wait()
	b := tune.Block{Rows: a.rows, PeakRSS: a.added, Elapsed: time.Since(at)}
	seen := host.Diff(before, host.Snapshot())
	for _, l := range a.lanes {
		if l.err != nil && !(errors.Is(l.err, context.Canceled) && a.failed()) {
			return tune.Block{}, l.err
		}
		b.Seconds = append(b.Seconds, l.seconds...)
		b.Throughput += float64(a.rows) * float64(len(l.seconds)) / l.wall.Seconds()
	}
	if seen.Wall > 0 {
		b.CPU = seen.SelfCPU / seen.Wall
	}
	b.Disturbed = measure.Disturbed(&measure.Series{Seconds: b.Seconds, Interference: seen})
	return b, nil
}

// failed reports whether a lane failed by itself, and not because the others were told to end.
func (a *tuneArm) failed() bool {
	return slices.ContainsFunc(a.lanes, func(l *lane) bool { return l.err != nil && !errors.Is(l.err, context.Canceled) })
}

// Close ends the sessions. A second Close is a no-op.
func (a *tuneArm) Close() error {
	var errs []error
	for _, l := range a.lanes {
		l.release()
	}
	for _, s := range a.sessions {
		errs = append(errs, s.Close())
	}
	a.lanes, a.sessions = nil, nil
	return errors.Join(errs...)
}

// lane runs one after the other; for one goroutine at a time.
type lane struct {
	run     measure.Run
	timed   measure.Timed // nil: each run is timed here
	release func()

	seconds []float64 // of the newest block
	wall    time.Duration
	err     error
	buffer  [1024]float64
}

// block times runs for about d, in slices.
func (l *lane) block(ctx context.Context, d time.Duration) error {
	begin := time.Now()
	for n := 1; ; {
		runs, err := l.slice(ctx, l.buffer[:n])
		l.seconds = append(l.seconds, l.buffer[:runs]...)
		l.wall = time.Since(begin)
		if err != nil {
			return err
		}
		left := min(d-l.wall, sliceTime)
		if left <= 0 {
			return nil
		}
		n = min(max(int(left.Seconds()/meanOf(l.seconds)), 1), len(l.buffer))
	}
}

// slice times up to len(seconds) runs in a row.
func (l *lane) slice(ctx context.Context, seconds []float64) (runs int, err error) {
	if l.timed != nil {
		return l.timed(ctx, seconds)
	}
	for i := range seconds {
		begin := time.Now()
		if err := l.run(ctx); err != nil {
			return i, err
		}
		seconds[i] = time.Since(begin).Seconds()
	}
	return len(seconds), nil
}

// meanOf returns the mean of at least one time; a nanosecond at least.
func meanOf(seconds []float64) float64 {
	sum := 0.0
	for _, s := range seconds {
		sum += s
	}
	return max(sum/float64(max(len(seconds), 1)), 1e-9)
}
