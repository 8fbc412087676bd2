package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"infer/internal/fault"
)

// speaker is a server that reads a little and answers every connection with the same bytes.
func speaker(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Read(make([]byte, 1024))
			io.WriteString(c, answer)
			c.Close()
		}
	}()
	return l.Addr().String()
}

// deaf is the address of a server that accepts and never answers.
func deaf(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// closed is an address where nobody listens.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().String()
}

// secure is a server with TLS; it says nothing of failed handshakes.
func secure(t *testing.T, http2 bool) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(triton)
	s.EnableHTTP2 = http2
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func TestConnectionErrors(t *testing.T) {
	withTLS := secure(t, true)
	address := strings.TrimPrefix(withTLS.URL, "https://")
	one := strings.TrimPrefix(secure(t, false).URL, "https://")
	pool := x509.NewCertPool()
	pool.AddCert(withTLS.Certificate())
	status := func(code int, header ...string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	plain := httptest.NewServer(triton)
	t.Cleanup(plain.Close)
	g := grpc.NewServer()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go g.Serve(l)
	t.Cleanup(g.Stop)
	for _, c := range []struct {
		name, url  string
		tls        *tls.Config
		kind       fault.Kind
		says, hint string
	}{
		{"refused", "http://" + closed(t), nil, fault.Unavailable, "connection refused", "is the server running"},
		{"grpc refused", "grpc://" + closed(t), nil, fault.Unavailable, "connection refused", "is the server running"},
		{"no such host", "http://host.invalid", nil, fault.Unavailable, "host.invalid", "name of the host"},
		{"no such host for grpc", "grpc://host.invalid:1", nil, fault.Unavailable, "host.invalid", "name of the host"},
		{"unknown authority", withTLS.URL, nil, fault.Unavailable, "unknown authority", "--tls-ca FILE"},
		{"grpcs unknown authority", "grpcs://" + address, nil, fault.Unavailable, "unknown authority", "--tls-ca FILE"},
		{"grpcs to HTTP/1", "grpcs://" + one, &tls.Config{InsecureSkipVerify: true}, fault.Unavailable, "no application protocol", "write https://"},
		{"wrong name", withTLS.URL, &tls.Config{RootCAs: pool, ServerName: "other.example"}, fault.Unavailable, "certificate is valid for", "--insecure"},
		{"https to plain", "https://" + strings.TrimPrefix(plain.URL, "http://"), nil, fault.Unavailable, "HTTP response to HTTPS client", "write http://"},
		{"http to TLS", "http://" + address, nil, fault.Unavailable, "the server speaks TLS", "write https://"},
		{"http to a bare TLS alert", "http://" + speaker(t, "\x15\x03\x01\x00\x02\x02\x0a"), nil, fault.Unavailable, "malformed HTTP", "write https://"},
		{"grpc to plain HTTP", "grpc://" + strings.TrimPrefix(plain.URL, "http://"), nil, fault.Unavailable, "", "--protocol oip-http"},
		{"grpc to TLS", "grpc://" + address, nil, fault.Unavailable, "", "grpcs://"},
		{"grpcs to plain", "grpcs://" + strings.TrimPrefix(plain.URL, "http://"), nil, fault.Unavailable, "", "write grpc://"},
		{"http to grpc", "http://" + l.Addr().String(), nil, fault.Unavailable, "malformed HTTP", "write grpc://"},
		{"timeout", "http://" + deaf(t), nil, fault.Deadline, "no answer within 200ms", "is the server running"},
		{"grpc timeout", "grpc://" + deaf(t), nil, fault.Deadline, "no answer within 200ms", "is the server running"},
		{"https timeout", "https://" + deaf(t), nil, fault.Deadline, "no answer within 200ms", "does it speak TLS; else write http://127.0.0.1:"},
		{"grpcs timeout", "grpcs://" + deaf(t), nil, fault.Deadline, "no answer within 200ms", "does it speak TLS; else write grpc://127.0.0.1:"},
		{"zone", "http://[fe80::1%25none]:1", nil, fault.Unavailable, "fe80::1%none", "behind"},
		{"zone for grpc", "grpc://[fe80::1%25none]:1", nil, fault.Unavailable, "fe80::1%none", "behind"},
		{"401", status(401), nil, fault.Unauthorized, "wants a key: 401", "-H 'Authorization: Bearer …'"},
		{"403", status(403), nil, fault.Denied, "refuses: 403", "-H 'Authorization"},
		{"redirect", status(301, "Location", "https://elsewhere/x"), nil, fault.Usage, `redirects to "https://elsewhere`, "does not follow redirects"},
		{"garbage", "http://" + speaker(t, "\x00\x01 what"), nil, fault.Unavailable, "malformed HTTP", ""},
		{"closed at once", "http://" + speaker(t, ""), nil, fault.Unavailable, "EOF", ""},
		{"cut", "http://" + speaker(t, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"name\""), nil, fault.Unavailable, "unexpected EOF", ""},
		{"huge", "http://" + speaker(t, "HTTP/1.1 200 OK\r\n\r\n["+strings.Repeat(" ", answerLimit+10)), nil, fault.TooLarge, "more than 8 MiB", ""},
		{"no oip over gRPC", "grpc://" + l.Addr().String(), nil, fault.Unsupported, "does not speak the Open Inference Protocol", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			timeout := 10 * time.Second
			if c.kind == fault.Deadline {
				timeout = 200 * time.Millisecond
			}
			a := opened(t, Options{URL: c.url, TLS: c.tls, Timeout: timeout})
			_, err := a.Server(t.Context())
			wantFault(t, err, c.kind, c.says, c.hint)
			if _, err := a.Models(t.Context()); err == nil && c.kind != fault.Unsupported {
				t.Error("models are listed all the same")
			}
			_, err = a.Model(t.Context(), "m", "")
			wantFault(t, err, c.kind, c.says, c.hint)
			if s, err := a.Statistics(t.Context(), "m", ""); s != nil || err == nil && c.kind != fault.Unsupported {
				t.Errorf("statistics %v, %v", s, err)
			}
		})
	}
}

// TestTrusted: with its authority, or without a check, the same server answers.
func TestTrusted(t *testing.T) {
	s := secure(t, true)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	for name, c := range map[string]*tls.Config{"authority": {RootCAs: pool}, "insecure": {InsecureSkipVerify: true}} {
		if info, err := opened(t, Options{URL: s.URL, TLS: c}).Server(t.Context()); err != nil || info.Name != "triton" {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// TestInterrupted: the end of the caller's context is no fault of the server.
func TestInterrupted(t *testing.T) {
	for _, url := range []string{"http://" + deaf(t), "grpc://" + deaf(t)} {
		a := opened(t, Options{URL: url})
		for name, ask := range map[string]func(context.Context) error{
			"server":     func(c context.Context) error { _, err := a.Server(c); return err },
			"models":     func(c context.Context) error { _, err := a.Models(c); return err },
			"model":      func(c context.Context) error { _, err := a.Model(c, "m", ""); return err },
			"statistics": func(c context.Context) error { _, err := a.Statistics(c, "m", ""); return err },
		} {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(20*time.Millisecond, cancel)
			if err := ask(ctx); !errors.Is(err, context.Canceled) || fault.ExitCode(err) != 130 {
				t.Errorf("%s %s: %v, exit %d", url, name, err, fault.ExitCode(err))
			}
			cancel()
		}
	}
}

// TestConnectionHints: errors that no test can bring about everywhere.
func TestConnectionHints(t *testing.T) {
	u := &url.URL{Scheme: "grpcs", Host: "h:1"}
	for text, hint := range map[string]string{
		"transport: authentication handshake failed: context deadline exceeded":      "else write grpc://h:1",
		"net/http: TLS handshake timeout":                                            "does it speak TLS",
		"dial tcp [fe80::1%lo]:8000: connect: network is unreachable":                "no way leads there",
		"dial tcp 10.255.255.1:1: connect: no route to host":                         "no way leads there",
		"dial tcp [fe80::1]:80: connect: invalid argument":                           "name an interface",
		"something else that nobody has heard of, so that nothing can be said to it": "",
	} {
		if got := connectionHint(u, errors.New(text)); !strings.Contains(got, hint) || (got == "") != (hint == "") {
			t.Errorf("%s: hint %q, want %q", text, got, hint)
		}
	}
}

func TestNoSuchPort(t *testing.T) {
	for _, target := range []string{"http://h:99999", "grpc://h:65536", "https://h:0", "http://[::1]:70000/x"} {
		_, err := Open(Options{URL: target})
		wantFault(t, err, fault.Usage, "there is no port", "from 1 to 65535")
	}
	for _, target := range []string{"http://h:65535", "grpc://h:1", "https://h", "http://h:"} {
		if _, err := Open(Options{URL: target}); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
}
