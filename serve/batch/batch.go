// Package batch owns the decision which requests run together and when: the queue, the latency model, admission and
// dispatch. Scheduler is pure state with an explicit clock, so that the same code decides in the server (Runner) and
// in a discrete-event simulator (in the tests).
package batch

import (
	"fmt"
	"time"
)

// Options are the rules of one scheduler: of one version of a model.
type Options struct {
	Instances int           // runs at a time; 0: 1
	MaxBatch  int           // rows of a run at most; 0: as the latency model and the SLO say; 1: no batching
	MaxDelay  time.Duration // a fixed time that a run waits for more rows; 0: as the latency model says
	SLO       time.Duration // from arrival to answer; 0: none
	MaxWait   time.Duration // predicted queue time at which a job without a deadline is refused; 0: 1 s
	MaxQueue  int           // jobs that may wait; 0: 1024
}

// The defaults, and the constants of the rules.
const (
	defaultWait  = time.Second
	defaultQueue = 1024
	largestBatch = 1024 // rows that batching goes up to, whatever the model says

	// patience is the bound on the time of a run that batching may make where there is no SLO to derive one from.
	patience = 50 * time.Millisecond

	// gain is how much cheaper a row must become for a larger run to be worth the wait of its first row.
	gain = 0.05

	// waitGain is what a row may cost in a larger run, to what it costs now, for an instance to stand idle until the
	// rows have come. The wait is certain, the gain is not.
	waitGain = 0.8

	// reserve is the part of an SLO that is left for what the scheduler does not see: reading the request and
	// writing the answer.
	reserve = 0.1

	// defaultPriority is the class of a job that names none. Each class down is worth one more allowed wait of age: a
	// job of a low class that is that much older goes first, so that none starves.
	defaultPriority = 2
)

func (o Options) withDefaults() Options {
	o.Instances = max(o.Instances, 1)
	if o.MaxWait <= 0 {
		o.MaxWait = defaultWait
	}
	if o.MaxQueue <= 0 {
		o.MaxQueue = defaultQueue
	}
	return o
}

// Job is one request in the hands of the scheduler. Set the exported fields, give it to Runner.Do, and do not touch it
// until Do returns; then it may be used again.
type Job struct {
	Rows     int         // rows along the batch axis; at least 1
	Key      uint64      // the shape bucket: only jobs of one key run together
	Priority int         // 0: the default, 1: the highest
	Deadline time.Time   // the client's own; zero: none. The SLO applies beside it
	Gone     func() bool // whether the client has gone; asked of jobs that waited; may be nil
	Value    any         // the caller's

	// Set when the job has run.
	Queued time.Time     // when the job came
	Wait   time.Duration // time in the queue

	arrived  time.Duration // on the scheduler's clock
	deadline time.Duration // the earlier of SLO and Deadline on that clock; 0: none
	rank     time.Duration // the order of the queue: earliest deadline first, with age and priority in it
	class    int
	state    state
	bucket   *bucket
	work     float64 // seconds that it was counted with

	instance int
	batch    []*Job
	err      error
	wake     chan struct{}
}

type state int

const (
	idle    state = iota
	waiting       // in the queue
	leading       // taken out, to run its batch
	running       // taken out, in the batch of another job
	dropped
)

// Refusal says that a job was not taken, or was dropped before it ran.
type Refusal struct {
	Why        Why
	RetryAfter time.Duration // when to come again; 0: unknown
	Detail     string
}

// Why is the reason of a Refusal.
type Why string

// The reasons.
const (
	Full      Why = "full"      // a hard limit of the queue
	Overload  Why = "overload"  // it would miss its deadline or wait too long: refused on arrival
	Late      Why = "late"      // its client gives less time than a run takes, or its deadline could not be met any more
	Large     Why = "large"     // one run of it would keep others waiting for longer than is allowed
	Cancelled Why = "cancelled" // its client has gone
	Closed    Why = "closed"    // the scheduler takes no more work
)

// Error names the reason.
func (r *Refusal) Error() string { return fmt.Sprintf("%s: %s", r.Why, r.Detail) }
