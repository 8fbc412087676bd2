package drive

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestPacer: it never wakes before the moment, and at once where that is past.
func TestPacer(t *testing.T) {
	for _, spin := range []time.Duration{0, 100 * time.Microsecond, time.Second} {
		clock := NewClock(time.Millisecond)
		p := NewPacer(clock, spin)
		for _, due := range []time.Duration{0, 1, time.Millisecond, 3 * time.Millisecond, 3 * time.Millisecond, 60 * time.Millisecond, 0} {
			woke, ok := p.Wait(t.Context(), due)
			if now := clock.Now(); !ok || woke < due || woke > now {
				t.Errorf("spin %v: woke at %v for %v, by %v (%v)", spin, woke, due, now, ok)
			}
		}
		if s := p.String(); strings.Contains(s, "spin") != (spin > 0) && shortestSpin == 0 {
			t.Errorf("spin %v: %q", spin, s)
		}
		p.Close()
	}
}

// TestPacerEnds: a wait of an hour ends with its context, and so does one for a moment that is past.
func TestPacerEnds(t *testing.T) {
	p := NewPacer(NewClock(0), 0)
	defer p.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if _, ok := p.Wait(ctx, time.Hour); ok {
		t.Error("the wait went on after its context had ended")
	}
	if _, ok := p.Wait(ctx, 0); ok {
		t.Error("the wait does not say that its context has ended")
	}
}

func TestClock(t *testing.T) {
	before := time.Now()
	c := NewClock(time.Hour)
	if now := c.Now(); now >= 0 || now < -time.Hour {
		t.Errorf("an hour before the start it is %v", now)
	}
	if s := c.Start(); s.Before(before.Add(time.Hour)) || s.After(time.Now().Add(time.Hour)) {
		t.Errorf("start %v", s)
	}
}

func TestAutoSpin(t *testing.T) {
	for _, c := range []struct {
		cpus int
		rate float64
		want time.Duration
	}{
		{1, 500, 0}, // it would keep the server from its only CPU
		{0, 500, 0},
		{2, 0, 0},
		{2, 500, 150 * time.Microsecond}, // 7.5 % of a CPU, less than an eighth
		{2, 1000, 125 * time.Microsecond},
		{2, 5000, 25 * time.Microsecond},
		{2, 20000, 0}, // 6 µs: shorter than a sleep is late
		{9, 20000, 50 * time.Microsecond},
		{64, 1e6, 0},
	} {
		if got := AutoSpin(c.cpus, c.rate); got != c.want {
			t.Errorf("%d CPUs, %v/s: %v, want %v", c.cpus, c.rate, got, c.want)
		}
	}
}

func TestWidenProcs(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	restore := WidenProcs()
	if got := runtime.GOMAXPROCS(0); got != 4*before {
		t.Errorf("%d, want four times %d", got, before)
	}
	restore()
	if got := runtime.GOMAXPROCS(0); got != before {
		t.Errorf("%d after restoring %d", got, before)
	}
}
