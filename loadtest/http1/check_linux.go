//go:build linux && (amd64 || arm64)

package http1

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"infer/loadtest/drive"
	"infer/loadtest/sample"
)

const (
	maxUnread  = 64 << 20 // bytes of bodies that wait to be compared
	maxPending = 4096     // bodies that wait to be compared
)

// checker compares answers away from the lanes, as far as it keeps up.
type checker struct {
	check  drive.Checker
	queue  chan pending
	spare  chan []byte // buffers of bodies that were compared
	unread atomic.Int64
	stop   *atomic.Bool
	wait   sync.WaitGroup
	faults *drive.FaultLog
	memory *memory // that the bodies were taken from
	missed int64   // not compared since the load was cut, or for want of memory
}

// pending is an answer that is to be compared.
type pending struct {
	sample   sample.Sample
	body     []byte
	encoding string
	jsonLen  int
}

// newChecker starts a checker for r. When r.stop is set, it passes on what it has not compared.
func newChecker(r *run) *checker {
	c := &checker{check: r.l.Check, queue: make(chan pending, maxPending), spare: make(chan []byte, 16), faults: r.faults,
		memory: r.memory, stop: &r.stop}
	c.wait.Go(func() {
		p := pen{to: r.to}
		start := time.Now()
		for a := range c.queue {
			c.judge(&a)
			c.unread.Add(-int64(cap(a.body)))
			c.recycle(a.body)
			now := time.Since(start)
			if p.add(&a.sample, now); len(c.queue) == 0 {
				p.flush()
			}
			p.tick(now)
		}
		p.flush()
	})
	return c
}

// recycle keeps the buffer of a body for the next, if it is worth it.
func (c *checker) recycle(body []byte) {
	if cap(body) <= keepLen {
		select {
		case c.spare <- body[:0]:
			return
		default:
		}
	}
	c.memory.give(cap(body))
}

// offer takes an answer together with its body, and returns another buffer for it; false: there is no room, and
// everything stays with the caller.
func (c *checker) offer(s *sample.Sample, p *parser) bool {
	if c.unread.Load() > maxUnread {
		return false
	}
	size := int64(cap(p.body))
	c.unread.Add(size)
	select {
	case c.queue <- pending{*s, p.body, p.encoding, p.jsonLen}:
	default:
		c.unread.Add(-size)
		return false
	}
	select {
	case p.body = <-c.spare:
	default:
		p.body = nil
	}
	return true
}

func (c *checker) judge(a *pending) {
	if c.stop.Load() {
		c.missed++
		return
	}
	body := a.body
	if a.encoding != "" {
		unpacked, held, err := c.memory.unpack(a.encoding, body)
		defer c.memory.give(held)
		if errors.Is(err, errNoMemory) {
			c.missed++
			return
		}
		if err != nil {
			c.found(a, "unpack the answer: "+err.Error())
			return
		}
		if body = unpacked; c.check.Known(int(a.sample.Payload), body) {
			a.sample.Checked = true
			return
		}
	}
	c.found(a, c.check.Check(int(a.sample.Payload), drive.Answer{Body: body, JSONLen: a.jsonLen}))
}

// found notes what is wrong with an answer, "" for nothing.
func (c *checker) found(a *pending, wrong string) {
	if a.sample.Checked = true; wrong != "" {
		a.sample.Outcome = sample.Wrong
		c.faults.Add(sample.Wrong, a.sample.Code, wrong)
	}
}

// close waits until everything is compared. No offer comes after.
func (c *checker) close() {
	close(c.queue)
	c.wait.Wait()
}
