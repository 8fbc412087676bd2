// Package observe owns what the server tells about itself: Prometheus metrics, OpenTelemetry traces, and the figures
// of the last seconds that the built-in page shows. It is the only home of the metrics and tracing clients.
package observe

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"infer/internal/host"
	"infer/serve/repository"
)

// Options say what is observed and where to. The functions are called during scrapes, from any goroutine and also
// while the repository is still being opened; each may be nil.
type Options struct {
	Version string // of the program
	Runtime string // version of the inference runtime

	Stats       func() []repository.Stats        // counters of the loaded versions
	Index       func() []repository.State        // what is known and in which state
	Connections func() map[string]int            // open client connections by listener: "http", "grpc"
	SLO         func(model string) time.Duration // 0: none; asked at changes of models and after Reload

	Triton bool // Triton's nv_… metrics besides

	Endpoint string // of traces, over OTEL_EXPORTER_OTLP_ENDPOINT: "http://host:4318", "http://host:4317" (gRPC)

	Log *slog.Logger // nil: none
}

// Observe is a repository.Observer that counts, traces and remembers the last minute. Safe for concurrent use.
type Observe struct {
	o        Options
	log      *slog.Logger
	now      func() time.Time
	facts    func() facts // of the process, at a scrape
	registry *prometheus.Registry
	metrics  *metrics
	series   *series
	traces   *traces // nil: off
}

var _ repository.Observer = (*Observe)(nil)

// New returns an Observe. Traces go out when Options.Endpoint or one of the OTEL_EXPORTER_OTLP_… endpoints is set; an
// unknown protocol or an endpoint that is no URL is an error of kind fault.Usage. Shut it down.
func New(o Options) (*Observe, error) {
	if o.SLO == nil {
		o.SLO = func(string) time.Duration { return 0 }
	}
	b := &Observe{o: o, log: o.Log, now: time.Now, facts: readFacts, registry: prometheus.NewRegistry()}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	b.metrics = newMetrics()
	b.series = newSeries(b.metrics, o.SLO)
	var err error
	if b.traces, err = newTraces(o, b.metrics.spans, b.log); err != nil {
		return nil, err
	}
	if err := b.register(); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return b, nil
}

// register fills the registry.
func (b *Observe) register() error {
	all := append(b.metrics.all(), goCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		newProcess(b), newModels(b))
	if b.o.Triton {
		all = append(all, newTriton(b))
	}
	errs := make([]error, len(all))
	for i, c := range all {
		errs[i] = b.registry.Register(c)
	}
	// From 0 on, so that the first one is an increase.
	for _, result := range []string{"ok", "failed"} {
		b.metrics.configReloads.WithLabelValues(result)
		b.metrics.spans.WithLabelValues(result)
	}
	b.metrics.build.WithLabelValues(b.o.Version, runtime.Version(), b.o.Runtime).Set(1)
	return errors.Join(errs...)
}

// Run counts a run and returns the context of its span, the zero value while traces are off. The span is made when the
// first request of the run that is traced refers to it.
func (b *Observe) Run(e repository.RunEvent) repository.SpanContext {
	v := b.series.version(e.Model, e.Version)
	if e.Err != nil {
		v.failedRuns.Inc()
	} else {
		v.runs.Inc()
		v.compute.Observe(e.Compute.Seconds())
		v.batchRows.Observe(float64(e.Rows))
		v.ring.run(e.Start.Add(e.Compute), e.Rows)
	}
	if b.traces == nil {
		return repository.SpanContext{}
	}
	return b.traces.run(e)
}

// Request counts a request and traces it, where its sampler says so.
func (b *Observe) Request(e *repository.RequestEvent) {
	var trace string
	c := b.series.child(e.Model, e.Version, e.Protocol)
	if b.traces != nil {
		trace = b.traces.request(e, c.digest.Load())
	}
	c.request(e, trace)
}

// Model follows what is served. Only models that it was told of have a label of their own, so that a client cannot
// make series by asking for names.
func (b *Observe) Model(e repository.ModelEvent) {
	b.series.model(e, b.now())
}

// Reload counts a reload of the configuration and asks for the SLOs anew.
func (b *Observe) Reload(err error) {
	b.metrics.configReloads.WithLabelValues(resultOf(err)).Inc()
	if err == nil {
		b.metrics.configTime.Set(float64(b.now().UnixMilli()) / 1e3)
	}
	b.series.refresh()
}

// Shutdown sends the spans that wait, until ctx ends.
func (b *Observe) Shutdown(ctx context.Context) error {
	if b.traces == nil {
		return nil
	}
	return b.traces.shutdown(ctx)
}

func resultOf(err error) string {
	if err != nil {
		return "failed"
	}
	return "ok"
}

// facts is what the process and its machine tell at a scrape.
type facts struct {
	cpus     host.CPUs
	throttle host.Throttling
	times    host.MachineTime
	memory   host.MemoryUse
	machine  host.MemoryUse
}

func readFacts() facts {
	return facts{host.EffectiveCPUs(), host.ReadThrottling(), host.ReadMachineTime(), host.ReadMemoryUse(),
		host.ReadMachineMemory()}
}
