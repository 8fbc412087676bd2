package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// RunFunc runs jobs together on an instance; it is called by the goroutine of one of them, at most once at a time for
// an instance. ctx ends when the only job's does, where there is one.
type RunFunc func(ctx context.Context, instance int, jobs []*Job) error

// Runner is a Scheduler at work: with the clock, a lock, and the goroutines of those who call Do. There are no workers:
// the goroutine that ends a run hands its instance to the first job of the next one, whose goroutine runs that for all
// of its members.
type Runner struct {
	run   RunFunc
	epoch time.Time

	mu    sync.Mutex
	s     *Scheduler
	d     Decision
	timer *time.Timer
	armed time.Duration // when the timer fires; 0: not armed
	empty chan struct{} // closed when nothing is left after Close
	busy  int           // jobs in Do that were admitted
}

// NewRunner returns a runner without work. Close it.
func NewRunner(o Options, run RunFunc) *Runner {
	r := &Runner{run: run, epoch: time.Now(), s: NewScheduler(o), empty: make(chan struct{})}
	r.timer = time.AfterFunc(time.Hour, r.tick)
	r.timer.Stop()
	return r
}

// Learn takes in a run that was measured before there were requests.
func (r *Runner) Learn(key uint64, rows int, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.s.Learn(key, rows, took)
}

// Refuses says whether a job of one row, whatever its shape, would be refused now: for those who want to know before
// they decode it. A refusal counts as one. nil: try.
func (r *Runner) Refuses(priority int, deadline time.Time) *Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.s.AdmitAny(time.Since(r.epoch), Job{Rows: 1, Priority: priority, deadline: r.clock(deadline)})
}

// Do waits for its turn and runs j, alone or with others. It returns the error of the run, a *Refusal, or that of ctx.
func (r *Runner) Do(ctx context.Context, j *Job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if j.wake == nil {
		j.wake = make(chan struct{}, 1)
	}
	j.Queued = time.Now()
	now := j.Queued.Sub(r.epoch)
	j.err, j.batch, j.state, j.deadline = nil, j.batch[:0], idle, r.clock(j.Deadline)

	r.mu.Lock()
	if refusal := r.s.Admit(now, j); refusal != nil {
		r.mu.Unlock()
		return refusal
	}
	r.busy++
	r.s.Push(now, j)
	r.dispatch(now, j)
	pending := j.state == waiting || j.state == running
	r.mu.Unlock()

	if pending {
		r.await(ctx, j)
	}
	if j.state == leading {
		r.lead(ctx, j)
	}
	r.leave()
	return j.err
}

// await waits until j has run, was dropped, or is to lead a run. The end of ctx takes it out of the queue; once it has
// been taken up it stays.
func (r *Runner) await(ctx context.Context, j *Job) {
	select {
	case <-j.wake:
		return
	case <-ctx.Done():
	}
	r.mu.Lock()
	gone := r.s.Drop(j)
	r.mu.Unlock()
	if gone {
		j.err = ctx.Err()
		return
	}
	<-j.wake
}

// lead runs the batch of j, hands the instance on, and wakes the others.
func (r *Runner) lead(ctx context.Context, j *Job) {
	if len(j.batch) > 1 {
		ctx = context.WithoutCancel(ctx) // the others want their answers
	}
	begin := time.Now()
	for _, m := range j.batch {
		m.Wait = begin.Sub(m.Queued)
	}
	err := r.call(ctx, j)
	end := time.Now()

	r.mu.Lock()
	r.s.Done(end.Sub(r.epoch), j.instance, j.batch, end.Sub(begin), err != nil)
	r.dispatch(end.Sub(r.epoch), nil)
	r.mu.Unlock()

	for _, m := range j.batch {
		m.err = err
		if m != j {
			m.wake <- struct{}{}
		}
	}
}

// call runs the batch. A panic below must not keep the instance and the other members for ever.
func (r *Runner) call(ctx context.Context, j *Job) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("run of %d jobs: panic: %v", len(j.batch), p)
		}
	}()
	return r.run(ctx, j.instance, j.batch)
}

// dispatch starts what can start, with r.mu held. self is the job of the caller, which needs no waking.
func (r *Runner) dispatch(now time.Duration, self *Job) {
	for {
		r.s.Next(now, &r.d)
		for _, j := range r.d.Dropped {
			if j != self {
				j.wake <- struct{}{}
			}
		}
		if len(r.d.Batch) == 0 {
			break
		}
		first := r.d.Batch[0]
		first.batch = append(first.batch[:0], r.d.Batch...)
		first.instance = r.d.Instance
		if first != self {
			first.wake <- struct{}{}
		}
	}
	if at := r.d.Wake; at > 0 && (r.armed == 0 || at < r.armed) {
		r.armed = at
		r.timer.Reset(max(at-now, 0))
	}
}

func (r *Runner) tick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.armed = 0
	r.dispatch(time.Since(r.epoch), nil)
}

func (r *Runner) clock(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(t.Sub(r.epoch), 1)
}

func (r *Runner) leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy--
	if r.busy == 0 && r.s.closed {
		r.finish()
	}
}

func (r *Runner) finish() {
	select {
	case <-r.empty:
	default:
		close(r.empty)
	}
}

// Close refuses new jobs and waits for those that are there, at most until the end of ctx.
func (r *Runner) Close(ctx context.Context) error {
	r.mu.Lock()
	r.s.Close()
	if r.busy == 0 {
		r.finish()
	}
	r.mu.Unlock()
	select {
	case <-r.empty:
		r.timer.Stop()
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New("requests are still running"), ctx.Err())
	}
}

// Explain returns what the scheduler knows and does now.
func (r *Runner) Explain() Explanation {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.s.Explain(time.Since(r.epoch))
}

// Waiting returns how many jobs wait and how many run.
func (r *Runner) Waiting() (waiting, running int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.s.waiting, r.busy - r.s.waiting
}
