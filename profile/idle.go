package profile

import (
	"context"
	"runtime"
	"time"

	"infer/internal/host"
	"infer/internal/stats"
	"infer/model/measure"
	"infer/report"
)

// How the time between runs is looked at.
const (
	idleGap    = 200 * time.Millisecond // threads that spin give up before, unless they are told to go on
	idleLook   = 10 * time.Millisecond  // between two readings of the clock: looking costs about 1 % of a CPU
	idleBusy   = 0.1                    // of one CPU between two readings, from which on something spins
	idleRounds = 5
)

// used is how much CPU time this process has used at a moment.
type used struct{ at, cpu time.Duration }

// idleCPU returns how much of one CPU this process uses between runs: the threads of a session spin for a while, lest they
// have to be woken up for the next run. What looking itself costs is told from gaps that no run comes before, and taken
// off. nil: the system does not tell, or ctx ended. A run that fails is an error.
func idleCPU(ctx context.Context, run measure.Run) (*report.Idle, error) {
	runtime.GC() // and not in a gap
	if host.ProcessCPU() == 0 {
		return nil, nil
	}
	var spins, burnt []float64
	for range idleRounds {
		if err := run(ctx); err != nil {
			if ctx.Err() != nil {
				return nil, nil
			}
			return nil, err
		}
		after, quiet := gap(ctx), gap(ctx)
		if ctx.Err() != nil {
			return nil, nil
		}
		spin, cpu := spinning(after, rate(quiet))
		spins, burnt = append(spins, spin.Seconds()), append(burnt, cpu.Seconds())
	}
	i := &report.Idle{Spin: stats.Median(spins), CPU: stats.Median(burnt), Gap: idleGap.Seconds(), N: idleRounds}
	if i.Spin > 0 {
		i.Share = i.CPU / i.Spin
	}
	return i, nil
}

// gap does nothing for idleGap but read the clocks.
func gap(ctx context.Context) []used {
	begin := time.Now()
	list := []used{{0, host.ProcessCPU()}}
	for list[len(list)-1].at < idleGap && ctx.Err() == nil {
		time.Sleep(idleLook)
		list = append(list, used{time.Since(begin), host.ProcessCPU()})
	}
	return list
}

// rate is the CPU time that a gap cost, of the time that it took.
func rate(list []used) float64 {
	first, last := list[0], list[len(list)-1]
	if last.at <= first.at {
		return 0
	}
	return float64(last.cpu-first.cpu) / float64(last.at-first.at)
}

// spinning returns until when something used the CPU, and how much CPU time that cost beyond the rate of a quiet process.
func spinning(list []used, quiet float64) (until, cpu time.Duration) {
	for i := range list[1:] {
		if rate(list[i:i+2]) > quiet+idleBusy {
			until = list[i+1].at
			cpu = max(0, list[i+1].cpu-list[0].cpu-time.Duration(quiet*float64(until)))
		}
	}
	return until, cpu
}
