// Package drive owns the seam between a load and what sends it: a Generator takes a load and gives samples. Workers is
// the generator for any Target whose requests are calls; loadtest/http1 has one of its own.
package drive

import (
	"context"
	"time"

	"infer/loadtest/sample"
	"infer/loadtest/schedule"
	"infer/model/tensor"
)

// Load is what is to be sent.
type Load struct {
	Schedule    *schedule.Schedule // open loop: when each request is due; nil: closed loop
	Concurrency int                // closed loop: requests under way at a time
	Duration    time.Duration      // closed loop: no request begins after it
	Requests    int64              // closed loop: at most this many; 0: no bound
	Timeout     time.Duration      // from Due; a request without a whole answer by then is TimedOut or Dropped
	Connections int                // at most this many; a request that finds none free waits, and keeps its Due
	Payloads    int                // how many there are; request i carries payload i % Payloads
	Check       Checker            // nil: answers are not compared
	Spin        time.Duration      // how long before a request is due the pacer stops sleeping; 0: it sleeps all the way
	Lanes       int                // threads that send, each its share of the schedule; 0: one

	// Emit takes samples, in no order. It is called by one goroutine at a time; the slice is the generator's again
	// when it returns.
	Emit func([]sample.Sample)
}

// Stats is what a generator knows of itself after a load.
type Stats struct {
	Start        time.Time // sample times are since then; it has a monotonic reading
	Lanes        int       //
	Pacer        string    // "clock_nanosleep and spin (100 µs)", …
	Opened       int64     // connections before the load
	OpenedDuring int64     // connections during the load
	Reconnected  int64     // requests sent again since the server had closed an idle connection
	Waited       int64     // requests that found no connection free, and none that might be made
	InFlight     int64     // requests under way at the most
	Cut          int64     // requests under way when ctx ended: no sample
	Unchecked    int64     // answers that were not compared for want of time or memory
	Faults       []Fault   // by number, at most maxFaults
}

// maxFaults is how many different faults are told apart.
const maxFaults = 20

// Fault is one way in which requests failed.
type Fault struct {
	Outcome sample.Outcome
	Code    uint16
	Text    string // of the first, one line
	Count   int64
}

// Generator sends loads to one target. Run may be called again; not concurrently.
type Generator interface {
	// Open makes n connections, or says why it cannot.
	Open(ctx context.Context, n int) error
	// Run sends l, waits for the answers and emits a sample for every request. When ctx ends it stops at once, cuts
	// the requests under way, and returns what it knows with a nil error: that the load was cut is for the caller to
	// see from ctx. A server that fails is no error; one of the generator itself is.
	Run(ctx context.Context, l Load) (Stats, error)
	// Close ends all connections. A second Close is a no-op.
	Close() error
}

// Answer is what came back for a request.
type Answer struct {
	Body    []byte          // as it came, of HTTP unpacked; valid during the call
	JSONLen int             // of a body with binary tensors, length of its JSON; -1: there is none
	Outputs []tensor.Tensor // in place of Body, where the answer never was bytes
	Unkept  bool            // there was a body, but no memory for it: it cannot be compared
}

// Checker compares answers with what is expected. It is safe for concurrent use.
type Checker interface {
	// Known reports, at once, whether a body is byte for byte one that Check has found right for this payload.
	Known(payload int, body []byte) bool
	// Check returns what is wrong with an answer, "" for nothing.
	Check(payload int, a Answer) string
}

// Target takes requests one call each. It is safe for concurrent use.
type Target interface {
	// Open makes n connections, or says why it cannot.
	Open(ctx context.Context, n int) error
	// Do sends the request with payload s.Payload, waits for its whole answer, and fills in s.Sent and s.Done (by
	// now), Outcome, Code, Queue, Compute, Batch and Bytes. It returns the answer where want is set and there is one,
	// valid until done is called (nil: nothing to call), and, in words, what failed. ctx ends when the request has no
	// more time, and is of no use once Do has returned: it is that of the next request then.
	Do(ctx context.Context, s *sample.Sample, now func() time.Duration, want bool) (a Answer, done func(), failure string)
	// Close ends all connections. A second Close is a no-op.
	Close() error
}
