package drive

import (
	"context"
	"errors"
	"time"

	"infer/loadtest/sample"
)

const (
	// lead is from the call of Run to the start of the load, for the pacer to get ready.
	lead = 2 * time.Millisecond

	// grace is what calls under way are given to return once the load was cut.
	grace = 700 * time.Millisecond
)

// Workers returns the generator for a target whose requests are calls. Each request is a call of Target.Do on a
// goroutine out of a pool, which grows to Load.Connections. In open loop one pacer hands them out (Load.Lanes is not
// looked at), Load.Spin before they are due, and their goroutines watch the clock for the rest, so that waking them
// makes nothing late; one that finds all goroutines busy waits in a queue, in the order of Due, and is Dropped once Timeout
// has passed.
//
// The context that Do gets is valid until Do returns; it ends at Due + Timeout. When that of Run ends, Run returns
// within a second: what is then due and not answered, in the queue as well as under way, is counted as cut. A Do that
// does not heed its context keeps its goroutine until it returns; nothing else stays behind.
//
// Answers are compared after the time of the request was taken, and outside the number of connections. Those that
// Checker.Known does not know at once are compared on no more goroutines than there are CPUs, and are left unchecked
// where more come.
func Workers(t Target) Generator { return &workers{target: t} }

type workers struct {
	target Target
	opened int64
	closed bool
}

func (w *workers) Open(ctx context.Context, n int) error {
	if err := w.target.Open(ctx, n); err != nil {
		return err
	}
	w.opened += int64(n)
	return nil
}

func (w *workers) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	return w.target.Close()
}

func (w *workers) Run(ctx context.Context, l Load) (Stats, error) {
	if err := validate(l); err != nil {
		return Stats{}, err
	}
	r := newRun(ctx, w.target, l)
	stats := Stats{Lanes: 1, Opened: w.opened}
	if l.Schedule == nil {
		r.clock = NewClock(0)
	} else {
		defer WidenProcs()() // the pacer must not wait for goroutines that unpack answers
		r.clock = NewClock(lead)
		stats.Pacer = PacerName(sleeperName, shortestSpin+l.Spin)
	}
	collected := r.collect()
	if l.Schedule == nil {
		r.closedLoop()
	} else {
		r.pace()
	}
	r.wait()
	collected()
	r.report(&stats)
	return stats, nil
}

// validate finds what a caller forgot.
func validate(l Load) error {
	switch {
	case l.Emit == nil || l.Payloads < 1 || l.Timeout <= 0:
		return errors.New("load without a receiver of samples, a payload or a timeout")
	case l.Schedule != nil && l.Connections < 1:
		return errors.New("open loop without a connection")
	case l.Schedule == nil && (l.Concurrency < 1 || l.Duration <= 0):
		return errors.New("closed loop without a concurrency or a duration")
	}
	return nil
}

// worker is one goroutine that calls the target.
type worker struct {
	r    *run
	jobs chan job // holds one, so that handing over never blocks
	s    sample.Sample
	ctx  deadline
}

// job is a request that is due.
type job struct {
	index     int64
	due, woke time.Duration
	waited    bool
}

func (w *worker) loop() {
	defer w.r.exited.Done()
	defer w.ctx.close()
	for j := range w.jobs {
		for more := true; more; {
			j, more = w.serve(j)
		}
	}
}

// serve sends one request and returns the next that this worker should send, if there is one.
func (w *worker) serve(j job) (next job, more bool) {
	r, s := w.r, &w.s
	now := r.now()
	if r.l.Schedule == nil {
		j.due = now
	}
	for ; now < j.due; now = r.now() { // it was handed over ahead
	}
	if !j.waited {
		// The way to this goroutine is the generator's lag as well; the wait for a free one is not.
		j.woke = now
	}
	*s = sample.Sample{Index: j.index, Due: j.due, Woke: j.woke, Sent: j.woke, Payload: int32(j.index % int64(r.l.Payloads)), Queue: sample.Untold, Compute: sample.Untold}
	w.ctx.begin(j.due + r.l.Timeout)
	a, done, failure := r.target.Do(&w.ctx, s, r.now, r.l.Check != nil)
	w.ctx.finish()
	if s.Done < s.Sent { // the target gave up before it came to sending
		s.Done = r.now()
	}
	if s.Done-s.Due > r.l.Timeout && s.Outcome < sample.Broken { // an answer, but too late
		s.Outcome, failure = sample.TimedOut, "no whole answer within "+r.l.Timeout.String()
	}
	if r.l.Schedule == nil {
		s.Due, s.Woke = s.Sent, s.Sent
	}
	holds := true // the place of a request under way
	if s.Outcome == sample.OK && r.l.Check != nil {
		failure, holds = w.check(a)
	}
	if done != nil {
		done()
	}
	if s.Outcome >= sample.Broken && r.ctx.Err() != nil { // the end of the load may be why: it was cut
		return r.abandon(w, holds)
	}
	if s.Outcome != sample.OK {
		r.fail(s, failure)
	}
	return r.done(w, holds)
}

// check compares the answer a. It gives up the worker's place among the requests under way if that may take longer.
func (w *worker) check(a Answer) (failure string, holds bool) {
	r, s := w.r, &w.s
	if a.Unkept {
		r.unchecked.Add(1)
		return "", true
	}
	if a.Body != nil && r.l.Check.Known(int(s.Payload), a.Body) {
		s.Checked = true
		return "", true
	}
	if r.checking.Add(1) > int64(r.checkers) {
		r.checking.Add(-1)
		r.unchecked.Add(1)
		return "", true
	}
	defer r.checking.Add(-1)
	r.giveUp()
	s.Checked = true
	if failure = r.l.Check.Check(int(s.Payload), a); failure != "" {
		s.Outcome = sample.Wrong
	}
	return failure, false
}
