package http1

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"infer/loadtest/drive"
	"infer/loadtest/sample"
)

// calls is a drive.Target that makes one blocking call for each request, on a pool of connections: for https, and for
// systems without lanes. It is safe for concurrent use. A caller that bounds its calls bounds the connections too.
type calls struct {
	o      Options
	tls    *tls.Config // nil: plain HTTP
	memory *memory

	mu    sync.Mutex
	to    netip.AddrPort // that answered; not valid before Open
	idle  []*link        // the one used last at the end
	ended bool
}

// link is one connection of calls.
type link struct {
	net.Conn
	p     parser
	buf   []byte
	tcp   *net.TCPConn
	freed time.Time // when it was free last
	how   ending    // of the exchange that failed last
}

// end closes the connection.
func (k *link) end() {
	k.p.forget()
	k.Close()
}

// newCalls returns a target for o, which was checked. It opens nothing. A copy of o.TLS is used that keeps sessions, so
// that later connections resume the first one's, and offers HTTP/1.1 only.
func newCalls(o Options) *calls {
	c := &calls{o: o, memory: newMemory()}
	if o.TLS != nil {
		c.tls = o.TLS.Clone()
		c.tls.NextProtos = []string{"http/1.1"}
		if c.tls.ServerName == "" {
			c.tls.ServerName, _, _ = net.SplitHostPort(o.Addr)
		}
		if c.tls.ClientSessionCache == nil {
			c.tls.ClientSessionCache = tls.NewLRUClientSessionCache(0)
		}
	}
	return c
}

// Open implements drive.Target. It tries the addresses of the host in their order and stays with the first that takes
// a connection.
func (c *calls) Open(ctx context.Context, n int) error {
	c.mu.Lock()
	known, have := c.to.IsValid(), len(c.idle)
	c.mu.Unlock()
	if !known {
		if err := c.choose(ctx); err != nil {
			return err
		}
		have++
	}
	for ; have < n; have++ {
		k, err := c.dial(ctx, c.to)
		if err != nil {
			return unopened(fmt.Errorf("connection %d of %d: %w", have+1, n, err))
		}
		c.rest(k)
	}
	return nil
}

func (c *calls) choose(ctx context.Context) error {
	to, err := choose(ctx, c.o.Addr, func(to netip.AddrPort) error {
		k, err := c.dial(ctx, to)
		if err == nil {
			c.rest(k)
		}
		return err
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.to = to
	return nil
}

func (c *calls) dial(ctx context.Context, to netip.AddrPort) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	var d net.Dialer
	plain, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", to, bare(err))
	}
	k := &link{Conn: plain, buf: make([]byte, readLen), tcp: plain.(*net.TCPConn)}
	k.p.memory = c.memory
	if c.tls == nil {
		return k, nil
	}
	secure := tls.Client(plain, c.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		plain.Close()
		return nil, fmt.Errorf("TLS with %s: %w", to, err)
	}
	k.Conn = secure
	return k, nil
}

// take returns a connection that is free, unless anew is set, or a new one.
func (c *calls) take(ctx context.Context, anew bool) (k *link, fresh bool, err error) {
	c.mu.Lock()
	to := c.to
	if n := len(c.idle); n > 0 && !anew {
		k = c.idle[n-1]
		c.idle = c.idle[:n-1]
	}
	c.mu.Unlock()
	if k != nil {
		return k, false, nil
	}
	if !to.IsValid() {
		return nil, false, errors.New("the target is not open")
	}
	k, err = c.dial(ctx, to)
	return k, true, err
}

// rest makes a connection free.
func (c *calls) rest(k *link) {
	k.p.trim()
	k.freed = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		k.end()
		return
	}
	c.idle = append(c.idle, k)
}

// Close implements drive.Target.
func (c *calls) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.idle {
		k.end()
	}
	c.idle, c.ended = nil, true
	return nil
}

// Do implements drive.Target.
func (c *calls) Do(ctx context.Context, s *sample.Sample, now func() time.Duration, want bool) (drive.Answer, func(), string) {
	r := &c.o.Requests[s.Payload]
	s.Queue, s.Compute, s.Sent = sample.Untold, sample.Untold, now()
	for resent := false; ; resent = true {
		k, fresh, err := c.take(ctx, resent)
		if err != nil {
			s.Done, s.Outcome = now(), sample.Unreachable
			return drive.Answer{}, nil, err.Error()
		}
		if !resent {
			s.Sent = now()
		}
		reuse, err := k.exchange(ctx, r, want)
		s.Done = now()
		if err == nil {
			return c.answered(k, s, want, reuse)
		}
		again := !fresh && !k.p.began && k.how.unread()
		k.end()
		switch {
		case ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded):
			s.Outcome = sample.TimedOut
			return drive.Answer{}, nil, timedOut
		case !again:
			s.Outcome = sample.Broken
			return drive.Answer{}, nil, err.Error()
		}
	}
}

// answered makes of a whole answer what Do returns.
func (c *calls) answered(k *link, s *sample.Sample, want, reuse bool) (drive.Answer, func(), string) {
	k.p.settle(s)
	done := func() {
		if reuse {
			c.rest(k)
		} else {
			k.end()
		}
	}
	if s.Outcome != sample.OK || !want {
		text := ""
		if s.Outcome != sample.OK {
			text = new(refusal).of(&k.p)
		}
		done()
		return drive.Answer{}, nil, text
	}
	if k.p.unkept {
		done()
		return drive.Answer{Unkept: true}, nil, ""
	}
	a := drive.Answer{Body: k.p.body, JSONLen: k.p.jsonLen}
	if k.p.encoding == "" {
		return a, done, ""
	}
	body, held, err := c.memory.unpack(k.p.encoding, k.p.body)
	done()
	if err != nil {
		c.memory.give(held)
	}
	switch {
	case errors.Is(err, errNoMemory):
		return drive.Answer{Unkept: true}, nil, ""
	case err != nil:
		s.Outcome = sample.Broken
		return drive.Answer{}, nil, "unpack the answer: " + err.Error()
	}
	a.Body = body
	return a, func() { c.memory.give(held) }, ""
}

// exchange sends r and reads the answer; reuse says whether the connection can take another request.
func (k *link) exchange(ctx context.Context, r *Request, want bool) (reuse bool, err error) {
	k.p.reset(want, r.head)
	deadline, _ := ctx.Deadline()
	k.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { k.SetDeadline(time.Unix(1, 0)) })
	defer func() {
		reuse = stop() && reuse // or the deadline is set at any time
	}()
	sent := time.Now()
	wrote, failed := k.Write(r.raw) // the answer may have come all the same
	for {
		n, err := k.Read(k.buf)
		if n > 0 {
			used, done, wrong := k.p.feed(k.buf[:n])
			if done && wrong == nil {
				wrong = k.p.behind(k.buf[used:n])
			}
			if wrong != nil || done {
				return failed == nil && err == nil && used == n && !k.p.close, wrong
			}
		}
		if err == nil {
			continue
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return false, err
		}
		k.how = ending{written: wrote, reset: err != io.EOF && err != io.ErrUnexpectedEOF, unacked: k.unacked(wrote),
			idle: sent.Sub(k.freed), took: time.Since(sent)}
		end := k.p.end()
		if cause := cmp.Or(failed, err); end != nil && cause != io.EOF {
			end = fmt.Errorf("%w: %w", end, bare(cause))
		}
		return false, end
	}
}

// unacked is what an ending has of it. TLS may be closed while TCP stays open and acknowledges what comes, which then
// says nothing.
func (k *link) unacked(wrote int) int {
	n := unackedOf(k.tcp)
	if k.Conn != k.tcp && n < wrote {
		return -1
	}
	return n
}

// bare returns err without the addresses, by which the same fault would be another each time.
func bare(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
