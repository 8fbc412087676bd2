//go:build linux && (amd64 || arm64)

package http1

import (
	"math"
	"sync/atomic"
	"time"

	"infer/loadtest/schedule"
)

// never is later than everything.
const never = time.Duration(math.MaxInt64)

// due is a request that its lane has turned to.
type due struct {
	index     int64
	due, woke time.Duration
}

// source says when the next request of a lane is due: by a schedule, or by completion.
type source struct {
	cursor *schedule.Cursor // nil: closed loop
	next   due              // of the cursor
	ended  bool             // nothing more begins

	share    int           // closed loop: requests under way at a time
	duration time.Duration // none begins after it; 0: no bound
	limit    int64         // at most this many of all lanes together; 0: no bound
	begun    *atomic.Int64 // of all lanes
}

// advance goes to the cursor's next request.
func (s *source) advance() {
	var ok bool
	s.next.index, s.next.due, ok = s.cursor.Next()
	s.ended = !ok
}

// over reports whether nothing more begins.
func (l *lane) over() bool {
	if l.cursor == nil && l.duration > 0 && l.clock >= l.duration {
		l.ended = true
	}
	return l.ended
}

// nextDue returns when the next request is due, never for none.
func (l *lane) nextDue() time.Duration {
	switch {
	case l.over():
		return never
	case l.cursor != nil:
		return l.next.due
	case l.underWay.n+l.waiting.Len() < l.share:
		return l.pause
	}
	return never
}

// take returns the next request, which is due; false: there is none after all.
func (l *lane) take(now time.Duration) (due, bool) {
	if l.cursor != nil {
		d := l.next
		d.woke = now
		l.advance()
		return d, true
	}
	n := l.begun.Add(1)
	if l.limit > 0 && n > l.limit {
		l.ended = true
		return due{}, false
	}
	return due{n - 1, now, now}, true
}
