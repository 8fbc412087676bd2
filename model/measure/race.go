package measure

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/internal/stats"
)

// RaceOptions says how long candidates are compared with the original.
type RaceOptions struct {
	MaxTime   time.Duration // no new round after this; 0: 30 s
	MaxRounds int           // no more rounds than this; 0: as many as fit into MaxTime
	MinRounds int           // nothing is decided before; below 7, the least that decides anything, counts as 7
	BlockRuns int           // timed runs a block at least, fewer where MinRounds of them do not fit into MaxTime; 0: 5
	BlockTime time.Duration // of a block at least; 0: 30 ms
	Same      float64       // a speedup within 1 ± Same is equal; 0: 0.015
	Drop      bool          // give up candidates that are clearly slower than another one
	Seed      uint64        // of the order within a round
	Progress  progress.Func // between rounds
	Phase     string        // "": "race"
}

// Outcome is how a candidate compares with the original.
type Outcome string

// The outcomes.
const (
	Undecided Outcome = "undecided" // the time was over first
	Faster    Outcome = "faster"    // the whole interval of its speedup is at 1 or above
	Slower    Outcome = "slower"    // the whole interval is below 1
	Equal     Outcome = "equal"     // the interval is within 1 ± Same, on both sides of 1
	Dropped   Outcome = "dropped"   // clearly slower than another candidate; it may be faster than the original
)

// Contender is how one of the runs of a race did. Times are in seconds.
type Contender struct {
	Outcome Outcome        `json:"outcome,omitempty"` // "" for the original
	Speedup stats.Estimate `json:"speedup"`           // original / this, OK from 7 rounds on; the zero value for the original
	P50     stats.Estimate `json:"p50"`               // of all its runs
	P99     stats.Estimate `json:"p99"`               //
	Rounds  int            `json:"rounds"`            // in which it took part
	Runs    int            `json:"runs"`              // timed
}

// RaceResult is the outcome of Race.
type RaceResult struct {
	Contenders  []Contender   `json:"contenders"` // as the runs were given: the original, then the candidates
	Rounds      int           `json:"rounds"`
	Elapsed     time.Duration `json:"elapsed_ns"`
	Interrupted bool          `json:"interrupted"` // the context ended first; the round it cut is left out
}

// Race measures runs[0], the original, and the candidates behind it in rounds of short blocks, one block each, until
// it is decided of every candidate whether it is faster, equal or slower. timed[i], where there is one, times runs[i]
// many to a call; timed may be nil. The order of each round is drawn anew: so of two equals each is as likely to be the
// quicker one of a round, whatever else goes on, and however long it lasts. (Forward and backward in turn would have
// the same one twice in a row in a disturbance that is longer than a block, and count it as two rounds.)
//
// The speedup of a candidate is the median over its rounds of original / candidate, each the median of a block, with
// an order-statistic interval. Looking after every round and stopping at the first interval that pleases would err far
// more often than one time in twenty, so there is a look after 7 rounds and whenever their number has grown by half,
// and the k-th look has an interval of confidence 1 - 0.05/(k(k+1)). These sum to 0.05: with a confidence of 95 %
// the true median ratio is within the intervals of all looks, whenever the race ends. A candidate that is decided sits
// out the rest.
//
// A cancelled ctx returns the whole rounds with Interrupted set and a nil error; a run that fails ends the race.
func Race(ctx context.Context, runs []Run, timed []Timed, o RaceOptions) (*RaceResult, error) {
	if len(runs) == 0 || timed != nil && len(timed) != len(runs) {
		return nil, fault.New(fault.Internal, "", "race of %d runs with %d timers", len(runs), len(timed))
	}
	if o.MaxTime < 0 || o.MaxRounds < 0 || o.Same < 0 {
		return nil, fault.New(fault.Usage, "give positive numbers", "race of %s, %d rounds, within %g: negative", o.MaxTime, o.MaxRounds, o.Same)
	}
	base := time.Now()
	r := newRace(runs, timed, o)
	r.now = func() time.Duration { return time.Since(base) }
	return r.run(ctx)
}

// leastRounds is the smallest sample of which the first look, at confidence 97.5 %, has an interval.
const leastRounds = 7

func (o RaceOptions) withDefaults() RaceOptions {
	if o.MaxTime == 0 {
		o.MaxTime = 30 * time.Second
	}
	if o.BlockRuns <= 0 {
		o.BlockRuns = 5
	}
	if o.BlockTime <= 0 {
		o.BlockTime = 30 * time.Millisecond
	}
	if o.Same == 0 {
		o.Same = 0.015
	}
	if o.Phase == "" {
		o.Phase = "race"
	}
	o.MinRounds = max(leastRounds, o.MinRounds)
	return o
}

// entrant is one run of a race.
type entrant struct {
	run     Run
	timed   Timed
	size    int // timed runs a block
	cold    int // untimed runs before them, which meet the caches as another model left them
	outcome Outcome
	speedup stats.Estimate // at the newest look
	blocks  []float64      // median of each block, by round
	seconds []float64      // of all timed runs
}

// race is Race with its clock as a seam.
type race struct {
	o        RaceOptions
	now      func() time.Duration
	entrants []*entrant
	rounds   int
	looks    int
	draw     *rand.Rand
}

func newRace(runs []Run, timed []Timed, o RaceOptions) *race {
	r := &race{o: o.withDefaults(), draw: rand.New(rand.NewPCG(o.Seed, 0))}
	for i := range runs {
		e := &entrant{run: runs[i], outcome: Undecided}
		if timed != nil {
			e.timed = timed[i]
		}
		r.entrants = append(r.entrants, e)
	}
	return r
}

func (r *race) run(ctx context.Context) (*RaceResult, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begin := r.now()
	least, err := r.warmUp(ctx)
	if err == nil {
		r.size(least, r.o.MaxTime-(r.now()-begin))
	}
	// Collect now what set-up left, so that it is not collected during a timed run.
	runtime.GC()
	next, looked := r.o.MinRounds, 0
	for err == nil && r.wanted() && r.now()-begin < r.o.MaxTime {
		r.tell(begin)
		if err = r.round(ctx); err == nil && r.rounds >= next {
			r.look()
			looked, next = r.rounds, (3*r.rounds+1)/2
		}
	}
	if r.rounds > looked {
		r.look()
	}
	interrupted := err != nil && ctx.Err() != nil
	if interrupted {
		err = nil
	}
	r.tell(begin)
	return r.result(r.now()-begin, interrupted), err
}

// warmUp runs every entrant for the time of a block, twice at least, and returns how long a run of each takes.
func (r *race) warmUp(ctx context.Context) ([]float64, error) {
	least := make([]float64, len(r.entrants))
	for i := range r.entrants {
		var took []float64
		for begin := r.now(); len(took) < 2 || r.now()-begin < r.o.BlockTime; {
			more, err := r.block(ctx, i, 1)
			if err != nil {
				return nil, err
			}
			took = append(took, more...)
		}
		least[i] = max(slices.Min(took), 1e-7) // the clock may be too coarse for a run
	}
	return least, nil
}

// size chooses the blocks by how long a run takes, so that the rounds of the first look fit into left.
func (r *race) size(least []float64, left time.Duration) {
	most := left.Seconds() / float64(r.o.MinRounds*len(r.entrants))
	for i, e := range r.entrants {
		if least[i] < r.o.BlockTime.Seconds() {
			e.cold = 1
		}
		e.size = max(r.o.BlockRuns, int(math.Ceil(r.o.BlockTime.Seconds()/least[i])))
		e.size = max(1, min(e.size, maxRow, int(most/least[i])-e.cold))
	}
}

// block times n runs of entrant i.
func (r *race) block(ctx context.Context, i, n int) ([]float64, error) {
	row := make([]float64, n)
	if _, err := rowOf(ctx, r.entrants[i].run, r.entrants[i].timed, row, r.now); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, fmt.Errorf("run of candidate %d: %w", i, err)
	}
	return row, nil
}

// round measures a block of the original and of each candidate that is not decided; a round that is cut leaves nothing.
func (r *race) round(ctx context.Context) error {
	rows := make([][]float64, len(r.entrants))
	for _, i := range r.draw.Perm(len(r.entrants)) {
		if e := r.entrants[i]; e.outcome == Undecided {
			row, err := r.block(ctx, i, e.cold+e.size)
			if err != nil {
				return err
			}
			rows[i] = row[e.cold:]
		}
	}
	for i, row := range rows {
		if row != nil {
			e := r.entrants[i]
			e.seconds = append(e.seconds, row...)
			e.blocks = append(e.blocks, stats.Median(row))
		}
	}
	r.rounds++
	return nil
}

// wanted says that there is something to decide by another round; the original alone is measured for MinRounds.
func (r *race) wanted() bool {
	return (r.open() > 0 || r.rounds < r.o.MinRounds) && (r.o.MaxRounds == 0 || r.rounds < r.o.MaxRounds)
}

// open counts the candidates that are not decided.
func (r *race) open() (n int) {
	for _, e := range r.entrants[1:] {
		if e.outcome == Undecided {
			n++
		}
	}
	return n
}

// look decides what can be decided, with the confidence of the next look.
func (r *race) look() {
	r.looks++
	for _, e := range r.entrants[1:] {
		if e.outcome != Undecided {
			continue
		}
		s := r.compare(r.entrants[0], e)
		e.speedup = s
		switch {
		case !s.OK:
		case s.Lo >= 1:
			e.outcome = Faster
		case s.Hi < 1:
			e.outcome = Slower
		case s.Lo >= 1-r.o.Same && s.Hi <= 1+r.o.Same:
			e.outcome = Equal
		case r.o.Drop && slices.ContainsFunc(r.entrants[1:], func(a *entrant) bool { c := r.compare(a, e); return c.OK && c.Hi < 1 }):
			e.outcome = Dropped
		}
	}
}

// compare returns a / b over the rounds in which both took part, the first ones, with the interval of this look.
func (r *race) compare(a, b *entrant) stats.Estimate {
	k := float64(r.looks)
	e := medianRatio(a.blocks, b.blocks, 1-(1-Confidence)/(k*(k+1)))
	// The looks together have it.
	e.Confidence, e.Need = Confidence, max(e.Need, leastRounds)
	return e
}

func (r *race) result(elapsed time.Duration, interrupted bool) *RaceResult {
	out := &RaceResult{Rounds: r.rounds, Elapsed: elapsed, Interrupted: interrupted}
	for i, e := range r.entrants {
		s := stats.Sorted(e.seconds)
		c := Contender{Outcome: e.outcome, Speedup: e.speedup, Rounds: len(e.blocks), Runs: len(s),
			P50: stats.Quantile(s, 0.5, Confidence), P99: stats.Quantile(s, 0.99, Confidence)}
		if i == 0 {
			c.Outcome = ""
		}
		out.Contenders = append(out.Contenders, c)
	}
	return out
}

func (r *race) tell(begin time.Duration) {
	decided := len(r.entrants) - 1 - r.open()
	r.o.Progress.Send(progress.Event{Phase: r.o.Phase, Done: min(r.now()-begin, r.o.MaxTime).Seconds(), Total: r.o.MaxTime.Seconds(), Unit: "s",
		Note: fmt.Sprintf("%d rounds, %d of %d decided", r.rounds, decided, len(r.entrants)-1)})
}

// medianRatio returns the median of a/b over the rounds that both have, with its order-statistic interval.
func medianRatio(a, b []float64, conf float64) stats.Estimate {
	var ratios []float64
	for i := range min(len(a), len(b)) {
		if a[i] > 0 && b[i] > 0 {
			ratios = append(ratios, a[i]/b[i])
		}
	}
	e := stats.Quantile(stats.Sorted(ratios), 0.5, conf)
	if len(ratios) > 0 {
		e.Value = stats.Median(ratios)
	}
	return e
}
