package repository

import "time"

// Observer is told what happens. Its methods are called on the path of requests, at once and from many goroutines:
// they must be quick and must not keep what they are given.
type Observer interface {
	// Run is told of every finished run of a session before its calls are answered. It returns the context of the span
	// that it made for the run, the zero value for none.
	Run(RunEvent) SpanContext
	// Request is told of every request at its end, refused and malformed ones included.
	Request(*RequestEvent)
	// Model is told of loads, switches, unloads and failures of them.
	Model(ModelEvent)
}

// RunEvent is one run of a session.
type RunEvent struct {
	Model, Version string
	Rows, Calls    int
	Instance       int
	Start          time.Time
	Input          time.Duration // putting the batch together, before Start
	Compute        time.Duration
	Err            error
}

// RequestEvent is one request at its end.
type RequestEvent struct {
	Protocol       string // as in Call
	Model, Version string // "" where none was found
	ID             string
	Reason         Reason
	Err            error
	Rows           int
	Arrived        time.Time
	Total          time.Duration // from Arrived until the answer was encoded
	Timing         Timing
	Batch          Batch
	Trace          Trace
	RequestLen     int // bytes of the body
	ResponseLen    int
	Status         int    // HTTP status, or gRPC code
	Client         string // address
	Key            string // name of the API key, "" for none
}

// Reason says how a request ended.
type Reason string

// How requests end.
const (
	OK          Reason = "ok"
	Invalid     Reason = "invalid"     // malformed, or it does not fit the model
	Unknown     Reason = "unknown"     // no such model or version
	Refused     Reason = "refused"     // overload: the queue is full, or the deadline cannot be met
	Late        Reason = "late"        // admitted, and dropped when its deadline could not be met any more
	Cancelled   Reason = "cancelled"   // the client has gone
	Unavailable Reason = "unavailable" // draining, or the model is not ready
	Failed      Reason = "failed"      // the runtime failed
	Denied      Reason = "denied"      // no key, or one without the scope
)

// ModelEvent is a change of what is served.
type ModelEvent struct {
	Model, Version, Digest string
	What                   string // "load", "ready", "switch", "unload", "failed"
	Duration               time.Duration
	Err                    error
}
