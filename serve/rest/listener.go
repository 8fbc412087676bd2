package rest

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/valyala/fasthttp"
)

// listener hands out connections within the limit, and loses none when it closes: those that the system has already
// accepted for it are served.
type listener struct {
	net.Listener
	s       *Server
	closing atomic.Bool
}

func newListener(ln net.Listener, s *Server) *listener { return &listener{Listener: ln, s: s} }

// Accept returns the next connection. It returns net.ErrClosed after Close and the connections that came before it.
func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.next()
		if err != nil {
			return nil, err
		}
		if c := l.s.track(raw); c != nil {
			return c, nil
		}
		l.turnAway(raw)
	}
}

// next returns a connection: the next one, or while closing one that has come already.
func (l *listener) next() (net.Conn, error) {
	if !l.closing.Load() {
		c, err := l.Listener.Accept()
		if err == nil || !l.closing.Load() {
			return c, err
		}
	}
	if c := acceptPending(l.Listener); c != nil {
		return c, nil
	}
	_ = l.Listener.Close()
	return nil, net.ErrClosed
}

// Close wakes up Accept, which empties the queue of the system and closes the listener: a connection that was closed
// unseen would end in a reset at its client.
func (l *listener) Close() error {
	l.closing.Store(true)
	if d, ok := l.Listener.(interface{ SetDeadline(time.Time) error }); ok {
		return d.SetDeadline(time.Now())
	}
	return l.Listener.Close()
}

// turnAway answers a connection over the limit, as far as that needs no waiting, and closes it.
func (l *listener) turnAway(raw net.Conn) {
	if l.s.o.TLS == nil {
		_ = raw.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		_, _ = io.WriteString(raw, tooManyConnections)
	}
	_ = raw.Close()
}

const tooManyConnections = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 47\r\n" +
	"Retry-After: 1\r\nConnection: close\r\n\r\n" + `{"error":"the server has too many connections"}`

// conn is a connection of a listener: what fasthttp reads and writes, and what the server must know of it beside.
type conn struct {
	net.Conn // TLS, where configured
	s        *Server
	raw      syscall.RawConn // of the socket; nil where there is none
	client   string          // its address
	arrived  time.Time       // when the first byte of the running request was seen
	linger   atomic.Bool     // the client may still be sending: see Close
}

// track makes a connection known to the server; nil over the limit.
func (s *Server) track(raw net.Conn) *conn {
	c := &conn{Conn: raw, s: s, client: raw.RemoteAddr().String(), arrived: time.Now()}
	if sc, ok := raw.(syscall.Conn); ok {
		c.raw, _ = sc.SyscallConn()
	}
	if s.o.TLS != nil {
		c.Conn = tls.Server(raw, s.o.TLS)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) >= s.o.MaxConnections {
		return nil
	}
	s.conns[c] = struct{}{}
	return c
}

// Read reads from the client. Who sends HTTP to a TLS port hears so, in HTTP, instead of nothing.
func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && c.s.o.TLS != nil {
		answerPlain(err)
	}
	return n, err
}

// answerPlain answers where the error of a read says that a client began in plain HTTP. It is apart from Read, which
// takes no memory.
func answerPlain(err error) {
	var record tls.RecordHeaderError
	if errors.As(err, &record) && record.Conn != nil && looksHTTP(record.RecordHeader) {
		_ = record.Conn.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		_, _ = io.WriteString(record.Conn, plainToTLS)
	}
}

// looksHTTP reports whether the first bytes of a connection are those of a plain request.
func looksHTTP(start [5]byte) bool {
	switch string(start[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "DELET", "PATCH":
		return true
	}
	return false
}

const plainToTLS = "HTTP/1.0 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" +
	`{"error":"this port speaks TLS: use https://"}`

// How long, and how many bytes, a client may go on sending what will not be read.
const (
	lingering   = time.Second
	lingerBytes = 256 << 20
)

// Close closes the connection. Where the client was refused in the middle of its body it first reads on for a while:
// to close a socket that holds unread data resets it, and the client would lose the answer that says why.
func (c *conn) Close() error {
	if !c.forget() {
		return nil
	}
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.linger.Load() && half.CloseWrite() == nil {
		_ = c.Conn.SetReadDeadline(time.Now().Add(lingering))
		_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
	}
	return c.Conn.Close()
}

// forget takes the connection from the list of the server, and reports whether it was there.
func (c *conn) forget() bool {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	_, known := c.s.conns[c]
	delete(c.s.conns, c)
	return known
}

// closeAll ends every connection at once.
func (s *Server) closeAll() {
	s.mu.Lock()
	list := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		list = append(list, c)
	}
	s.mu.Unlock()
	for _, c := range list {
		if c.forget() {
			_ = c.Conn.SetDeadline(time.Now()) // a TLS connection says goodbye, which could wait
			_ = c.Conn.Close()
		}
	}
}

// observeState notes when a request begins, and that one has come to its end.
func observeState(c net.Conn, state fasthttp.ConnState) {
	known, ok := c.(*conn)
	switch {
	case !ok:
	case state == fasthttp.StateActive:
		known.arrived = time.Now()
	case state == fasthttp.StateIdle:
		known.linger.Store(false) // the body was read, to be refused or not
	}
}

// clientGone reports whether an error of a connection means that nobody is there any more.
func clientGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
