package loadtest

import (
	"sync"
	"time"

	"infer/loadtest/sample"
	"infer/loadtest/schedule"
	"infer/loadtest/search"
)

// tally is the evidence of a trial while it goes on: what became of the requests of its window, by when they were due.
type tally struct {
	objectives []objective
	from, to   time.Duration
	patience   time.Duration // the longest limit, without any the timeout: who waits longer has missed them all

	mu     sync.Mutex
	cursor *schedule.Cursor
	next   time.Duration // due moment that the cursor has read and not counted; -1: none
	bins   []bin
}

// bin is a part of the window, binWidth long.
type bin struct {
	due, done int64
	missed    []int64 // by objective, of done
}

const binWidth = 50 * time.Millisecond

// sectionsOf a trial are told to the search.
const sectionsOf = 20

func newTally(objectives []objective, s *schedule.Schedule, from, to, timeout time.Duration) *tally {
	t := &tally{objectives: objectives, from: from, to: to, cursor: s.Cursor(0, 1), next: -1}
	for _, o := range objectives {
		if !o.errors {
			t.patience = max(t.patience, time.Duration(o.gate.Limit*float64(time.Second)))
		}
	}
	if t.patience == 0 { // whether a request fails is not known before
		t.patience = timeout
	}
	t.bins = make([]bin, (to-from+binWidth-1)/binWidth)
	for i := range t.bins {
		t.bins[i].missed = make([]int64, len(objectives))
	}
	return t
}

// add counts samples.
func (t *tally) add(samples []sample.Sample) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range samples {
		s := &samples[i]
		if s.Due < t.from || s.Due >= t.to {
			continue
		}
		b := &t.bins[(s.Due-t.from)/binWidth]
		b.done++
		for k, o := range t.objectives {
			if o.misses(s) {
				b.missed[k]++
			}
		}
	}
}

// misses reports whether one request misses o.
func (o objective) misses(s *sample.Sample) bool {
	limit := time.Duration(o.gate.Limit * float64(time.Second))
	switch {
	case o.errors:
		return s.Outcome != sample.OK && s.Outcome != sample.Wrong
	case s.Outcome != sample.OK:
		return true
	case o.service:
		return s.ServiceTime() > limit
	default:
		return s.Latency() > limit
	}
}

// evidence is what is known at a moment since the start of the load.
func (t *tally) evidence(now time.Duration) search.Evidence {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.advance(now)
	e := search.Evidence{Elapsed: max(0, min(now, t.to)-t.from), Missed: make([]int64, len(t.objectives)), Trusted: true}
	n := int(e.Elapsed / binWidth)
	parts := min(sectionsOf, n)
	e.Sections = make([][]search.Section, len(t.objectives))
	for k := range e.Sections {
		e.Sections[k] = make([]search.Section, parts)
	}
	for i := range t.bins {
		b := &t.bins[i]
		waiting := b.due - b.done
		decided, late := b.done, int64(0)
		if now-(t.from+time.Duration(i+1)*binWidth) > t.patience {
			decided, late, waiting = b.due, waiting, 0
		}
		e.Due += decided
		e.Outstanding += max(0, waiting)
		part := -1
		if i < n && parts > 0 {
			part = i * parts / n
		}
		for k, o := range t.objectives {
			missed := b.missed[k]
			if !o.errors {
				missed += max(0, late)
			}
			e.Missed[k] += missed
			if part >= 0 {
				e.Sections[k][part].Due += decided
				e.Sections[k][part].Missed += missed
			}
		}
	}
	return e
}

// advance counts the requests that were due until now.
func (t *tally) advance(now time.Duration) {
	for t.cursor != nil {
		if t.next < 0 {
			_, due, ok := t.cursor.Next()
			if !ok {
				t.cursor = nil
				return
			}
			t.next = due
		}
		if t.next > now {
			return
		}
		if t.next >= t.from && t.next < t.to {
			t.bins[(t.next-t.from)/binWidth].due++
		}
		t.next = -1
	}
}
