//go:build linux && (amd64 || arm64)

package http1

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"infer/loadtest/drive"
	"infer/loadtest/sample"
)

// TestLanesIdleClosed has a server that closes connections after some answers without a word: requests that it has
// read count as answered, those that it has not are sent again or broken, and none is read twice.
func TestLanesIdleClosed(t *testing.T) {
	leaks(t)
	var read atomic.Int64
	addr := serve(t, "tcp", func(c net.Conn, n, i int) bool {
		read.Add(1)
		_, err := io.WriteString(c, ok)
		return err == nil && i < 3+n%5
	})
	for _, l := range []drive.Load{
		{Schedule: at(t, 20000, 4000), Timeout: 10 * time.Second, Connections: 16, Lanes: 2},
		{Concurrency: 8, Requests: 4000, Timeout: 10 * time.Second, Connections: 16, Lanes: 2},
	} {
		read.Store(0)
		samples, st := sends(t, t.Context(), open(t, addr, 16), l)
		fine := int64(0)
		for _, s := range samples {
			if s.Outcome == sample.OK {
				fine++
			} else if s.Outcome != sample.Broken {
				t.Fatalf("sample %+v", s)
			}
		}
		if st.OpenedDuring < 400 || len(samples) != 4000 || fine != read.Load() {
			t.Errorf("%d samples, %d answered, %d read, %d connections were opened", len(samples), fine, read.Load(), st.OpenedDuring)
		}
		t.Logf("%d sent again, %d broken", st.Reconnected, len(samples)-int(fine))
	}
}

// TestLanesReadAndClosed has servers that end a connection, in order or not, with the second request on it read: that
// is a failure of theirs.
func TestLanesReadAndClosed(t *testing.T) {
	for _, linger := range []int{-1, 0} {
		var read atomic.Int64
		addr := serve(t, "tcp", func(c net.Conn, _, i int) bool {
			read.Add(1)
			if i == 1 {
				c.(*net.TCPConn).SetLinger(linger)
				return false
			}
			_, err := io.WriteString(c, ok)
			return err == nil
		})
		samples, st := sends(t, t.Context(), open(t, addr, 1), drive.Load{Concurrency: 1, Requests: 100, Timeout: 5 * time.Second, Connections: 1})
		for i, s := range samples {
			if want := []sample.Outcome{sample.OK, sample.Broken}[i%2]; s.Outcome != want {
				t.Fatalf("linger %d: request %d is %v, want %v", linger, i, s.Outcome, want)
			}
		}
		if len(samples) != 100 || read.Load() != 100 || st.Reconnected != 0 || len(st.Faults) != 1 ||
			!strings.HasPrefix(st.Faults[0].Text, errNoAnswer.Error()) || st.Faults[0].Count != 50 {
			t.Errorf("linger %d: %d samples, %d read, %d sent again, %+v", linger, len(samples), read.Load(), st.Reconnected, st.Faults)
		}
	}
}

// timeouts serves each connection until it has been idle for a time, as servers do: the n-th for idle(n).
func timeouts(t *testing.T, idle func(n int) time.Duration, read *atomic.Int64) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				buf := make([]byte, 4096)
				for {
					c.SetReadDeadline(time.Now().Add(idle(n)))
					if _, err := c.Read(buf); err != nil { // the request fits and comes as a whole
						return
					}
					read.Add(1)
					io.WriteString(c, ok)
				}
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

// TestLanesTimeouts sends requests when the server's timeouts of idle connections end, a little before or after: nobody
// may notice. Each lane has one connection.
func TestLanesTimeouts(t *testing.T) {
	const n, each, apart = 50, 3, longIdle + 50*time.Millisecond
	var read atomic.Int64
	addr := timeouts(t, func(i int) time.Duration { return apart + time.Duration(i%n-n/2)*20*time.Microsecond }, &read)
	samples, st := sends(t, t.Context(), open(t, addr, n), drive.Load{Schedule: at(t, n/apart.Seconds(), n*each), Connections: n, Lanes: n, Timeout: 10 * time.Second})
	all(t, samples, n*each, sample.OK)
	if read.Load() != n*each || len(st.Faults) != 0 {
		t.Errorf("%d of %d requests were read, %+v", read.Load(), n*each, st.Faults)
	}
	t.Logf("%d of %d sent again, %d opened", st.Reconnected, n*each, st.OpenedDuring)
}

// TestCallsReadAndClosed is TestLanesReadAndClosed with calls, plain and over TLS.
func TestCallsReadAndClosed(t *testing.T) {
	certs := httptest.NewTLSServer(nil) // for its certificate
	certs.Close()
	roots := x509.NewCertPool()
	roots.AddCert(certs.Certificate())
	for _, secure := range []*tls.Config{nil, {RootCAs: roots}} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		if secure != nil {
			l = tls.NewListener(l, &tls.Config{Certificates: certs.TLS.Certificates})
		}
		var read atomic.Int64
		serveOn(t, l, func(c net.Conn, _, i int) bool {
			read.Add(1)
			if i == 1 {
				return false
			}
			_, err := io.WriteString(c, ok)
			return err == nil
		})
		c := openCalls(t, addr, 1, secure, request(t, 3000))
		for i := range 20 {
			s, _, failure := do(t.Context(), c, false)
			if want := []sample.Outcome{sample.OK, sample.Broken}[i%2]; s.Outcome != want || (want == sample.Broken && failure != errNoAnswer.Error()) {
				t.Fatalf("TLS %v: request %d is %v %q, want %v", secure != nil, i, s.Outcome, failure, want)
			}
		}
		if read.Load() != 20 {
			t.Errorf("TLS %v: %d read", secure != nil, read.Load())
		}
	}
}

// TestCallsTimeouts lets the server close every connection while nobody looks, in the ways of plain text and of TLS,
// which may leave TCP open.
func TestCallsTimeouts(t *testing.T) {
	certs := httptest.NewTLSServer(nil)
	certs.Close()
	roots := x509.NewCertPool()
	roots.AddCert(certs.Certificate())
	for _, c := range []struct {
		name         string
		secure, half bool
	}{{"plain", false, false}, {"TLS", true, false}, {"TLS whose TCP stays open", true, true}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			addr := l.Addr().String()
			var config *tls.Config
			if c.secure {
				config = &tls.Config{RootCAs: roots}
				l = tls.NewListener(l, &tls.Config{Certificates: certs.TLS.Certificates})
			}
			closed := make(chan struct{}, 2)
			end := make(chan struct{})
			defer close(end)
			serveOn(t, l, func(conn net.Conn, n, _ int) bool {
				io.WriteString(conn, ok)
				if n > 0 {
					return true
				}
				if c.half {
					conn.(*tls.Conn).CloseWrite()
					closed <- struct{}{}
					<-end
				} else {
					conn.Close()
					closed <- struct{}{}
				}
				return false
			})
			k := openCalls(t, addr, 1, config, request(t, 3000))
			if s, _, failure := do(t.Context(), k, false); s.Outcome != sample.OK {
				t.Fatalf("%v %q", s.Outcome, failure)
			}
			<-closed
			k.idle[0].freed = time.Now().Add(-longIdle) // as if it had been free for long
			if s, _, failure := do(t.Context(), k, false); s.Outcome != sample.OK {
				t.Errorf("%v %q", s.Outcome, failure)
			}
		})
	}
}
