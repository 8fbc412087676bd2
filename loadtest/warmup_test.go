package loadtest

import (
	"context"
	"testing"
	"time"

	"infer/loadtest/drive"
	"infer/loadtest/sample"
)

// scripted is a generator whose runs answer at once, each with the next service time of a list, and then the last one.
type scripted struct {
	times []time.Duration
	runs  int
}

func (s *scripted) Open(context.Context, int) error { return nil }
func (s *scripted) Close() error                    { return nil }

func (s *scripted) Run(_ context.Context, l drive.Load) (drive.Stats, error) {
	took := s.times[min(s.runs, len(s.times)-1)]
	s.runs++
	list := make([]sample.Sample, settleLeast)
	for i := range list {
		list[i] = sample.Sample{Done: took}
		if took < 0 {
			list[i].Outcome = sample.Broken
		}
	}
	l.Emit(list)
	return drive.Stats{}, nil
}

// TestSettleIn: requests go on as long as they get quicker, and no longer.
func TestSettleIn(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		times []time.Duration
		runs  int
	}{
		"steady from the start": {[]time.Duration{10 * ms}, 2},
		"a slow beginning":      {[]time.Duration{90 * ms, 40 * ms, 12 * ms, 10 * ms}, 5},
		"nothing is answered":   {[]time.Duration{-1}, 1},
	} {
		g := &scripted{times: c.times}
		o := Options{Timeout: time.Second, Connections: 1}
		if _, err := o.settleIn(t.Context(), &Rig{Generator: g}); err != nil {
			t.Fatal(err)
		}
		if g.runs != c.runs {
			t.Errorf("%s: %d chunks, want %d", name, g.runs, c.runs)
		}
	}
}
