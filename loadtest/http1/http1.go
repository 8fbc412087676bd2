// Package http1 owns HTTP/1.1 as a load generator speaks it: requests made before the load, a response parser, and an
// event loop that sends and receives on one thread.
package http1

import (
	"crypto/tls"
	"net"

	"infer/internal/fault"
	"infer/loadtest/drive"
)

// Options say what is sent where.
type Options struct {
	Addr     string      // "host:port"; the host a name or an IP address, IPv6 in brackets
	TLS      *tls.Config // nil: plain HTTP. It is copied; without a ServerName that is the host
	Requests []Request   // by payload, at least one; shared, not copied
}

func (o Options) check() error {
	if len(o.Requests) == 0 {
		return fault.New(fault.Internal, "", "a load needs at least one request")
	}
	for _, r := range o.Requests {
		if len(r.raw) == 0 {
			return fault.New(fault.Internal, "", "a request of the load is empty: make it with NewRequest")
		}
	}
	if _, port, err := net.SplitHostPort(o.Addr); err != nil || port == "" {
		return fault.New(fault.Usage, "give the target as http://host:port/", "address %q is not host:port", o.Addr)
	}
	return nil
}

// New returns a generator for o: lanes of an event loop of its own where the system has them (Linux, plain HTTP), else
// calls on a pool of connections. It opens nothing; errors are those of o alone.
func New(o Options) (drive.Generator, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if o.TLS == nil {
		if g := newLanes(o); g != nil {
			return g, nil
		}
	}
	return drive.Workers(newCalls(o)), nil
}
