package repository

import (
	"sync"
	"time"

	"infer/internal/wire"
	"infer/model/tensor"
	"infer/serve/batch"
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

	job     batch.Job
	err     error           // of its run
	in      []tensor.Tensor // the inputs in the order of the model
	want    []int           // the outputs wanted, as indices of those of the model
	memory  []tensor.Tensor // where outputs are received, by position of Outputs: empty slices
	aligned [][]byte        // copies of inputs whose bytes lie at odd addresses, by position of in
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

// maxKept is how many bytes of one buffer a call keeps for the next; larger ones are left to the collector.
const maxKept = 4 << 20

var calls = sync.Pool{New: func() any { return new(Call) }}

// NewCall returns an empty call. It may hold memory of an earlier one.
func NewCall() *Call { return calls.Get().(*Call) }

// Free gives a call and its buffers back. Neither it nor its outputs may be used afterwards.
func (c *Call) Free() {
	for i := range c.memory {
		m := &c.memory[i]
		clear(m.Strings[:cap(m.Strings)])
		if cap(m.Data)+16*cap(m.Strings) > maxKept {
			*m = tensor.Tensor{}
		}
	}
	for i, b := range c.aligned {
		if cap(b) > maxKept {
			c.aligned[i] = nil
		}
	}
	clear(c.in)
	clear(c.Outputs)
	job := c.job // its channel and slice serve the next
	job.Value, job.Gone = nil, nil
	*c = Call{Outputs: c.Outputs[:0], in: c.in[:0], want: c.want[:0], memory: c.memory, aligned: c.aligned, job: job}
	calls.Put(c)
}

// receive makes the outputs that a run is to fill: zero tensors with names and the memory of earlier calls.
func (c *Call) receive(outputs []wire.Port) {
	for len(c.memory) < len(c.want) {
		c.memory = append(c.memory, tensor.Tensor{})
	}
	c.Outputs = c.Outputs[:0]
	for i, at := range c.want {
		t := c.memory[i]
		if outputs != nil {
			t.Name = outputs[at].Name
		}
		c.Outputs = append(c.Outputs, t)
	}
}

// remember notes the memory of the outputs, which may have grown, for the next call.
func (c *Call) remember() {
	for i, t := range c.Outputs {
		c.memory[i] = emptied(t)
	}
}
