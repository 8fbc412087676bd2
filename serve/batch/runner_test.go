package batch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// gate is a run function that waits for the test to let each run go.
type gate struct {
	started chan []*Job
	proceed chan error
}

func newGate() *gate { return &gate{started: make(chan []*Job), proceed: make(chan error)} }

func (g *gate) run(_ context.Context, _ int, jobs []*Job) error {
	g.started <- jobs
	return <-g.proceed
}

// do starts Do on a goroutine of its own.
func do(ctx context.Context, r *Runner, j *Job) <-chan error {
	done := make(chan error, 1)
	go func() { done <- r.Do(ctx, j) }()
	return done
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

func TestRunnerHandsTheInstanceOn(t *testing.T) {
	g := newGate()
	r := NewRunner(Options{Instances: 1, MaxBatch: 8}, g.run)
	for n := 1; n <= 8; n *= 2 {
		for range 40 {
			r.Learn(0, n, 10*time.Millisecond) // a run of eight costs what one of one does
		}
	}
	ctx := context.Background()
	first := do(ctx, r, &Job{})
	if got := <-g.started; len(got) != 1 {
		t.Fatalf("the first run has %d jobs", len(got))
	}
	var rest []<-chan error
	for range 5 {
		rest = append(rest, do(ctx, r, &Job{}))
	}
	waitFor(t, "five jobs wait", func() bool { w, _ := r.Waiting(); return w == 5 })
	g.proceed <- nil
	if got := <-g.started; len(got) != 5 {
		t.Fatalf("the second run has %d jobs, want the five that waited", len(got))
	}
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	g.proceed <- broken
	for _, c := range rest {
		if err := <-c; !errors.Is(err, broken) {
			t.Errorf("a member of a run that failed got %v", err)
		}
	}
	if err := r.Close(ctx); err != nil {
		t.Fatal(err)
	}
	var refusal *Refusal
	if err := r.Do(ctx, &Job{}); !errors.As(err, &refusal) || refusal.Why != Closed {
		t.Errorf("after Close: %v", err)
	}
}

func TestRunnerCancel(t *testing.T) {
	g := newGate()
	r := NewRunner(Options{Instances: 1, MaxBatch: 1}, g.run)
	first := do(context.Background(), r, &Job{})
	<-g.started
	ctx, cancel := context.WithCancel(context.Background())
	second := do(ctx, r, &Job{})
	waitFor(t, "the second waits", func() bool { w, _ := r.Waiting(); return w == 1 })
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled job: %v", err)
	}
	if w, _ := r.Waiting(); w != 0 {
		t.Errorf("%d jobs wait after the cancellation", w)
	}
	g.proceed <- nil
	if err := <-first; err != nil {
		t.Error(err)
	}
	if n := r.Explain().Refused[string(Cancelled)]; n != 1 {
		t.Errorf("%d cancelled jobs counted, want 1", n)
	}
}

func TestRunnerDropsWhoHasGone(t *testing.T) {
	g := newGate()
	r := NewRunner(Options{Instances: 1, MaxBatch: 1}, g.run)
	first := do(context.Background(), r, &Job{})
	<-g.started
	asked := make(chan struct{}, 1)
	second := do(context.Background(), r, &Job{Gone: func() bool { asked <- struct{}{}; return true }})
	waitFor(t, "the second waits", func() bool { w, _ := r.Waiting(); return w == 1 })
	time.Sleep(2 * goneAfter)
	g.proceed <- nil
	<-asked
	var refusal *Refusal
	if err := <-second; !errors.As(err, &refusal) || refusal.Why != Cancelled {
		t.Errorf("a job whose client has gone: %v", err)
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// TestRunnerDropsTheHopelessAtOnce: while the only instance is busy, a job whose time runs out hears of it then and not
// when the instance is free.
func TestRunnerDropsTheHopelessAtOnce(t *testing.T) {
	g := newGate()
	r := NewRunner(Options{Instances: 1, MaxBatch: 1}, g.run)
	r.Learn(0, 1, time.Millisecond)
	first := do(context.Background(), r, &Job{})
	<-g.started
	late := do(context.Background(), r, &Job{Deadline: time.Now().Add(50 * time.Millisecond)})
	var refusal *Refusal
	if err := <-late; !errors.As(err, &refusal) || refusal.Why != Late {
		t.Errorf("a job whose deadline passed in the queue: %v", err)
	}
	g.proceed <- nil
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func TestRunnerSurvivesAPanic(t *testing.T) {
	r := NewRunner(Options{Instances: 1}, func(context.Context, int, []*Job) error { panic("boom") })
	for range 3 {
		if err := r.Do(context.Background(), &Job{}); err == nil {
			t.Fatal("a run that panicked gave no error")
		}
	}
}

// TestRunnerCloseWaits: Close returns when the last job has left, and not later than its context.
func TestRunnerCloseWaits(t *testing.T) {
	g := newGate()
	r := NewRunner(Options{Instances: 1}, g.run)
	first := do(context.Background(), r, &Job{})
	<-g.started
	short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if err := r.Close(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close with a job running: %v", err)
	}
	closed := make(chan error, 1)
	go func() { closed <- r.Close(context.Background()) }()
	g.proceed <- nil
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// TestRunnerUnderLoad: every job is answered once, instances are never shared, with clients that give up at random.
func TestRunnerUnderLoad(t *testing.T) {
	const instances = 3
	var inUse [instances]atomic.Int32
	var ran atomic.Int64
	r := NewRunner(Options{Instances: instances, SLO: 50 * time.Millisecond, MaxQueue: 64}, func(_ context.Context, i int, jobs []*Job) error {
		if inUse[i].Add(1) != 1 {
			t.Error("two runs on one instance")
		}
		time.Sleep(time.Duration(50+len(jobs)) * time.Microsecond)
		inUse[i].Add(-1)
		ran.Add(int64(len(jobs)))
		return nil
	})
	var wg sync.WaitGroup
	var ok, refused atomic.Int64
	for c := range 32 {
		wg.Go(func() {
			var j Job
			for i := range 200 {
				ctx, cancel := context.Background(), context.CancelFunc(func() {})
				if (c+i)%7 == 0 {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(i)*time.Microsecond)
				}
				j.Rows, j.Key = 1+i%2, uint64(c%3)
				switch err := r.Do(ctx, &j); {
				case err == nil:
					ok.Add(1)
				default:
					refused.Add(1)
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if ok.Load()+refused.Load() != 32*200 || ran.Load() != ok.Load() {
		t.Errorf("%d ok and %d refused of %d; %d ran", ok.Load(), refused.Load(), 32*200, ran.Load())
	}
	if err := r.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if w, n := r.Waiting(); w != 0 || n != 0 {
		t.Errorf("%d waiting and %d running at the end", w, n)
	}
}

func BenchmarkRunnerIdle(b *testing.B) {
	r := NewRunner(Options{Instances: 2}, func(context.Context, int, []*Job) error { return nil })
	ctx := context.Background()
	var j Job
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Do(ctx, &j); err != nil {
			b.Fatal(err)
		}
	}
}

// TestRunnerAllocatesNothing: a job that is used again costs no memory.
func TestRunnerAllocatesNothing(t *testing.T) {
	r := NewRunner(Options{Instances: 2, SLO: time.Second}, func(context.Context, int, []*Job) error { return nil })
	ctx := context.Background()
	var j Job
	if n := testing.AllocsPerRun(1000, func() { _ = r.Do(ctx, &j) }); n > 0 {
		t.Errorf("%.1f allocations a job", n)
	}
}
