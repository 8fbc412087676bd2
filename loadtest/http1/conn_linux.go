//go:build linux && (amd64 || arm64)

package http1

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"infer/loadtest/sample"
)

// stage is where a connection is in its life.
type stage uint8

const (
	closed stage = iota
	connecting
	idle
	busy // has a request, or the rest of one, under way
)

// The lists that a connection can be in: links of one kind each.
const (
	byDue   = iota // those with a request, in the order in which their requests were due
	byStart        // those that are being made
	lists
)

// conn is one connection of a lane, in a slot that it keeps.
type conn struct {
	slot   int32
	gen    int32 // how often the slot was used: events of an earlier use are old news
	fd     int
	stage  stage
	loaded bool          // has a request; while connecting only one that is sent again
	fresh  bool          // the server has had no time to close it: new, or its first request is under way
	resent bool          // its request was sent on another connection before
	armed  bool          // waits for room to write
	ended  syscall.Errno // why it cannot be written to any more; 0: it can
	at     int           // in idle
	since  time.Duration // when it began to be made, or was free last

	req  due
	sent time.Duration
	raw  []byte // of the request, what is still to be written
	pay  int32
	p    parser

	links [lists]struct{ prev, next *conn }
}

// list is a queue of connections.
type list struct {
	kind        int
	first, last *conn
	n           int
}

func (l *list) push(c *conn) {
	c.links[l.kind].prev, c.links[l.kind].next = l.last, nil
	if l.last != nil {
		l.last.links[l.kind].next = c
	} else {
		l.first = c
	}
	l.last = c
	l.n++
}

func (l *list) remove(c *conn) {
	prev, next := c.links[l.kind].prev, c.links[l.kind].next
	if prev != nil {
		prev.links[l.kind].next = next
	} else {
		l.first = next
	}
	if next != nil {
		next.links[l.kind].prev = prev
	} else {
		l.last = prev
	}
	c.links[l.kind].prev, c.links[l.kind].next = nil, nil
	l.n--
}

// watch tells epoll what c waits for.
func (l *lane) watch(c *conn, op int, events uint32) error {
	return unix.EpollCtl(l.ep, op, c.fd, &unix.EpollEvent{Events: events, Fd: c.slot, Pad: c.gen})
}

// adopt takes a connection that is open.
func (l *lane) adopt(fd int) {
	c := l.vacant[len(l.vacant)-1]
	l.vacant = l.vacant[:len(l.vacant)-1]
	c.fd, c.stage = fd, closed
	if l.watch(c, unix.EPOLL_CTL_ADD, unix.EPOLLIN|unix.EPOLLRDHUP) != nil {
		l.drop(c)
		return
	}
	l.rest(c)
	c.since = -longIdle // nobody knows
}

// connect begins a connection in c's slot; false: it failed at once, and what that means is dealt with.
func (l *lane) connect(c *conn) bool {
	var err error
	if c.fd, err = dial(l.to); err == nil {
		c.stage, c.fresh, c.since = connecting, true, l.clock
		l.making.push(c)
		if c.loaded {
			l.remaking++
		}
		if err = l.watch(c, unix.EPOLL_CTL_ADD, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP); err == nil {
			return true
		}
	}
	l.unreachable(c, err)
	return false
}

// grow begins a connection for each request that waits for one, as far as there may be more.
func (l *lane) grow() {
	for tries := 16; tries > 0 && len(l.vacant) > 0 && l.waiting.Len() > l.making.n-l.remaking; tries-- {
		c := l.vacant[len(l.vacant)-1]
		l.vacant = l.vacant[:len(l.vacant)-1]
		l.connect(c)
	}
}

// connected takes a connection that is made, or is not.
func (l *lane) connected(c *conn) {
	err := dialed(c.fd)
	if err == nil {
		err = l.watch(c, unix.EPOLL_CTL_MOD, unix.EPOLLIN|unix.EPOLLRDHUP)
	}
	if err != nil {
		l.unreachable(c, err)
		return
	}
	l.made(c)
	l.opened++
	c.stage = busy
	switch {
	case c.loaded:
		l.write(c)
	case l.waiting.Len() > 0:
		l.load(c, l.waiting.Pop())
	default:
		l.rest(c)
	}
}

// unreachable ends a connection that could not be made, and with it the request that has waited longest.
func (l *lane) unreachable(c *conn, err error) {
	text := fmt.Sprintf("connect to %s: %v", l.to, err)
	l.pause = l.clock + 10*time.Millisecond // of a closed loop, which would do nothing else
	if c.loaded {
		l.fail(c, sample.Unreachable, text)
		return
	}
	l.drop(c)
	if l.waiting.Len() > 0 {
		l.giveUp(l.waiting.Pop(), sample.Unreachable, text)
	}
}

// rest puts a connection among those that are free.
func (l *lane) rest(c *conn) {
	c.stage, c.fresh, c.since, c.at = idle, false, l.clock, len(l.idle)
	l.idle = append(l.idle, c)
}

// made takes a connection out of those that are being made.
func (l *lane) made(c *conn) {
	l.making.remove(c)
	if c.loaded {
		l.remaking--
	}
}

// drop closes a connection and takes it out of everything, with the request that it has. The slot is free then.
func (l *lane) drop(c *conn) {
	switch c.stage {
	case connecting:
		l.made(c)
	case idle:
		last := l.idle[len(l.idle)-1]
		l.idle[c.at], last.at = last, c.at
		l.idle = l.idle[:len(l.idle)-1]
	}
	if c.loaded {
		l.underWay.remove(c)
	}
	if c.fd >= 0 {
		unix.Close(c.fd)
	}
	c.fd, c.stage, c.loaded, c.armed, c.raw = -1, closed, false, false, nil
	c.gen++
	c.p.trim()
	l.vacant = append(l.vacant, c)
}

// again sends a request that the server cannot have read once more, on a new connection.
func (l *lane) again(c *conn) {
	unix.Close(c.fd)
	c.gen++
	c.stage, c.resent, c.armed, c.ended, c.raw = closed, true, false, 0, l.requests[c.pay].raw
	l.reconnected++
	l.connect(c)
}
