// Package null owns servers that do nothing but answer, against which a load generator measures itself. What they take
// their time for is known: no answer is early, and with Serial they are a queue of which theory knows all.
package null

import (
	"context"
	"time"
)

// Options say how a server answers.
type Options struct {
	Addr        string        // to listen on; "" is 127.0.0.1:0
	Body        []byte        // of every answer: of HTTP the body, of gRPC the message; not to be changed while the server lives
	ServiceTime time.Duration // from when a request has come until its answer leaves
	Serial      bool          // one request at a time: the next one's service begins when the last one's has ended
	StallAfter  time.Duration // from the first request on
	StallFor    time.Duration // how long the server stands still then; 0: it never does
	Threads     int           // of HTTP on Linux; 0 is 1
}

// Server is a server that runs until Close. It is safe for concurrent use.
type Server struct {
	addr string
	stop func() error
}

// Addr returns the address that the server listens on, host:port.
func (s *Server) Addr() string { return s.addr }

// Close ends the server with all its connections and waits for its goroutines. A second Close is a no-op.
func (s *Server) Close() error { return s.stop() }

// Run runs a server, HTTP or GRPC, until ctx ends. ready is told its address when it takes connections.
func Run(ctx context.Context, start func(Options) (*Server, error), o Options, ready func(addr string)) error {
	s, err := start(o)
	if err != nil {
		return err
	}
	ready(s.Addr())
	<-ctx.Done()
	return s.Close()
}
