// Package tune owns the search over run-time settings of a model: pruning by rule, screening, racing and confirmation,
// in interleaved rounds, so that the machine's noise meets all settings alike.
package tune

import (
	"context"
	"errors"
	"time"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/report"
)

// Knob is one thing that can be set.
type Knob struct {
	Name    string
	Values  []string // the first is the default
	Ordered bool     // neighbours of a value are worth a try where it is good, as with thread counts
}

// Setting is a value for each knob, by name.
type Setting map[string]string

// Space is what can be set.
type Space struct {
	Knobs []Knob
	// Allowed returns why a setting makes no sense, "" where it does; nil: all do.
	Allowed func(Setting) string
	// Cost orders settings that are equally good: threads, memory. Lower is better; nil: all cost the same.
	Cost func(Setting) float64
	// Facts returns what is known of a setting without timing it, such as the accuracy of its variant: SLOs are judged
	// by it beside what is measured. nil: nothing.
	Facts func(Setting) []report.Metric
}

// Block is what one block of runs of a setting showed.
type Block struct {
	Seconds    []float64     `json:"seconds"`    // latency of each run
	Rows       int64         `json:"rows"`       // a run
	Throughput float64       `json:"throughput"` // rows a second over the block, all instances together
	CPU        float64       `json:"cpu"`        // cores that were busy
	PeakRSS    float64       `json:"peak_rss"`   // bytes of the process above what it had before the setting was opened; 0: unknown
	Disturbed  []string      `json:"disturbed,omitempty"`
	Elapsed    time.Duration `json:"elapsed_ns"`
}

// Arm is a setting, opened.
type Arm interface {
	// Block runs for about d.
	Block(ctx context.Context, d time.Duration, seed uint64) (Block, error)
	Close() error
}

// Open opens a setting. fault.Unsupported and fault.Usage leave the setting out, with the reason; other errors too, but
// the default must open.
type Open func(ctx context.Context, s Setting) (Arm, error)

// Options says how to search.
type Options struct {
	Objective string // "throughput" or "latency" (the p50)
	SLOs      []report.Gate
	MaxTime   time.Duration // of openings and blocks, those from the journal included; 0: 5 minutes
	MinGain   float64       // below this a setting is no better than the default; 0: 0.02
	Seed      uint64
	Block     time.Duration // of a block; 0: from how long a run of the default takes
	MaxOpen   int           // settings that are open at a time; below 3: 6
	Journal   string        // file to resume from, and to write to; "": none
	Manifest  string        // digest of model, machine and options: a journal of another one is refused
	Progress  progress.Func // between blocks
}

// Search finds the setting of space that serves the objective best within the SLOs: it prunes what is not allowed,
// screens what differs from the default in one knob, races what is left, refines around the best, and confirms the best
// few in new sessions. The default takes part in every round, so that each gain is over blocks of the same round.
//
// A setting is chosen when the whole interval of its confirmed gain is above 1 + MinGain/2. Where the default misses an
// SLO another one that holds it is chosen even if it is slower; where none does, the nearest. What was measured before
// ctx ended is returned with Interrupted set and a nil error; with any other error what was measured until then is
// returned, too, if anything was.
func Search(ctx context.Context, space Space, open Open, o Options) (*report.TuneDetails, error) {
	begin := time.Now()
	return searchBy(ctx, space, open, o, func() time.Duration { return time.Since(begin) })
}

// searchBy is Search with its clock as a seam: it times openings, and blocks that do not tell how long they took.
func searchBy(ctx context.Context, space Space, open Open, o Options, clock func() time.Duration) (_ *report.TuneDetails, err error) {
	if o, err = o.withDefaults(); err != nil {
		return nil, err
	}
	l, err := newLattice(space)
	if err != nil {
		return nil, err
	}
	s := &search{lattice: l, o: o, trials: map[string]*trial{}, arms: &arms{open: open, most: o.MaxOpen, clock: clock}}
	s.base = s.trial(l.zero())
	if err := checkSLOs(o.SLOs, s.base.facts); err != nil {
		return nil, err
	}
	s.journal, err = openJournal(o.Journal, heading{journalSchema, o.Manifest, o.Seed}, l.settingKey)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.arms.closeAll(), s.journal.close()) }()
	c, err := s.run(ctx)
	if s.interrupted = err != nil && ctx.Err() != nil; s.interrupted {
		err = nil
	}
	if len(s.base.samples) == 0 && err != nil {
		return nil, err
	}
	return s.details(c), err
}

// withDefaults fills what was left out.
func (o Options) withDefaults() (Options, error) {
	if o.Objective != "throughput" && o.Objective != "latency" {
		return o, fault.New(fault.Usage, "use throughput or latency", "there is no objective %q", o.Objective)
	}
	if o.MaxTime < 0 || o.Block < 0 || o.MinGain < 0 || !(o.MinGain < 10) {
		return o, fault.New(fault.Usage, "give positive numbers", "a search of %s with blocks of %s for a gain of %g", o.MaxTime, o.Block, o.MinGain)
	}
	if o.MaxTime == 0 {
		o.MaxTime = 5 * time.Minute
	}
	if o.MinGain == 0 {
		o.MinGain = 0.02
	}
	if o.MaxOpen < leastOpen {
		o.MaxOpen = 6
	}
	return o, nil
}
