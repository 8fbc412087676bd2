package drive

import (
	"context"
	"runtime"
	"time"
)

// Clock tells the time since the start of a load, on the monotonic clock. It is safe for concurrent use.
type Clock struct{ start time.Time }

// NewClock returns a clock that reads 0 in a while from now: a millisecond or two are time for the threads that send
// to get ready, so that what is due at the start is not late.
func NewClock(in time.Duration) Clock { return Clock{time.Now().Add(in)} }

// Start returns when the clock reads 0; it has a monotonic reading.
func (c Clock) Start() time.Time { return c.start }

// Now returns the time since the start, less than 0 before it.
func (c Clock) Now() time.Duration { return time.Since(c.start) }

// nap is how long a pacer sleeps at most before it looks whether it is to stop.
const nap = 50 * time.Millisecond

// pacer wakes one goroutine at the moments of a schedule. It is for that goroutine alone.
type pacer struct {
	clock Clock
	sleep sleeper
}

// newPacer locks the calling goroutine to its thread, lets the kernel wake that thread as exactly as it can, and
// returns a pacer on clock. Close it on the same goroutine.
func newPacer(clock Clock) *pacer {
	runtime.LockOSThread()
	p := &pacer{clock: clock}
	p.sleep.open(clock)
	return p
}

// close gives the thread back. A second close is not allowed.
func (p *pacer) close() {
	p.sleep.close()
	runtime.UnlockOSThread()
}

// PacerName says in words, for reports, how requests are paced by a sleep that ends a spin before they are due.
func PacerName(sleep string, spin time.Duration) string {
	if spin > 0 {
		return sleep + " and spin (" + spin.String() + ")"
	}
	return sleep
}

// wait returns at due, or at once where that is past, with the time that it is then. It returns false once ctx has
// ended: at most 50 ms later where it slept.
func (p *pacer) wait(ctx context.Context, due time.Duration) (woke time.Duration, ok bool) {
	for now := p.clock.Now(); ; now = p.clock.Now() {
		if now >= due {
			return now, ctx.Err() == nil
		}
		switch left := due - now - shortestSpin; {
		case left > nap:
			p.sleep.until(now + nap)
		case left > 0:
			p.sleep.until(due - shortestSpin)
		default:
			continue // spin; it is too short to be worth a look at ctx
		}
		if ctx.Err() != nil {
			return p.clock.Now(), false
		}
	}
}

// AutoSpin returns how long a pacer should spin before each of rate requests a second where cpus are usable
// (host.EffectiveCPUs): not at all on one, and otherwise so that spinning takes at most an eighth of the others, since
// what the generator burns the server may lack.
func AutoSpin(cpus int, rate float64) time.Duration {
	if cpus < 2 || !(rate > 0) {
		return 0
	}
	share := min(1, float64(cpus-1)/8)
	spin := min(longestSpin, time.Duration(share/rate*1e9))
	if spin < leastSpin {
		return 0
	}
	return spin.Truncate(time.Microsecond)
}

const (
	longestSpin = 150 * time.Microsecond // nanosleep is hardly ever later
	leastSpin   = 10 * time.Microsecond  // less is over before the sleep has ended
)

// WidenProcs lets the Go scheduler run four times as many threads of Go code as there are CPUs, until restore is
// called. A goroutine that comes back from a system call, as a pacer does, has to wait for one of these places; where
// all are busy that takes until one of them is preempted, up to 10 ms.
func WidenProcs() (restore func()) {
	before := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(4 * before)
	return func() { runtime.GOMAXPROCS(before) }
}
