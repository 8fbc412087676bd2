package observe

import (
	"context"
	"encoding/binary"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"infer/serve/repository"
)

// carrier reads the W3C headers of a request.
type carrier repository.Trace

// Get returns a header.
func (c carrier) Get(key string) string {
	switch key {
	case "traceparent":
		return c.Parent
	case "tracestate":
		return c.State
	}
	return ""
}

// Set is not for reading.
func (carrier) Set(string, string) {}

// Keys names the headers.
func (carrier) Keys() []string { return []string{"traceparent", "tracestate"} }

// request makes the span of a request that is over and the spans of its parts, with their times. digest is that of its
// model, nil where none was found. It returns the id of the trace, "" where it is not sampled.
func (t *traces) request(e *repository.RequestEvent, digest *string) string {
	ctx := context.Background()
	if e.Trace.Parent != "" {
		ctx = propagation.TraceContext{}.Extract(ctx, carrier(e.Trace))
	}
	tracer := t.sampled
	if t.keep && !trace.SpanContextFromContext(ctx).IsValid() && t.remarkable(e) {
		tracer = t.always
	}
	ctx, span := tracer.Start(ctx, e.Protocol+" infer",
		trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(e.Arrived))
	if !span.IsRecording() {
		return ""
	}
	end := e.Arrived.Add(e.Total)
	defer span.End(trace.WithTimestamp(end))
	span.SetAttributes(attributes(e)...)
	if digest != nil {
		span.SetAttributes(attribute.String("infer.digest", *digest))
	}
	if e.Reason == repository.Failed || e.Reason == repository.Late || e.Reason == repository.Unavailable {
		span.SetStatus(codes.Error, text(e.Err))
	} else if e.Err != nil {
		span.SetAttributes(attribute.String("infer.error", text(e.Err)))
	}
	if e.Batch.Span != (repository.SpanContext{}) {
		span.AddLink(trace.Link{SpanContext: spanContext(e.Batch.Span)})
		t.emit(e.Batch.Span)
	}
	parts(ctx, tracer, e, end)
	return span.SpanContext().TraceID().String()
}

// remarkable reports whether a request went wrong: these are few, and what one looks for.
func (t *traces) remarkable(e *repository.RequestEvent) bool {
	slo := t.slo(e.Model)
	return e.Reason == repository.Failed || e.Reason == repository.Late || slo > 0 && e.Total > slo
}

// parts makes the children of a request's span, one after the other; decoding and encoding are what the Timing leaves.
func parts(ctx context.Context, tracer trace.Tracer, e *repository.RequestEvent, end time.Time) {
	if e.Timing.Queued.IsZero() {
		return // it did not get as far as the queue
	}
	at := e.Arrived
	part := func(name string, until time.Time) {
		if until.After(at) {
			_, s := tracer.Start(ctx, name, trace.WithTimestamp(at))
			s.End(trace.WithTimestamp(until))
			at = until
		}
	}
	part("decode", e.Timing.Queued)
	part("queue", at.Add(e.Timing.Queue))
	part("input", at.Add(e.Timing.Input))
	part("compute", at.Add(e.Timing.Compute))
	part("output", at.Add(e.Timing.Output))
	part("encode", end)
}

// attributes describes a request.
func attributes(e *repository.RequestEvent) []attribute.KeyValue {
	list := []attribute.KeyValue{
		attribute.String("infer.model", clean(e.Model)),
		attribute.String("infer.version", clean(e.Version)),
		attribute.String("infer.reason", string(e.Reason)),
		attribute.Int("infer.rows", e.Rows),
		attribute.Int("infer.batch.rows", e.Batch.Rows),
		attribute.Int("infer.batch.calls", e.Batch.Calls),
		attribute.Int("infer.request.bytes", e.RequestLen),
		attribute.Int("infer.response.bytes", e.ResponseLen),
	}
	status := "http.response.status_code"
	if strings.HasSuffix(e.Protocol, "grpc") {
		status = "rpc.grpc.status_code"
	}
	list = append(list, attribute.Int(status, e.Status))
	for _, a := range [...]struct{ key, value string }{
		{"infer.request.id", e.ID}, {"client.address", e.Client}, {"infer.key", e.Key},
	} {
		if a.value != "" {
			list = append(list, attribute.String(a.key, clean(a.value)))
		}
	}
	if e.Reason != repository.OK {
		list = append(list, attribute.String("error.type", string(e.Reason)))
	}
	return list
}

// maxText is the longest text of a client that a span holds, in bytes.
const maxText = 1024

// clean copies a text that may lie in the request's memory, may be long, and may be no UTF-8, which would spoil the
// whole batch of spans that it is sent in.
func clean(s string) string {
	return strings.Clone(strings.ToValidUTF8(s[:min(len(s), maxText)], "\uFFFD"))
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return clean(err.Error())
}

func spanContext(c repository.SpanContext) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: c.TraceID, SpanID: c.SpanID, TraceFlags: trace.FlagsSampled})
}

// pendingRuns holds the last runs, by the low bits of their span's id. A run becomes a span when the first request
// that is traced refers to it: so a sampled request always finds its run, and a run that nobody would look at costs
// nothing but this. The links go from the requests to the run, whose span is made before theirs end.
type pendingRuns struct {
	count atomic.Uint64
	slots [4096]pendingRun
}

type pendingRun struct {
	mu   sync.Mutex
	span repository.SpanContext // zero: none, or it is a span already
	e    repository.RunEvent
}

// run remembers a run under new identifiers.
func (t *traces) run(e repository.RunEvent) repository.SpanContext {
	n := t.runs.count.Add(1) % uint64(len(t.runs.slots))
	c := randomSpan()
	id := binary.BigEndian.Uint64(c.SpanID[:])
	put64(c.SpanID[:], id-id%uint64(len(t.runs.slots))+n|1<<63)
	p := &t.runs.slots[n]
	p.mu.Lock()
	defer p.mu.Unlock()
	p.span, p.e = c, e
	return c
}

// emit makes the span of a run, once.
func (t *traces) emit(c repository.SpanContext) {
	p := &t.runs.slots[binary.BigEndian.Uint64(c.SpanID[:])%uint64(len(t.runs.slots))]
	p.mu.Lock()
	e, found := p.e, p.span == c
	if found {
		p.span = repository.SpanContext{}
	}
	p.mu.Unlock()
	if !found {
		return
	}
	ctx := context.WithValue(context.Background(), identifiersKey{}, c)
	_, span := t.always.Start(ctx, "run", trace.WithNewRoot(), trace.WithTimestamp(e.Start), trace.WithAttributes(
		attribute.String("infer.model", clean(e.Model)),
		attribute.String("infer.version", clean(e.Version)),
		attribute.Int("infer.batch.rows", e.Rows),
		attribute.Int("infer.batch.calls", e.Calls),
		attribute.Int("infer.instance", e.Instance),
		attribute.Float64("infer.input_seconds", e.Input.Seconds()),
	))
	if e.Err != nil {
		span.SetStatus(codes.Error, text(e.Err))
	}
	span.End(trace.WithTimestamp(e.Start.Add(e.Compute)))
}

func put64(b []byte, v uint64) { binary.BigEndian.PutUint64(b, v) }
