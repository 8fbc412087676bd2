package repository

import (
	"time"

	"infer/model/tensor"
)

// Call is one inference: what a front end asks, and what it gets. It is made to be used again: take one with NewCall
// and give it back with Free when the answer is written. Not safe for concurrent use.
type Call struct {
	// Set by the front end. Inputs may be views of its memory, which stays as it is until Infer returns.
	Protocol   string          // "oip-http", "oip-grpc", "tfs-http", "tfs-grpc", "predict", "torchserve"
	ID         string          // request id, "" for none
	Inputs     []tensor.Tensor // Name set, any order
	Want       []string        // outputs wanted, in this order; empty: all, in the model's order
	Priority   int             // 0: the default of the model, 1: the highest
	Arrived    time.Time       // when the first byte was seen, as well as the front end can know it
	Deadline   time.Time       // the client's own deadline; zero: none. The model's SLO applies beside it
	Gone       func() bool     // reports whether the client has gone, asked while the call waits; may be nil
	RequestLen int             // bytes of the request body, for the log
	Trace      Trace           // the caller's trace context

	// Set by Infer.
	Outputs []tensor.Tensor // in the order of Want; valid until Free
	Rows    int             // rows of this call along the batch axis (1 where the model has none)
	Timing  Timing
	Batch   Batch

	rows    []tensor.Tensor // scratch
	buffers [][]byte
}

// Trace is the W3C trace context that came with a request, as it came; empty strings for none.
type Trace struct {
	Parent string // the traceparent header
	State  string // the tracestate header
}

// Timing says where the time of a call went. The parts lie one after the other from Arrived on; what is missing to the
// whole is decoding and encoding.
type Timing struct {
	Queued  time.Time     // when the call entered the queue
	Queue   time.Duration // from there until its batch was taken up
	Input   time.Duration // putting the batch together
	Compute time.Duration // the run of the session
	Output  time.Duration // taking the batch apart
}

// Batch is the run that a call was part of.
type Batch struct {
	Rows  int // rows of the run, those of other calls included
	Calls int
	Span  SpanContext // of the trace span of the run; zero where it is not traced
}

// SpanContext names a span: the two identifiers of W3C Trace Context. The zero value is no span.
type SpanContext struct {
	TraceID [16]byte
	SpanID  [8]byte
}
