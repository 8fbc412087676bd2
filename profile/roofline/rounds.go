package roofline

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"time"

	"infer/internal/host"
	"infer/internal/progress"
	"infer/internal/stats"
	"infer/model/engine"
	"infer/model/measure"
	"infer/report"
)

const (
	defaultMaxTime = 3 * time.Second
	leastRounds    = 12 // that shall fit into the time; 6 are enough for an interval, but blocks turn out longer than expected
)

// survey measures the ceilings once: it opens as many probes as the time is enough for, and runs them in rounds, a block
// of each, so that what else goes on meets all alike.
type survey struct {
	o         Options
	threads   int
	config    engine.Config
	begin     time.Time
	maxTime   time.Duration
	probes    []*probe
	notes     []string
	disturbed []string
	failed    error // of the first probe that could not be run
}

// newSurvey takes of the session's configuration what the ceilings are filed under, providers and threads, and nothing
// else. A session that spins on after a run would take a CPU from the probe behind it.
func newSurvey(o Options) *survey {
	s := &survey{o: o, threads: threadsOf(o.Config), maxTime: o.MaxTime, begin: time.Now()}
	if s.maxTime <= 0 {
		s.maxTime = defaultMaxTime
	}
	s.config = engine.Config{Providers: o.Config.Providers, Threads: s.threads, Entries: map[string]string{"session.force_spinning_stop": "1"}}
	return s
}

func threadsOf(c engine.Config) int {
	if c.Threads > 0 {
		return c.Threads
	}
	return host.EffectiveCPUs().Count
}

// onHost says that nodes run on the CPUs of this machine, in whose memory tensors lie.
func (s *survey) onHost() bool { return s.o.Provider.Name() == "cpu" }

func (s *survey) measure(ctx context.Context) (*report.Ceilings, error) {
	defer s.close()
	plans := devicePlans()
	if s.onHost() {
		caches := host.Facts().Caches
		plans = hostPlans(caches)
		s.addTriad(caches)
	} else {
		s.note("provider %s: products of float32 matrices only; the bandwidth of its memory and an int8 ceiling are not measured, so nodes have no class", s.o.Provider.Name())
	}
	if err := s.open(ctx, plans); err != nil {
		return nil, err
	}
	if !s.has(roofFloat32) {
		return nil, fmt.Errorf("measure the ceilings: %w", s.failed)
	}
	if err := s.rounds(ctx); err != nil {
		return nil, err
	}
	return s.ceilings(), nil
}

func (s *survey) close() {
	for _, p := range s.probes {
		p.release()
	}
}

func (s *survey) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(s.notes, text) {
		s.notes = append(s.notes, text)
	}
}

// addTriad adds the probe of the memory.
func (s *survey) addTriad(caches map[string]string) {
	t := newTriad(s.threads, caches, s.maxTime)
	if t == nil {
		s.note("memory: too little is free to measure its bandwidth")
		return
	}
	if whole, last := int64(len(t.a))*word, lastCache(caches); (last == 0 || whole < enough*last) && !t.sweep() {
		s.note("memory: the rate still fell with the size of the arrays at %d MiB each, the most there is room or time for: the ceiling may be a cache's", whole>>20)
	}
	p := t.probe()
	if err := p.warm(context.Background()); err == nil {
		s.probes = append(s.probes, p)
	}
	s.note("memory: a triad in Go, counted as two words read and one written, as the bytes of nodes are; with the line that a store reads first, traffic is 4/3 of that")
}

// open opens the first probe of each roof, and those of the others for which leastRounds fit into the time. One that fails is noted, others may still tell
// something; err is for a context that ended.
func (s *survey) open(ctx context.Context, plans []plan) error {
	var left []string
	for _, p := range plans {
		if s.has(p.roof) && s.left() < s.expected(p) {
			left = append(left, p.name)
			continue
		}
		q, said, err := p.open(ctx, s.o.Provider, s.config)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			if s.failed == nil {
				s.failed = err
			}
			s.note("%s could not be run: %v", p.name, err)
			continue
		}
		for _, text := range said {
			s.note("%s", text)
		}
		if s.left() < q.cost() && s.has(p.roof) {
			q.release()
			left = append(left, p.name)
			continue
		}
		s.probes = append(s.probes, q)
		s.tell()
	}
	if len(left) > 0 {
		s.note("left out, for they take too long here: %s", strings.Join(left, ", "))
	}
	return nil
}

// left is how many seconds of a round are free for another probe.
func (s *survey) left() float64 {
	free := (s.maxTime - time.Since(s.begin)).Seconds() / leastRounds
	for _, p := range s.probes {
		free -= p.cost()
	}
	return free
}

// expected is how many seconds a block of p will take, going by the best probe of its roof.
func (s *survey) expected(p plan) float64 {
	rate := 0.0
	for _, q := range s.probes {
		if q.roof == p.roof {
			rate = max(rate, q.amount/q.seconds)
		}
	}
	return max(p.amount/rate, blockTime.Seconds())
}

func (s *survey) has(roof string) bool {
	return slices.ContainsFunc(s.probes, func(p *probe) bool { return p.roof == roof })
}

// rounds measures blocks of all probes, in an order that is drawn anew for each round, until the time is over; one
// round at least. The round that the time cuts is finished.
func (s *survey) rounds(ctx context.Context) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	runtime.GC() // of what set-up left, so that it does not come between
	before := host.Snapshot()
	draw := rand.New(rand.NewPCG(1, 0))
	for n := 0; n == 0 || time.Since(s.begin) < s.maxTime; n++ {
		for _, i := range draw.Perm(len(s.probes)) {
			if err := s.probes[i].block(ctx); err != nil {
				return fmt.Errorf("%s: %w", s.probes[i].name, err)
			}
		}
		s.tell()
	}
	s.judge(host.Diff(before, host.Snapshot()))
	return nil
}

// judge notes what else went on meanwhile, by the rules for all that is timed.
func (s *survey) judge(i host.Interference) {
	series := &measure.Series{Interference: i}
	names := measure.Disturbed(series)
	for _, c := range measure.Checks(series, s.threads) {
		if slices.Contains(names, c.Name) {
			s.disturbed = append(s.disturbed, c.Detail)
		}
	}
}

func (s *survey) tell() {
	s.o.Progress.Send(progress.Event{Phase: "ceilings of this machine", Done: min(time.Since(s.begin), s.maxTime).Seconds(), Total: s.maxTime.Seconds(), Unit: "s"})
}

// ceilings takes the best probe of each roof.
func (s *survey) ceilings() *report.Ceilings {
	c := &report.Ceilings{Threads: s.threads, Provider: s.o.Provider.Name(), Measured: time.Now().UTC().Format(time.RFC3339), Notes: s.notes, Disturbed: s.disturbed}
	for _, p := range s.probes {
		if len(p.rates) == 0 {
			continue
		}
		rate := rateOf(p.rates)
		c.Probes = append(c.Probes, report.Probe{Name: p.name, Roof: p.roof, Rate: rate})
		roof := roofOf(c, p.roof)
		if *roof != nil && (*roof).Value >= rate.Value {
			continue
		}
		*roof = &rate
		if p.roof == roofCache {
			c.CacheBytes = p.amount / adds
		}
	}
	return c
}

// roofOf returns the place of a roof in c.
func roofOf(c *report.Ceilings, roof string) **report.Interval {
	switch roof {
	case roofInt8:
		return &c.Int8
	case roofMemory:
		return &c.Memory
	case roofCache:
		return &c.Cache
	default:
		return &c.Float32
	}
}

// rateOf is the best of the blocks, with the interval of their median.
func rateOf(rates []float64) report.Interval {
	sorted := stats.Sorted(rates)
	i := report.Interval{Value: sorted[len(sorted)-1], N: len(sorted)}
	if e := stats.Quantile(sorted, 0.5, measure.Confidence); e.OK {
		i.Lo, i.Hi = &e.Lo, &e.Hi
	}
	return i
}
