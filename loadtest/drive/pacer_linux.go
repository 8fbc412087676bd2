package drive

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	sleeperName  = "clock_nanosleep"
	shortestSpin = 0
)

// sleeper sleeps by clock_nanosleep with an absolute time: time.Sleep waits in epoll, which counts in milliseconds.
type sleeper struct {
	origin int64 // CLOCK_MONOTONIC at the start of the clock, ns
}

// open finds where the clock's start is on CLOCK_MONOTONIC, which is what Go's monotonic clock reads, and lets the
// kernel wake this thread without grouping it with others.
func (s *sleeper) open(clock Clock) {
	best := time.Duration(1 << 62)
	for range 8 { // the reading with the least around it: between others the thread was off the CPU
		var t unix.Timespec
		before := clock.Now()
		if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
			continue
		}
		after := clock.Now()
		if after-before < best {
			best = after - before
			s.origin = t.Nano() - int64(before+best/2)
		}
	}
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // without it wake-ups are up to 50 µs later
}

// close gives the thread its usual slack back.
func (s *sleeper) close() { _ = unix.Prctl(unix.PR_SET_TIMERSLACK, 0, 0, 0, 0) }

// until sleeps until t on the clock, or less where a signal comes.
func (s *sleeper) until(t time.Duration) {
	at := unix.NsecToTimespec(s.origin + int64(t))
	_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &at, nil)
}
