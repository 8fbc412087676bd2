package batch

import (
	"fmt"
	"math"
	"time"
)

// Scheduler decides what runs when. It has no clock, no lock and no goroutine of its own: every method takes the time
// since a start that the caller chose, and never goes back. The caller asks Next after each Push and each Done, and at
// the time that Wake names.
type Scheduler struct {
	o       Options
	free    []int           // instances without a run, the last one used last
	ends    []time.Duration // by instance: when its run is expected to end; 0 for none
	buckets map[uint64]*bucket
	active  []*bucket // those with jobs that wait
	model   *bucket   // the bucket that was observed most: its form is lent to new shapes
	waiting int
	work    []float64 // seconds of the jobs that wait, by class
	closed  bool
	counts  Counts
}

// Counts are how many jobs went which way since the start.
type Counts struct {
	Admitted  uint64         // taken into the queue
	Runs      uint64         // runs
	Rows      uint64         // rows of them
	Waited    uint64         // dispatches that were put off for more rows
	Refused   map[Why]uint64 // by reason
	EarlyDrop uint64         // of Refused[Late]: dropped because those behind it were worth more
}

const (
	maxBuckets    = 256              // shapes that are remembered
	exploreOften  = 8                // of so many dispatches, one tries a size that is not well known
	exploreSeldom = 256              // and one the least known of those that are
	wellKnown     = 24               // runs of a size, from which on it is
	maxClasses    = 16               // priorities that are told apart
	longestRetry  = 30 * time.Second // that a client is told to stay away: what is predicted for later is not worth much
	goneAfter     = time.Millisecond // in the queue, from which on a client is asked whether it has gone
)

// NewScheduler returns an empty scheduler.
func NewScheduler(o Options) *Scheduler {
	o = o.withDefaults()
	s := &Scheduler{o: o, ends: make([]time.Duration, o.Instances), buckets: map[uint64]*bucket{}, work: make([]float64, maxClasses+1)}
	s.counts.Refused = map[Why]uint64{}
	for i := range o.Instances {
		s.free = append(s.free, o.Instances-1-i)
	}
	return s
}

// Learn takes in a run that was measured before there were requests. key is that of its shape.
func (s *Scheduler) Learn(key uint64, rows int, took time.Duration) {
	s.bucketOf(key, 0).curve.observe(rows, took.Seconds())
}

// Admit decides on arrival whether a job has a chance; nil: Push it.
func (s *Scheduler) Admit(now time.Duration, j *Job) *Refusal {
	if r := s.admit(now, j); r != nil {
		r.RetryAfter = min(r.RetryAfter, longestRetry)
		s.counts.Refused[r.Why]++
		return r
	}
	return nil
}

// AdmitAny is Admit for a job whose shape is not known yet: nil as long as it has a chance with one of those that are.
func (s *Scheduler) AdmitAny(now time.Duration, j Job) *Refusal {
	if s.model == nil {
		return nil
	}
	for key := range s.buckets {
		try := j
		try.Key = key
		if s.admit(now, &try) == nil {
			return nil
		}
	}
	j.Key = s.model.key
	return s.Admit(now, &j)
}

func (s *Scheduler) admit(now time.Duration, j *Job) *Refusal {
	switch {
	case s.closed:
		return &Refusal{Why: Closed, Detail: "the model is being taken down"}
	case s.waiting >= s.o.MaxQueue:
		return &Refusal{Why: Full, RetryAfter: s.ahead(now, maxClasses), Detail: fmt.Sprintf("%d requests are waiting", s.waiting)}
	}
	own := j.deadline // of the client
	s.settle(now, j)
	run, _ := j.bucket.curve.at(j.Rows)
	if r := s.tooLarge(j, run); r != nil {
		return r
	}
	if len(s.free) > 0 && s.waiting == 0 {
		// It runs at once. An SLO that the model cannot hold is no reason to do nothing, and only runs teach otherwise.
		if own == 0 || now+seconds(run.mean) <= own {
			return nil
		}
		return tooShort(run.mean, own-now)
	}
	if own > 0 && now+seconds(run.mean) > own {
		return tooShort(run.mean, own-now)
	}
	wait := s.ahead(now, j.class)
	// Its run is the one that those who wait make with it, not the short one of a single job.
	company := max(j.Rows, j.bucket.curve.best(min(j.bucket.rows+j.Rows, s.limit(j.bucket))))
	run, _ = j.bucket.curve.at(company)
	if j.deadline == 0 {
		if limit := s.longestRun(j.bucket); wait > limit {
			return &Refusal{Why: Overload, RetryAfter: wait - limit, Detail: fmt.Sprintf("the queue takes %s, allowed are %s", round(wait), round(limit))}
		}
		return nil
	}
	left := j.deadline - now - seconds(reserve*s.o.SLO.Seconds())
	if need := wait + seconds(run.upper); need > left {
		return &Refusal{Why: Overload, RetryAfter: wait, Detail: fmt.Sprintf("it would take %s, %s are left", round(need), round(max(left, 0)))}
	}
	return nil
}

// longestRun is how long others may be kept waiting: the allowed wait, and at least the time of a few runs of one row.
func (s *Scheduler) longestRun(b *bucket) time.Duration {
	one, _ := b.curve.at(1)
	return max(s.o.MaxWait, 4*seconds(one.mean))
}

// tooLarge refuses a job of so many rows that its run would keep an instance from everybody else for too long.
func (s *Scheduler) tooLarge(j *Job, run estimate) *Refusal {
	limit := s.longestRun(j.bucket)
	if j.Rows == 1 || j.bucket.curve.total < trusted || seconds(run.mean) <= limit {
		return nil
	}
	return &Refusal{Why: Large, Detail: fmt.Sprintf("a run of %d rows would take %s, others may be kept waiting for %s: send fewer rows at a time",
		j.Rows, round(seconds(run.mean)), round(limit))}
}

// tooShort refuses a job that its client gives less time than it takes without any queue: no load makes that so, and
// to come again does not help.
func tooShort(run float64, left time.Duration) *Refusal {
	if left <= 0 {
		return &Refusal{Why: Late, Detail: "the deadline of the request has passed"}
	}
	return &Refusal{Why: Late, Detail: fmt.Sprintf("the request gives %s, and a run takes %s", round(left), round(seconds(run)))}
}

// settle fills what the scheduler needs of a job.
func (s *Scheduler) settle(now time.Duration, j *Job) {
	j.Rows = max(j.Rows, 1)
	j.class = j.Priority
	if j.class <= 0 {
		j.class = defaultPriority
	}
	j.class = min(j.class, maxClasses)
	j.arrived = now
	if s.o.SLO > 0 && (j.deadline == 0 || j.deadline > now+s.o.SLO) {
		j.deadline = now + s.o.SLO
	}
	allowed := s.o.SLO
	if allowed == 0 {
		allowed = s.o.MaxWait
	}
	j.rank = now + allowed
	if j.deadline > 0 {
		j.rank = min(j.rank, j.deadline)
	}
	j.rank += time.Duration(j.class-defaultPriority) * allowed
	j.bucket = s.bucketOf(j.Key, now)
}

// Push puts an admitted job into the queue.
func (s *Scheduler) Push(now time.Duration, j *Job) {
	b := j.bucket
	if b == nil || s.buckets[b.key] != b {
		b = s.bucketOf(j.Key, now)
	}
	b.used = now
	b.rate.arrive(now, j.Rows)
	if len(b.queued()) == 0 {
		s.active = append(s.active, b)
	}
	b.push(j)
	j.work = s.cost(b, j.Rows)
	s.work[j.class] += j.work
	s.waiting++
	s.counts.Admitted++
}

// Drop takes a waiting job out of the queue, because its client has gone. It reports whether the job was waiting.
func (s *Scheduler) Drop(j *Job) bool {
	if j.state != waiting {
		return false
	}
	s.take(j, dropped)
	s.counts.Refused[Cancelled]++
	return true
}

func (s *Scheduler) take(j *Job, to state) {
	b := j.bucket
	b.remove(j, to)
	s.work[j.class] = max(s.work[j.class]-j.work, 0)
	s.waiting--
	if len(b.queued()) > 0 {
		return
	}
	for i, a := range s.active {
		if a == b {
			s.active[i] = s.active[len(s.active)-1]
			s.active = s.active[:len(s.active)-1]
			break
		}
	}
	if s.waiting == 0 {
		clear(s.work) // rounding errors do not add up
	}
}

// bucketOf returns the bucket of a shape, a new one where there is none. The one that was not used for longest makes
// room.
func (s *Scheduler) bucketOf(key uint64, now time.Duration) *bucket {
	if b := s.buckets[key]; b != nil {
		return b
	}
	if len(s.buckets) >= maxBuckets {
		var oldest *bucket
		for _, b := range s.buckets {
			if len(b.queued()) == 0 && b != s.model && (oldest == nil || b.used < oldest.used) {
				oldest = b
			}
		}
		if oldest != nil {
			delete(s.buckets, oldest.key)
		}
	}
	b := &bucket{key: key, used: now}
	if s.model == nil {
		s.model = b
	} else {
		b.curve.like = &s.model.curve
	}
	s.buckets[key] = b
	return b
}

// cost returns the seconds that rows will occupy one instance when the queue is long.
func (s *Scheduler) cost(b *bucket, rows int) float64 {
	n := max(rows, b.curve.best(s.limit(b)))
	e, _ := b.curve.at(n)
	return e.mean * float64(rows) / float64(n)
}

// ahead returns the time until a job of a class that comes now would begin: what runs and what waits before it, shared
// by the instances.
func (s *Scheduler) ahead(now time.Duration, class int) time.Duration {
	sum := 0.0
	for _, end := range s.ends {
		if end > now {
			sum += (end - now).Seconds()
		}
	}
	for c := 0; c <= class; c++ {
		sum += s.work[c]
	}
	if sum == 0 || len(s.free) > 0 && s.waiting == 0 {
		return 0
	}
	return seconds(sum / float64(s.o.Instances))
}

// limit returns the rows that a run of a shape may have: the cap of the options, and as many as still let a request
// wait for one whole run and take part in the next within the SLO (Nexus, SOSP '19); without an SLO within a fixed
// patience. At least 1.
func (s *Scheduler) limit(b *bucket) int {
	most := s.o.MaxBatch
	if most == 1 {
		return 1
	}
	if most <= 0 {
		most = largestBatch
	}
	if s.o.MaxBatch > 0 && s.o.SLO == 0 {
		return most
	}
	bound := patience
	if s.o.SLO > 0 {
		bound = seconds((1 - reserve) * s.o.SLO.Seconds())
	}
	half := bound.Seconds() / 2
	lo, hi := 1, most
	for lo < hi { // the curve is monotone
		mid := (lo + hi + 1) / 2
		if e, ok := b.curve.at(mid); ok && e.upper <= half {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo
}

// Done takes in the end of a run. failed runs teach nothing.
func (s *Scheduler) Done(now time.Duration, instance int, batch []*Job, took time.Duration, failed bool) {
	s.ends[instance] = 0
	s.free = append(s.free, instance)
	if failed || len(batch) == 0 {
		return
	}
	rows := 0
	for _, j := range batch {
		rows += j.Rows
	}
	b := batch[0].bucket
	b.curve.observe(rows, took.Seconds())
	if s.model == nil || b.curve.total > 2*s.model.curve.total {
		s.lend(b)
	}
	s.counts.Runs++
	s.counts.Rows += uint64(rows)
}

// lend makes b the bucket whose form new shapes borrow.
func (s *Scheduler) lend(b *bucket) {
	s.model, b.curve.like = b, nil
	for _, other := range s.buckets {
		if other != b {
			other.curve.like = &b.curve
		}
	}
}

// Close refuses everything that comes from now on. What waits still runs.
func (s *Scheduler) Close() { s.closed = true }

func round(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for float64(d)/float64(unit) >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}

var never = time.Duration(math.MaxInt64)
