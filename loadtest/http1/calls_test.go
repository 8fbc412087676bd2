package http1

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"infer/loadtest/drive"
	"infer/loadtest/sample"
)

func openCalls(t testing.TB, addr string, n int, secure *tls.Config, r Request) *calls {
	t.Helper()
	c := newCalls(Options{Addr: addr, TLS: secure, Requests: []Request{r}})
	t.Cleanup(func() { c.Close() })
	if err := c.Open(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return c
}

func request(t testing.TB, size int) Request {
	t.Helper()
	r, err := NewRequest("POST", "/", "h", nil, make([]byte, size))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func do(ctx context.Context, c *calls, want bool) (s sample.Sample, body, failure string) {
	clock := drive.NewClock(0)
	a, done, failure := c.Do(ctx, &s, clock.Now, want)
	body = string(a.Body)
	if done != nil {
		done()
	}
	return s, body, failure
}

func TestCallsAnswers(t *testing.T) {
	for _, a := range answers {
		t.Run(a.name, func(t *testing.T) {
			leaks(t)
			answer := text(a.bytes)
			var opened atomic.Int32
			c := openCalls(t, serve(t, "tcp", func(conn net.Conn, n, i int) bool {
				opened.Store(int32(n + 1))
				return answer(conn, n, i) && !a.closes
			}), 1, nil, request(t, 100))
			for range 3 {
				s, body, failure := do(t.Context(), c, true)
				if s.Code != a.code || s.Bytes != a.size || (s.Outcome == sample.OK) != (failure == "") || s.Done < s.Sent {
					t.Errorf("%+v %q", s, failure)
				}
				if s.Outcome == sample.OK && int64(len(body)) != a.size {
					t.Errorf("body %q", body)
				}
			}
			if !a.closes && opened.Load() != 1 {
				t.Errorf("%d connections", opened.Load())
			}
		})
	}
}

func TestCallsFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer script
		want   sample.Outcome
		text   string
	}{
		{"garbage", text("\x00\x01what is this"), sample.Broken, "not HTTP/1.1"},
		{"half", func(c net.Conn, _, _ int) bool { io.WriteString(c, ok[:len(ok)-1]); return false }, sample.Broken, "middle"},
		{"closes at once", func(c net.Conn, _, _ int) bool { return false }, sample.Broken, "before it answered"},
		{"never answers", func(c net.Conn, _, _ int) bool { return true }, sample.TimedOut, "timeout"},
		{"junk", text(ok + "JUNK"), sample.Broken, "4 bytes came behind the end of the answer"},
		{"TLS", text("\x15\x03\x01\x00\x02\x02\x46"), sample.Broken, "the server speaks TLS: write https://"},
		{"refuses", text("HTTP/1.1 503 No\r\nContent-Length: 3\r\n\r\nno!"), sample.Refused, "status 503: no!"},
	} {
		t.Run(c.name, func(t *testing.T) {
			leaks(t)
			k := openCalls(t, serve(t, "tcp", c.answer), 1, nil, request(t, 100))
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			for range 2 {
				if s, _, failure := do(ctx, k, false); s.Outcome != c.want || !strings.Contains(failure, c.text) {
					t.Errorf("%v %q, want %v %q", s.Outcome, failure, c.want, c.text)
				}
				if c.want == sample.TimedOut {
					break
				}
			}
		})
	}
}

func TestCallsCancel(t *testing.T) {
	leaks(t)
	c := openCalls(t, serve(t, "tcp", func(net.Conn, int, int) bool { return true }), 1, nil, request(t, 100))
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if s, _, _ := do(ctx, c, false); s.Outcome == sample.OK {
		t.Errorf("%+v", s)
	}
}

func TestCallsUnpack(t *testing.T) {
	answer := "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + gzipped(t, "hello")
	c := openCalls(t, serve(t, "tcp", text(answer)), 1, nil, request(t, 100))
	if _, body, failure := do(t.Context(), c, true); body != "hello" || failure != "" {
		t.Errorf("%q %q", body, failure)
	}
}

// TestTLS runs a load over https, and fails where it should.
func TestTLS(t *testing.T) {
	leaks(t)
	certs := httptest.NewTLSServer(nil) // for its certificate
	certs.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, tls.NewListener(l, &tls.Config{Certificates: certs.TLS.Certificates, NextProtos: []string{"h2", "http/1.1"}}), text(ok))
	roots := x509.NewCertPool()
	roots.AddCert(certs.Certificate())
	addr := l.Addr().String()
	g, err := New(Options{Addr: addr, TLS: &tls.Config{RootCAs: roots}, Requests: []Request{request(t, 100<<10)}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Open(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	n := 0
	st, err := g.Run(t.Context(), drive.Load{Concurrency: 4, Requests: 100, Duration: time.Minute, Timeout: 10 * time.Second, Connections: 4, Payloads: 1,
		Emit: func(all []sample.Sample) {
			for _, s := range all {
				if s.Outcome == sample.OK && s.Bytes == 2 {
					n++
				}
			}
		}})
	if err != nil || n != 100 {
		t.Errorf("%d answered: %v %+v", n, err, st)
	}
	for _, c := range []struct {
		name, addr string
		config     *tls.Config
		want       string
	}{
		{"unknown authority", addr, &tls.Config{}, "unknown authority"},
		{"another name", addr, &tls.Config{RootCAs: roots, ServerName: "elsewhere.test"}, "elsewhere.test"},
		{"no TLS", serve(t, "tcp", text(ok)), &tls.Config{}, "TLS"},
	} {
		k := newCalls(Options{Addr: c.addr, TLS: c.config, Requests: []Request{request(t, 1)}})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		if err := k.Open(ctx, 1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		} else {
			t.Log(err)
		}
		cancel()
		k.Close()
	}
}

// TestCallsUnkept has an answer for which there is no memory: it is right as far as one knows, and unchecked.
func TestCallsUnkept(t *testing.T) {
	body := strings.Repeat("x", 100<<10)
	packed := "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + gzipped(t, strings.Repeat(body, 50))
	for _, answer := range []string{"HTTP/1.1 200 OK\r\nContent-Length: 102400\r\n\r\n" + body, packed} {
		c := openCalls(t, serve(t, "tcp", text(answer)), 1, nil, request(t, 100))
		c.memory.left.Store(90 << 10)
		g := drive.Workers(c)
		n := 0
		st, err := g.Run(t.Context(), drive.Load{Concurrency: 1, Requests: 5, Duration: time.Minute, Timeout: 10 * time.Second, Connections: 1, Payloads: 1,
			Check: wrongs{}, Emit: func(all []sample.Sample) {
				for _, s := range all {
					if s.Outcome == sample.OK && !s.Checked && s.Bytes > 0 {
						n++
					}
				}
			}})
		if err != nil || n != 5 || st.Unchecked != 5 {
			t.Errorf("%d answers, %d unchecked: %v", n, st.Unchecked, err)
		}
		if c.Close(); c.memory.left.Load() != 90<<10 {
			t.Errorf("%d bytes are left", c.memory.left.Load())
		}
	}
}

// wrongs finds everything wrong.
type wrongs struct{}

func (wrongs) Known(int, []byte) bool         { return false }
func (wrongs) Check(int, drive.Answer) string { return "wrong" }
