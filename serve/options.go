// Package serve owns the server: the listeners, the order in which it comes up, reload and drain. The protocols are in
// serve/rest and serve/rpc, the models in serve/repository, the batching in serve/batch.
package serve

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"time"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/serve/guard"
	"infer/serve/repository"
)

// Options are everything that a server is told. An address is host:port; "" or "off" leaves a front end out, port 0
// takes a free one.
type Options struct {
	HTTP, GRPC, Metrics, Admin string

	Repository repository.Options
	AllowLoad  bool // models may be loaded, unloaded and split on the main addresses too, not only on Admin

	TLS  *tls.Config // of every address; nil: plain
	Keys *guard.Keys // nil: everybody may

	Limits         wire.Limits
	MaxBody        int // bytes of a request
	MaxConnections int // of HTTP and gRPC each

	ShutdownDelay   time.Duration // between "not ready" and the end of accepting, for load balancers to notice
	ShutdownTimeout time.Duration // for running requests to finish, from there on

	AccessLog     bool
	CompatTriton  bool   // health answers as Triton gives them
	MetricsCompat string // "triton": its metric names besides
	OTLP          string // endpoint for traces; "": as the OTEL_* variables say

	Version string // of the program
	Runtime string // of the inference runtime
	Log     *slog.Logger

	// Reload reads the configuration again and returns what the models should be served with now. It is called for
	// every value of Hangup, and when the file Config changes. nil: never.
	Reload func() (repository.Options, error)
	Hangup <-chan struct{}
	Config string
}

// DefaultOptions are the options without flags.
var DefaultOptions = Options{
	HTTP: ":8000", GRPC: ":8001", Metrics: ":8002",
	Limits: wire.DefaultLimits, MaxBody: 64 << 20, MaxConnections: 16384,
	ShutdownDelay: 0, ShutdownTimeout: 30 * time.Second,
	Repository: repository.Options{Watch: 5 * time.Second},
}

// Validate lists every fault of the options.
func (o Options) Validate() error {
	var errs []error
	bad := func(hint, format string, args ...any) {
		errs = append(errs, fault.New(fault.Usage, hint, format, args...))
	}
	m := o.Repository.Model
	if off(o.HTTP) && off(o.GRPC) {
		bad("pass --http or --grpc with an address", "neither HTTP nor gRPC is to be served")
	}
	for name, d := range map[string]time.Duration{
		"slo": m.SLO, "max-delay": m.MaxDelay, "max-wait": m.MaxWait, "watch": o.Repository.Watch,
		"shutdown-delay": o.ShutdownDelay, "shutdown-timeout": o.ShutdownTimeout,
	} {
		if d < 0 {
			bad("give a time such as 50ms", "--%s %v is negative", name, d)
		}
	}
	for name, n := range map[string]int{"max-batch": m.MaxBatch, "max-queue": m.MaxQueue, "instances": m.Instances, "max-body": o.MaxBody, "max-connections": o.MaxConnections} {
		if n < 0 {
			bad("give a positive number, or leave it out", "--%s %d is negative", name, n)
		}
	}
	if m.SLO > 0 && m.MaxDelay >= m.SLO {
		bad("a delay must leave time to run", "--max-delay %v uses up the SLO of %v", m.MaxDelay, m.SLO)
	}
	if o.MetricsCompat != "" && o.MetricsCompat != "triton" {
		bad("use triton, or leave it out", "--metrics-compat %q is not known", o.MetricsCompat)
	}
	return errors.Join(errs...)
}

func off(address string) bool { return address == "" || address == "off" }
