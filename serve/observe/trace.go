package observe

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"infer/internal/fault"
	"infer/serve/repository"
)

// traces makes the spans of requests and runs and sends them in batches. Its queue is bounded: when the collector is
// away spans are dropped, and no request waits.
type traces struct {
	sampled trace.Tracer // asks the sampler
	always  trace.Tracer // does not
	both    [2]*sdk.TracerProvider
	keep    bool // requests that failed or missed the SLO are kept against a ratio
	slo     func(model string) time.Duration
	runs    pendingRuns
}

// newTraces returns nil where no endpoint is set or tracing is switched off.
func newTraces(o Options, spans *prometheus.CounterVec, log *slog.Logger) (*traces, error) {
	env := func(name string) string { return strings.ToLower(strings.TrimSpace(os.Getenv(name))) }
	if cmp.Or(o.Endpoint, env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), env("OTEL_EXPORTER_OTLP_ENDPOINT")) == "" ||
		env("OTEL_SDK_DISABLED") == "true" || env("OTEL_TRACES_EXPORTER") == "none" {
		return nil, nil
	}
	ctx := context.Background()
	protocol := cmp.Or(env("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), env("OTEL_EXPORTER_OTLP_PROTOCOL"))
	client, err := newExporter(ctx, o.Endpoint, protocol)
	if err != nil {
		return nil, err
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(), resource.WithProcessPID(),
		resource.WithAttributes(attribute.String("service.name", "infer"), attribute.String("service.version", o.Version)),
		resource.WithFromEnv()) // last, so that OTEL_SERVICE_NAME wins
	if err != nil {
		return nil, fault.New(fault.Usage, "see OTEL_RESOURCE_ATTRIBUTES: key=value,key=value",
			"describe this process for traces: %w", err)
	}
	send := sdk.NewBatchSpanProcessor(&exporter{SpanExporter: client, log: log,
		ok: spans.WithLabelValues("ok"), failed: spans.WithLabelValues("failed")})
	t := &traces{slo: o.SLO, keep: strings.Contains(env("OTEL_TRACES_SAMPLER"), "ratio")}
	// The first provider's sampler comes from OTEL_TRACES_SAMPLER; parentbased_always_on by default.
	t.both[0] = sdk.NewTracerProvider(sdk.WithSpanProcessor(send), sdk.WithResource(about))
	t.both[1] = sdk.NewTracerProvider(sdk.WithSpanProcessor(send), sdk.WithResource(about),
		sdk.WithSampler(sdk.AlwaysSample()), sdk.WithIDGenerator(identifiers{}))
	t.sampled, t.always = t.both[0].Tracer("infer/serve"), t.both[1].Tracer("infer/serve")
	return t, nil
}

// newExporter returns a client of OTLP. The protocol is grpc or http/protobuf; where none is named, an endpoint at
// gRPC's port, 4317, decides for the first and anything else for the second.
func newExporter(ctx context.Context, endpoint, protocol string) (sdk.SpanExporter, error) {
	u, err := url.Parse(endpoint)
	if endpoint != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return nil, fault.New(fault.Usage, "pass something like http://localhost:4317",
			"trace endpoint %q is not an http or https URL", endpoint)
	}
	if protocol == "" {
		protocol = "http/protobuf"
		if endpoint != "" && u.Port() == "4317" {
			protocol = "grpc"
		}
	}
	switch protocol {
	case "grpc":
		var opts []otlptracegrpc.Option
		if endpoint != "" {
			opts = append(opts, otlptracegrpc.WithEndpointURL(endpoint))
		}
		return otlptracegrpc.New(ctx, opts...)
	case "http/protobuf":
		var opts []otlptracehttp.Option
		if endpoint != "" {
			if !strings.HasSuffix(u.Path, "/v1/traces") {
				u = u.JoinPath("v1/traces")
			}
			opts = append(opts, otlptracehttp.WithEndpointURL(u.String()))
		}
		return otlptracehttp.New(ctx, opts...)
	}
	return nil, fault.New(fault.Usage, "set OTEL_EXPORTER_OTLP_PROTOCOL to grpc or http/protobuf",
		"trace protocol %q is not known", protocol)
}

// shutdown sends what waits and stops.
func (t *traces) shutdown(ctx context.Context) error {
	return errors.Join(t.both[0].Shutdown(ctx), t.both[1].Shutdown(ctx))
}

// exporter counts what another one sends, and logs its failures, one a minute at most, in place of the library.
type exporter struct {
	sdk.SpanExporter
	log        *slog.Logger
	ok, failed prometheus.Counter
	logged     atomic.Int64 // Unix time of the last line
}

// ExportSpans sends a batch.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		e.ok.Add(float64(len(spans)))
		return nil
	}
	e.failed.Add(float64(len(spans)))
	if now, last := time.Now().Unix(), e.logged.Load(); now-last >= 60 && e.logged.CompareAndSwap(last, now) {
		e.log.Warn("traces are lost", "spans", len(spans), "error", err)
	}
	return nil
}

// identifiers gives a span the identifiers that its context holds, random ones where it holds none.
type identifiers struct{}

type identifiersKey struct{}

// NewIDs names a root span.
func (identifiers) NewIDs(ctx context.Context) (t trace.TraceID, s trace.SpanID) {
	if c, ok := ctx.Value(identifiersKey{}).(repository.SpanContext); ok {
		return c.TraceID, c.SpanID
	}
	c := randomSpan()
	return c.TraceID, c.SpanID
}

// NewSpanID names a span within a trace.
func (identifiers) NewSpanID(context.Context, trace.TraceID) trace.SpanID { return randomSpan().SpanID }

// randomSpan returns identifiers that are not zero, which would be no span.
func randomSpan() (c repository.SpanContext) {
	for !trace.TraceID(c.TraceID).IsValid() || !trace.SpanID(c.SpanID).IsValid() {
		put64(c.TraceID[:8], rand.Uint64())
		put64(c.TraceID[8:], rand.Uint64())
		put64(c.SpanID[:], rand.Uint64())
	}
	return c
}
