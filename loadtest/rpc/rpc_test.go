package rpc

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/loadtest/null"
	"infer/loadtest/sample"
)

var start = time.Now()

func now() time.Duration { return time.Since(start) }

// target opens a target with n connections.
func target(t *testing.T, o Options, n int) *Target {
	t.Helper()
	if o.Messages == nil {
		o.Messages = [][]byte{[]byte("one"), []byte("two")}
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 2 {
			if err := g.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := g.Open(ctx, n); err != nil {
		t.Fatalf("open: %v (%s)", err, fault.HintOf(err))
	}
	return g
}

// do sends payload i and gives it a time.
func do(t *testing.T, g *Target, i int32, timeout time.Duration) (sample.Sample, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	s := sample.Sample{Payload: i}
	before := now()
	_, done, failure := g.Do(ctx, &s, now, false)
	if done != nil {
		t.Error("there is an answer that nobody wants")
	}
	if s.Sent < before || s.Done < s.Sent || now() < s.Done {
		t.Errorf("sent at %v, done at %v", s.Sent, s.Done)
	}
	if (failure == "") != (s.Outcome == sample.OK) {
		t.Errorf("%s: %q", s.Outcome, failure)
	}
	return s, failure
}

func TestDo(t *testing.T) {
	leakFree(t)
	big := response(t, 100, wire.Param{Name: "queue_us", Value: int64(12)}, wire.Param{Name: "compute_us", Value: int64(34)}, wire.Param{Name: "batch_size", Value: int64(8)})
	small := response(t, 1)
	srv := serve(t, nil, func(ctx context.Context, in []byte) ([]byte, error) {
		if md, _ := metadata.FromIncomingContext(ctx); strings.Join(md["x-key"], " ") != "a b" || md["user-agent"][0][:4] != "mine" || md[":authority"][0] != "model.example" {
			t.Errorf("metadata %v", md)
		}
		switch string(in) {
		case "one":
			return small, nil
		case "two":
			return big, nil
		}
		return []byte("<html>"), nil
	})
	g := target(t, Options{Addr: srv.addr, Messages: [][]byte{[]byte("one"), []byte("two"), []byte("three")},
		Header: map[string][]string{"X-Key": {"a", "b"}, "User-Agent": {"mine"}, "Host": {"model.example"}}}, 3)
	if n := srv.connections(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
	var work sync.WaitGroup
	for range 16 {
		work.Go(func() {
			for range 20 {
				if s, f := do(t, g, 0, time.Minute); s.Outcome != sample.OK || s.Bytes != int64(len(small)) || s.Queue != sample.Untold || s.Compute != sample.Untold || s.Batch != 0 || s.Code != 0 {
					t.Errorf("got %+v, %s", s, f)
				}
				s := sample.Sample{Payload: 1}
				a, done, f := g.Do(t.Context(), &s, now, true)
				if s.Outcome != sample.OK || s.Bytes != int64(len(big)) || s.Queue != 12*time.Microsecond || s.Compute != 34*time.Microsecond || s.Batch != 8 {
					t.Errorf("got %+v, %s", s, f)
				}
				if !bytes.Equal(a.Body, big) || a.JSONLen != -1 {
					t.Errorf("an answer of %d bytes, want %d", len(a.Body), len(big))
				}
				done()
			}
		})
	}
	work.Wait()
	if s, f := do(t, g, 2, time.Minute); s.Outcome != sample.Broken || !strings.Contains(f, "no ModelInferResponse") {
		t.Errorf("garbage: %s, %s", s.Outcome, f)
	}
}

func TestStatus(t *testing.T) {
	leakFree(t)
	var answer error
	srv := serve(t, nil, func(context.Context, []byte) ([]byte, error) { return nil, answer })
	g := target(t, Options{Addr: srv.addr}, 1)
	for code, want := range map[codes.Code]sample.Outcome{
		codes.ResourceExhausted: sample.Refused, codes.Unavailable: sample.Refused, codes.DeadlineExceeded: sample.TimedOut,
		codes.InvalidArgument: sample.Failed, codes.NotFound: sample.Failed, codes.Internal: sample.Failed, codes.Canceled: sample.Failed,
		codes.Unimplemented: sample.Failed, codes.Unknown: sample.Failed, codes.Unauthenticated: sample.Failed,
	} {
		answer = status.Error(code, "because\nof this")
		if s, f := do(t, g, 0, time.Minute); s.Outcome != want || s.Code != uint16(code) || f != code.String()+": because of this" {
			t.Errorf("%s: got %s, code %d, %q; want %s", code, s.Outcome, s.Code, f, want)
		} else if s.Queue != sample.Untold || s.Compute != sample.Untold {
			t.Errorf("%s: told %v, %v", code, s.Queue, s.Compute)
		}
	}
}

// TestTimedOut has a server that never answers. Whether a call has come to it by its time is not known.
func TestTimedOut(t *testing.T) {
	leakFree(t)
	srv := serve(t, nil, func(ctx context.Context, _ []byte) ([]byte, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	g := target(t, Options{Addr: srv.addr}, 1)
	for _, timeout := range []time.Duration{0, time.Millisecond, 50 * time.Millisecond} {
		if s, f := do(t, g, 0, timeout); s.Outcome != sample.TimedOut || s.Code != uint16(codes.DeadlineExceeded) {
			t.Errorf("%v: got %s, code %d, %s", timeout, s.Outcome, s.Code, f)
		}
	}
}

// TestNeverAnswers has calls that the end of the generator ends, and one that never finds a connection.
func TestNeverAnswers(t *testing.T) {
	leakFree(t)
	came := make(chan struct{}, 2*StreamsPerConnection)
	srv := serve(t, nil, func(ctx context.Context, _ []byte) ([]byte, error) {
		came <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	})
	g := target(t, Options{Addr: srv.addr}, 1)
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	for range StreamsPerConnection {
		work.Go(func() {
			var s sample.Sample
			if _, _, f := g.Do(ctx, &s, now, true); s.Outcome != sample.Broken || s.Code != uint16(codes.Canceled) {
				t.Errorf("got %s, %s", s.Outcome, f)
			}
		})
	}
	for range StreamsPerConnection {
		<-came
	}
	if s, f := do(t, g, 0, 20*time.Millisecond); s.Outcome != sample.Dropped || s.Sent != s.Done || s.Code != 0 {
		t.Errorf("got %+v, %s", s, f)
	}
	cancel()
	work.Wait()
	if n := len(came); n != 0 {
		t.Errorf("%d more calls came", n)
	}
}

// TestCut has a server that ends the connection in the middle of a call, comes again, and then is gone.
func TestCut(t *testing.T) {
	leakFree(t)
	var srv *server
	srv = serve(t, nil, func(ctx context.Context, in []byte) ([]byte, error) {
		if string(in) == "two" {
			srv.cut()
			<-ctx.Done()
		}
		return response(t, 1), nil
	})
	g := target(t, Options{Addr: srv.addr}, 1)
	if s, f := do(t, g, 1, time.Minute); s.Outcome != sample.Broken || s.Code != uint16(codes.Unavailable) {
		t.Errorf("got %s, %s", s.Outcome, f)
	}
	for until := now() + time.Minute; ; { // it connects again by itself; until it has, nothing is to be had
		s, f := do(t, g, 0, time.Minute)
		if s.Outcome == sample.OK {
			break
		}
		if s.Outcome != sample.Broken && s.Outcome != sample.Unreachable || now() > until {
			t.Fatalf("got %s, %s", s.Outcome, f)
		}
	}
	srv.grpc.Stop()
	for until := now() + time.Minute; ; { // the first calls may still be on the old connection
		s, f := do(t, g, 0, time.Minute)
		if s.Outcome == sample.Unreachable {
			if s.Code != uint16(codes.Unavailable) || !strings.Contains(f, "refused") {
				t.Errorf("code %d, %s", s.Code, f)
			}
			break
		}
		if s.Outcome != sample.Broken || now() > until {
			t.Fatalf("got %s, %s", s.Outcome, f)
		}
	}
}

// TestDrain has a server that ends its connections politely while calls are made: none is lost.
func TestDrain(t *testing.T) {
	leakFree(t)
	srv := serve(t, nil, func(context.Context, []byte) ([]byte, error) { return response(t, 1), nil })
	g := target(t, Options{Addr: srv.addr}, 2)
	var work sync.WaitGroup
	stop := make(chan struct{})
	for range 8 {
		work.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if s, f := do(t, g, 0, time.Minute); s.Outcome != sample.OK && s.Outcome != sample.Unreachable {
					t.Errorf("got %s, %s", s.Outcome, f)
				}
			}
		})
	}
	srv.grpc.GracefulStop()
	close(stop)
	work.Wait()
}

func TestOpenAgain(t *testing.T) {
	leakFree(t)
	srv := serve(t, nil, func(context.Context, []byte) ([]byte, error) { return response(t, 1), nil })
	g := target(t, Options{Addr: srv.addr}, 1)
	for _, c := range []struct{ n, want int }{{1, 1}, {3, 3}, {0, 3}, {2, 3}} {
		if err := g.Open(t.Context(), c.n); err != nil || srv.connections() != c.want {
			t.Errorf("open %d: %d connections, want %d; %v", c.n, srv.connections(), c.want, err)
		}
		if s, f := do(t, g, 0, time.Minute); s.Outcome != sample.OK {
			t.Errorf("got %s, %s", s.Outcome, f)
		}
	}
	g.Close()
	if err := g.Open(t.Context(), 1); err == nil {
		t.Error("opens when it is closed")
	}
	if s, _ := do(t, g, 0, time.Minute); s.Outcome != sample.Unreachable {
		t.Errorf("got %s", s.Outcome)
	}
}

func TestOpenRefuses(t *testing.T) {
	leakFree(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	nullHTTP, err := null.HTTP(null.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nullHTTP.Close() })
	certified, trusts := certificate(t)
	ok := func(context.Context, []byte) ([]byte, error) { return response(t, 1), nil }
	secure, plain := serve(t, certified, ok), serve(t, nil, ok)
	webTLS := httptest.NewUnstartedServer(http.NotFoundHandler()) // without HTTP/2
	webTLS.Config.ErrorLog = log.New(io.Discard, "", 0)
	webTLS.StartTLS()
	t.Cleanup(webTLS.Close)
	for _, c := range []struct {
		name, addr string
		tls        *tls.Config
		why, hint  string
	}{
		{"nobody listens", closed.Addr().String(), nil, "connection refused", "start the server"},
		{"no such host", "no-such-host.invalid:8001", nil, "no-such-host.invalid", "name of the host"},
		{"HTTP/1.1", web.Listener.Addr().String(), nil, "HTTP/1.1", "use http://"},
		{"null server of HTTP", nullHTTP.Addr(), nil, "HTTP/1.1", "use http://"},
		{"plain text to TLS", secure.addr, nil, "server preface", "does the server speak TLS"},
		{"TLS to plain text", plain.addr, &tls.Config{RootCAs: trusts}, "handshake", ""},
		{"TLS to HTTP/1.1", web.Listener.Addr().String(), &tls.Config{RootCAs: trusts}, "does not look like a TLS handshake", "in plain text"},
		{"TLS without HTTP/2", webTLS.Listener.Addr().String(), &tls.Config{InsecureSkipVerify: true}, "application protocol", "does not offer HTTP/2"},
		{"not trusted", secure.addr, &tls.Config{}, "certificate", "authority that signed it"},
		{"another name", secure.addr, &tls.Config{RootCAs: trusts, ServerName: "other"}, "certificate", "the name that it is for"},
		{"closes at once", listen(t, func(c net.Conn) {}), nil, "", "another protocol"},
		{"garbage", listen(t, func(c net.Conn) { io.WriteString(c, strings.Repeat("garbage ", 100)); io.Copy(io.Discard, c) }), nil, "server preface", "another protocol"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g, err := New(Options{Addr: c.addr, TLS: c.tls, Messages: [][]byte{nil}})
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			err = g.Open(t.Context(), 4)
			if err == nil || !strings.Contains(err.Error(), c.why) || !strings.HasPrefix(err.Error(), "connect to "+c.addr) {
				t.Errorf("got %v, want one with %q", err, c.why)
			}
			if hint := fault.HintOf(err); !strings.Contains(hint, c.hint) || hint == "" {
				t.Errorf("got hint %q, want %q; the error: %v", hint, c.hint, err)
			}
			if err != nil && strings.Contains(err.Error(), "desc =") {
				t.Errorf("the error has the wrapping of gRPC: %v", err)
			}
		})
	}
}

// TestOpenSilent has a server that takes connections and says nothing.
func TestOpenSilent(t *testing.T) {
	leakFree(t)
	addr := listen(t, func(c net.Conn) { io.Copy(io.Discard, c) })
	g, err := New(Options{Addr: addr, Messages: [][]byte{nil}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := g.Open(ctx, 1); err == nil || !strings.Contains(err.Error(), "no answer") || !strings.Contains(fault.HintOf(err), "gRPC") {
		t.Errorf("got %v (%s)", err, fault.HintOf(err))
	}
}

func TestTLS(t *testing.T) {
	leakFree(t)
	certified, trusts := certificate(t)
	srv := serve(t, certified, func(context.Context, []byte) ([]byte, error) { return response(t, 1), nil })
	g := target(t, Options{Addr: srv.addr, TLS: &tls.Config{RootCAs: trusts}}, 2)
	if s, f := do(t, g, 0, time.Minute); s.Outcome != sample.OK {
		t.Errorf("got %s, %s", s.Outcome, f)
	}
}

func TestNew(t *testing.T) {
	for name, o := range map[string]Options{
		"no messages":   {Addr: "h:1"},
		"gRPC's own":    {Messages: [][]byte{nil}, Header: map[string][]string{"Grpc-Timeout": {"1S"}}},
		"content type":  {Messages: [][]byte{nil}, Header: map[string][]string{"Content-Type": {"a"}}},
		"name":          {Messages: [][]byte{nil}, Header: map[string][]string{"a b": {"a"}}},
		"value":         {Messages: [][]byte{nil}, Header: map[string][]string{"A": {"ä"}}},
		"pseudo header": {Messages: [][]byte{nil}, Header: map[string][]string{":path": {"/"}}},
	} {
		if _, err := New(o); fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: got %v, want a usage error", name, err)
		}
	}
	if _, err := New(Options{Messages: [][]byte{nil}, Header: map[string][]string{"Trace-Bin": {"\x00\xff"}, "Authorization": {"Bearer x"}}}); err != nil {
		t.Error(err)
	}
}

// BenchmarkDo is a request of 3 KB and its answer against a server that does nothing, both in this process.
func BenchmarkDo(b *testing.B) {
	srv, err := null.GRPC(null.Options{Body: response(b, 1)})
	if err != nil {
		b.Fatal(err)
	}
	defer srv.Close()
	g, err := New(Options{Addr: srv.Addr(), Messages: [][]byte{response(b, 3)}})
	if err != nil {
		b.Fatal(err)
	}
	defer g.Close()
	if err := g.Open(b.Context(), 2); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			var s sample.Sample
			if _, _, f := g.Do(b.Context(), &s, now, false); f != "" {
				b.Error(f)
			}
		}
	})
}
