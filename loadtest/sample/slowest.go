package sample

import (
	"math"
	"slices"
	"time"

	"infer/report"
)

// slow is a slow request.
type slow struct {
	latency time.Duration
	sample  Sample
}

// slowest keeps the slowest requests as a heap, the least slow on top.
type slowest struct {
	heap []slow
}

// before orders by latency, and by index where that is the same, so that the order of arrival does not matter.
func (s *slow) before(o *slow) bool {
	if s.latency != o.latency {
		return s.latency < o.latency
	}
	return s.sample.Index > o.sample.Index
}

func (h *slowest) add(s slow) {
	if len(h.heap) < maxSlowest {
		h.heap = append(h.heap, s)
		for i := len(h.heap) - 1; i > 0; {
			up := (i - 1) / 2
			if !h.heap[i].before(&h.heap[up]) {
				break
			}
			h.heap[i], h.heap[up] = h.heap[up], h.heap[i]
			i = up
		}
		return
	}
	if !h.heap[0].before(&s) {
		return
	}
	h.heap[0] = s
	for i := 0; ; {
		least := i
		for _, c := range [2]int{2*i + 1, 2*i + 2} {
			if c < len(h.heap) && h.heap[c].before(&h.heap[least]) {
				least = c
			}
		}
		if least == i {
			return
		}
		h.heap[i], h.heap[least] = h.heap[least], h.heap[i]
		i = least
	}
}

// list returns the slowest 1 % of n requests, worst first.
func (h *slowest) list(from time.Duration, n int64) []report.LoadSlow {
	all := slices.Clone(h.heap)
	slices.SortFunc(all, func(a, b slow) int {
		if b.before(&a) {
			return -1
		}
		return 1
	})
	out := make([]report.LoadSlow, min(len(all), slowShare(n)))
	for i := range out {
		s := &all[i].sample
		out[i] = report.LoadSlow{
			At: (s.Due - from).Seconds(), Latency: s.Latency().Seconds(), Lag: s.Lag().Seconds(),
			Wait: (s.Sent - s.Woke).Seconds(), Batch: s.Batch, Payload: s.Payload,
			Queue: told(s.Queue), Compute: told(s.Compute),
		}
	}
	return out
}

// slowShare is how many of n requests are the slowest ones.
func slowShare(n int64) int { return int(min(maxSlowest, math.Ceil(float64(n)/100))) }

func told(d time.Duration) *float64 {
	if d < 0 {
		return nil
	}
	s := d.Seconds()
	return &s
}
