package observe

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"infer/serve/repository"
)

func TestLive(t *testing.T) {
	b := newObserve(t, Options{Stats: func() []repository.Stats {
		return []repository.Stats{{Name: "m", Version: "1", Waiting: 4, Running: 2}}
	}})
	start := time.Unix(1_800_000_000, 0)
	now := start
	b.now = func() time.Time { return now }
	// Ten requests a second for 90 seconds, the i-th of a second taking i ms; one in ten refused; a run for two.
	for s := range 90 {
		end := start.Add(time.Duration(s) * time.Second)
		for i := 1; i <= 10; i++ {
			e := request(end)
			e.Total = time.Duration(i) * time.Millisecond
			e.Arrived, e.Timing.Queue = end.Add(-e.Total), e.Total/2
			if i == 10 {
				e.Reason = repository.Refused
			}
			b.Request(e)
			if i%2 == 0 {
				r := run(end)
				r.Start, r.Rows = end.Add(-r.Compute), 3
				b.Run(r)
			}
		}
	}
	now = start.Add(90*time.Second + 300*time.Millisecond)
	list := b.Live()
	if len(list) != 2 || list[0].Version != "1" || list[1].Version != "2" {
		t.Fatalf("%d versions", len(list))
	}
	l := list[0]
	if l.Waiting != 4 || l.Running != 2 || len(l.Steps) != 60 {
		t.Errorf("waiting %d, running %d, %d steps", l.Waiting, l.Running, len(l.Steps))
	}
	if first := l.Steps[0].Start; first != start.Unix()+30 || l.Window.Start != first || l.Window.Duration != 60 {
		t.Errorf("window from %d, steps from %d", l.Window.Start-start.Unix(), first-start.Unix())
	}
	for _, s := range append(l.Steps, l.Window) {
		if s.Answered != 9 || s.Refused != 1 || s.Failed+s.Invalid+s.Cancelled != 0 || s.Rows != 15 || s.Runs != 5 {
			t.Fatalf("step %+v", s)
		}
		near(t, "mean rows", s.BatchRows, 3, 0)
		near(t, "p50", s.LatencyP50, 0.005, 0.03) // the fifth of nine
		near(t, "p99", s.LatencyP99, 0.009, 0.03)
		near(t, "queue p50", s.QueueP50, 0.0025, 0.03)
		near(t, "queue p99", s.QueueP99, 0.0045, 0.03)
	}

	// A minute later nothing is left, and what is too old to count is not counted.
	now = now.Add(time.Minute)
	b.Request(request(start))
	for _, s := range append(b.Live()[0].Steps, b.Live()[0].Window) {
		if s.Answered != 0 || s.LatencyP50 != nil || s.BatchRows != nil {
			t.Fatalf("step %+v", s)
		}
	}
}

func near(t *testing.T, what string, got *float64, want, relative float64) {
	t.Helper()
	if got == nil || math.Abs(*got-want) > want*relative+1e-12 {
		t.Fatalf("%s is %v, want %v within %v", what, got, want, relative)
	}
}

// TestLiveJSON holds the names that the page reads.
func TestLiveJSON(t *testing.T) {
	b := newObserve(t, Options{})
	text, err := json.Marshal(b.Live())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{`"model":"m"`, `"version":"1"`, `"waiting_calls":0`, `"running_calls":0`, `"window":{`, `"steps":[`,
		`"start_unix_seconds"`, `"duration_seconds":60`, `"answered_per_second"`, `"refused_per_second"`, `"failed_per_second"`,
		`"invalid_per_second"`, `"cancelled_per_second"`, `"rows_per_second"`, `"runs_per_second"`, `"batch_rows_mean":null`,
		`"latency_p50_seconds":null`, `"latency_p99_seconds"`, `"queue_p50_seconds"`, `"queue_p99_seconds"`} {
		if !strings.Contains(string(text), name) {
			t.Errorf("no %s", name)
		}
	}
}

// TestSpread: the quantile lies within half a bucket, 1/32, of the value; what is outside the range is counted.
func TestSpread(t *testing.T) {
	for d := 8 * time.Microsecond; d < 60*time.Second; d = d * 21 / 20 {
		var s spread
		s.add(d)
		if q := *s.quantile(0.5); math.Abs(q/d.Seconds()-1) > 1.0/32 {
			t.Fatalf("%v became %v s", d, q)
		}
	}
	var s spread
	for _, d := range []time.Duration{-time.Second, 0, time.Nanosecond, time.Hour, math.MaxInt64} {
		s.add(d)
	}
	if lo, hi := *s.quantile(0), *s.quantile(1); lo > 10e-6 || hi < 60 {
		t.Errorf("from %v to %v", lo, hi)
	}
}
