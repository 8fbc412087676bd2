package loadtest

import (
	"context"
	"math"
	"time"

	"infer/internal/stats"
	"infer/loadtest/drive"
	"infer/loadtest/sample"
)

// warm sends single requests one after the other, and those of a closed loop as many at a time, for d.
func (o *Options) warm(ctx context.Context, rig *Rig, d time.Duration) error {
	if d == 0 {
		return nil
	}
	return o.closedLoop(ctx, rig, max(1, o.Concurrency), d, func([]sample.Sample) {})
}

func (o *Options) closedLoop(ctx context.Context, rig *Rig, n int, d time.Duration, emit func([]sample.Sample)) error {
	_, err := rig.Generator.Run(ctx, drive.Load{
		Concurrency: n, Duration: d, Timeout: o.Timeout, Connections: o.connections(), Payloads: rig.Target.Payloads, Lanes: 1, Emit: emit,
	})
	return err
}

// How a target settles in.
const (
	settleChunk = 200 * time.Millisecond
	settleTime  = 2 * time.Second // at the most
	settleLeast = 5               // answers of a chunk that say something
	settleSame  = 0.1             // relative difference of medians that is none
)

// settleIn sends single requests until they take the same time from one chunk to the next: what a server does only once
// (loading, compiling, growing its pools) is over then. It returns how long that took, the most it may where the target
// is too slow or too unsteady to tell.
func (o *Options) settleIn(ctx context.Context, rig *Rig) (time.Duration, error) {
	begin, last := time.Now(), 0.0
	for time.Since(begin) < settleTime && ctx.Err() == nil {
		var times []float64
		err := o.closedLoop(ctx, rig, 1, settleChunk, func(list []sample.Sample) {
			for i := range list {
				if list[i].Outcome == sample.OK {
					times = append(times, list[i].ServiceTime().Seconds())
				}
			}
		})
		if err != nil {
			return 0, err
		}
		if len(times) == 0 {
			break // nothing is answered: the load will show how
		}
		now := stats.Median(times)
		if len(times) >= settleLeast && settled(last, now) {
			break
		}
		last = now
	}
	return time.Since(begin), nil
}

// settled reports whether two medians, in seconds, are the same.
func settled(last, now float64) bool { return math.Abs(now-last) <= settleSame*last }
