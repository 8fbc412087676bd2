// Package sample owns what is known about one request of a load, the file of such samples, and folding them into the
// figures of a report, in memory that does not grow with their number.
package sample

import "time"

// Outcome is what became of a request.
type Outcome uint8

// The outcomes. Every request of a schedule has exactly one.
const (
	OK          Outcome = iota // answered with success, and right as far as it was checked
	Wrong                      // answered with success, and not as expected
	Refused                    // the server sheds load: 429 or 503, RESOURCE_EXHAUSTED or UNAVAILABLE from it
	Failed                     // answered with another status that is no success
	Broken                     // the connection ended before the answer did, or the answer is not of the protocol
	Unreachable                // no connection could be made
	TimedOut                   // sent, and no whole answer within the timeout
	Dropped                    // not sent: no connection was free within the timeout
	Outcomes    = iota         // how many there are
)

// String returns the name of o as reports have it.
func (o Outcome) String() string {
	return [...]string{"ok", "wrong", "refused", "failed", "broken", "unreachable", "timed_out", "dropped"}[o]
}

// Untold stands for a time that the server did not tell.
const Untold time.Duration = -1

// Sample is one request of a load. Times are since the start of the load, on the monotonic clock.
type Sample struct {
	Index   int64         // in the schedule, from 0; of a closed loop: in the order of sending
	Due     time.Duration // when it was to be sent; of a closed loop: Sent
	Woke    time.Duration // when the generator turned to it: Woke - Due is the generator's own lag
	Sent    time.Duration // when its first byte was written, after waiting for a connection where none was free
	Done    time.Duration // when the last byte of the answer had come, or it was given up; Dropped: Sent = Done
	Queue   time.Duration // that it waited in the server; Untold
	Compute time.Duration // that the server ran the model for it; Untold
	Bytes   int64         // of the answer's body
	Payload int32         // which of the payloads it carried
	Batch   int32         // rows of the run that it was part of; 0: not told
	Code    uint16        // HTTP status, or code of gRPC; 0 for none
	Outcome Outcome
	Checked bool // its answer was compared with the expected one
}

// Latency is what a user waits: from when the request was due until it was answered.
func (s *Sample) Latency() time.Duration { return s.Done - s.Due }

// ServiceTime is what the server and the way to it took: from sending to the answer.
func (s *Sample) ServiceTime() time.Duration { return s.Done - s.Sent }

// Lag is how late the generator was. What a request then waited for a connection is not in it.
func (s *Sample) Lag() time.Duration { return s.Woke - s.Due }
