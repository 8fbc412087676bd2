package null

import (
	"runtime"
	"sync"
	"time"
)

// early is how long before its time a gate stops to sleep by the timers of Go, which are late by up to a millisecond;
// what is then left is slept as the system can do best, and the rest is spent looking at the clock.
const early = 2 * time.Millisecond

// gate keeps goroutines until their answers may leave. One goroutine looks at the clock for all of them. It is safe for
// concurrent use.
type gate struct {
	start time.Time
	done  chan struct{}
	woken chan struct{} // holds one element when there is something new
	work  sync.WaitGroup

	mu    sync.Mutex
	line  line
	queue []ticket // in the order of leaving
}

// ticket is a goroutine that waits.
type ticket struct {
	leave time.Duration
	open  chan struct{}
}

func newGate(o Options) *gate {
	g := &gate{start: time.Now(), done: make(chan struct{}), woken: make(chan struct{}, 1), line: line{o: o}}
	g.work.Go(g.run)
	return g
}

// wait takes a request that has come now and returns when its answer leaves, or the gate is closed.
func (g *gate) wait() {
	g.mu.Lock()
	now := time.Since(g.start)
	leave := g.line.leave(now)
	if leave <= now {
		g.mu.Unlock()
		return
	}
	t := ticket{leave, make(chan struct{})}
	g.queue = append(g.queue, t)
	g.mu.Unlock()
	select {
	case g.woken <- struct{}{}:
	default:
	}
	select {
	case <-t.open:
	case <-g.done:
	}
}

// run lets go whose time has come.
func (g *gate) run() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		next, some := g.next()
		var wake <-chan time.Time
		if some {
			d := next.leave - time.Since(g.start)
			if d <= early {
				sleepUntil(g.start.Add(next.leave))
				close(next.open)
				g.mu.Lock()
				g.queue = g.queue[1:]
				g.mu.Unlock()
				continue
			}
			timer.Reset(d - early)
			wake = timer.C
		}
		select {
		case <-wake:
		case <-g.woken:
		case <-g.done:
			return
		}
	}
}

func (g *gate) next() (ticket, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) == 0 {
		return ticket{}, false
	}
	return g.queue[0], true
}

// close lets everybody go.
func (g *gate) close() {
	close(g.done)
	g.work.Wait()
}

// spinUntil looks at the clock until t.
func spinUntil(t time.Time) {
	for time.Until(t) > 0 {
		runtime.Gosched()
	}
}
