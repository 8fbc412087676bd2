package drive

import (
	"context"
	"slices"
	"sync"
	"time"
)

// deadline is the context of one worker's request: the load's, with a deadline that moves on with every request. One
// is used again for all requests of a worker, since context.WithDeadline would allocate for each. It is valid until
// the request is done.
type deadline struct {
	context.Context // of the load, for its values
	start           time.Time

	mu    sync.Mutex
	at    time.Duration // of the present request, since start; 0: none is under way
	done  chan struct{} // of this request and, where it was not closed, of those before
	err   error
	after []*after    // what waits for done
	timer *time.Timer // made with the first request
	armed bool        // timer will fire; it then sees for itself whether that was meant for the present request
}

type after struct{ run func() }

// begin makes d the context of a request that has until at.
func (d *deadline) begin(at time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = at
	if d.err != nil || d.done == nil {
		d.err, d.done = nil, make(chan struct{})
	}
	if d.Context.Err() != nil {
		d.end(context.Canceled)
		return
	}
	if d.armed {
		return
	}
	d.armed = true
	left := time.Until(d.start.Add(at))
	if d.timer == nil {
		d.timer = time.AfterFunc(left, d.fire)
		return
	}
	d.timer.Reset(left)
}

// finish says that the request is done: d has no deadline until the next begins.
func (d *deadline) finish() {
	d.mu.Lock()
	d.at = 0
	d.mu.Unlock()
}

// close stops the timer; nothing may begin any more.
func (d *deadline) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
}

// cancel ends the present request, if any, since the load has ended.
func (d *deadline) cancel() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.at != 0 {
		d.end(context.Canceled)
	}
}

// fire is called by the timer, which was set for this request or one before it.
func (d *deadline) fire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.armed = false
	if d.at == 0 || d.err != nil {
		return
	}
	if left := time.Until(d.start.Add(d.at)); left > 0 {
		d.armed = true
		d.timer.Reset(left)
		return
	}
	d.end(context.DeadlineExceeded)
}

func (d *deadline) end(err error) {
	if d.err != nil {
		return
	}
	d.err = err
	close(d.done)
	for _, a := range d.after {
		go a.run()
	}
	d.after = nil
}

// Deadline implements context.Context.
func (d *deadline) Deadline() (time.Time, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.start.Add(d.at), true
}

// Done implements context.Context.
func (d *deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.done
}

// Err implements context.Context.
func (d *deadline) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// AfterFunc is what package context looks for in the parent of a context: without it every context derived from d
// would cost a goroutine.
func (d *deadline) AfterFunc(f func()) (stop func() bool) {
	a := &after{f}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		go f()
		return func() bool { return false }
	}
	d.after = append(d.after, a)
	return func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		at := slices.Index(d.after, a)
		if at < 0 {
			return false
		}
		d.after = slices.Delete(d.after, at, at+1)
		return true
	}
}
