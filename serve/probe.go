package serve

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"infer/internal/fault"
)

// probeTime is how long Probe waits.
const probeTime = 5 * time.Second

// Probe asks a readiness URL once, for containers that have no curl. nil: it answered 200. Where the host is a loopback
// address, the certificate of https is not verified: the server is this machine, and certificates are made for names that
// others ask by.
func Probe(ctx context.Context, address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return fault.New(fault.Usage, "give one such as http://localhost:8000/v2/health/ready", "--probe: %q is no http or https URL", address)
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return fault.New(fault.Usage, "give a URL such as http://localhost:8000/v2/health/ready", "--probe: %w", err)
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	if loopback(u.Hostname()) {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}
	}
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return fault.New(fault.Internal, unansweredHint(u, err), "probe: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fault.New(fault.Internal, statusHint(resp.StatusCode), "probe: %s answers %s", address, resp.Status)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// unansweredHint says what to do about a probe that got no answer.
func unansweredHint(u *url.URL, err error) string {
	var name *net.DNSError
	var cert *tls.CertificateVerificationError
	var alert tls.AlertError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: start the server, or check host and port"
	case errors.As(err, &name):
		return "check the name of the host"
	case errors.As(err, &cert), errors.As(err, new(x509.UnknownAuthorityError)):
		return "only the certificate of a loopback address is taken as it is: probe https://127.0.0.1 on the server's own machine"
	case errors.As(err, &alert):
		return "the server refuses the TLS connection: with --tls-client-ca it wants a certificate, which a probe has not"
	case errors.Is(err, http.ErrSchemeMismatch), u.Scheme == "https" && strings.Contains(err.Error(), "first record does not look like a TLS handshake"):
		return "the server has no TLS there: probe it with http://"
	case errors.Is(err, context.DeadlineExceeded):
		return "the server does not answer within " + probeTime.String()
	case u.Scheme == "http":
		return "does the server have TLS (--tls-cert)? then probe it with https://"
	}
	return "check host and port"
}

// statusHint says what an answer other than 200 means.
func statusHint(status int) string {
	switch status {
	case http.StatusServiceUnavailable:
		return "it is not ready: it loads its models, drains, or none of them can serve"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return "the path is another one: that of readiness is /v2/health/ready"
	case http.StatusUnauthorized, http.StatusForbidden:
		return "that path needs a key; /v2/health/ready needs none"
	case http.StatusBadRequest:
		return "does the server have TLS (--tls-cert)? then probe it with https://"
	}
	return "is this infer serve? its readiness is at /v2/health/ready"
}
