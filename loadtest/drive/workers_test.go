package drive

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"infer/loadtest/sample"
	"infer/loadtest/schedule"
)

// fake is a target that answers as do says: what it returns is the outcome.
type fake struct {
	do            func(ctx context.Context, s *sample.Sample, now func() time.Duration) sample.Outcome
	body          []byte
	active, most  atomic.Int64
	calls, closes atomic.Int64
	freed         atomic.Int64
}

func (f *fake) Open(context.Context, int) error { return nil }
func (f *fake) Close() error                    { f.closes.Add(1); return nil }

func (f *fake) Do(ctx context.Context, s *sample.Sample, now func() time.Duration, want bool) (Answer, func(), string) {
	f.calls.Add(1)
	n := f.active.Add(1)
	for m := f.most.Load(); n > m && !f.most.CompareAndSwap(m, n); m = f.most.Load() {
	}
	s.Sent = now()
	if f.do != nil {
		s.Outcome = f.do(ctx, s, now)
	}
	s.Done = now()
	f.active.Add(-1)
	failure := ""
	if s.Outcome != sample.OK {
		failure = "it said " + s.Outcome.String()
	}
	if !want {
		return Answer{}, nil, failure
	}
	return Answer{Body: f.body}, func() { f.freed.Add(1) }, failure
}

// gathered is what a load emitted.
type gathered struct {
	mu      sync.Mutex
	inside  atomic.Int32
	samples []sample.Sample
	more    chan struct{} // has one after samples came
}

func (g *gathered) emit(t testing.TB) func([]sample.Sample) {
	g.more = make(chan struct{}, 1)
	return func(list []sample.Sample) {
		if g.inside.Add(1) != 1 {
			t.Error("Emit was called twice at a time")
		}
		g.mu.Lock()
		g.samples = append(g.samples, list...)
		g.mu.Unlock()
		clear(list) // the slice is the generator's, and what is in it is not looked at again
		g.inside.Add(-1)
		select {
		case g.more <- struct{}{}:
		default:
		}
	}
}

// until waits until what was emitted satisfies ok.
func (g *gathered) until(ok func([]sample.Sample) bool) {
	for {
		g.mu.Lock()
		good := ok(g.samples)
		g.mu.Unlock()
		if good {
			return
		}
		<-g.more
	}
}

func (g *gathered) sorted() []sample.Sample {
	slices.SortFunc(g.samples, func(a, b sample.Sample) int { return int(a.Index - b.Index) })
	return g.samples
}

func counts(list []sample.Sample) (n [sample.Outcomes]int) {
	for _, s := range list {
		n[s.Outcome]++
	}
	return n
}

// constantRate is n requests at a constant rate.
func constantRate(t testing.TB, rate float64, n int64) *schedule.Schedule {
	t.Helper()
	s, err := schedule.New(schedule.Options{Arrival: "constant", Stages: []schedule.Stage{{From: rate, To: rate, For: time.Hour}}, Requests: n})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// mustRun runs l on f and makes sure that no goroutine stays behind.
func mustRun(ctx context.Context, t *testing.T, f *fake, l Load) Stats {
	t.Helper()
	before := runtime.NumGoroutine()
	g := Workers(f)
	if err := g.Open(ctx, max(1, l.Connections)); err != nil {
		t.Fatal(err)
	}
	stats, err := g.Run(ctx, l)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if f.closes.Load() != 1 {
		t.Errorf("the target was closed %d times", f.closes.Load())
	}
	noneLeft(t, before)
	return stats
}

// noneLeft waits for the goroutines that are about to end; a leak runs into the time limit of the test.
func noneLeft(t *testing.T, before int) {
	t.Helper()
	for runtime.NumGoroutine() > before {
		runtime.Gosched()
	}
}

// TestStall: of a server that stands still, requests that were due meanwhile have waited since they were due.
func TestStall(t *testing.T) {
	const n, stalled = 100, 20
	var released time.Duration
	f := &fake{}
	f.do = func(_ context.Context, s *sample.Sample, now func() time.Duration) sample.Outcome {
		if s.Index == stalled {
			for now() < s.Due+100*time.Millisecond {
				time.Sleep(time.Millisecond)
			}
			released = now()
		}
		return sample.OK
	}
	var g gathered
	sched := constantRate(t, 500, n)
	stats := mustRun(t.Context(), t, f, Load{Schedule: sched, Timeout: time.Minute, Connections: 1, Payloads: 7, Emit: g.emit(t)})
	list := g.sorted()
	if len(list) != n || counts(list)[sample.OK] != n {
		t.Fatalf("%d samples: %v", len(list), counts(list))
	}
	c, late := sched.Cursor(0, 1), 0
	for _, s := range list {
		index, due, _ := c.Next()
		if s.Index != index || s.Due != due || s.Payload != int32(index%7) || s.Woke < s.Due || s.Sent < s.Woke || s.Done < s.Sent || s.Queue != sample.Untold || s.Compute != sample.Untold {
			t.Fatalf("request %d, due at %v: %+v", index, due, s)
		}
		if s.Index > stalled && s.Due < released {
			late++
			if s.Sent < released || s.Latency() < released-due {
				t.Errorf("request %d was due at %v, while the server stood still until %v, and has a latency of %v", s.Index, due, released, s.Latency())
			}
		}
	}
	// 100 ms at 500/s are 50 requests: the stalled one and 49 that wait for it.
	if late < 49 || stats.Waited < int64(late) || stats.InFlight != 1 || f.most.Load() != 1 {
		t.Errorf("%d requests were due in the stall, %+v, at most %d at a time; want 49 or more that waited, one at a time", late, stats, f.most.Load())
	}
	if stats.Pacer == "" || stats.Lanes != 1 || stats.Opened != 1 || stats.Cut != 0 || stats.Start.IsZero() || len(stats.Faults) != 0 {
		t.Errorf("%+v", stats)
	}
}

// TestTimeouts: every request of a schedule that a server does not answer is timed out or dropped, each at its time.
func TestTimeouts(t *testing.T) {
	const timeout = 20 * time.Millisecond
	f := &fake{do: func(ctx context.Context, s *sample.Sample, _ func() time.Duration) sample.Outcome {
		<-ctx.Done()
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			t.Errorf("the context ended with %v", ctx.Err())
		}
		return sample.TimedOut
	}}
	var g gathered
	stats := mustRun(t.Context(), t, f, Load{Schedule: constantRate(t, 1000, 100), Timeout: timeout, Connections: 2, Payloads: 1, Emit: g.emit(t)})
	list := g.sorted()
	n := counts(list)
	if len(list) != 100 || n[sample.TimedOut]+n[sample.Dropped] != 100 || n[sample.TimedOut] < 2 || int64(n[sample.TimedOut]) != f.calls.Load() {
		t.Fatalf("%d samples of %d calls: %v", len(list), f.calls.Load(), n)
	}
	for _, s := range list {
		if s.Latency() < timeout || s.Outcome == sample.Dropped && s.Sent != s.Done {
			t.Errorf("%+v", s)
		}
	}
	failed := int64(0)
	for _, f := range stats.Faults {
		failed += f.Count
	}
	if failed != 100 {
		t.Errorf("faults %+v", stats.Faults)
	}
}

// TestStubborn: a target that heeds no context makes the others be dropped all the same, and its own answer late.
func TestStubborn(t *testing.T) {
	release := make(chan struct{})
	f := &fake{do: func(context.Context, *sample.Sample, func() time.Duration) sample.Outcome {
		<-release
		return sample.OK
	}}
	var g gathered
	emit := g.emit(t)
	go func() {
		defer close(release)
		g.until(func(list []sample.Sample) bool { return len(list) == 19 })
	}()
	stats := mustRun(t.Context(), t, f, Load{Schedule: constantRate(t, 10000, 20), Timeout: 10 * time.Millisecond, Connections: 1, Payloads: 1, Emit: emit})
	if n := counts(g.samples); n[sample.Dropped] != 19 || n[sample.TimedOut] != 1 {
		t.Errorf("outcomes %v, want 19 dropped and one late answer", n)
	}
	if len(stats.Faults) != 2 || stats.Faults[0].Count != 19 {
		t.Errorf("faults %+v", stats.Faults)
	}
}

// TestLate: any answer after the timeout is none; that no connection could be made stays the reason all the same.
func TestLate(t *testing.T) {
	for outcome, want := range map[sample.Outcome]sample.Outcome{
		sample.OK: sample.TimedOut, sample.Refused: sample.TimedOut, sample.Failed: sample.TimedOut, sample.TimedOut: sample.TimedOut,
		sample.Broken: sample.Broken, sample.Unreachable: sample.Unreachable,
	} {
		f := &fake{do: func(_ context.Context, s *sample.Sample, now func() time.Duration) sample.Outcome {
			for now() <= s.Due+time.Millisecond {
			}
			return outcome
		}}
		var g gathered
		mustRun(t.Context(), t, f, Load{Concurrency: 1, Duration: time.Hour, Requests: 1, Timeout: time.Microsecond, Payloads: 1, Emit: g.emit(t)})
		if len(g.samples) != 1 || g.samples[0].Outcome != want {
			t.Errorf("%v after the timeout: %+v, want %v", outcome, g.samples, want)
		}
	}
}

func TestClosedLoop(t *testing.T) {
	for _, c := range []struct {
		name        string
		concurrency int
		connections int
		most        int64
	}{{"one", 1, 0, 1}, {"four", 4, 4, 4}, {"more than connections", 8, 3, 3}} {
		t.Run(c.name, func(t *testing.T) {
			meet := make(chan struct{})
			var met atomic.Int64
			f := &fake{}
			f.do = func(_ context.Context, s *sample.Sample, _ func() time.Duration) sample.Outcome {
				if s.Index < c.most { // the first ones meet, so that the number at a time is certain
					if met.Add(1) == c.most {
						close(meet)
					}
					<-meet
				}
				return sample.OK
			}
			var g gathered
			stats := mustRun(t.Context(), t, f, Load{Concurrency: c.concurrency, Connections: c.connections, Duration: time.Hour, Requests: 5000, Timeout: time.Minute, Payloads: 3, Emit: g.emit(t)})
			list := g.sorted()
			if len(list) != 5000 || f.most.Load() != c.most || stats.InFlight != c.most || stats.Waited != 0 {
				t.Fatalf("%d samples, %d at a time, %+v", len(list), f.most.Load(), stats)
			}
			for i, s := range list {
				if s.Index != int64(i) || s.Due != s.Sent || s.Woke != s.Sent || s.Done < s.Sent || s.Payload != int32(i%3) {
					t.Fatalf("%+v", s)
				}
			}
		})
	}
}

// TestClosedLoopEnds: no request begins after the duration.
func TestClosedLoopEnds(t *testing.T) {
	const d = 20 * time.Millisecond
	var g gathered
	mustRun(t.Context(), t, &fake{do: func(context.Context, *sample.Sample, func() time.Duration) sample.Outcome {
		time.Sleep(time.Millisecond)
		return sample.OK
	}},
		Load{Concurrency: 2, Duration: d, Timeout: time.Minute, Payloads: 1, Emit: g.emit(t)})
	list := g.sorted()
	if len(list) == 0 {
		t.Fatal("no sample")
	}
	if last := list[len(list)-1]; last.Done < d {
		t.Errorf("the last request ended at %v, before the load did at %v", last.Done, d)
	}
}

func TestCut(t *testing.T) {
	for _, closed := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		f := &fake{do: func(c context.Context, s *sample.Sample, _ func() time.Duration) sample.Outcome {
			switch {
			case s.Index < 5:
				return sample.OK
			case s.Index == 7:
				cancel()
			}
			<-c.Done()
			return sample.Broken
		}}
		var g gathered
		l := Load{Timeout: time.Minute, Payloads: 1, Connections: 3, Emit: g.emit(t)}
		if closed {
			l.Concurrency, l.Duration = 3, time.Hour
		} else {
			l.Schedule = constantRate(t, 2000, 1e6)
		}
		stats := mustRun(ctx, t, f, l)
		if n := counts(g.samples); n[sample.OK] != 5 || len(g.samples) != 5 || len(stats.Faults) > 1 {
			t.Errorf("closed %v: samples %v, faults %v; want the five that were answered", closed, n, stats.Faults)
		}
		if stats.Cut < 3 || closed && stats.Cut != 3 {
			t.Errorf("closed %v: %d were cut, want the 3 under way and those that waited", closed, stats.Cut)
		}
	}
}

// TestCutStubborn: Run returns although a call does not, and nothing stays behind once it does.
func TestCutStubborn(t *testing.T) {
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	f := &fake{do: func(context.Context, *sample.Sample, func() time.Duration) sample.Outcome {
		cancel()
		<-release
		return sample.OK
	}}
	var g gathered
	stats, err := Workers(f).Run(ctx, Load{Schedule: constantRate(t, 1000, 1000), Timeout: time.Minute, Connections: 1, Payloads: 1, Emit: g.emit(t)})
	if err != nil || stats.Cut < 1 || f.active.Load() != 1 {
		t.Errorf("%+v, %v, %d calls under way", stats, err, f.active.Load())
	}
	close(release)
	noneLeft(t, before)
	if len(g.samples) != 0 {
		t.Errorf("samples after the end: %+v", g.samples)
	}
}

// checker finds an answer wrong where its payload is odd; it knows those below known.
type checker struct {
	known int
	enter func(payload int)
	calls atomic.Int64
}

func (c *checker) Known(payload int, _ []byte) bool { return payload < c.known }
func (c *checker) Check(payload int, a Answer) string {
	c.calls.Add(1)
	if c.enter != nil {
		c.enter(payload)
	}
	if payload%2 == 1 {
		return "output 3 is 0.5, want 0.25"
	}
	return ""
}

func TestCheck(t *testing.T) {
	f := &fake{body: []byte("x"), do: func(_ context.Context, s *sample.Sample, _ func() time.Duration) sample.Outcome {
		if s.Payload == 9 {
			return sample.Refused
		}
		return sample.OK
	}}
	c := &checker{known: 4}
	var g gathered
	stats := mustRun(t.Context(), t, f, Load{Concurrency: 1, Duration: time.Hour, Requests: 100, Timeout: time.Minute, Payloads: 10, Check: c, Emit: g.emit(t)})
	// Of ten payloads 0 to 3 are known, 4, 6 and 8 right, 5 and 7 wrong, 9 refused.
	if n := counts(g.samples); n[sample.OK] != 70 || n[sample.Wrong] != 20 || n[sample.Refused] != 10 {
		t.Errorf("outcomes %v", n)
	}
	for _, s := range g.samples {
		if s.Checked != (s.Outcome != sample.Refused) {
			t.Errorf("%+v", s)
		}
	}
	if c.calls.Load() != 50 || stats.Unchecked != 0 || f.freed.Load() != 100 {
		t.Errorf("%d checks, %d unchecked, %d answers given back; want 50, 0 and 100", c.calls.Load(), stats.Unchecked, f.freed.Load())
	}
	if len(stats.Faults) != 2 || stats.Faults[0] != (Fault{sample.Wrong, 0, "output 3 is 0.5, want 0.25", 20}) || stats.Faults[1].Count != 10 {
		t.Errorf("faults %+v", stats.Faults)
	}
}

// TestCheckWaits: comparing takes no connection, and what comes faster than it can be compared is not compared.
func TestCheckWaits(t *testing.T) {
	all := make(chan struct{})
	f := &fake{body: []byte("x")}
	f.do = func(_ context.Context, s *sample.Sample, _ func() time.Duration) sample.Outcome {
		if s.Index == 99 {
			close(all) // with one connection this request is sent only if those that compare hold none
		}
		return sample.OK
	}
	c := &checker{enter: func(int) { <-all }}
	var g gathered
	stats := mustRun(t.Context(), t, f, Load{Concurrency: 1, Duration: time.Hour, Requests: 100, Timeout: time.Minute, Payloads: 2, Check: c, Emit: g.emit(t)})
	if len(g.samples) != 100 || f.most.Load() != 1 || c.calls.Load()+stats.Unchecked != 100 || stats.Unchecked < 90-int64(runtime.NumCPU()) {
		t.Errorf("%d samples, %d at a time, %d compared, %d not", len(g.samples), f.most.Load(), c.calls.Load(), stats.Unchecked)
	}
}

func TestValidate(t *testing.T) {
	emit := func([]sample.Sample) {}
	for name, l := range map[string]Load{
		"nothing":                  {},
		"no timeout":               {Concurrency: 1, Duration: 1, Payloads: 1, Emit: emit},
		"no payload":               {Concurrency: 1, Duration: 1, Timeout: 1, Emit: emit},
		"no duration":              {Concurrency: 1, Timeout: 1, Payloads: 1, Emit: emit},
		"no concurrency":           {Duration: 1, Timeout: 1, Payloads: 1, Emit: emit},
		"open, without connection": {Schedule: constantRate(t, 1, 1), Timeout: 1, Payloads: 1, Emit: emit},
	} {
		if _, err := Workers(&fake{}).Run(t.Context(), l); err == nil || !strings.Contains(err.Error(), "without") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAllocations: a load of many requests allocates what one of few does.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	f := &fake{}
	for _, open := range []bool{false, true} {
		allocs := func(n int64) uint64 {
			l := Load{Timeout: time.Minute, Payloads: 1, Connections: 2, Emit: func([]sample.Sample) {}}
			if open {
				l.Schedule = constantRate(t, 50000, n)
			} else {
				l.Concurrency, l.Duration, l.Requests = 2, time.Hour, n
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if _, err := Workers(f).Run(t.Context(), l); err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			return after.Mallocs - before.Mallocs
		}
		few, many := allocs(1000), allocs(21000)
		if many > few+400 { // one in 50 requests: queues and buffers that grow once
			t.Errorf("open %v: %d allocations for 1000 requests, %d for 21000", open, few, many)
		}
		t.Logf("open %v: %d allocations for 1000 requests, %d for 21000", open, few, many)
	}
}
