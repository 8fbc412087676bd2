//go:build linux && (amd64 || arm64)

package http1

import (
	"sync"
	"sync/atomic"
	"time"

	"infer/internal/wire"
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
	missed int64 // not compared since the load was cut
}

// pending is an answer that is to be compared.
type pending struct {
	sample   sample.Sample
	body     []byte
	encoding string
	jsonLen  int
}

// newChecker starts a checker. When stop is set, it passes on what it has not compared.
func newChecker(check drive.Checker, to *collector, faults *drive.FaultLog, stop *atomic.Bool) *checker {
	c := &checker{check: check, queue: make(chan pending, maxPending), spare: make(chan []byte, 16), faults: faults, stop: stop}
	c.wait.Go(func() {
		p := pen{to: to}
		start := time.Now()
		for a := range c.queue {
			c.judge(&a)
			c.unread.Add(-int64(cap(a.body)))
			select {
			case c.spare <- a.body[:0]:
			default:
			}
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
	wrong := compare(c.check, a)
	if a.sample.Checked = true; wrong != "" {
		a.sample.Outcome = sample.Wrong
		c.faults.Add(sample.Wrong, a.sample.Code, wrong)
	}
}

func compare(check drive.Checker, a *pending) (wrong string) {
	body := a.body
	if a.encoding != "" {
		var err error
		if body, err = wire.Decompress(nil, a.encoding, body, maxBody); err != nil {
			return "unpack the answer: " + err.Error()
		}
		if check.Known(int(a.sample.Payload), body) {
			return ""
		}
	}
	return check.Check(int(a.sample.Payload), drive.Answer{Body: body, JSONLen: a.jsonLen})
}

// close waits until everything is compared. No offer comes after.
func (c *checker) close() {
	close(c.queue)
	c.wait.Wait()
}
