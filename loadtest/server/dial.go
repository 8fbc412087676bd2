package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"
)

// newClient is a client without a proxy, since the load has none, and without redirects, which the load does not follow.
// Every request has a connection of its own: net/http writes to the log what a server sends on an idle one.
func newClient(config *tls.Config) *http.Client {
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: config.Clone(), DisableKeepAlives: true, DialContext: dial},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// dial makes a connection on which nothing is read before something was written. A server of HTTP/2 speaks first, which
// net/http would take for an answer to nothing, and log.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: 30 * time.Second}
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &turnConn{Conn: c, spoken: make(chan struct{})}, nil
}

// turnConn is a connection of dial.
type turnConn struct {
	net.Conn
	once   sync.Once
	spoken chan struct{} // closed by the first Write, or by Close
}

// Read waits for the first Write.
func (c *turnConn) Read(b []byte) (int, error) {
	<-c.spoken
	return c.Conn.Read(b)
}

// Write writes, and lets readers go on.
func (c *turnConn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.once.Do(func() { close(c.spoken) })
	return n, err
}

// Close ends the connection.
func (c *turnConn) Close() error {
	c.once.Do(func() { close(c.spoken) })
	return c.Conn.Close()
}
