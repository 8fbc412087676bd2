package batch

import (
	"math"
	"slices"
	"time"
)

// Decision is what Next found.
type Decision struct {
	Batch    []*Job        // to be run now on Instance, the first one leads; empty: nothing to do
	Instance int           //
	Dropped  []*Job        // dropped before they ran; each has its Refusal in Refused
	Wake     time.Duration // when to ask again if nothing happens before; 0: no need
}

// Next decides what runs at now. It fills d, whose slices it uses again. Ask again until Batch is empty.
//
// The rule: hopeless work is dropped at once. The shape whose first job must start earliest is looked at first; its run
// takes as many jobs as all of them can still meet their deadlines and as make a row cheaper. It goes at once as long
// as the instances keep up with the arrivals that way; only where they would fall behind, and a larger run is cheaper a
// row, it waits for more.
func (s *Scheduler) Next(now time.Duration, d *Decision) {
	d.Batch, d.Dropped, d.Wake = d.Batch[:0], d.Dropped[:0], 0
	s.dropHopeless(now, d)
	if len(s.free) == 0 || s.waiting == 0 {
		d.Wake = s.nextHopeless()
		return
	}
	wake := never
	s.byUrgency()
	for _, b := range s.active {
		s.dropEarly(now, b, d)
		if len(b.queued()) == 0 {
			break // it has left s.active, which changed under the loop: the caller asks again
		}
		n, at := s.plan(now, b)
		if at <= now {
			s.start(now, b, n, d)
			return
		}
		wake = min(wake, at)
	}
	if wake != never {
		s.counts.Waited++
	} else if s.waiting > 0 {
		wake = now // after an early drop
	}
	if h := s.nextHopeless(); h > 0 {
		wake = min(wake, h)
	}
	if wake != never {
		d.Wake = max(wake, 1)
	}
}

// byUrgency sorts the shapes with work by the latest start of their first job.
func (s *Scheduler) byUrgency() {
	if len(s.active) < 2 {
		return
	}
	slices.SortFunc(s.active, func(a, b *bucket) int {
		return int(s.latestStart(a) - s.latestStart(b))
	})
}

func (s *Scheduler) latestStart(b *bucket) time.Duration {
	j := b.queued()[0]
	e, _ := b.curve.at(j.Rows)
	return j.rank - seconds(e.mean)
}

// dropHopeless drops the jobs that would miss their deadline if they ran now and alone, and from the front of each queue
// those whose client has gone. A queue is walked only when the earliest deadline in it is near.
func (s *Scheduler) dropHopeless(now time.Duration, d *Decision) {
	for i := len(s.active) - 1; i >= 0; i-- { // from behind: a queue that empties leaves its place to the last one
		b := s.active[i]
		if one, _ := b.curve.at(1); b.soonest > 0 && now+seconds(one.mean) > b.soonest {
			s.dropLate(now, b, d)
		}
		for len(s.free) > 0 && len(b.queued()) > 0 {
			j := b.queued()[0]
			if j.Gone == nil || now-j.arrived <= goneAfter || !j.Gone() {
				break
			}
			s.drop(j, Cancelled, d)
		}
	}
}

// dropLate drops the hopeless of a queue and finds the earliest deadline of the rest.
func (s *Scheduler) dropLate(now time.Duration, b *bucket, d *Decision) {
	b.soonest = 0
	for i := 0; i < len(b.queued()); {
		j := b.queued()[i]
		if s.hopeless(now, b, j) {
			s.drop(j, Late, d)
			continue
		}
		b.due(j)
		i++
	}
}

func (s *Scheduler) hopeless(now time.Duration, b *bucket, j *Job) bool {
	if j.deadline == 0 {
		return false
	}
	e, _ := b.curve.at(j.Rows)
	return now+seconds(e.mean) > j.deadline
}

func (s *Scheduler) drop(j *Job, why Why, d *Decision) {
	s.take(j, dropped)
	s.counts.Refused[why]++
	r := &Refusal{Why: why, Detail: "its client has gone"}
	if why == Late {
		r.Detail, r.RetryAfter = "its deadline cannot be met any more", s.ahead(j.arrived, maxClasses)
	}
	j.err = r
	d.Dropped = append(d.Dropped, j)
}

// nextHopeless returns when the first job that waits becomes hopeless; 0 for never.
func (s *Scheduler) nextHopeless() time.Duration {
	at := never
	for _, b := range s.active {
		if b.soonest > 0 {
			one, _ := b.curve.at(1)
			at = min(at, b.soonest-seconds(one.mean)+1)
		}
	}
	if at == never {
		return 0
	}
	return max(at, 1)
}

// fitting returns how many jobs from the given one on can run together, and their rows: within the limit of a run and
// the deadlines of all of them. At least one job, whatever it costs.
func (s *Scheduler) fitting(now time.Duration, b *bucket, from, limit int) (jobs, rows int) {
	due := never
	for _, j := range b.queued()[from:] {
		if jobs > 0 && rows+j.Rows > limit {
			break
		}
		if j.deadline > 0 {
			due = min(due, j.deadline)
		}
		e, known := b.curve.at(rows + j.Rows)
		if jobs > 0 && (!known || due != never && now+seconds(e.upper) > due) {
			break
		}
		jobs, rows = jobs+1, rows+j.Rows
	}
	return jobs, rows
}

// plan returns how many jobs of a shape run next, and when.
func (s *Scheduler) plan(now time.Duration, b *bucket) (jobs int, at time.Duration) {
	limit := s.limit(b)
	if s.o.MaxDelay > 0 {
		return s.fixedPlan(now, b, limit)
	}
	if limit == 1 {
		return 1, now
	}
	jobs, rows := s.fitting(now, b, 0, limit)
	want := s.wanted(now, b, max(rows, 1))
	want = max(want, s.explore(b, rows))
	jobs, rows = s.upTo(b, jobs, want)
	need := s.needed(now, b, limit)
	if rows >= need || !worthWaiting(b, rows, need) {
		return jobs, now
	}
	return jobs, s.waitFor(now, b, rows, need)
}

// wanted returns the size of a run where rows wait: that at which a row is cheapest beyond doubt. Where the instances
// cannot keep up with that, what looks cheaper will do.
func (s *Scheduler) wanted(now time.Duration, b *bucket, rows int) int {
	best := b.curve.best(rows)
	this, _ := b.curve.at(best)
	all, ok := b.curve.at(rows)
	overload := b.rate.at(now)*this.mean > float64(best*s.o.Instances)
	if ok && overload && all.mean/float64(rows) < (1-gain/2)*this.mean/float64(best) {
		return rows
	}
	return best
}

// explore returns a size up to limit to try for the sake of knowing it, 1 for most dispatches.
func (s *Scheduler) explore(b *bucket, limit int) int {
	size, seen := b.curve.leastKnown(limit)
	every := exploreSeldom
	if seen < wellKnown {
		every = exploreOften
	}
	if b.tries++; b.tries%every == 0 {
		return size
	}
	return 1
}

// worthWaiting reports whether a row is so much cheaper in a run of more rows that an instance may stand idle for it.
func worthWaiting(b *bucket, rows, more int) bool {
	now, _ := b.curve.at(rows)
	then, ok := b.curve.at(more)
	return ok && then.mean/float64(more) < waitGain*now.mean/float64(rows)
}

// upTo cuts a run to at most rows.
func (s *Scheduler) upTo(b *bucket, jobs, rows int) (int, int) {
	n, sum := 0, 0
	for _, j := range b.queued()[:jobs] {
		if n > 0 && sum+j.Rows > rows {
			break
		}
		n, sum = n+1, sum+j.Rows
	}
	return n, sum
}

// needed returns the fewest rows a run must have for the instances to keep up with the arrivals; where no size keeps
// up, the one at which a row is cheapest.
func (s *Scheduler) needed(now time.Duration, b *bucket, limit int) int {
	arrivals := b.rate.at(now)
	one, ok := b.curve.at(1)
	if !ok || arrivals*one.mean <= float64(s.o.Instances) {
		return 1
	}
	best := b.curve.best(limit)
	for n := 2; n < best; n++ {
		if e, _ := b.curve.at(n); arrivals*e.mean <= float64(s.o.Instances*n) {
			return n
		}
	}
	return best
}

// waitFor returns until when a run of rows waits for the rows that are needed: until they should have come, as long as
// no job that waits would miss its deadline in the larger run.
func (s *Scheduler) waitFor(now time.Duration, b *bucket, rows, need int) time.Duration {
	at := now + seconds(float64(need-rows)/b.rate.at(now))
	first := b.queued()[0]
	// Nobody waits for others longer than a run takes: what is won by a larger run is less than that.
	e, _ := b.curve.at(need)
	at = min(at, first.arrived+seconds(e.mean))
	if first.deadline > 0 {
		at = min(at, first.deadline-seconds(e.upper))
	}
	return at
}

// fixedPlan is the rule of those who want it fixed: a full run, or what has come when the first job has waited
// MaxDelay.
func (s *Scheduler) fixedPlan(now time.Duration, b *bucket, limit int) (int, time.Duration) {
	if s.o.MaxBatch == 0 {
		limit = min(limit, max(b.curve.best(limit), 2))
	}
	jobs, rows := s.fitting(now, b, 0, limit)
	if rows >= limit || jobs < len(b.queued()) {
		return jobs, now
	}
	at := b.queued()[0].arrived + s.o.MaxDelay
	if due := b.queued()[0].deadline; due > 0 {
		e, _ := b.curve.at(rows)
		at = min(at, due-seconds(e.upper))
	}
	return jobs, at
}

// dropEarly drops jobs from the front whose deadlines force a run so small that those behind will miss theirs: where
// someone must be dropped anyhow, the run that makes the best use of the instance is worth more (Nexus, SOSP '19).
func (s *Scheduler) dropEarly(now time.Duration, b *bucket, d *Decision) {
	limit := s.limit(b)
	if limit == 1 || len(b.queued()) < 2 || b.queued()[0].deadline == 0 {
		return
	}
	jobs, rows := s.fitting(now, b, 0, limit)
	if jobs == len(b.queued()) || rows >= limit {
		return
	}
	this, ok := b.curve.at(rows)
	behind := b.queued()[jobs]
	next, _ := b.curve.at(behind.Rows)
	if !ok || behind.deadline == 0 || now+seconds(this.mean+next.mean) <= behind.deadline {
		return // those behind can wait
	}
	best, from := 1.1*float64(rows)/this.mean, 0
	for n := 2 * rows; n < 2*limit; n *= 2 {
		e, _ := b.curve.at(min(n, limit))
		i := b.inTime(now + seconds(e.upper))
		if i == len(b.queued()) {
			break
		}
		_, fit := s.fitting(now, b, i, limit)
		took, _ := b.curve.at(fit)
		if use := float64(fit) / took.mean; use > best {
			best, from = use, i
		}
	}
	for range from {
		s.counts.EarlyDrop++
		s.drop(b.queued()[0], Late, d)
	}
}

// start takes n jobs of a shape out of the queue.
func (s *Scheduler) start(now time.Duration, b *bucket, n int, d *Decision) {
	rows := 0
	for range n {
		j := b.queued()[0]
		s.take(j, running)
		rows += j.Rows
		d.Batch = append(d.Batch, j)
	}
	d.Batch[0].state = leading
	d.Instance = s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	e, _ := b.curve.at(rows)
	s.ends[d.Instance] = now + seconds(math.Max(e.mean, 0))
}
