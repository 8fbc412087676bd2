package rpc

import (
	"net"
	"sync"
)

// listener counts the connections of a server and closes those over the limit at once.
type listener struct {
	net.Listener
	s *Server
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.s.open.Add(1) > int64(l.s.o.MaxConnections) {
			l.s.open.Add(-1)
			c.Close()
			continue
		}
		return &conn{Conn: c, s: l.s}, nil
	}
}

// conn is a connection that is counted.
type conn struct {
	net.Conn
	s    *Server
	once sync.Once
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.once.Do(func() { c.s.open.Add(-1) })
	return c.Conn.Close()
}

// address is an address whose text is made once a connection and not once a request. It leads from a call to the intake
// of its connection.
type address struct {
	net.Addr
	text   string
	intake *intake
}

// String implements net.Addr.
func (a *address) String() string { return a.text }
