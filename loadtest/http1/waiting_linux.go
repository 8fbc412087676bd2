//go:build linux && (amd64 || arm64)

package http1

import "time"

// due is a request that its lane has turned to.
type due struct {
	index     int64
	due, woke time.Duration
}

// waiting is a queue of requests that found no connection free. It grows, and keeps its memory.
type waiting struct {
	ring    []due // of a length that is a power of 2
	head, n int
}

func (w *waiting) push(d due) {
	if w.n == len(w.ring) {
		ring := make([]due, max(64, 2*w.n))
		copied := copy(ring, w.ring[w.head:])
		copy(ring[copied:], w.ring[:w.head])
		w.ring, w.head = ring, 0
	}
	w.ring[(w.head+w.n)&(len(w.ring)-1)] = d
	w.n++
}

// first returns the one that has waited longest. There is one.
func (w *waiting) first() *due { return &w.ring[w.head] }

func (w *waiting) pop() due {
	d := w.ring[w.head]
	w.head = (w.head + 1) & (len(w.ring) - 1)
	w.n--
	return d
}
