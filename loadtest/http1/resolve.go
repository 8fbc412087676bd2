package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"infer/internal/fault"
)

// openWithin bounds how long one connection may take to be made.
const openWithin = 10 * time.Second

// resolve returns the addresses of "host:port" in the order in which they are to be tried, at least one.
func resolve(ctx context.Context, addr string) ([]netip.AddrPort, error) {
	host, service, _ := net.SplitHostPort(addr) // Options were checked
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
	if err != nil {
		return nil, fault.New(fault.Usage, "", "port %s: %w", strconv.Quote(service), err)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(ips) == 0 {
		return nil, fault.New(fault.Unavailable, "check the name of the host", "find the address of %s: %w", strconv.Quote(host), err)
	}
	list := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		list[i] = netip.AddrPortFrom(ip.Unmap(), uint16(port))
	}
	return list, nil
}

// choose tries the addresses of "host:port" in their order and returns the first with which that went well.
func choose(ctx context.Context, addr string, try func(netip.AddrPort) error) (netip.AddrPort, error) {
	list, err := resolve(ctx, addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	var failed error
	for _, to := range list {
		err := try(to)
		if err == nil {
			return to, nil
		}
		failed = errors.Join(failed, err)
	}
	return netip.AddrPort{}, unopened(failed)
}

// unopened says what to do about a connection that could not be made.
func unopened(err error) error {
	var record tls.RecordHeaderError
	var unknown *tls.CertificateVerificationError
	switch {
	case errors.As(err, &record):
		return fault.New(fault.Unavailable, "the server does not speak TLS there: give the target as http://", "%w", err)
	case errors.As(err, &unknown):
		return fault.New(fault.Unavailable, "the certificate must be for this host, and by an authority that this machine knows", "%w", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fault.New(fault.Unavailable, "nothing listens there: start the server, or give its port", "%w", err)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fault.New(fault.Unavailable, "raise the limit of open files (ulimit -n) or use fewer connections", "%w", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fault.New(fault.Unavailable, "no local port is free: use fewer connections", "%w", err)
	}
	return fault.New(fault.Unavailable, "", "%w", err)
}
