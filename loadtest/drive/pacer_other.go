//go:build !linux

package drive

import "time"

// shortestSpin is how late time.Sleep may be: a pacer spins at least that long.
const (
	sleeperName  = "sleep"
	shortestSpin = 2 * time.Millisecond
)

// sleeper sleeps as Go does.
type sleeper struct{ clock Clock }

func (s *sleeper) open(clock Clock) { s.clock = clock }

func (s *sleeper) close() {}

// until sleeps until t on the clock.
func (s *sleeper) until(t time.Duration) { time.Sleep(t - s.clock.Now()) }
