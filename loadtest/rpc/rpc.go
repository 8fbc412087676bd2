// Package rpc owns gRPC as a load generator speaks it. With serve/rpc it is the home of grpc.
package rpc

import (
	"crypto/tls"

	"infer/internal/fault"
)

// Infer is the method of an inference of the Open Inference Protocol.
const Infer = "/inference.GRPCInferenceService/ModelInfer"

// StreamsPerConnection is how many calls share a connection at most. Servers and proxies often allow 100 at a time; one
// more would wait inside of gRPC, where nobody sees it.
const StreamsPerConnection = 50

// Options say what is called, and where.
type Options struct {
	Addr     string              // host:port
	TLS      *tls.Config         // nil: plain
	Method   string              // "" is Infer
	Messages [][]byte            // by payload, at least one: what is sent as it is; not to be changed while the target lives
	Header   map[string][]string // metadata of every call; User-Agent and Host are understood
}

// Connections returns how many connections so many calls at a time need.
func Connections(inFlight int) int {
	return max(1, (inFlight+StreamsPerConnection-1)/StreamsPerConnection)
}

// Target calls one method. It is safe for concurrent use.
type Target struct{ o Options }

// New returns a target without connections. Errors are fault.Usage.
func New(o Options) (*Target, error) {
	if len(o.Messages) == 0 {
		return nil, fault.New(fault.Usage, "", "call %s: there is nothing to send", o.Addr)
	}
	return &Target{o: o}, nil
}
