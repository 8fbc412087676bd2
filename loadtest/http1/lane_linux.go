//go:build linux && (amd64 || arm64)

package http1

import (
	"fmt"
	"net/netip"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"infer/loadtest/drive"
	"infer/loadtest/sample"
)

const (
	pieceLen   = 256 << 10             // bytes written at a time: other connections have their turn in between
	maxWaiting = 1 << 20               // requests that a lane lets wait before it turns to no more
	longSleep  = 50 * time.Millisecond // a lane looks at least this often whether it is to stop
	shortSleep = 5 * time.Microsecond  // not worth a sleep
)

// lane sends its share of a load over its share of the connections. It is one goroutine on one thread, waits for
// everything in one place, and shares nothing that it writes, so it needs no lock.
type lane struct {
	source
	requests []Request
	payloads int64
	timeout  time.Duration
	spin     time.Duration
	time     drive.Clock
	checker  *checker // nil: answers are not compared
	memory   *memory  // for the bodies of all lanes
	pen      pen
	to       netip.AddrPort

	ep     int
	coarse bool // the kernel has no epoll_pwait2
	clock  time.Duration
	events []unix.EpollEvent
	buf    []byte

	conns    []conn
	vacant   []*conn          // slots without a connection
	idle     []*conn          // free connections, the one used last at the end
	waiting  drive.Queue[due] // requests; there are none while a connection is idle
	underWay list             // connections with a request
	making   list             // connections that are being made
	remaking int              // of those, how many have a request
	pause    time.Duration
	faults   *drive.FaultLog
	refusal  refusal

	opened, reconnected, waited, most, cut, unchecked int64
}

func (l *lane) tick() time.Duration {
	l.clock = l.time.Now()
	return l.clock
}

// prepare makes the epoll instance and n slots, and takes over connections that are open.
func (l *lane) prepare(n int, open []int) error {
	var err error
	if l.ep, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("make an epoll instance: %w", err)
	}
	l.underWay.kind, l.making.kind = byDue, byStart
	l.events, l.buf = make([]unix.EpollEvent, 128), make([]byte, readLen)
	l.conns, l.vacant, l.idle = make([]conn, n), make([]*conn, 0, n), make([]*conn, 0, n)
	for i := range l.conns {
		c := &l.conns[n-1-i]
		c.slot, c.fd, c.p.memory = int32(n-1-i), -1, l.memory
		l.vacant = append(l.vacant, c)
	}
	for _, fd := range open {
		l.adopt(fd)
	}
	return nil
}

// run sends the lane's share of the load until it is over, or until stop is set. The thread ends with it.
func (l *lane) run(stop *atomic.Bool) {
	runtime.LockOSThread()
	sharpTimers()
	l.tick()
	for !stop.Load() {
		l.turn()
		if l.over() && l.underWay.n == 0 && l.waiting.Len() == 0 {
			break
		}
		l.expire()
		l.pen.tick(l.clock)
		if l.waiting.Len() > 0 {
			l.grow()
		}
		n := l.wait()
		for _, e := range l.events[:n] {
			l.handle(&e)
			l.turn() // a request that is due does not wait for a row of answers
		}
	}
	l.cut = int64(l.underWay.n + l.waiting.Len())
	l.pen.flush()
}

// turn begins the next request if it is due, and is over at once if not.
func (l *lane) turn() {
	if l.nextDue() > l.clock || l.waiting.Len() >= maxWaiting {
		return
	}
	d, ok := l.take(l.tick())
	switch n := len(l.idle); {
	case !ok:
	case l.timeout > 0 && d.woke-d.due >= l.timeout:
		l.giveUp(d, sample.Dropped, "not sent within the timeout")
	case n > 0:
		c := l.idle[n-1]
		l.idle = l.idle[:n-1]
		l.load(c, d)
	default:
		l.waiting.Push(d)
		l.grow()
		if l.waiting.Len() > l.making.n-l.remaking { // none is being made for it: there may be no more
			l.waited++
		}
	}
}

// wait returns how many events came: without sleeping when there are some, or something is due soon.
func (l *lane) wait() int {
	n := ready(l.ep, l.events)
	if n > 0 {
		l.tick()
		return n
	}
	d := l.patience()
	if d < shortSleep {
		l.tick()
		return 0
	}
	if !l.coarse {
		var errno syscall.Errno
		n, errno = sleep(l.ep, l.events, d)
		l.coarse = errno != 0
	} else {
		n = sleepPoll(l.ep, l.events, d)
	}
	l.tick()
	return n
}

// patience returns how long there is nothing to do without an event.
func (l *lane) patience() time.Duration {
	until := l.clock + longSleep
	if len(l.pen.chunk) > 0 {
		until = min(until, l.pen.since+flushWait)
	}
	if l.waiting.Len() < maxWaiting {
		until = min(until, l.nextDue()-l.spin)
	}
	if l.timeout > 0 {
		if l.underWay.n > 0 {
			until = min(until, l.underWay.first.req.due+l.timeout)
		}
		if l.waiting.Len() > 0 {
			until = min(until, l.waiting.First().due+l.timeout)
		}
	}
	return until - l.clock
}

// expire ends what has taken longer than the timeout. Requests are due in order, so the first of each queue is the
// first to expire.
func (l *lane) expire() {
	if l.timeout <= 0 {
		return
	}
	for c := l.underWay.first; c != nil && l.clock-c.req.due >= l.timeout; c = l.underWay.first {
		l.fail(c, sample.TimedOut, timedOut)
	}
	for l.waiting.Len() > 0 && l.clock-l.waiting.First().due >= l.timeout {
		if l.unanswered() {
			l.giveUp(l.waiting.Pop(), sample.Unreachable, fmt.Sprintf("connect to %s: no answer within the timeout", l.to))
		} else {
			l.giveUp(l.waiting.Pop(), sample.Dropped, "no connection was free within the timeout")
		}
	}
	for c := l.making.first; c != nil && l.clock-c.since >= l.timeout; c = l.making.first {
		if c.loaded { // its request is older than the connection
			l.fail(c, sample.TimedOut, timedOut)
		} else {
			l.drop(c)
		}
	}
}

// unanswered reports whether there is no connection, and one has been tried for long.
func (l *lane) unanswered() bool {
	return l.making.n > 0 && len(l.vacant)+l.making.n == len(l.conns) && l.clock-l.making.first.since >= l.timeout/2
}

// release closes everything but the connections that are free, which it returns.
func (l *lane) release() []int {
	var open []int
	for i := range l.conns {
		switch c := &l.conns[i]; c.stage {
		case idle:
			open = append(open, c.fd)
		case connecting, busy:
			unix.Close(c.fd)
		}
	}
	unix.Close(l.ep)
	return open
}
