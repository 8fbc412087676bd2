package child

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"infer/internal/fault"
)

const (
	readyTimeout = time.Minute     // for loading a large model
	askTimeout   = 2 * time.Second // for one answer
	askEvery     = 20 * time.Millisecond
)

// Ready waits until the server that the command starts answers at address, which is http(s)://host:port or grpc://host:port.
// Over HTTP it asks /v2/health/ready, and what does not know that path is ready with any answer to / but 503; over gRPC it
// is ready once it accepts a connection. A command that ends first, or is not ready within Spec.Timeout, is an error with
// its last lines.
func (p *Process) Ready(ctx context.Context, address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return fault.New(fault.Usage, "give an address such as http://127.0.0.1:8000", "%q is no address of a server", address)
	}
	limit := p.timeout
	if limit <= 0 {
		limit = readyTimeout
	}
	until := time.Now().Add(limit)
	c := &http.Client{Timeout: askTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		why := ask(ctx, c, u)
		select { // first: another program may answer at the port for which this one has ended
		case <-p.done:
			return fault.New(fault.Internal, "try it in a shell first", "command %q ended before it was ready: %w", p.command, ended(p.err, p.out))
		default:
		}
		if why == nil {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Now().After(until) {
			return fault.New(fault.Deadline, "does it listen at "+u.Host+"?", "command %q was not ready within %v: %w%s", p.command, limit, why, p.out.Last())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.done:
		case <-time.After(askEvery):
		}
	}
}

// ask returns nil where the server at u is ready.
func ask(ctx context.Context, c *http.Client, u *url.URL) error {
	if !strings.HasPrefix(u.Scheme, "http") {
		d := net.Dialer{Timeout: askTimeout}
		conn, err := d.DialContext(ctx, "tcp", u.Host)
		if err == nil {
			conn.Close()
		}
		return err
	}
	root := url.URL{Scheme: u.Scheme, Host: u.Host, Path: "/v2/health/ready"}
	code, err := status(ctx, c, root)
	switch {
	case err != nil:
		return err
	case code == http.StatusOK:
		return nil
	case code != http.StatusNotFound && code != http.StatusMethodNotAllowed && code != http.StatusNotImplemented:
		return fmt.Errorf("%s answers %d", root.Path, code)
	}
	root.Path = "/"
	code, err = status(ctx, c, root)
	if err == nil && code == http.StatusServiceUnavailable {
		return fmt.Errorf("%s answers %d", root.Path, code)
	}
	return err
}

func status(ctx context.Context, c *http.Client, u url.URL) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return 0, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}
