// Package rest owns the HTTP front end: the Open Inference Protocol v2, TensorFlow Serving's and TorchServe's REST
// forms, the plain /predict, the administration of models, the access log and the limits. It is the only home of
// fasthttp.
//
// One request has one exchange, from a pool: what was asked, what is answered, and the buffers of both. A route is
// found on the bytes of the path, the body is read only when the model is known and has not refused, and an answer is
// appended to the buffer that the connection writes. Nothing on that way takes memory of its own.
package rest

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/serve/guard"
	"infer/serve/repository"
)

// Options say what a front end offers and what it refuses. Zero limits and timeouts take those of DefaultOptions.
type Options struct {
	Repository *repository.Repository
	Observer   repository.Observer // nil: nobody is told
	Log        *slog.Logger        // nil: nothing is logged
	AccessLog  *slog.Logger        // a line a request; nil: none
	TLS        *tls.Config         // nil: plain HTTP

	// Authorize finds whom a key belongs to and whether it has a scope of package guard, as guard.Keys.Check does. key is
	// the value of the Authorization header, else that of X-API-Key. nil: everybody may do everything.
	Authorize func(key []byte, scope string) (name string, err error)

	// Page delivers "/", "/openapi.json" and "/live". nil: none of them.
	Page func(path string) (contentType string, body []byte, ok bool)

	Name, Version string // of the server, in GET /v2
	Default       string // the model that /predict goes to; "": the only one
	Metrics       string // the address of the metrics, for who asks for them here; "": not told
	Admin         bool   // this listener loads, unloads and splits models; elsewhere that is refused
	CompatTriton  bool   // health answers as Triton's: empty bodies, 400 where not ready
	NoTiming      bool   // leave Server-Timing out

	Limits         wire.Limits
	MaxBody        int           // bytes of a body, as sent and decompressed
	MaxBodies      int64         // bytes that all requests may hold at a time, of a server without a Budget
	Budget         *guard.Budget // what all requests may hold, shared with other front ends; nil: one of MaxBodies
	MaxHeader      int           // bytes of request line and header
	MaxConnections int           // open at a time; one more is answered 503 and closed
	ReadTimeout    time.Duration // for the header, and for a body beside its size: a body must come at minRate
	WriteTimeout   time.Duration // for an answer, which must be taken at minRate beside
	IdleTimeout    time.Duration // between two requests of a connection
}

// DefaultOptions are the limits of a server without flags.
var DefaultOptions = Options{
	Name: "infer", Version: "dev",
	Limits: wire.DefaultLimits, MaxBody: 64 << 20, MaxBodies: 1 << 30, MaxHeader: 8 << 10, MaxConnections: 16 << 10,
	ReadTimeout: 20 * time.Second, WriteTimeout: 20 * time.Second, IdleTimeout: 2 * time.Minute,
}

// minRate is what a client must send or take a second, in bytes, once the timeout has passed: slower ones hold memory
// that others wait for.
const minRate = 16 << 10

// Server is the front end on one or more listeners. Safe for concurrent use.
type Server struct {
	o        Options
	fast     *fasthttp.Server
	pool     sync.Pool // of *exchange
	ready    atomic.Bool
	draining atomic.Bool
	budget   *guard.Budget // what requests hold
	running  context.Context
	stop     context.CancelFunc

	mu    sync.Mutex
	conns map[*conn]struct{}
}

// New returns a server that listens nowhere yet and is not ready. Errors: fault.Usage for options that make no sense.
func New(o Options) (*Server, error) {
	o = withDefaults(o)
	if err := o.validate(); err != nil {
		return nil, err
	}
	s := &Server{o: o, conns: map[*conn]struct{}{}}
	if s.budget = o.Budget; s.budget == nil {
		s.budget = guard.NewBudget(o.MaxBodies)
	}
	s.running, s.stop = context.WithCancel(context.Background())
	s.pool.New = func() any { return newExchange(s) }
	s.fast = &fasthttp.Server{
		Handler:      s.handle,
		ErrorHandler: s.malformed,
		// A body that the client asks about first is refused before it comes.
		ExpectHandler: s.expected,
		// What a client sent, which may hold keys, does not go into errors.
		SecureErrorLogMessage: true,
		ConnState:             observeState,
		Logger:                fastLog{o.Log},

		ReadBufferSize: o.MaxHeader,
		ReadTimeout:    o.ReadTimeout,
		WriteTimeout:   o.WriteTimeout,
		IdleTimeout:    o.IdleTimeout,
		Concurrency:    2 * o.MaxConnections, // not to be met: the listener has a limit that answers in JSON

		// A body is read by the exchange, as far as it has come, once the model is known: one that was only announced
		// takes no memory. Of a body that it streams fasthttp reads in advance, and waits for, as much as it allows to
		// one that it does not: a byte.
		StreamRequestBody:            true,
		MaxRequestBodySize:           1,
		DisablePreParseMultipartForm: true,
		// What an idle connection holds is its read buffer: see RATIONALE.md for the measurement.
		ReduceMemoryUsage:     true,
		LazyRequestTime:       true,
		CloseOnShutdown:       true,
		NoDefaultServerHeader: true,
		NoDefaultContentType:  true,
	}
	return s, nil
}

func withDefaults(o Options) Options {
	d := DefaultOptions
	set(&o.Name, d.Name)
	set(&o.Version, d.Version)
	set(&o.Limits, d.Limits)
	set(&o.MaxBody, d.MaxBody)
	set(&o.MaxBodies, d.MaxBodies)
	set(&o.MaxHeader, d.MaxHeader)
	set(&o.MaxConnections, d.MaxConnections)
	set(&o.ReadTimeout, d.ReadTimeout)
	set(&o.WriteTimeout, d.WriteTimeout)
	set(&o.IdleTimeout, d.IdleTimeout)
	return o
}

// set gives a zero option its default.
func set[T comparable](option *T, value T) {
	var zero T
	if *option == zero {
		*option = value
	}
}

// validate lists every option that makes no sense.
func (o Options) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fault.New(fault.Usage, "", format, args...)) }
	if o.Repository == nil {
		bad("no repository to serve")
	}
	for _, l := range []struct {
		name  string
		value int64
	}{
		{"body limit", int64(o.MaxBody)}, {"limit of all bodies", o.MaxBodies}, {"connection limit", int64(o.MaxConnections)},
		{"read timeout", int64(o.ReadTimeout)}, {"write timeout", int64(o.WriteTimeout)}, {"idle timeout", int64(o.IdleTimeout)},
	} {
		if l.value < 0 {
			bad("%s %d is negative", l.name, l.value)
		}
	}
	if o.MaxHeader < 1<<10 {
		bad("header limit %d is under 1024 bytes, which clients exceed", o.MaxHeader)
	}
	return errors.Join(errs...)
}

// Serve answers requests on ln until Drain, and then returns nil. It may be called for several listeners. It owns ln.
func (s *Server) Serve(ln net.Listener) error {
	defer ln.Close()
	if err := s.fast.Serve(newListener(ln, s)); err != nil {
		return fault.Wrap(err, "serve HTTP on %s", ln.Addr())
	}
	return nil
}

// SetReady says what the readiness endpoint answers. A server is ready when this was set and its repository is.
func (s *Server) SetReady(ready bool) { s.ready.Store(ready) }

// SetDraining takes the server out of rotation without refusing anything: readiness is off and every answer asks the
// client to close its connection.
func (s *Server) SetDraining(draining bool) { s.draining.Store(draining) }

// Drain tells clients to close their connections, stops accepting, answers what is running or has already arrived, and
// closes idle connections. It returns nil when no connection is left. When ctx ends first, running calls are cancelled,
// connections are closed, and the error is that of ctx.
func (s *Server) Drain(ctx context.Context) error {
	s.SetDraining(true)
	s.awaitGoodbyes(ctx)
	err := s.fast.ShutdownWithContext(ctx)
	s.stop()
	if err == nil {
		return nil
	}
	s.closeAll()
	return fault.Wrap(err, "drain HTTP")
}

// Connections returns how many connections are open.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// goodbye is how long a drain waits for clients to close their connections themselves. A client that is about to send
// on a connection that the server closes gets a reset and cannot know whether its request was taken; one that sends
// again within this time is answered, and asked to close.
const goodbye = 100 * time.Millisecond

// awaitGoodbyes waits until no connection is open, but not for longer than goodbye.
func (s *Server) awaitGoodbyes(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, goodbye)
	defer cancel()
	tick := time.NewTicker(goodbye / 20)
	defer tick.Stop()
	for s.Connections() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// isReady is what the readiness endpoint answers.
func (s *Server) isReady() bool {
	return s.ready.Load() && !s.draining.Load() && s.o.Repository.Ready()
}
