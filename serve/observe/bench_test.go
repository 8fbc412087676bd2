package observe

import (
	"testing"
	"time"

	"infer/serve/repository"
)

// newObserve returns an Observe that knows model "m" in versions "1" and "2".
func newObserve(t testing.TB, o Options) *Observe {
	t.Helper()
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Shutdown(t.Context()); err != nil {
			t.Log(err)
		}
	})
	for _, v := range []string{"1", "2"} {
		b.Model(repository.ModelEvent{Model: "m", Version: v, Digest: "d" + v, What: "ready", Duration: 250 * time.Millisecond})
	}
	return b
}

// request is an answered request of 5 ms that ends at end.
func request(end time.Time) *repository.RequestEvent {
	const total = 5 * time.Millisecond
	return &repository.RequestEvent{
		Protocol: "oip-http", Model: "m", Version: "1", ID: "r1", Reason: repository.OK, Rows: 2,
		Arrived: end.Add(-total), Total: total, RequestLen: 100, ResponseLen: 40, Status: 200, Client: "192.0.2.1:4",
		Timing: repository.Timing{Queued: end.Add(-total + 200*time.Microsecond), Queue: time.Millisecond,
			Input: 100 * time.Microsecond, Compute: 3 * time.Millisecond, Output: 100 * time.Microsecond},
		Batch: repository.Batch{Rows: 6, Calls: 3},
	}
}

// run is the run of request(end).
func run(end time.Time) repository.RunEvent {
	return repository.RunEvent{Model: "m", Version: "1", Rows: 6, Calls: 3, Instance: 1,
		Start: end.Add(-3700 * time.Microsecond), Input: 100 * time.Microsecond, Compute: 3 * time.Millisecond}
}

// BenchmarkRequest is what a request and its run cost when they are counted; with traces off, which is the default.
func BenchmarkRequest(b *testing.B) {
	o := newObserve(b, Options{SLO: func(string) time.Duration { return 50 * time.Millisecond }})
	e, r := request(time.Now()), run(time.Now())
	b.ReportAllocs()
	for b.Loop() {
		e.Batch.Span = o.Run(r)
		o.Request(e)
	}
}

// BenchmarkRequestParallel is the same from every CPU at once, all of them at the same counters.
func BenchmarkRequestParallel(b *testing.B) {
	o := newObserve(b, Options{SLO: func(string) time.Duration { return 50 * time.Millisecond }})
	end := time.Now()
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		e, r := request(end), run(end)
		for p.Next() {
			e.Batch.Span = o.Run(r)
			o.Request(e)
		}
	})
}

func TestRequestAllocatesNothing(t *testing.T) {
	o := newObserve(t, Options{})
	e, r := request(time.Now()), run(time.Now())
	if n := testing.AllocsPerRun(1000, func() { o.Run(r); o.Request(e) }); n != 0 {
		t.Errorf("%v allocations a request", n)
	}
}
