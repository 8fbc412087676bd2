package sample

import (
	"cmp"
	"math"
	"slices"
	"time"

	"infer/report"
)

// slowest keeps the slowest requests as a heap, the least slow on top.
type slowest struct {
	heap []Sample
}

// bySlowness orders by latency, and by index where that is the same, so that the order of arrival does not matter.
func bySlowness(s, o *Sample) int {
	return cmp.Or(cmp.Compare(s.Latency(), o.Latency()), cmp.Compare(o.Index, s.Index))
}

func (h *slowest) add(s *Sample) {
	if len(h.heap) < maxSlowest {
		h.heap = append(h.heap, *s)
		for i := len(h.heap) - 1; i > 0; {
			up := (i - 1) / 2
			if bySlowness(&h.heap[i], &h.heap[up]) >= 0 {
				break
			}
			h.heap[i], h.heap[up] = h.heap[up], h.heap[i]
			i = up
		}
		return
	}
	if bySlowness(&h.heap[0], s) >= 0 {
		return
	}
	h.heap[0] = *s
	for i := 0; ; {
		least := i
		for _, c := range [2]int{2*i + 1, 2*i + 2} {
			if c < len(h.heap) && bySlowness(&h.heap[c], &h.heap[least]) < 0 {
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
	slices.SortFunc(all, func(a, b Sample) int { return bySlowness(&b, &a) })
	out := make([]report.LoadSlow, min(len(all), slowShare(n)))
	for i := range out {
		s := &all[i]
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
