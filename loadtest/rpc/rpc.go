// Package rpc owns gRPC as a load generator speaks it: calls of the Open Inference Protocol whose messages were made
// before the load. With serve/rpc, loadtest/null and loadtest/server it is the home of grpc.
package rpc

import (
	"context"
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"

	"infer/internal/fault"
	"infer/loadtest/drive"
	"infer/loadtest/sample"
)

// method is an inference of the Open Inference Protocol.
const method = "/inference.GRPCInferenceService/ModelInfer"

// StreamsPerConnection is how many calls share a connection at most. Servers and proxies often allow 100 at a time; one
// more would wait inside of gRPC, where nobody sees it.
const StreamsPerConnection = 50

// Options say what is sent, and where.
type Options struct {
	Addr     string              // host:port
	TLS      *tls.Config         // nil: plain
	Messages [][]byte            // by payload, at least one: a ModelInferRequest, not to be changed while the target lives
	Header   map[string][]string // metadata of every call; User-Agent and Host are understood
}

// Target calls one server. It is safe for concurrent use.
type Target struct {
	o         Options
	messages  []message
	metadata  metadata.MD // nil: none
	agent     string
	authority string // "": that of Addr
	answers   sync.Pool
	lines     atomic.Pointer[lines] // nil before Open
	mu        sync.Mutex            // of Open and Close
	closed    bool
}

var _ drive.Target = (*Target)(nil)

// New returns a target without connections. Errors are fault.Usage.
func New(o Options) (*Target, error) {
	if len(o.Messages) == 0 {
		return nil, fault.New(fault.Usage, "", "call %s: there is nothing to send", o.Addr)
	}
	t := &Target{o: o, messages: make([]message, len(o.Messages))}
	for i, m := range o.Messages {
		t.messages[i].slice = mem.BufferSlice{mem.SliceBuffer(m)}
	}
	t.answers.New = func() any { return &answer{told: untold} }
	if err := t.header(o.Header); err != nil {
		return nil, fault.Wrap(err, "call %s", o.Addr)
	}
	return t, nil
}

// Do implements drive.Target. A call waits for one of the StreamsPerConnection places of a connection before it is
// sent; one that finds none until ctx ends is dropped.
func (t *Target) Do(ctx context.Context, s *sample.Sample, now func() time.Duration, want bool) (drive.Answer, func(), string) {
	s.Queue, s.Compute, s.Batch, s.Bytes, s.Code = sample.Untold, sample.Untold, 0, 0, 0
	l := t.lines.Load()
	if l == nil {
		s.Sent = now()
		s.Done, s.Outcome = s.Sent, sample.Unreachable
		return drive.Answer{}, nil, "there is no connection"
	}
	c := l.take(ctx)
	if c == nil {
		s.Sent = now()
		s.Done, s.Outcome = s.Sent, sample.Dropped
		return drive.Answer{}, nil, "no connection was free in time"
	}
	if t.metadata != nil {
		ctx = metadata.NewOutgoingContext(ctx, t.metadata)
	}
	a := t.answers.Get().(*answer)
	a.keep = want
	s.Sent = now()
	err := c.Invoke(ctx, method, &t.messages[s.Payload], a)
	s.Done = now()
	failure := ""
	if s.Outcome = sample.OK; err != nil {
		s.Outcome, s.Code, failure = outcomeOf(err, ctx.Err(), c.GetState())
	} else if a.malformed {
		s.Outcome, failure = sample.Broken, "the answer is no ModelInferResponse"
	}
	l.give(c)
	s.Bytes, s.Queue, s.Compute, s.Batch = a.size, a.told.queue, a.told.compute, a.told.batch
	if failure != "" || !want {
		t.free(a)
		return drive.Answer{}, nil, failure
	}
	return drive.Answer{Body: a.body(), JSONLen: -1}, func() { t.free(a) }, ""
}

// free takes an answer back.
func (t *Target) free(a *answer) {
	a.free()
	t.answers.Put(a)
}

// Close implements drive.Target.
func (t *Target) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if l := t.lines.Swap(nil); l != nil {
		return l.close()
	}
	return nil
}
