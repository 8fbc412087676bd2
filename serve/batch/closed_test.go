package batch

import (
	"math/rand/v2"
	"testing"
	"time"
)

// stalls is a flat server on a busy machine: runs in proportion to their rows with noise, held up for up to 10 ms of
// somebody else's time once in 50 ms of their own.
func stalls(row time.Duration) server {
	return func(rows int, r *rand.Rand) time.Duration {
		d := time.Duration((1 + 0.3*r.ExpFloat64()) * float64(row) * float64(rows))
		for at := r.ExpFloat64() * 50; at < d.Seconds()*1000; at += r.ExpFloat64() * 50 {
			d += time.Duration(r.Float64() * float64(10*ms))
		}
		return d
	}
}

// closed runs clients that each send the next request when the last was answered, or a millisecond after a refusal.
func closed(t *testing.T, o Options, serve server, clients int, until time.Duration) (*simulation, []fate) {
	t.Helper()
	sim := &simulation{t: t, s: NewScheduler(o), serve: serve, random: rand.New(rand.NewPCG(7, 7)), o: o.withDefaults()}
	for n := 1; n <= 32; n *= 2 {
		for range 4 {
			sim.s.Learn(0, n, serve(n, sim.random))
		}
	}
	sim.fates = make([]fate, 0, 1<<20)
	var next func(now time.Duration)
	next = func(now time.Duration) {
		if now > until {
			return
		}
		i := len(sim.fates)
		sim.fates = append(sim.fates, fate{arrival: arrival{at: now, rows: 1}})
		sim.arrive(now, i)
		if sim.fates[i].refusal != nil {
			sim.at(now+ms, next)
		}
	}
	sim.answered = func(now time.Duration, _ int) { sim.at(now+20*time.Microsecond, next) }
	for range clients {
		sim.at(0, next)
	}
	sim.play()
	return sim, sim.fates
}

// TestClosedLoopOnABusyMachine: with more clients than instances and runs that are held up now and then, a flat model is
// hardly ever batched, and neither made to wait nor refused.
func TestClosedLoopOnABusyMachine(t *testing.T) {
	for _, row := range []time.Duration{100 * time.Microsecond, time.Millisecond} {
		sim, fates := closed(t, Options{Instances: 2}, stalls(row), 16, 10*time.Second)
		large, refused := 0, 0
		for _, f := range fates {
			if f.refusal != nil {
				refused++
			} else if f.rows > 1 {
				large++
			}
		}
		t.Logf("%v a row: %d requests, %d in larger runs, %d refused, %d waits, p50 %v, p99 %v", row, len(fates), large, refused, sim.s.counts.Waited,
			quantile(fates, 0.5), quantile(fates, 0.99))
		if refused > 0 || large > len(fates)/10 || sim.s.counts.Waited > uint64(len(fates)/1000) {
			t.Errorf("%v a row: %d of %d requests in larger runs, %d refused, %d waits", row, large, len(fates), refused, sim.s.counts.Waited)
		}
	}
}
