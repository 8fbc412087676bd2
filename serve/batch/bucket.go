package batch

import (
	"math"
	"slices"
	"time"
)

// bucket is the queue of one shape, in order of rank, and what is known of runs of that shape.
type bucket struct {
	key   uint64
	jobs  []*Job // ascending by rank, from head on
	head  int
	rows  int // of the jobs that wait
	curve curve
	rate  rate
	used  time.Duration // last arrival

	soonest time.Duration // no job that waits has an earlier deadline; 0: none has one
	tries   int           // dispatches, for exploration
}

// push puts a job behind those of its rank: at the end nearly always, so that the walk is short.
func (b *bucket) push(j *Job) {
	i := len(b.jobs)
	for i > b.head && b.jobs[i-1].rank > j.rank {
		i--
	}
	if i == b.head && b.head > 0 {
		b.head--
		b.jobs[b.head] = j
	} else {
		b.jobs = slices.Insert(b.jobs, i, j)
	}
	j.bucket, j.state = b, waiting
	b.rows += j.Rows
	b.due(j)
}

// due takes the deadline of a job into account.
func (b *bucket) due(j *Job) {
	if j.deadline > 0 && (b.soonest == 0 || j.deadline < b.soonest) {
		b.soonest = j.deadline
	}
}

// inTime returns the place of the first job that has until then, or for ever; the length of the queue where none has.
func (b *bucket) inTime(then time.Duration) int {
	for i, j := range b.queued() {
		if j.deadline == 0 || j.deadline >= then {
			return i
		}
	}
	return len(b.queued())
}

// remove takes a waiting job out: the first one nearly always.
func (b *bucket) remove(j *Job, to state) {
	j.state = to
	b.rows -= j.Rows
	if b.jobs[b.head] != j {
		i := b.head + slices.Index(b.jobs[b.head:], j)
		b.jobs = slices.Delete(b.jobs, i, i+1)
		return
	}
	b.jobs[b.head] = nil
	b.head++
	if b.head == len(b.jobs) {
		b.jobs, b.head, b.soonest = b.jobs[:0], 0, 0
	} else if b.head > 64 && b.head > len(b.jobs)/2 {
		n := copy(b.jobs, b.jobs[b.head:])
		clear(b.jobs[n:])
		b.jobs, b.head = b.jobs[:n], 0
	}
}

// queued returns the jobs that wait, in order of rank.
func (b *bucket) queued() []*Job { return b.jobs[b.head:] }

// rate is the arrival rate of rows as an exponentially weighted mean over about the last thirty arrivals. While nothing
// comes it falls.
type rate struct {
	gap  float64 // seconds a row, weighted mean
	last time.Duration
	n    int
}

func (r *rate) arrive(now time.Duration, rows int) {
	if r.n++; r.n > 1 {
		gap := (now - r.last).Seconds() / float64(rows)
		r.gap += max(1.0/30, 1/float64(r.n-1)) * (gap - r.gap)
	}
	r.last = now
}

// at returns rows a second; 0 as long as nothing is known.
func (r *rate) at(now time.Duration) float64 {
	if r.n < 8 {
		return 0
	}
	gap := r.gap
	if idle := (now - r.last).Seconds(); idle > 3*gap {
		gap = idle
	}
	if gap <= 0 {
		return math.Inf(1)
	}
	return 1 / gap
}
