package drive

import (
	"context"
	"runtime"
	"testing"
	"time"
)

// TestPacer: it never wakes before the moment, and at once where that is past.
func TestPacer(t *testing.T) {
	clock := NewClock(time.Millisecond)
	p := newPacer(clock)
	defer p.close()
	for _, due := range []time.Duration{0, 1, time.Millisecond, 3 * time.Millisecond, 3 * time.Millisecond, 60 * time.Millisecond, 0} {
		woke, ok := p.wait(t.Context(), due)
		if now := clock.Now(); !ok || woke < due || woke > now {
			t.Errorf("woke at %v for %v, by %v (%v)", woke, due, now, ok)
		}
	}
}

func TestPacerName(t *testing.T) {
	for spin, want := range map[time.Duration]string{0: "ppoll", 100 * time.Microsecond: "ppoll and spin (100µs)"} {
		if got := PacerName("ppoll", spin); got != want {
			t.Errorf("spin %v: %q, want %q", spin, got, want)
		}
	}
}

// TestPacerEnds: a wait of an hour ends with its context, and so does one for a moment that is past.
func TestPacerEnds(t *testing.T) {
	p := newPacer(NewClock(0))
	defer p.close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if _, ok := p.wait(ctx, time.Hour); ok {
		t.Error("the wait went on after its context had ended")
	}
	if _, ok := p.wait(ctx, 0); ok {
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
