package cmd

import (
	"context"
	"time"

	"infer/report"
)

// fresh is a side that is started anew between blocks. Two starts of the very same thing differ for as long as they live,
// by where their memory lies and their threads run: measured here, the median latency of one server by 7 % and its p99 by
// more. In a comparison of one start each that would be a difference like any other, seen in every pair. Started anew, it
// is noise between pairs.
// Ref: Zhang, Meisner, Mars, Tang, Treadmill, ISCA 2016: performance hysteresis.
type fresh struct {
	open   func(context.Context) (*liveSide, error)
	now    *liveSide // the newest start
	cost   time.Duration
	used   time.Duration // since then
	starts int
}

// block is a measure.Block. It starts the side anew where that takes no more than half of what was measured since.
func (f *fresh) block(ctx context.Context, seed uint64) (report.CompareBlock, error) {
	if f.now != nil && f.used >= 2*f.cost {
		f.close()
	}
	if f.now == nil {
		begin := time.Now()
		s, err := f.open(ctx)
		if err != nil {
			return report.CompareBlock{}, err
		}
		f.started(s, time.Since(begin))
	}
	begin := time.Now()
	b, err := f.now.block(ctx, seed)
	f.used += time.Since(begin)
	return b, err
}

func (f *fresh) started(s *liveSide, cost time.Duration) {
	f.now, f.cost, f.used = s, cost, 0
	f.starts++
}

func (f *fresh) close() {
	if f.now != nil {
		f.now.close()
		f.now = nil
	}
}

// renew makes s, which took cost to open, a side that open starts anew between blocks.
func (s *liveSide) renew(cost time.Duration, open func(context.Context) (*liveSide, error)) {
	f := &fresh{open: open}
	f.started(&liveSide{block: s.block, close: s.close}, cost)
	s.block, s.close = f.block, f.close
	s.starts = func() int { return f.starts }
}
