package tune

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/internal/stats"
	"infer/report"
)

// The phases, as TuneTrial.Phase has them.
const (
	screening  = "screen"
	racing     = "race"
	refining   = "refine"
	confirming = "confirm"
)

// The shares of MaxTime after which a phase begins nothing more, so that something is left to confirm what was found.
const (
	screenUntil = 0.4
	refineUntil = 0.65
)

// search is what Search knows.
type search struct {
	*lattice
	o       Options
	block   time.Duration // of a block
	arms    *arms
	journal *journal
	base    *trial
	trials  map[string]*trial
	order   []*trial      // as they entered; the default first
	spent   time.Duration // in openings and blocks, those from the journal included
	round   int           // rounds are counted through all phases
	resumed int
	short   []string // what the time was too short for

	interrupted bool // by its context

	fitted   *levels // to as many samples
	fittedTo int
	steps    []report.TuneStep
}

// The length of blocks: of as many runs of the default, and for at least some time, where the time allows.
const (
	blockRuns   = 8
	leastBlock  = 150 * time.Millisecond
	blocksInAll = 100 // that must fit into MaxTime
)

// run goes through the phases. The confirmation is nil where it did not come to one.
func (s *search) run(ctx context.Context) (*confirmation, error) {
	if err := s.calibrate(ctx); err != nil {
		return nil, err
	}
	for _, phase := range []func(context.Context) error{s.screen, s.race, s.refine} {
		if err := phase(ctx); err != nil {
			return nil, err
		}
	}
	return s.confirm(ctx)
}

// calibrate chooses the length of blocks by a short one of the default, which says nothing else: the machine was idle.
func (s *search) calibrate(ctx context.Context) error {
	s.block = s.o.Block
	most := s.o.MaxTime / blocksInAll
	if s.block == 0 {
		s.block = min(leastBlock, most)
	}
	if err := s.play(ctx, screening, []*trial{s.base}, s.block); err != nil {
		return err
	}
	if s.o.Block == 0 {
		run := stats.Median(seconds(s.base.samples))
		s.block = min(max(leastBlock, time.Duration(blockRuns*run*float64(time.Second))), most)
	}
	return nil
}

// trial returns the trial of a point, a new one where it was not thought of before.
func (s *search) trial(p point) *trial {
	key := s.key(p)
	if t := s.trials[key]; t != nil {
		return t
	}
	t := &trial{at: p, key: key}
	if s.Facts != nil {
		t.facts = s.Facts(s.setting(p))
	}
	s.trials[key], s.order = t, append(s.order, t)
	return t
}

// share is a part of MaxTime.
func (s *search) share(x float64) time.Duration { return time.Duration(x * float64(s.o.MaxTime)) }

// measure takes a block of t in the present round. A setting that cannot be opened or run is out; the default must not
// be. The error of a context that ended is returned as it is.
func (s *search) measure(ctx context.Context, t *trial, phase string, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e := entry{Phase: phase, Round: s.round, Setting: s.setting(t.at)}
	var err error
	e.Block, e.Opened, err = s.anew(ctx, t, d)
	if ctx.Err() != nil {
		return ctx.Err() // the block was cut
	}
	if err != nil {
		if t == s.base {
			return fault.Wrap(err, "the default, %s", t.key)
		}
		e.Failed = err.Error()
	}
	if err := s.journal.add(e); err != nil {
		return err
	}
	s.take(t, e)
	return nil
}

// anew opens t, unless it is open, and takes a block.
func (s *search) anew(ctx context.Context, t *trial, d time.Duration) (Block, time.Duration, error) {
	arm, opened, err := s.arms.get(ctx, t.key, s.setting(t.at))
	if err != nil {
		return Block{}, opened, err
	}
	begin := s.arms.clock()
	b, err := arm.Block(ctx, d, rand.New(rand.NewPCG(s.o.Seed, uint64(s.round))).Uint64())
	if b.Elapsed <= 0 {
		b.Elapsed = s.arms.clock() - begin
	}
	if err == nil {
		if why := (&entry{Setting: Setting{"": ""}, Block: b}).wrong(); why != "" {
			err = fmt.Errorf("%s", why)
		}
	}
	return b, opened, err
}

// take adds what was measured to t.
func (s *search) take(t *trial, e entry) {
	t.phase = e.Phase
	s.spent += e.Opened + e.Block.Elapsed
	if e.Opened > 0 {
		t.opened = append(t.opened, e.Opened.Seconds())
	}
	if e.Failed != "" {
		t.failed = e.Failed
		return
	}
	t.samples = append(t.samples, sample{s.round, e.Phase, e.Block, scoreOf(s.o.Objective, e.Block)})
}

// step runs a phase and notes what it did. Time that is over ends the phase, not the search.
func (s *search) step(phase string, entered []*trial, run func() error) error {
	round, spent, known := s.round, s.spent, len(s.order)
	err := run()
	all := append(entered[:len(entered):len(entered)], s.order[known:]...)
	if s.round > round {
		s.steps = append(s.steps, report.TuneStep{Phase: phase, Entered: len(all), Left: left(all), Rounds: s.round - round, Seconds: (s.spent - spent).Seconds()})
	}
	if errors.Is(err, errTime) {
		s.short = append(s.short, phase)
		return nil
	}
	return err
}

func (s *search) tell(phase string) {
	if s.o.Progress == nil {
		return
	}
	note := fmt.Sprintf("%d settings", len(s.order))
	if best := s.ranked(false)[0]; best != s.base {
		note += fmt.Sprintf(", best so far %s: %s", s.name(best.at), percent(s.estimate(best).value))
	}
	s.o.Progress.Send(progress.Event{Phase: phase, Done: min(s.spent, s.o.MaxTime).Seconds(), Total: s.o.MaxTime.Seconds(), Unit: "s", Note: note})
}
