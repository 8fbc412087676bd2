//go:build linux

package main

import (
	"fmt"
	"net"
	"runtime"
	"syscall"
	"time"
)

// warmUp is how long a load runs before it counts.
const warmUp = 300 * time.Millisecond

// answerTimeout ends a measurement whose server does not answer any more.
const answerTimeout = 60 * time.Second

// closed sends the request over n connections, on each the next as soon as the last is answered, from one thread that
// waits in epoll: what is left of the machine is the server's. It counts what begins after the warm-up.
func closed(s *server, request []byte, n int, d time.Duration) (load, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c, err := newCloser(s.http, request, n)
	if err != nil {
		return load{}, err
	}
	defer c.close()
	if err := c.run(time.Now().Add(warmUp)); err != nil {
		return load{}, err
	}
	c.l = load{latency: make([]float64, 0, 1<<20)}
	clock := startClock(s)
	err = c.run(clock.begin.Add(d))
	clock.stop(&c.l)
	return c.l, err
}

// closer is the state of a closed loop.
type closer struct {
	epoll   int
	request []byte
	links   map[int32]*link
	l       load
}

// link is a connection with at most one request on its way.
type link struct {
	fd    int
	sent  time.Time
	got   int
	total int
	code  int
	buf   []byte
}

func newCloser(address string, request []byte, n int) (*closer, error) {
	epoll, err := syscall.EpollCreate1(0)
	if err != nil {
		return nil, err
	}
	c := &closer{epoll: epoll, request: request, links: map[int32]*link{}}
	for range n {
		fd, err := dial(address)
		if err != nil {
			c.close()
			return nil, err
		}
		c.links[int32(fd)] = &link{fd: fd, buf: make([]byte, 64<<10)}
		if err := syscall.EpollCtl(epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}); err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// dial connects a blocking socket without Nagle's delay.
func dial(address string) (int, error) {
	a, err := net.ResolveTCPAddr("tcp4", address)
	if err != nil {
		return 0, err
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	to := &syscall.SockaddrInet4{Port: a.Port, Addr: [4]byte(a.IP.To4())}
	if err := syscall.Connect(fd, to); err != nil {
		syscall.Close(fd)
		return 0, fmt.Errorf("connect to %s: %w", address, err)
	}
	return fd, syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
}

func (c *closer) close() {
	for _, k := range c.links {
		syscall.Close(k.fd)
	}
	syscall.Close(c.epoll)
}

// run keeps every connection busy until the time, and then waits for the last answers.
func (c *closer) run(until time.Time) error {
	for _, k := range c.links {
		if err := c.send(k); err != nil {
			return err
		}
	}
	events := make([]syscall.EpollEvent, len(c.links))
	for busy := len(c.links); busy > 0; {
		n, err := syscall.EpollWait(c.epoll, events, int(answerTimeout.Milliseconds()))
		if err == syscall.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return fmt.Errorf("no answer in %v: %w", answerTimeout, err)
		}
		for _, e := range events[:n] {
			k := c.links[e.Fd]
			done, err := c.receive(k)
			if err != nil {
				return err
			}
			if !done {
				continue
			}
			if !time.Now().Before(until) {
				busy--
			} else if err := c.send(k); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *closer) send(k *link) error {
	k.sent, k.got, k.total = time.Now(), 0, 0
	for rest := c.request; len(rest) > 0; {
		n, err := syscall.Write(k.fd, rest)
		if err != nil {
			return fmt.Errorf("send: %w", err)
		}
		rest = rest[n:]
	}
	return nil
}

// receive reads what is there and reports whether the answer is whole.
func (c *closer) receive(k *link) (bool, error) {
	n, err := syscall.Read(k.fd, k.buf[k.got:])
	if err != nil || n == 0 {
		return false, fmt.Errorf("the server closed the connection: %w", err)
	}
	k.got += n
	if k.total == 0 {
		if k.code, k.total, err = parse(k.buf[:k.got]); err != nil {
			return false, err
		}
		if k.total > len(k.buf) {
			k.buf = append(make([]byte, 0, k.total), k.buf...)[:k.total]
		}
	}
	if k.total == 0 || k.got < k.total {
		return false, nil
	}
	if k.code == 200 {
		c.l.latency = append(c.l.latency, time.Since(k.sent).Seconds())
	} else if c.l.failed++; c.l.why == "" {
		c.l.why = fmt.Sprintf("%d: %.200s", k.code, k.buf[:k.got])
	}
	return true, nil
}
