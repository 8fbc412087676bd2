package child

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"time"
)

// Time runs a command from start to end. It returns how long that took and the most resident memory, in bytes, that its
// largest process needed, 0 where that is not known. A command that fails, is left with processes of its own running, or is
// cut short by ctx is an error.
//
// The memory is exact where it is more than that of infer itself; Linux counts a new process from what its parent had.
// Otherwise it is what was seen while the command ran.
func Time(ctx context.Context, s Spec) (took time.Duration, peakRSS int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	free, err := freePorts(s.Command)
	if err != nil {
		return 0, 0, err
	}
	command, out := free.fill(s.Command), NewTail(maxTail)
	cmd, err := newCmd(command, s)
	if err != nil {
		return 0, 0, notStarted(command, err)
	}
	cmd.Stdout, cmd.Stderr = out, out
	k := newKeeper()
	defer k.release()
	runtime.LockOSThread() // see Process.start
	defer runtime.UnlockOSThread()
	floor := peakOf(os.Getpid())
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, notStarted(command, err)
	}
	// The new process began with what infer had at that moment, and the system's count of pages lags behind a little.
	floor = max(floor, peakOf(os.Getpid()))
	floor += floor / 64
	k.guard(cmd.Process.Pid)
	stop := context.AfterFunc(ctx, func() { Kill(cmd) })
	watch := watchPeak(cmd.Process.Pid)
	err = cmd.Wait()
	took = time.Since(begin)
	stop()
	seen := watch()
	if !gone(cmd.Process.Pid) {
		Kill(cmd)
	}
	if ctx.Err() != nil {
		return 0, 0, ctx.Err()
	}
	if err != nil {
		return 0, 0, fmt.Errorf("command %q: %w", command, ended(err, out))
	}
	if told := maxRSS(cmd.ProcessState); told > floor {
		return took, told, nil
	}
	return took, seen, nil
}

// watchPeak looks at the memory of a process until it is told to end, more and more seldom: a look takes time from what
// is measured. The function that it returns ends it and gives the peak.
func watchPeak(pid int) func() int64 {
	quit, result := make(chan struct{}), make(chan int64)
	go func() {
		var seen int64
		for pause := time.Millisecond; ; pause = min(pause*5/4, 50*time.Millisecond) {
			select {
			case <-quit:
				result <- seen
				return
			case <-time.After(pause):
				seen = max(seen, peakOf(pid))
			}
		}
	}()
	return func() int64 {
		close(quit)
		return <-result
	}
}
