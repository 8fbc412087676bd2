//go:build linux && (amd64 || arm64)

package http1

import (
	"cmp"
	"fmt"

	"golang.org/x/sys/unix"

	"infer/loadtest/sample"
)

// handle deals with one event.
func (l *lane) handle(e *unix.EpollEvent) {
	c := &l.conns[e.Fd]
	if c.gen != e.Pad {
		return // of a connection that was closed since
	}
	hup := e.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0
	switch c.stage {
	case connecting:
		l.connected(c)
	case idle:
		l.drop(c) // the server closed it, or says what nobody asked
	case busy:
		if c.armed && e.Events&unix.EPOLLOUT != 0 {
			l.write(c)
		}
		if c.gen == e.Pad && c.loaded && (hup || e.Events&unix.EPOLLIN != 0) {
			l.read(c, hup)
		}
	}
}

// load gives a connection that is open a request and sends it.
func (l *lane) load(c *conn, d due) {
	if d.woke != l.clock {
		l.tick()
	}
	if l.cursor == nil {
		d.due, d.woke = l.clock, l.clock
	}
	c.req, c.sent, c.pay = d, l.clock, int32(d.index%l.payloads)
	r := &l.requests[c.pay]
	c.raw = r.raw
	c.p.reset(l.checker != nil, r.head)
	c.stage, c.loaded, c.resent, c.ended = busy, true, false, 0
	l.underWay.push(c)
	l.most = max(l.most, int64(l.underWay.n))
	l.write(c)
}

// write writes a piece of the request; epoll says when there is room for more.
func (l *lane) write(c *conn) {
	n, errno := send(c.fd, c.raw[:min(len(c.raw), pieceLen)])
	switch errno {
	case 0:
		c.raw = c.raw[n:]
	case unix.EAGAIN, unix.EINTR:
	default:
		c.ended = errno // and the answer may have come before the end
		l.read(c, true)
		return
	}
	more := len(c.raw) > 0
	if more == c.armed {
		return
	}
	events := uint32(unix.EPOLLIN | unix.EPOLLRDHUP)
	if c.armed = more; more {
		events |= unix.EPOLLOUT
	}
	if err := l.watch(c, unix.EPOLL_CTL_MOD, events); err != nil {
		l.fail(c, sample.Broken, err.Error())
	}
}

// read takes what has come, a piece at a time. hup: the server has closed the connection.
func (l *lane) read(c *conn, hup bool) {
	n, errno := receive(c.fd, l.buf)
	l.tick()
	switch {
	case errno == unix.EAGAIN && c.ended == 0, errno == unix.EINTR:
		return
	case errno != 0:
		l.lost(c, fmt.Errorf("%w: %v", c.p.end(), cmp.Or(c.ended, errno)), true)
		return
	case n == 0:
		if err := c.p.end(); err != nil {
			l.lost(c, err, false)
			return
		}
		l.finish(c, false)
		return
	}
	used, done, err := c.p.feed(l.buf[:n])
	if done && err == nil {
		err = c.p.behind(l.buf[used:n])
	}
	if err != nil {
		l.fail(c, sample.Broken, err.Error())
	} else if done {
		l.finish(c, !hup && c.ended == 0 && used == n && len(c.raw) == 0 && !c.p.close)
	}
}

// lost ends a connection that ended before the answer did. One that was idle may have been closed at any time.
func (l *lane) lost(c *conn, err error, reset bool) {
	if !c.fresh && !c.resent && !c.p.began {
		e := ending{written: len(l.requests[c.pay].raw) - len(c.raw), reset: reset, unacked: unacked(c.fd),
			idle: c.sent - c.since, took: l.clock - c.sent}
		if e.unread() {
			l.again(c)
			return
		}
	}
	l.fail(c, sample.Broken, err.Error())
}

func (l *lane) sampleOf(c *conn) sample.Sample {
	return sample.Sample{Index: c.req.index, Due: c.req.due, Woke: c.req.woke, Sent: c.sent, Done: l.clock,
		Queue: sample.Untold, Compute: sample.Untold, Payload: c.pay}
}

// finish ends a request that was answered; with reuse its connection takes the next.
func (l *lane) finish(c *conn, reuse bool) {
	s := l.sampleOf(c)
	c.p.settle(&s)
	if s.Outcome != sample.OK {
		l.faults.Add(s.Outcome, s.Code, l.refusal.of(&c.p))
	}
	l.emit(&s, &c.p)
	c.p.trim()
	if !reuse {
		l.drop(c)
		l.grow()
		return
	}
	l.underWay.remove(c)
	c.loaded, c.fresh, c.since = false, false, l.clock
	if l.waiting.Len() > 0 {
		l.load(c, l.waiting.Pop())
	} else {
		l.rest(c)
	}
}

// emit passes a sample on, by way of the checker where its answer is not one that is known to be right.
func (l *lane) emit(s *sample.Sample, p *parser) {
	if l.checker != nil && s.Outcome == sample.OK {
		if p.unkept {
			l.unchecked++
		} else if p.encoding == "" && l.checker.check.Known(int(s.Payload), p.body) {
			s.Checked = true
		} else if l.checker.offer(s, p) {
			return
		} else {
			l.unchecked++
		}
	}
	l.pen.add(s, l.clock)
}

// fail ends a request without an answer, and its connection.
func (l *lane) fail(c *conn, o sample.Outcome, text string) {
	s := l.sampleOf(c)
	s.Outcome = o
	l.faults.Add(o, 0, text)
	l.pen.add(&s, l.clock)
	l.drop(c)
	l.grow()
}

// giveUp ends a request that was not sent.
func (l *lane) giveUp(d due, o sample.Outcome, text string) {
	l.faults.Add(o, 0, text)
	l.pen.add(&sample.Sample{Index: d.index, Due: d.due, Woke: d.woke, Sent: l.clock, Done: l.clock, Outcome: o,
		Queue: sample.Untold, Compute: sample.Untold, Payload: int32(d.index % l.payloads)}, l.clock)
}
