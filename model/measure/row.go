package measure

import (
	"context"
	"time"
)

// InARow runs len(seconds) times, one run after the other, writes how long each took and returns how many there were:
// fewer only with an error, which is that of ctx where ctx ended. timed, where it is not nil, times many runs to a call.
func InARow(ctx context.Context, run Run, timed Timed, seconds []float64) (done int, err error) {
	base := time.Now()
	return rowOf(ctx, run, timed, seconds, func() time.Duration { return time.Since(base) })
}

// rowOf is InARow with its clock as a seam.
func rowOf(ctx context.Context, run Run, timed Timed, seconds []float64, now func() time.Duration) (done int, err error) {
	for done < len(seconds) {
		if ctx.Err() != nil {
			return done, ctx.Err()
		}
		k := 0
		if timed != nil && len(seconds) > 1 {
			k, err = timed(ctx, seconds[done:])
		}
		if k == 0 && err == nil {
			begin := now()
			if err = run(ctx); err == nil {
				seconds[done], k = (now() - begin).Seconds(), 1
			}
		}
		done += k
		if err != nil {
			return done, err
		}
	}
	return done, nil
}
