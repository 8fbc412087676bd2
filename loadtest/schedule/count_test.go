package schedule

import (
	"math"
	"testing"
	"time"
)

// TestQuick: nothing walks through a schedule of billions of requests. The bound is generous; walking takes minutes.
func TestQuick(t *testing.T) {
	for _, o := range []Options{
		{Stages: flat(5000, 500*time.Hour)},
		{Arrival: "gamma:0.01", Stages: flat(5000, 500*time.Hour)},
		{Arrival: "gamma:0.01", Stages: flat(5000, 500*time.Hour), Requests: 8e9, Of: 3},
		{Arrival: "burst:1000000", Stages: []Stage{{0, 1e6, time.Hour}}, Requests: 1e9},
		{Arrival: "constant", Stages: flat(1e7, 1000*time.Hour), Requests: 1e10},
	} {
		began := time.Now()
		s := mustNew(t, o)
		s.Hash(0)
		s.Hash(s.Duration() / 2)
		s.Planned(s.Duration()/2, s.Duration())
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%+v takes %v", o, took)
		}
	}
}

// TestExpectation: beyond what is walked through, counts and moments are those of the mean: of constant arrivals the
// exact ones.
func TestExpectation(t *testing.T) {
	stages := []Stage{{0, 1e6, 10 * time.Second}, {0, 0, time.Second}, {1e6, 1e6, 10 * time.Second}} // 5 million, none, 10 million
	s := mustNew(t, Options{Stages: stages, Of: 4})
	for _, c := range []struct {
		from, to time.Duration
		want     int64
	}{
		{0, time.Hour, 15e6 / 4}, {0, 10 * time.Second, 5e6 / 4}, {5 * time.Second, 10500 * time.Millisecond, 3.75e6 / 4},
		{9 * time.Second, 12 * time.Second, 1.95e6 / 4}, {20 * time.Second, 21 * time.Second, 1e6 / 4}, {21 * time.Second, 22 * time.Second, 0}, {12 * time.Second, 11 * time.Second, 0},
	} {
		if got := s.Planned(c.from, c.to); got != c.want {
			t.Errorf("%d planned from %v to %v, want %d", got, c.from, c.to, c.want)
		}
	}
	for requests, want := range map[int64]time.Duration{4999999: 0, 5e6: 11 * time.Second, 7e6: 13 * time.Second, 15e6: 21 * time.Second, 16e6: 21 * time.Second} {
		s := mustNew(t, Options{Stages: stages, Requests: requests})
		got := s.Duration()
		if want == 0 {
			want = time.Duration(10e9 * math.Sqrt(float64(requests)/5e6))
		}
		if d := got - want; d < -1 || d > 1 {
			t.Errorf("%d requests end at %v, want %v", requests, got, want)
		}
		if n := s.Planned(0, time.Hour); n != min(requests, 15e6) {
			t.Errorf("%d planned of %d", n, requests)
		}
	}
}

// TestPlannedTrace: a search in a trace counts as a walk does.
func TestPlannedTrace(t *testing.T) {
	for _, requests := range []int64{0, 1, 3, 5, 20} {
		trace := []time.Duration{0, 1, 1, 1, 2, 5, 5, 9}
		for shard := range 3 {
			s := mustNew(t, Options{Trace: trace, Requests: requests, Shard: shard, Of: 3})
			_, due := walk(s.Cursor(0, 1))
			for from := time.Duration(-1); from < 11; from++ {
				for to := time.Duration(-1); to < 11; to++ {
					want := int64(0)
					for _, d := range due {
						if from <= d && d < to {
							want++
						}
					}
					if got := s.Planned(from, to); got != want {
						t.Fatalf("bound %d, shard %d: %d planned in [%d, %d), want %d", requests, shard, got, from, to, want)
					}
				}
			}
		}
	}
}
