// Package null owns servers that do nothing but answer, against which a load generator measures itself. What they take
// their time for is known: no answer is early, and with Serial they are a queue of which theory knows all.
package null

import (
	"context"
	"net"
	"sync"
	"time"

	"infer/internal/fault"
)

// Options say how a server answers. All answers are the same.
type Options struct {
	Addr        string        // to listen on; "" is 127.0.0.1:0
	Body        []byte        // of every answer: of HTTP the body, of gRPC the message; not to be changed while the server lives
	ServiceTime time.Duration // from when a request has come whole until its answer leaves
	Serial      bool          // one request at a time: a service begins when the one before has ended, an M/D/1 queue under poisson arrivals
	StallAfter  time.Duration // from the first request on
	StallFor    time.Duration // how long the server stands still then: no service goes on, no answer leaves; 0: it never does
	Threads     int           // of HTTP on Linux, more than one only where no time is set; 0 is 1
}

// Server is a server that runs until Close. It is safe for concurrent use.
type Server struct {
	addr  string
	close func() error
	once  sync.Once
	err   error
}

// Addr returns the address that the server listens on, host:port.
func (s *Server) Addr() string { return s.addr }

// Close ends the server with all its connections and waits for its goroutines. A second Close is a no-op.
func (s *Server) Close() error {
	s.once.Do(func() { s.err = s.close() })
	return s.err
}

// Run runs a server, made by HTTP or GRPC, until ctx ends. ready is told its address when it takes connections.
func Run(ctx context.Context, start func(Options) (*Server, error), o Options, ready func(addr string)) error {
	s, err := start(o)
	if err != nil {
		return err
	}
	ready(s.Addr())
	<-ctx.Done()
	return s.Close()
}

// listen checks the options and listens.
func (o *Options) listen() (net.Listener, error) {
	if o.ServiceTime < 0 || o.StallAfter < 0 || o.StallFor < 0 {
		return nil, fault.New(fault.Usage, "", "start a null server: a time is negative")
	}
	if o.Threads > 1 && o.timed() {
		return nil, fault.New(fault.Usage, "leave the threads out, or the times", "start a null server: %d threads cannot keep one queue", o.Threads)
	}
	addr := o.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fault.New(fault.Usage, "choose another port, or 0 for any that is free", "start a null server: %w", err)
	}
	return l, nil
}
