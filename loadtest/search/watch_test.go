package search

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// TestWatcherErrs counts how often a trial of a queue is ended with the wrong verdict: rarely, below the break and above.
// Where requests are independent the chance is that of the options; in a queue what the watcher assumes of how requests
// hang together has to keep it down.
func TestWatcherErrs(t *testing.T) {
	truth := breaksMD1(.01, .2, .01)
	for _, c := range []struct {
		rate   float64
		wrong  Verdict
		at     time.Duration
		trials int
	}{
		{.5 * truth, Fail, 30 * time.Second, 200},
		{.95 * truth, Fail, 30 * time.Second, 200},
		{1.05 * truth, Pass, 30 * time.Second, 200},
		{1.5 * truth, Pass, 30 * time.Second, 200},
	} {
		wrong, early := 0, 0
		for i := range c.trials {
			w := &watcher{objectives: p99(.2), group: []float64{4 * c.rate * .2}, alpha: .05, longest: c.at, shortest: 2 * time.Second}
			e, err := serial().trial(uint64(i))(context.Background(), c.rate, c.at, w.watch)
			if err != nil {
				t.Fatal(err)
			}
			w.judge(e, .025)
			if w.verdict == c.wrong {
				wrong++
			}
			if e.Elapsed < c.at {
				early++
			}
		}
		if share := float64(wrong) / float64(c.trials); share > .05 {
			t.Errorf("at %.1f/s, break at %.1f/s: %.0f %% of the trials say %s", c.rate, truth, 100*share, c.wrong)
		}
		if c.rate > 1.2*truth && early < c.trials {
			t.Errorf("at %.1f/s only %d of %d trials ended early", c.rate, early, c.trials)
		}
	}
}

// TestGrows has a limit so long that no request misses it in the trial: only the queue tells that it will be missed.
func TestGrows(t *testing.T) {
	for _, c := range []struct {
		rate float64
		want bool
	}{{60, false}, {80, false}, {90, false}, {150, true}, {300, true}} {
		q := serial()
		q.limits = []float64{100}
		said := 0
		for i := range uint64(50) {
			w := &watcher{objectives: p99(100), group: []float64{1}, alpha: .05, longest: 20 * time.Second, shortest: time.Hour}
			if _, err := q.trial(i)(context.Background(), c.rate, 20*time.Second, w.watch); err != nil {
				t.Fatal(err)
			}
			if w.overload {
				said++
			}
		}
		if c.want && said < 50 || !c.want && said > 0 {
			t.Errorf("at %v/s of at most 100: %d of 50 trials say that the queue grows, want all: %v", c.rate, said, c.want)
		}
	}
}

func TestGroups(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	alone := make([]Section, 24)
	for i := range alone {
		alone[i].Due = 1000
		for range 1000 {
			if r.Float64() < .02 {
				alone[i].Missed++
			}
		}
	}
	if g := groups(alone); g > 2.5 {
		t.Errorf("independent requests come in groups of %.1f", g)
	}
	// All misses in one burst of 60 that lies across two sections, of 24: joined, they are one group.
	burst := make([]Section, 24)
	for i := range burst {
		burst[i].Due = 100
	}
	burst[8].Missed, burst[9].Missed = 30, 30
	if g := groups(burst); math.Abs(g-60) > 3 {
		t.Errorf("a burst of 60 misses is a group of %.1f", g)
	}
	for _, none := range [][]Section{nil, {}, {{10, 5}}, make([]Section, 24), {{0, 0}, {5, 5}}} {
		if g := groups(none); g != 1 {
			t.Errorf("%v: groups of %v", none, g)
		}
	}
}

func TestWatcherIndependent(t *testing.T) {
	// One request in 200 misses, at most one in 100 may: with independent requests that is decided within 5000.
	w := &watcher{objectives: p99(.1), group: []float64{1}, alpha: .05, longest: 100 * time.Second, shortest: time.Second}
	e := Evidence{Missed: make([]int64, 1), Sections: make([][]Section, 1), Trusted: true}
	for i := 1; i <= 400; i++ {
		e.Elapsed, e.Due, e.Missed[0] = time.Duration(i)*250*time.Millisecond, int64(25*i), int64(i/8)
		e.Sections[0] = append(e.Sections[0], Section{25, int64(i)/8 - int64(i-1)/8})
		if w.watch(e) {
			break
		}
	}
	if w.verdict != Pass || e.Due > 5000 || !w.holds {
		t.Errorf("%s after %d requests", w.verdict, e.Due)
	}
}
