package drive

import (
	"time"

	"infer/loadtest/sample"
)

// collect passes samples on until stop is called, which passes on the last of them and returns when that is done.
// Requests that nobody will send are dropped here as well: it may be that no worker comes back to see to it.
func (r *run) collect() (stop func()) {
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(flush)
		defer tick.Stop()
		spare := make([]sample.Sample, 0, 2*chunk)
		for last := false; !last; {
			select {
			case <-tick.C:
			case <-r.full:
			case <-end:
				last = true
			}
			r.mu.Lock()
			if !r.ended {
				r.expire()
			}
			batch := r.out
			r.out = spare[:0]
			r.mu.Unlock()
			if len(batch) > 0 {
				r.l.Emit(batch)
			}
			spare = batch
		}
	}()
	return func() {
		close(end)
		<-done
	}
}

// flush is how long a sample is kept back at most.
const flush = 50 * time.Millisecond
