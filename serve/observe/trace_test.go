package observe

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"infer/internal/fault"
	"infer/serve/repository"
)

// receiver is a collector of OTLP that keeps what it gets.
type receiver struct {
	collector.UnimplementedTraceServiceServer
	got chan *collector.ExportTraceServiceRequest
}

// Export takes a batch.
func (r *receiver) Export(_ context.Context, q *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	r.got <- q
	return &collector.ExportTraceServiceResponse{}, nil
}

// ServeHTTP takes a batch over HTTP.
func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	var m collector.ExportTraceServiceRequest
	if err != nil || q.URL.Path != "/v1/traces" || proto.Unmarshal(body, &m) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.got <- &m
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// spans shuts the Observe down, which flushes, and returns the spans that came, and the name of their service.
func (r *receiver) spans(t *testing.T, b *Observe) (list []*otlp.Span, service string) {
	t.Helper()
	if err := b.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(r.got)
	for q := range r.got {
		for _, rs := range q.ResourceSpans {
			for _, a := range rs.Resource.Attributes {
				if a.Key == "service.name" {
					service = a.Value.GetStringValue()
				}
			}
			for _, ss := range rs.ScopeSpans {
				list = append(list, ss.Spans...)
			}
		}
	}
	return list, service
}

// receive starts a collector of both protocols and returns where it listens.
func receive(t *testing.T) (r *receiver, overGRPC, overHTTP string) {
	t.Helper()
	r = &receiver{got: make(chan *collector.ExportTraceServiceRequest, 64)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	collector.RegisterTraceServiceServer(s, r)
	go func() {
		if err := s.Serve(listener); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(s.Stop)
	h := httptest.NewServer(r)
	t.Cleanup(h.Close)
	return r, "http://" + listener.Addr().String(), h.URL
}

// plainEnv takes away what the environment of the test says of tracing.
func plainEnv(t *testing.T) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL",
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER",
		"OTEL_TRACES_SAMPLER_ARG", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES"} {
		t.Setenv(name, "")
	}
}

const (
	parentTrace = "0af7651916cd43dd8448eb211c80319c"
	parentSpan  = "b7ad6b7169203331"
)

func TestSpans(t *testing.T) {
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(protocol, func(t *testing.T) {
			plainEnv(t)
			r, overGRPC, overHTTP := receive(t)
			t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
			o := Options{Endpoint: overHTTP}
			if protocol == "grpc" {
				t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", overGRPC) // the environment alone is enough
				o.Endpoint = ""
			}
			b := newObserve(t, o)
			end := time.Unix(1_800_000_000, 123456000)
			ofRun := b.Run(run(end))
			first, second := request(end), request(end)
			first.Trace.Parent = "00-" + parentTrace + "-" + parentSpan + "-01"
			first.Batch.Span, second.Batch.Span = ofRun, ofRun
			b.Request(first)
			b.Request(second)
			spans, service := r.spans(t, b)
			if service != "infer" {
				t.Errorf("service %q", service)
			}
			checkSpans(t, spans, end, ofRun)
			if got := value(t, b, "infer_trace_spans_total", "result=ok"); got != 15 { // 2 × (1 + 6) + 1
				t.Errorf("%v spans are counted", got)
			}
		})
	}
}

// checkSpans checks two requests, the first with a parent, and their run.
func checkSpans(t *testing.T, spans []*otlp.Span, end time.Time, ofRun repository.SpanContext) {
	t.Helper()
	var requests, runs []*otlp.Span
	parts := map[string][]*otlp.Span{} // by parent
	for _, s := range spans {
		switch {
		case s.Name == "oip-http infer":
			requests = append(requests, s)
		case s.Name == "run":
			runs = append(runs, s)
		default:
			parts[string(s.ParentSpanId)] = append(parts[string(s.ParentSpanId)], s)
		}
	}
	if len(requests) != 2 || len(runs) != 1 {
		t.Fatalf("%d requests, %d runs", len(requests), len(runs))
	}
	slices.SortFunc(requests, func(a, b *otlp.Span) int { return len(b.ParentSpanId) - len(a.ParentSpanId) })
	if hex.EncodeToString(requests[0].TraceId) != parentTrace || hex.EncodeToString(requests[0].ParentSpanId) != parentSpan {
		t.Errorf("trace %x, parent %x", requests[0].TraceId, requests[0].ParentSpanId)
	}
	if len(requests[1].ParentSpanId) != 0 || bytes.Equal(requests[1].TraceId, requests[0].TraceId) {
		t.Errorf("the second is in trace %x below %x", requests[1].TraceId, requests[1].ParentSpanId)
	}
	for _, s := range requests {
		if s.Kind != otlp.Span_SPAN_KIND_SERVER || s.StartTimeUnixNano != uint64(end.Add(-5*time.Millisecond).UnixNano()) ||
			s.EndTimeUnixNano != uint64(end.UnixNano()) {
			t.Errorf("%v from %d to %d", s.Kind, s.StartTimeUnixNano, s.EndTimeUnixNano)
		}
		if len(s.Links) != 1 || !bytes.Equal(s.Links[0].TraceId, ofRun.TraceID[:]) || !bytes.Equal(s.Links[0].SpanId, ofRun.SpanID[:]) {
			t.Errorf("links %v, want one to %x", s.Links, ofRun.SpanID)
		}
		at, names := s.StartTimeUnixNano, []string{}
		for _, p := range parts[string(s.SpanId)] {
			if p.StartTimeUnixNano != at || !bytes.Equal(p.TraceId, s.TraceId) {
				t.Errorf("%s starts at %d, want %d", p.Name, p.StartTimeUnixNano, at)
			}
			at, names = p.EndTimeUnixNano, append(names, p.Name)
		}
		if want := []string{"decode", "queue", "input", "compute", "output", "encode"}; !slices.Equal(names, want) || at != s.EndTimeUnixNano {
			t.Errorf("parts %v until %d", names, at)
		}
		for key, want := range map[string]string{"infer.model": "m", "infer.version": "1", "infer.digest": "d1", "infer.reason": "ok",
			"infer.request.id": "r1"} {
			if got := attributeOf(s, key); got != want {
				t.Errorf("%s is %q", key, got)
			}
		}
	}
	s := runs[0]
	if !bytes.Equal(s.TraceId, ofRun.TraceID[:]) || !bytes.Equal(s.SpanId, ofRun.SpanID[:]) || len(s.ParentSpanId) != 0 ||
		s.StartTimeUnixNano != uint64(run(end).Start.UnixNano()) || s.EndTimeUnixNano-s.StartTimeUnixNano != 3e6 || attributeOf(s, "infer.model") != "m" {
		t.Errorf("run %v", s)
	}
}

func attributeOf(s *otlp.Span, key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// TestSampling: what is kept of a request, by its parent, the sampler and how it ended.
func TestSampling(t *testing.T) {
	const sampled, not = "00-" + parentTrace + "-" + parentSpan + "-01", "00-" + parentTrace + "-" + parentSpan + "-00"
	none := map[string]string{"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}
	for _, c := range []struct {
		name   string
		env    map[string]string
		parent string
		reason repository.Reason
		total  time.Duration
		kept   bool
	}{
		{"the default keeps all", nil, "", repository.OK, time.Millisecond, true},
		{"the caller says no", nil, not, repository.Failed, time.Second, false},
		{"the caller says yes", none, sampled, repository.OK, time.Millisecond, true},
		{"a broken parent is none", nil, "00-x", repository.OK, time.Millisecond, true},
		{"a ratio of nothing", none, "", repository.OK, time.Millisecond, false},
		{"failed against a ratio", none, "", repository.Failed, time.Millisecond, true},
		{"above the SLO against a ratio", none, "", repository.OK, time.Second, true},
		{"failed, and the caller says no", none, not, repository.Failed, time.Millisecond, false},
		{"off is off", map[string]string{"OTEL_TRACES_SAMPLER": "always_off"}, "", repository.Failed, time.Second, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			plainEnv(t)
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			r, _, overHTTP := receive(t)
			b := newObserve(t, Options{Endpoint: overHTTP, SLO: func(string) time.Duration { return 100 * time.Millisecond }})
			e := request(time.Now())
			e.Trace.Parent, e.Reason, e.Total, e.Batch.Span = c.parent, c.reason, c.total, b.Run(run(time.Now()))
			b.Request(e)
			spans, _ := r.spans(t, b)
			if got := len(spans) > 0; got != c.kept {
				t.Errorf("%d spans", len(spans))
			}
			if runs := slices.ContainsFunc(spans, func(s *otlp.Span) bool { return s.Name == "run" }); runs != c.kept {
				t.Errorf("the run was kept: %v", runs)
			}
		})
	}
}

// TestOddTexts: names and ids that are no UTF-8, and long ones, harm neither a scrape nor the spans of others.
func TestOddTexts(t *testing.T) {
	plainEnv(t)
	const odd = "odd\xff"
	r, overGRPC, _ := receive(t)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	b := newObserve(t, Options{
		Endpoint: overGRPC,
		Stats:    func() []repository.Stats { return []repository.Stats{{Name: odd, Version: "1", Waiting: 7}} },
		Index:    func() []repository.State { return []repository.State{{Name: odd, Version: "1", State: "READY"}} },
	})
	b.Model(repository.ModelEvent{Model: odd, Version: "1", Digest: "d", What: "ready"})
	ofRun := run(time.Now())
	ofRun.Model, ofRun.Err = odd, errors.New(odd)
	e := request(time.Now())
	e.Model, e.ID, e.Err, e.Reason = odd, odd+strings.Repeat("x", 1<<20), errors.New(odd), repository.Failed
	e.Batch.Span = b.Run(ofRun)
	b.Request(e)
	b.Model(repository.ModelEvent{Model: odd, Version: "1", Digest: "d", What: "unload"})
	spans, _ := r.spans(t, b)
	if len(spans) != 8 { // the request, its 6 parts, the run
		t.Fatalf("%d spans", len(spans))
	}
	for _, s := range spans {
		if id := attributeOf(s, "infer.request.id"); s.Name == "oip-http infer" && (!strings.HasPrefix(id, "odd\uFFFDx") || len(id) > maxText+2) {
			t.Errorf("id of %d bytes", len(id))
		}
	}
	if got := value(t, b, "infer_queue_calls", "model=odd\uFFFD", "version=1"); got != 7 {
		t.Errorf("%v calls wait", got)
	}
	if got := value(t, b, "infer_requests_total", "model=odd\uFFFD", "version=1", "protocol=oip-http", "reason=failed"); got != 1 {
		t.Errorf("%v requests failed", got)
	}
}

// TestExemplars: an answered and traced request leaves its trace in the histogram, for scrapers of OpenMetrics.
func TestExemplars(t *testing.T) {
	plainEnv(t)
	r, _, overHTTP := receive(t)
	b := newObserve(t, Options{Endpoint: overHTTP})
	e := request(time.Now())
	e.Trace.Parent = "00-" + parentTrace + "-" + parentSpan + "-01"
	b.Request(e)
	r.spans(t, b)
	for accept, want := range map[string]bool{"": false, "application/openmetrics-text; version=1.0.0": true} {
		var out bytes.Buffer
		if _, err := b.Write(&out, accept); err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(out.Bytes(), []byte(`# {trace_id="`+parentTrace+`"} 0.005`)); got != want {
			t.Errorf("accept %q: exemplar %v", accept, got)
		}
	}
}

// TestTracesAreOff: without an endpoint, and where the environment says so, there is nothing that could cost.
func TestTracesAreOff(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"no endpoint": {},
		"disabled":    {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_SDK_DISABLED": "true"},
		"exporter":    {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318", "OTEL_TRACES_EXPORTER": "none"},
	} {
		plainEnv(t)
		for k, v := range env {
			t.Setenv(k, v)
		}
		b := newObserve(t, Options{})
		if b.traces != nil || b.Run(run(time.Now())) != (repository.SpanContext{}) {
			t.Errorf("%s: traces are on", name)
		}
	}
}

func TestWrongEndpoints(t *testing.T) {
	plainEnv(t)
	for _, endpoint := range []string{"jaeger:4317", "ftp://x", "http://", "http://[::1"} {
		if _, err := New(Options{Endpoint: endpoint}); fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/xml")
	if _, err := New(Options{Endpoint: "http://localhost:4318"}); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
}

// TestCollectorIsAway: requests do not wait, what is lost is counted, and shutting down ends with its context.
func TestCollectorIsAway(t *testing.T) {
	plainEnv(t)
	taken := make(chan struct{})
	away := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-taken }))
	defer away.Close()
	defer close(taken)
	b := newObserve(t, Options{Endpoint: away.URL})
	start := time.Now()
	for range 20_000 { // ten times what the queue takes
		b.Request(request(time.Now()))
	}
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("20000 requests took %v", d)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := b.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shutdown: %v", err)
	}
}
