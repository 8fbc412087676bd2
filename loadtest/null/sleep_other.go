//go:build !linux

package null

import "time"

// sleepUntil returns at t, to some microseconds where a CPU is free.
func sleepUntil(t time.Time) { spinUntil(t) }
