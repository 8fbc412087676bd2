package measure

import (
	"context"
	"errors"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"infer/internal/host"
	"infer/internal/progress"
	"infer/internal/stats"
)

// TestTimedInARow: short runs are timed many to a call, to the very number, and what was done before an end counts.
func TestTimedInARow(t *testing.T) {
	broken := errors.New("broken")
	const cost = 10 * time.Microsecond
	for _, tt := range []struct {
		name        string
		o           Options
		fail        func(call int) (done int, err error) // of a call of RunTimed; nil: all go well
		cancel      bool
		warm, timed int
		want        error
	}{
		{name: "exact runs", o: Options{Runs: 12_345, WarmUp: 7}, warm: 7, timed: 12_345},
		{name: "a duration", o: Options{Duration: time.Second}, timed: 100_000},
		{name: "one run", o: Options{Runs: 1}, timed: 1},
		{name: "an error after some", o: Options{Runs: 9000}, fail: func(int) (int, error) { return 40, broken }, timed: 41, want: broken},
		{name: "cancelled after some", o: Options{Runs: 9000}, fail: func(int) (int, error) { return 40, context.Canceled }, cancel: true, timed: 41},
		{name: "none done is no end", o: Options{Runs: 30}, fail: func(int) (int, error) { return 0, nil }, timed: 30},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			l := script(tt.o, func(int) time.Duration { return cost })
			clock, calls := time.Duration(0), 0
			run := l.run
			l.now = func() time.Duration { return clock }
			l.run = func(ctx context.Context) error { clock += cost; return run(ctx) }
			l.o.Timed = func(_ context.Context, seconds []float64) (int, error) {
				if time.Duration(len(seconds))*cost > 2*inARow {
					t.Fatalf("%d runs in a row", len(seconds))
				}
				n, err := len(seconds), error(nil)
				if tt.fail != nil {
					n, err = tt.fail(calls)
				}
				if tt.cancel {
					cancel()
				}
				for i := range n {
					seconds[i] = cost.Seconds()
				}
				clock += time.Duration(n) * cost
				calls++
				return n, err
			}
			s, err := l.steady(ctx)
			if !errors.Is(err, tt.want) || len(s.WarmUp) != tt.warm || len(s.Seconds) != tt.timed || s.Interrupted != tt.cancel {
				t.Errorf("warm-up %d, timed %d, interrupted %v, %v; want %d, %d, %v, %v", len(s.WarmUp), len(s.Seconds), s.Interrupted, err, tt.warm, tt.timed, tt.cancel, tt.want)
			}
			if tt.timed > 1000 && calls > tt.timed/100 {
				t.Errorf("%d calls for %d runs", calls, tt.timed)
			}
		})
	}
}

// script is a loop on a fake clock: run i lasts cost(i).
func script(o Options, cost func(i int) time.Duration) *loop {
	var now time.Duration
	i := 0
	return &loop{
		o:      o.withDefaults(),
		now:    func() time.Duration { return now },
		sample: func() host.Sample { return host.Sample{} },
		run: func(context.Context) error {
			now += cost(i)
			i++
			return nil
		},
	}
}

func TestSteadyCounts(t *testing.T) {
	ms := func(int) time.Duration { return 10 * time.Millisecond }
	tests := []struct {
		name        string
		o           Options
		warm, timed int
	}{
		{"exact runs", Options{Runs: 7, WarmUp: 3}, 3, 7},
		{"exact runs ignore duration", Options{Runs: 2, Duration: time.Hour}, 0, 2},
		{"duration", Options{Duration: time.Second}, 0, 100},
		{"at least MinRuns", Options{Duration: 15 * time.Millisecond, MinRuns: 5}, 0, 5},
		{"auto on a flat series takes the least", Options{Runs: 1, WarmUp: Auto}, 14, 1},
		{"auto stops at MaxWarmUp", Options{Runs: 1, WarmUp: Auto, MaxWarmUp: 25 * time.Millisecond}, 3, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := script(tt.o, ms).steady(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(s.WarmUp) != tt.warm || len(s.Seconds) != tt.timed {
				t.Errorf("warm-up %d, timed %d, want %d, %d", len(s.WarmUp), len(s.Seconds), tt.warm, tt.timed)
			}
			if s.Wall != time.Duration(tt.timed)*10*time.Millisecond || s.Class != Flat {
				t.Errorf("wall %s, class %s", s.Wall, s.Class)
			}
		})
	}
}

func TestWarmUpEndsAfterStep(t *testing.T) {
	l := script(Options{Runs: 50, WarmUp: Auto}, func(i int) time.Duration {
		if i < 40 {
			return 14*time.Millisecond - time.Duration(i)*100*time.Microsecond
		}
		return 10 * time.Millisecond
	})
	s, err := l.steady(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.WarmUp) < 40 || s.Class != Flat {
		t.Errorf("%d warm-up runs, class %s: timed before run 40 was over", len(s.WarmUp), s.Class)
	}
}

// A run of two seconds leaves room for three in the five seconds of warm-up.
func TestWarmUpOfSlowRuns(t *testing.T) {
	s, _ := script(Options{Runs: 2, WarmUp: Auto}, func(int) time.Duration { return 2 * time.Second }).steady(t.Context())
	if len(s.WarmUp) != 3 {
		t.Errorf("%d warm-up runs", len(s.WarmUp))
	}
}

func TestClassify(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	series := func(f func(i int) float64) []float64 {
		x := make([]float64, 400)
		for i := range x {
			x[i] = f(i) * (1 + 0.01*r.NormFloat64())
		}
		return x
	}
	if0 := func(c bool, a float64) float64 {
		if c {
			return a
		}
		return 1
	}
	tests := []struct {
		name string
		x    []float64
		want Class
	}{
		{"flat", series(func(int) float64 { return 1 }), Flat},
		{"constant", slices.Repeat([]float64{1}, 100), Flat},
		{"empty", nil, Flat},
		{"outliers", series(func(i int) float64 { return if0(i%50 == 7, 30) }), Flat},
		{"step of 1 %", series(func(i int) float64 { return if0(i < 200, 1.01) }), Flat},
		{"step down", series(func(i int) float64 { return if0(i < 100, 1.4) }), WarmUp},
		{"step up", series(func(i int) float64 { return if0(i >= 250, 1.2) }), SlowDown},
		{"drift up", series(func(i int) float64 { return 1 + float64(i)/800 }), SlowDown},
		{"excursion", series(func(i int) float64 { return if0(i > 150 && i < 250, 1.5) }), Unsteady},
		{"bimodal", series(func(int) float64 { return if0(r.IntN(2) == 0, 1.8) }), Unsteady},
	}
	for _, tt := range tests {
		if got, at := Classify(tt.x); got != tt.want {
			t.Errorf("%s: %s at %v, want %s", tt.name, got, at, tt.want)
		}
	}
	// A long series, which is cut into blocks first, has its step where it is.
	long := make([]float64, 300_000)
	for i := range long {
		long[i] = if0(i < 90_000, 1.4) * (1 + 0.01*r.NormFloat64())
	}
	if got, at := Classify(long); got != WarmUp || len(at) != 1 || at[0] < 88_000 || at[0] > 92_000 {
		t.Errorf("long: %s at %v, want %s at about 90000", got, at, WarmUp)
	}
}

func TestSteadyCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	s, err := Steady(ctx, func(ctx context.Context) error {
		if n++; n == 5 {
			cancel()
			return errors.New("terminated by the runtime")
		}
		return nil
	}, Options{Runs: 100})
	if err != nil || !s.Interrupted || len(s.Seconds) != 4 {
		t.Errorf("error %v, series %+v", err, s)
	}
	if s, err := Steady(ctx, func(context.Context) error { return nil }, Options{Runs: 1, WarmUp: Auto}); err != nil || !s.Interrupted {
		t.Errorf("cancelled before the start: %v", err)
	}
}

func TestSteadyCancelledFromOutside(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan struct{})
	go func() { <-started; cancel() }()
	s, err := Steady(ctx, func(ctx context.Context) error {
		select {
		case <-started:
		default:
			close(started)
		}
		<-ctx.Done()
		return ctx.Err()
	}, Options{Duration: time.Hour})
	if err != nil || !s.Interrupted {
		t.Errorf("error %v", err)
	}
}

func TestSteadyFails(t *testing.T) {
	bad := errors.New("bad input")
	s, err := Steady(t.Context(), func(context.Context) error { return bad }, Options{Runs: 3})
	if !errors.Is(err, bad) || s.Interrupted {
		t.Errorf("error %v", err)
	}
	for _, o := range []Options{{Runs: -1}, {WarmUp: -2}, {Duration: -1}} {
		if _, err := Steady(t.Context(), nil, o); err == nil {
			t.Errorf("%+v: accepted", o)
		}
	}
}

func TestProgressTotals(t *testing.T) {
	var got []progress.Event
	o := Options{Runs: 25, Progress: func(e progress.Event) { got = append(got, e) }}
	if _, err := script(o, func(int) time.Duration { return 30 * time.Millisecond }).steady(t.Context()); err != nil {
		t.Fatal(err)
	}
	// 25 runs of 30 ms: one event each four runs, and the last.
	if len(got) != 7 || got[6].Done != 25 || got[6].Total != 25 || got[0].Done != 4 {
		t.Errorf("%+v", got)
	}
}

func TestChecks(t *testing.T) {
	quiet := Series{Class: Flat, Seconds: []float64{1, 1, 1}, Interference: host.Interference{Wall: 3, SelfCPU: 6}}
	cpus := host.CPUs{Count: 2, Affinity: 2}
	tests := []struct {
		name    string
		change  func(s *Series)
		threads int
	}{
		{"", func(*Series) {}, 2},
		{"cpu_throttled", func(s *Series) { s.Interference.ThrottledCount = 1 }, 2},
		{"run_queue_delay", func(s *Series) { s.Interference.RunQueueDelay = 1 }, 2},
		{"noise", func(s *Series) { s.Seconds = []float64{1, 1.3, 0.7} }, 2},
		{"steady_state", func(s *Series) { // two levels, 20 % apart
			s.Class, s.Changes, s.Seconds = SlowDown, []int{70}, slices.Concat(slices.Repeat([]float64{1}, 70), slices.Repeat([]float64{1.2}, 30))
		}, 2},
		{"", func(s *Series) { // as far apart, but the slow level holds 4 % of the runs only
			s.Class, s.Changes, s.Seconds = SlowDown, []int{96}, slices.Concat(slices.Repeat([]float64{1}, 96), slices.Repeat([]float64{1.2}, 4))
		}, 2},
		{"", func(s *Series) { // 8 % apart
			s.Class, s.Changes, s.Seconds = SlowDown, []int{50}, slices.Concat(slices.Repeat([]float64{1}, 50), slices.Repeat([]float64{1.08}, 50))
		}, 2},
		{"other_load", func(s *Series) { s.Interference.OtherCPU = 0.3 }, 2},
		{"steal", func(s *Series) { s.Interference.Steal = 0.2 }, 2},
		{"major_faults", func(s *Series) { s.Interference.MajorFaults = 3 }, 2},
		{"threads", func(*Series) {}, 3},
	}
	for _, tt := range tests {
		s := quiet
		tt.change(&s)
		var failed []string
		for _, c := range checks(&s, tt.threads, cpus) {
			if !c.OK {
				failed = append(failed, c.Name)
			}
		}
		if strings.Join(failed, " ") != tt.name {
			t.Errorf("%q: failed %v", tt.name, failed)
		}
	}
}

func TestChild(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh")
	}
	tests := []struct{ name, script, want string }{
		{"ok", `echo '{"n": 3}'`, ""},
		{"fails", `echo one >&2; echo; echo "infer: error: no such model" >&2; exit 2`, "no such model"},
		{"no output", `true`, "decode output"},
		{"not JSON", `echo hello`, "decode output"},
		{"two values", `echo '{} {}'`, "more than one"},
		{"much stderr", `i=0; while [ $i -lt 20000 ]; do echo "line of noise $i" >&2; i=$((i+1)); done; exit 1`, "noise 19999"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var v struct{ N int }
			err := Child(t.Context(), exec.Command("sh", "-c", tt.script), &v)
			switch {
			case tt.want == "" && (err != nil || v.N != 3):
				t.Errorf("error %v, value %v", err, v)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 600):
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

// The grandchild holds stdout open for a minute: Child ends only because the whole group is killed.
func TestChildCancelled(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	cmd := exec.Command("sh", "-c", "sleep 60 & wait")
	cmd.WaitDelay = time.Hour
	if err := Child(ctx, cmd, new(int)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestLoopAllocatesNothing(t *testing.T) {
	base := time.Now()
	l := loop{run: func(context.Context) error { return nil }, o: Options{Runs: 1000}.withDefaults(),
		now: func() time.Duration { return time.Since(base) }}
	s := &Series{Seconds: make([]float64, 0, 1000)}
	got := testing.AllocsPerRun(10, func() {
		s.Seconds = s.Seconds[:0]
		_ = l.timed(t.Context(), s, l.now())
	})
	if got > 2 {
		t.Errorf("%v allocations in 1000 runs", got)
	}
	if h := s.Histogram(); h.Count() != 1000 || stats.Median(s.Seconds) < 0 {
		t.Errorf("histogram of %d runs", h.Count())
	}
}

// BenchmarkLoop is what the loop itself adds to each run.
func BenchmarkLoop(b *testing.B) {
	base := time.Now()
	l := loop{run: func(context.Context) error { return nil }, o: Options{Runs: max(1, b.N)}.withDefaults(),
		now: func() time.Duration { return time.Since(base) }}
	s := &Series{Seconds: make([]float64, 0, b.N)}
	b.ReportAllocs()
	b.ResetTimer()
	if err := l.timed(b.Context(), s, l.now()); err != nil {
		b.Fatal(err)
	}
}
