package measure

import (
	"context"
	"math"
	"time"

	"infer/internal/progress"
	"infer/internal/stats"
)

// Warm-up needs steadyRuns in the window that the change-point test sees (its minimum), and minWarmUp in all, because
// a few microsecond runs end before a CPU has changed its frequency.
const (
	steadyRuns = 12
	minWarmUp  = 100 * time.Millisecond
)

// warmUp does the untimed runs and keeps their times in s.WarmUp.
func (l *loop) warmUp(ctx context.Context, s *Series) error {
	if l.o.WarmUp == 0 {
		return nil
	}
	begin, check := l.now(), steadyRuns+2 // the first two runs are always cold
	l.at = begin
	for {
		n, elapsed := len(s.WarmUp), l.at-begin
		if l.o.WarmUp > 0 && n >= l.o.WarmUp || l.o.WarmUp == Auto && n > 0 && elapsed >= l.o.MaxWarmUp {
			return nil
		}
		if l.o.WarmUp == Auto && n >= check && elapsed >= min(minWarmUp, l.o.MaxWarmUp) {
			if steady(s.WarmUp[n-max(steadyRuns, n/2):]) {
				return nil
			}
			check = n + max(3, n/2) // geometric: the tests together cost little more than the last one
		}
		most := check - n
		switch {
		case l.o.WarmUp > 0:
			most = l.o.WarmUp - n
		case most <= 0:
			most = maxRow // only the time is still short
		}
		if ok, err := l.some(ctx, s, &s.WarmUp, most); !ok {
			return err
		}
		if l.o.Progress != nil && l.at-l.told >= progressEvery {
			l.told = l.at
			l.o.Progress(progress.Event{Phase: "warm-up", Done: float64(len(s.WarmUp)), Total: float64(max(0, l.o.WarmUp)), Unit: "runs"})
		}
	}
}

// steady says that neither a change point nor a shift between the halves is in x.
func steady(x []float64) bool {
	if len(changes(x)) > 0 {
		return false
	}
	a, b := x[:len(x)/2], x[len(x)/2:]
	ma, mb := stats.Median(a), stats.Median(b)
	if math.Abs(ma-mb) <= minStep*min(ma, mb) {
		return true
	}
	_, p := stats.MannWhitney(a, b)
	return p >= 0.01
}
