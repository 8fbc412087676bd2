// Package rpc owns the gRPC front end: the Open Inference Protocol v2 with Triton's extensions, TensorFlow Serving's
// Predict, health and reflection. It is the only home of grpc.
//
// Inference does not go through generated messages: a frame takes the bytes of a request as gRPC received them, the
// tensors are views of it, and the answer is appended to a pooled buffer that gRPC sends. See frame and exchange.
package rpc

import (
	"context"
	"crypto/tls"
	"log/slog"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"infer/internal/pb/tfs"
	"infer/internal/wire"
	"infer/serve/guard"
	"infer/serve/repository"
)

// Options say what a front end offers and what it refuses. Zero limits take those of DefaultOptions.
type Options struct {
	Repository *repository.Repository
	Observer   repository.Observer // told of every inference; nil: nobody is
	Keys       *guard.Keys         // nil: everybody may do everything
	TLS        *tls.Config         // nil: plain
	Log        *slog.Logger        // nil: nothing is logged

	Name, Version string // of the server, in ServerMetadata
	Admin         bool   // models may be loaded and unloaded here
	Reflection    bool   // lists services and messages for tools like grpcurl
	MirrorTyped   bool   // answer a request with typed contents in typed contents; else always raw, as Triton does

	Limits           wire.Limits
	Budget           *guard.Budget // what all requests may hold, shared with other front ends; nil: guard.DefaultBudget
	MaxMessage       int           // bytes of a request, unpacked
	MaxConnections   int           // open at a time; one more is closed
	KeepAlive        time.Duration // after which a silent connection is asked whether it lives
	MaxConnectionAge time.Duration // after which clients are asked to connect anew, so that balancers spread them; 0: never
}

// DefaultOptions are the limits of a server without flags.
var DefaultOptions = Options{
	Name: "infer", Version: "dev", Reflection: true,
	Limits: wire.DefaultLimits, MaxMessage: 64 << 20, MaxConnections: 16 << 10, KeepAlive: time.Minute,
}

// Bounds that no flag changes.
const (
	handshakeTimeout = 10 * time.Second // from a connection to its first HTTP/2 frame
	maxStreams       = 256              // calls of one connection at a time
	maxHeader        = 16 << 10         // bytes of the metadata of a call
	keepAliveTimeout = 20 * time.Second // for the answer to a keep-alive
	fastestKeepAlive = 10 * time.Second // a client that asks more often than this is sent away
)

// What makes a small call cheap. Windows of a fixed size spare the pings by which gRPC sizes them, one and its answer a
// call; a message larger than the window of its stream widens it. Workers spare a call the growing of a new stack.
const (
	streamWindow = 256 << 10
	connWindow   = 4 << 20
	workers      = 64
)

// Server is the front end on one or more listeners. Safe for concurrent use.
type Server struct {
	o         Options
	grpc      *grpc.Server
	exchanges sync.Pool // of *exchange
	budget    *guard.Budget
	stall     time.Duration
	open      atomic.Int64

	draining  chan struct{} // closed by Drain
	drainOnce sync.Once

	mu      sync.Mutex
	ready   bool
	changed chan struct{} // closed and replaced when ready changes
}

// New returns a server that listens nowhere yet and is not ready.
func New(o Options) *Server {
	o = withDefaults(o)
	s := &Server{o: o, draining: make(chan struct{}), changed: make(chan struct{})}
	if s.budget, s.stall = o.Budget, stall; s.budget == nil {
		s.budget = guard.NewBudget(guard.DefaultBudget)
	}
	s.exchanges.New = func() any { return new(exchange) }
	options := []grpc.ServerOption{
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(o.MaxMessage),
		grpc.MaxSendMsgSize(math.MaxInt32),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(maxHeader),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connWindow),
		grpc.NumStreamWorkers(workers),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: o.KeepAlive, Timeout: keepAliveTimeout, MaxConnectionAge: o.MaxConnectionAge}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: fastestKeepAlive, PermitWithoutStream: true}),
		grpc.UnaryInterceptor(s.unary),
		grpc.StreamInterceptor(s.stream),
		grpc.Creds(newTransport(s)),
		grpc.InTapHandle(tapped),
	}
	s.grpc = grpc.NewServer(options...)
	services := watch{s.grpc}
	services.RegisterService(oipService(), &oip{s: s})
	services.RegisterService(predictionService(), &prediction{s: s})
	tfs.RegisterModelServiceServer(services, &models{s: s})
	healthpb.RegisterHealthServer(services, &health{s: s})
	if o.Reflection {
		reflection.Register(services)
	}
	return s
}

func withDefaults(o Options) Options {
	d := DefaultOptions
	if o.Name == "" {
		o.Name = d.Name
	}
	if o.Version == "" {
		o.Version = d.Version
	}
	if o.Limits == (wire.Limits{}) {
		o.Limits = d.Limits
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = d.MaxMessage
	}
	if o.MaxConnections == 0 {
		o.MaxConnections = d.MaxConnections
	}
	if o.KeepAlive == 0 {
		o.KeepAlive = d.KeepAlive
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Serve answers on a listener, which it closes, until Drain. It returns nil then.
func (s *Server) Serve(l net.Listener) error { return s.grpc.Serve(&listener{l, s}) }

// Drain takes no more connections and calls, asks clients to go elsewhere, and waits for the calls that run. Streams
// are ended when what they asked is answered. What still runs at the end of ctx is cut off, and the error is that of
// ctx. A second Drain waits too.
func (s *Server) Drain(ctx context.Context) error {
	s.SetReady(false)
	s.drainOnce.Do(func() { close(s.draining) })
	done := make(chan struct{})
	go func() { // ends with the last call, or by Stop
		s.grpc.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
		return ctx.Err()
	}
}

// Connections counts the open connections.
func (s *Server) Connections() int { return int(s.open.Load()) }

// SetReady says whether the server wants requests: the health of "" and of every model follow. A new server does not.
func (s *Server) SetReady(ready bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready != ready {
		s.ready = ready
		close(s.changed)
		s.changed = make(chan struct{})
	}
}

// wanted reports whether the server wants requests.
func (s *Server) wanted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready
}

// isReady reports whether the server wants requests and every model can take them, and a channel that is closed when
// the first of the two has changed.
func (s *Server) isReady() (bool, <-chan struct{}) {
	s.mu.Lock()
	ready, changed := s.ready, s.changed
	s.mu.Unlock()
	return ready && s.o.Repository.Ready(), changed
}
