package drive

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"infer/internal/host"
	"infer/loadtest/sample"
)

// run is one load on the way. What is below mu decides which request goes when.
type run struct {
	l        Load
	target   Target
	ctx      context.Context
	clock    Clock                // set before anything is sent
	now      func() time.Duration // of clock
	slots    int                  // requests under way at most
	checkers int                  // answers that are compared at a time at most

	checking, unchecked atomic.Int64
	faults              FaultLog
	exited              sync.WaitGroup // the workers
	decided             chan struct{}  // closed once no request will become due and none is pending
	full                chan struct{}  // has one when the collector should not wait for its clock

	mu      sync.Mutex
	queue   Queue[job]
	idle    []*worker // the one that ran last at the end: its memory is warm
	all     []*worker
	busy    int   // requests under way
	peak    int   // of busy
	begun   int64 // closed loop
	pending int64 // requests that are due and have no sample yet
	waited  int64
	cut     int64
	over    bool // no request will become due any more
	ended   bool // the context ended: no samples any more
	out     []sample.Sample
}

// chunk is how many samples the collector is woken for.
const chunk = 1024

func newRun(ctx context.Context, t Target, l Load) *run {
	r := &run{l: l, target: t, ctx: ctx, slots: l.Connections, checkers: host.EffectiveCPUs().Count,
		decided: make(chan struct{}), full: make(chan struct{}, 1), out: make([]sample.Sample, 0, 2*chunk)}
	r.now = func() time.Duration { return r.clock.Now() }
	if l.Schedule == nil {
		r.slots = l.Concurrency
		if l.Connections > 0 {
			r.slots = min(r.slots, l.Connections)
		}
	}
	return r
}

// pace hands out the requests of the schedule, each a spin before it is due.
func (r *run) pace() {
	p := newPacer(r.clock)
	defer p.close()
	for c := r.l.Schedule.Cursor(0, 1); ; {
		index, due, ok := c.Next()
		if !ok {
			break
		}
		woke, ok := p.wait(r.ctx, due-r.l.Spin)
		if !ok {
			break
		}
		r.offer(job{index: index, due: due, woke: max(woke, due)})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	r.settle()
}

// offer hands j to a worker, or lets it wait for one.
func (r *run) offer(j job) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pending++
	if r.busy == r.slots {
		j.waited = true
		r.waited++
		r.queue.Push(j)
		return
	}
	r.start(j)
}

// start gives j to a worker that has nothing to do. mu is held, and busy < slots.
func (r *run) start(j job) {
	r.busy++
	r.peak = max(r.peak, r.busy)
	if n := len(r.idle); n > 0 {
		w := r.idle[n-1]
		r.idle = r.idle[:n-1]
		w.jobs <- j
		return
	}
	w := &worker{r: r, jobs: make(chan job, 1), ctx: deadline{Context: r.ctx, start: r.clock.Start()}}
	r.all = append(r.all, w)
	r.exited.Add(1)
	go w.loop()
	w.jobs <- j
}

// closedLoop begins as many requests as may be under way at a time; each is followed by another.
func (r *run) closedLoop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range r.slots {
		j, ok := r.take()
		if !ok {
			break
		}
		r.start(j)
	}
	r.settle()
}

// take returns the request that is next, if there is one. mu is held.
func (r *run) take() (job, bool) {
	if r.ended {
		return job{}, false
	}
	if r.l.Schedule != nil {
		if r.expire(); r.queue.Len() == 0 {
			return job{}, false
		}
		return r.queue.Pop(), true
	}
	if r.over || r.l.Requests > 0 && r.begun >= r.l.Requests || r.now() > r.l.Duration {
		r.over = true
		return job{}, false
	}
	r.begun++
	r.pending++
	return job{index: r.begun - 1}, true
}

// expire drops what has waited for longer than the timeout. mu is held.
func (r *run) expire() {
	for now := r.now(); r.queue.Len() > 0; {
		j := *r.queue.First()
		end := j.due + r.l.Timeout
		if now < end {
			return
		}
		r.queue.Pop()
		s := sample.Sample{Index: j.index, Due: j.due, Woke: j.woke, Sent: max(end, j.woke), Done: max(end, j.woke), Queue: sample.Untold, Compute: sample.Untold,
			Payload: int32(j.index % int64(r.l.Payloads)), Outcome: sample.Dropped}
		r.fail(&s, "not sent: no connection was free within the timeout")
		r.emit(&s)
	}
}

// giveUp frees the place of a request that was answered, for the next that waits for one.
func (r *run) giveUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy--
	if j, ok := r.take(); ok {
		r.start(j)
	}
}

// done takes the sample of w, and returns what w should send next; holds is whether w still has a place among the
// requests under way.
func (r *run) done(w *worker, holds bool) (job, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if holds {
		r.busy--
	}
	j, more := job{}, false
	if r.busy < r.slots {
		j, more = r.take()
	}
	if more {
		r.busy++
		r.peak = max(r.peak, r.busy)
	} else {
		r.idle = append(r.idle, w)
	}
	r.emit(&w.s)
	return j, more
}

// abandon takes the place of w's request and leaves it without a sample: wait counts it as cut.
func (r *run) abandon(w *worker, holds bool) (job, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if holds {
		r.busy--
	}
	r.idle = append(r.idle, w)
	return job{}, false
}

// emit keeps a sample for the collector. mu is held.
func (r *run) emit(s *sample.Sample) {
	if r.ended {
		return
	}
	r.out = append(r.out, *s)
	if len(r.out) == chunk {
		select {
		case r.full <- struct{}{}:
		default:
		}
	}
	r.pending--
	r.settle()
}

// settle says so when everything is decided. mu is held.
func (r *run) settle() {
	if r.over && r.pending == 0 && !r.ended {
		r.ended = true
		close(r.decided)
	}
}

func (r *run) fail(s *sample.Sample, text string) { r.faults.Add(s.Outcome, s.Code, text) }

// wait returns when all is decided and the workers are gone, or soon after ctx has ended.
func (r *run) wait() {
	select {
	case <-r.decided:
	case <-r.ctx.Done():
	}
	r.mu.Lock()
	r.ended = true
	r.cut = r.pending
	all := r.all
	for _, w := range all {
		close(w.jobs)
	}
	r.mu.Unlock()
	for _, w := range all {
		w.ctx.cancel()
	}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		r.exited.Wait()
	}()
	patience := time.NewTimer(grace)
	defer patience.Stop()
	select {
	case <-gone:
	case <-patience.C:
	}
}

// report writes down what is known after the load.
func (r *run) report(s *Stats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Start = r.clock.Start()
	s.Waited, s.InFlight, s.Cut = r.waited, int64(r.peak), r.cut
	s.Unchecked = r.unchecked.Load()
	s.Faults = r.faults.List()
}
