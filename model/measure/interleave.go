package measure

import (
	"context"
	"math/rand/v2"
	"time"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/internal/stats"
)

// Order is the order of the candidates within a round.
type Order int

// The orders.
const (
	ABBA     Order = iota // forward and backward in turn: a linear drift cancels
	Shuffled              // drawn for each round from Seed
)

// InterleaveOptions says how candidates take turns.
type InterleaveOptions struct {
	Blocks        int           // rounds, each with one block of every candidate; 0: 6, the least for a 95 % interval
	BlockRuns     int           // timed runs a block; 0: for BlockDuration
	BlockDuration time.Duration // 0: 1 s
	WarmUp        int           // untimed runs after each switch, or Auto
	Order         Order
	Seed          uint64
	MaxReruns     int // disturbed rounds measured again, in all; 0: half of Blocks, negative: none
	Progress      progress.Func
	Phase         string // "": "blocks"
}

// Blocks is the outcome of Interleave.
type Blocks struct {
	Series      [][]*Series // by candidate, then by round; every candidate has the same number of rounds
	Repeated    [][]*Series // by disturbed round that was measured again, then by candidate: not in Series
	Disturbed   int         // rounds in Series that were disturbed and had no re-run left
	Interrupted bool        // the context ended first; the round it cut is left out
}

// Interleave measures the candidates in rounds, one block each, so that what drifts on the machine hits all alike. A
// round in which others disturbed any block is measured again as a whole, to keep blocks paired, at most MaxReruns
// times; both outcomes are kept. A cancelled ctx returns the whole rounds with Interrupted set and a nil error.
func Interleave(ctx context.Context, runs []Run, o InterleaveOptions) (*Blocks, error) {
	if len(runs) == 0 || o.Blocks < 0 {
		return nil, fault.New(fault.Usage, "give one run and one block at least", "%d runs in %d blocks", len(runs), o.Blocks)
	}
	if o.BlockDuration == 0 {
		o.BlockDuration = time.Second
	}
	block := Options{Runs: o.BlockRuns, Duration: o.BlockDuration, WarmUp: o.WarmUp}
	return interleave(ctx, len(runs), o, dirty, func(ctx context.Context, i int) (*Series, error) {
		return Steady(ctx, runs[i], block)
	})
}

func interleave(ctx context.Context, n int, o InterleaveOptions, dirty func(*Series) bool,
	block func(context.Context, int) (*Series, error)) (*Blocks, error) {
	if o.Blocks == 0 {
		o.Blocks = 6
	}
	if o.MaxReruns == 0 {
		o.MaxReruns = (o.Blocks + 1) / 2
	}
	if o.Phase == "" {
		o.Phase = "blocks"
	}
	b := &Blocks{Series: make([][]*Series, n)}
	r := rand.New(rand.NewPCG(o.Seed, 0))
	for done := 0; done < o.Blocks; {
		o.Progress.Send(progress.Event{Phase: o.Phase, Done: float64(done), Total: float64(o.Blocks), Unit: "blocks"})
		round, bad := make([]*Series, n), false
		for _, i := range order(n, done, o.Order, r) {
			s, err := block(ctx, i)
			if err != nil {
				return b, err
			}
			if s.Interrupted {
				b.Interrupted = true
				return b, nil
			}
			round[i], bad = s, bad || dirty(s)
		}
		if bad && len(b.Repeated) < o.MaxReruns {
			b.Repeated = append(b.Repeated, round)
			continue
		}
		if bad {
			b.Disturbed++
		}
		for i, s := range round {
			b.Series[i] = append(b.Series[i], s)
		}
		done++
	}
	o.Progress.Send(progress.Event{Phase: o.Phase, Done: float64(o.Blocks), Total: float64(o.Blocks), Unit: "blocks"})
	return b, nil
}

func order(n, round int, o Order, r *rand.Rand) []int {
	if o == Shuffled {
		return r.Perm(n)
	}
	out := make([]int, n)
	for i := range out {
		out[i] = i
		if round%2 == 1 {
			out[i] = n - 1 - i
		}
	}
	return out
}

// Ratio returns how many times slower b is than a: the median over rounds of the ratio of median times, with its
// order-statistic interval. Below 1, b is faster. It needs six rounds.
func Ratio(a, b []*Series) stats.Estimate { return medianRatio(medians(b), medians(a), Confidence) }

func medians(blocks []*Series) []float64 {
	m := make([]float64, len(blocks))
	for i, s := range blocks {
		m[i] = stats.Median(s.Seconds)
	}
	return m
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
