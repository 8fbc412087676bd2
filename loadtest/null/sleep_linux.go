package null

import (
	"time"

	"golang.org/x/sys/unix"
)

// spin is how long before its time a thread stops sleeping: the kernel wakes it later than that only when it is busy.
const spin = 200 * time.Microsecond

// sleepUntil returns at t, to some microseconds where a CPU is free. It blocks its thread.
func sleepUntil(t time.Time) {
	if d := time.Until(t) - spin; d > 0 {
		ts := unix.NsecToTimespec(int64(d))
		unix.ClockNanosleep(unix.CLOCK_MONOTONIC, 0, &ts, nil) // when a signal ends it, there is more to spin
	}
	spinUntil(t)
}
