package rest

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"infer/internal/wire"
	"infer/model/engine/enginetest"
	"infer/serve/repository"
)

// dialed opens a connection of the test.
func dialed(t testing.TB, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// respond reads one answer of a connection.
func respond(t testing.TB, r *bufio.Reader, method string) answer {
	t.Helper()
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: string(body), closes: resp.Close}
}

// TestForms speaks HTTP as clients do that are not of the newest: pipelined, version 1.0, asking first, in chunks, with
// HEAD.
func TestForms(t *testing.T) {
	_, address := sums(t, Options{})
	post := func(version, lines, body string) string {
		return fmt.Sprintf("POST /v2/models/sum/infer HTTP/%s\r\nHost: localhost\r\n%s\r\n%s", version, lines, body)
	}
	length := fmt.Sprintf("Content-Length: %d\r\n", len(sumRequest))
	chunked := fmt.Sprintf("%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", 40, sumRequest[:40], len(sumRequest)-40, sumRequest[40:])
	for _, c := range []struct {
		name, method, send string
		answers            int
		keeps              bool
	}{
		{"pipelined", "POST", strings.Repeat(post("1.1", length, sumRequest), 3), 3, true},
		{"1.0", "POST", post("1.0", length, sumRequest), 1, false},
		{"1.0 kept alive", "POST", post("1.0", "Connection: keep-alive\r\n"+length, sumRequest), 1, true},
		{"asked to close", "POST", post("1.1", "Connection: close\r\n"+length, sumRequest), 1, false},
		{"chunked", "POST", post("1.1", "Transfer-Encoding: chunked\r\n", chunked), 1, true},
		{"chunked and pipelined", "POST", strings.Repeat(post("1.1", "Transfer-Encoding: chunked\r\n", chunked), 2), 2, true},
		{"HEAD", "HEAD", "HEAD /v2/models/sum HTTP/1.1\r\nHost: localhost\r\n\r\n", 1, true},
		{"an escaped name", "GET", "GET /v2/models/s%75m HTTP/1.1\r\nHost: localhost\r\n\r\n", 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := dialed(t, address)
			if _, err := io.WriteString(conn, c.send); err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(conn)
			for range c.answers {
				a := respond(t, r, c.method)
				if a.status != 200 || c.method == "POST" && !strings.Contains(a.body, "[11.0,22.0]") || c.method == "HEAD" && a.body != "" {
					t.Fatalf("%d %q", a.status, a.body)
				}
			}
			_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			_, err := r.ReadByte()
			if closed := errors.Is(err, io.EOF); closed == c.keeps {
				t.Errorf("after the answer: %v", err)
			}
		})
	}
}

// TestExpect asks before it sends the body: the server says go on, and answers.
func TestExpect(t *testing.T) {
	_, address := sums(t, Options{})
	conn := dialed(t, address)
	fmt.Fprintf(conn, "POST /v2/models/sum/infer HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(sumRequest))
	r := bufio.NewReader(conn)
	line, err := r.ReadString('\n')
	if err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q: %v", line, err)
	}
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, sumRequest)
	if a := respond(t, r, "POST"); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestRefusedInTheMiddle sends a body over the limit to its end, as simple clients do: the answer arrives all the same. It
// is sent by hand, since net/http's client at times tells of its own broken write in place of the answer that it got.
func TestRefusedInTheMiddle(t *testing.T) {
	_, address := sums(t, Options{MaxBody: 1 << 20})
	const size = 8 << 20
	for _, c := range []struct {
		name, header string
		body         func(w io.Writer) error
	}{
		{"whole", fmt.Sprintf("Content-Length: %d", size), func(w io.Writer) error { return send(w, size) }},
		{"in chunks", "Transfer-Encoding: chunked", func(w io.Writer) error {
			chunks := httputil.NewChunkedWriter(w)
			return errors.Join(send(chunks, size), chunks.Close())
		}},
	} {
		for range 5 {
			conn := dialed(t, address)
			fmt.Fprintf(conn, "POST /v2/models/sum/infer HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n", c.header)
			if err := c.body(conn); err != nil {
				t.Errorf("%s: the body was not taken to its end: %v", c.name, err)
			}
			a := respond(t, bufio.NewReader(conn), "POST")
			if a.status != http.StatusRequestEntityTooLarge || !strings.Contains(a.body, "1048576") {
				t.Errorf("%s: %d %s", c.name, a.status, a.body)
			}
		}
	}
}

func send(w io.Writer, n int64) error {
	_, err := io.CopyN(w, endless{}, n)
	return err
}

// endless reads spaces.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// TestBodiesTogether holds that large bodies share a budget: over it they are refused for a while, not for good.
func TestBodiesTogether(t *testing.T) {
	s, address := sums(t, Options{MaxBody: 4 << 20, MaxBodies: 1 << 20})
	a := ask(t, "POST", "http://"+address+"/v2/models/sum/infer", make([]byte, 2<<20))
	if a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := ask(t, "POST", "http://"+address+"/v2/models/sum/infer", sumRequest); a.status != 200 {
		t.Errorf("after it: %d %s", a.status, a.body)
	}
	if n := s.budget.Held(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}

// TestConnectionLimit opens one connection more than may be: it is told why, and the others go on.
func TestConnectionLimit(t *testing.T) {
	_, address := sums(t, Options{MaxConnections: 3})
	var readers []*bufio.Reader
	var conns []net.Conn
	say := func(i int) answer {
		fmt.Fprint(conns[i], "GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
		return respond(t, readers[i], "GET")
	}
	for i := range 3 {
		conns = append(conns, dialed(t, address))
		readers = append(readers, bufio.NewReader(conns[i]))
		if a := say(i); a.status != 200 {
			t.Fatalf("connection %d: %d", i, a.status)
		}
	}
	a := respond(t, bufio.NewReader(dialed(t, address)), "GET")
	if text, _ := a.fields(t)["error"].(string); a.status != 503 || text == "" || a.header.Get("Retry-After") != "1" {
		t.Errorf("one more is answered %d %s", a.status, a.body)
	}
	if a := say(0); a.status != 200 {
		t.Errorf("after it the first is answered %d", a.status)
	}
}

// TestSlowClients has many clients that send a byte now and then, or announce a body and send none of it: others are
// served meanwhile, and the slow ones are cut off with 408 when their time is over.
func TestSlowClients(t *testing.T) {
	_, address := sums(t, Options{ReadTimeout: 300 * time.Millisecond})
	const slow = 200
	start := time.Now()
	var conns []net.Conn
	for i := range slow {
		conn := dialed(t, address)
		if i%2 == 0 {
			io.WriteString(conn, "POST /v2/mod")
		} else {
			io.WriteString(conn, "POST /v2/models/sum/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000000\r\n\r\n{")
		}
		conns = append(conns, conn)
	}
	for range 20 {
		if a := ask(t, "POST", "http://"+address+"/v2/models/sum/infer", sumRequest); a.status != 200 {
			t.Fatalf("beside slow clients: %d %s", a.status, a.body)
		}
	}
	for i, conn := range conns {
		a := respond(t, bufio.NewReader(conn), "POST")
		if text, _ := a.fields(t)["error"].(string); a.status != http.StatusRequestTimeout || text == "" {
			t.Fatalf("slow client %d is answered %d %s", i, a.status, a.body)
		}
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the last slow client was cut off after %v", took)
	}
}

// TestSteadyClient sends a body over the time that a header has, faster than the lowest rate: it is served.
func TestSteadyClient(t *testing.T) {
	_, address := sums(t, Options{ReadTimeout: 200 * time.Millisecond})
	conn := dialed(t, address)
	body := strings.Repeat(" ", 1<<20) + sumRequest
	fmt.Fprintf(conn, "POST /v2/models/sum/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", len(body))
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for len(body) > 0 {
		n := min(len(body), 128<<10)
		if _, err := io.WriteString(conn, body[:n]); err != nil {
			t.Fatal(err)
		}
		body = body[n:]
		<-tick.C
	}
	if a := respond(t, bufio.NewReader(conn), "POST"); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// TestDrainUnderLoad drains while clients ask on kept and on fresh connections: all that the server took is answered,
// and whoever comes later is refused by the system.
func TestDrainUnderLoad(t *testing.T) {
	s, err := New(Options{Repository: opened(t, repository.Options{}, saved(t, enginetest.Add("n", 2), t.TempDir(), "sum.onnx"))})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	s.SetReady(true)
	url := "http://" + ln.Addr().String() + "/v2/models/sum/infer"

	var answered atomic.Int64
	enough := make(chan struct{})
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			for {
				resp, err := client.Post(url, "application/json", strings.NewReader(sumRequest))
				if errors.Is(err, syscall.ECONNREFUSED) {
					return
				}
				if err != nil {
					t.Errorf("a request was lost: %v", err)
					return
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 {
					t.Errorf("%d %s: %v", resp.StatusCode, body, err)
					return
				}
				if answered.Add(1) == 200 {
					close(enough)
				}
			}
		})
	}
	<-enough
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Drain(ctx); err != nil {
		t.Error(err)
	}
	clients.Wait()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if s.isReady() {
		t.Error("a drained server says that it is ready")
	}
}

// TestDrainHard drains a server with a run that takes longer than that may: when the time is over nothing is left of the
// connection.
func TestDrainHard(t *testing.T) {
	repo := opened(t, repository.Options{}, saved(t, enginetest.Endless(), t.TempDir(), "endless.onnx"))
	s, err := New(Options{Repository: repo})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	conn := dialed(t, ln.Addr().String())
	body := `{"inputs":[{"name":"n","shape":[],"datatype":"INT64","data":[1099511627776]},{"name":"x","shape":[],"datatype":"FP32","data":[1]}]}`
	conn.Write(request("/v2/models/endless/infer", []byte(body), ""))
	waitFor(t, "the run to begin", func() bool {
		list, err := repo.Stats("endless", "")
		return err == nil && len(list) == 1 && list[0].Running == 1
	})
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := s.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("drain: %v, want that its time was over", err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadAll(conn); errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the connection is still open: %v", err)
	}
}

// waitFor polls for what no channel tells.
func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); <-tick.C {
		if is() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

// TestDrainAfterErrors drains a server with kept connections whose last answers were refusals: none is waited for.
func TestDrainAfterErrors(t *testing.T) {
	s, address := sums(t, Options{})
	for range 40 {
		conn := dialed(t, address)
		conn.Write(request("/v2/models/sum/infer", []byte("{"), ""))
		if a := respond(t, bufio.NewReader(conn), "POST"); a.status != 400 {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	start := time.Now()
	if err := s.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestSetDraining leaves rotation: not ready, every answer asks to close, and all are still answered.
func TestSetDraining(t *testing.T) {
	s, address := sums(t, Options{})
	s.SetDraining(true)
	if a := ask(t, "GET", "http://"+address+"/v2/health/ready", nil); a.status != 503 {
		t.Errorf("ready: %d", a.status)
	}
	conn := dialed(t, address)
	conn.Write(request("/v2/models/sum/infer", []byte(sumRequest), ""))
	if a := respond(t, bufio.NewReader(conn), "POST"); a.status != 200 || !a.closes {
		t.Errorf("%d, closes: %v", a.status, a.closes)
	}
}

// TestGone looks at connections whose client is there, has closed, or was torn off: with and without TLS.
func TestGone(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("tls=%v", secure), func(t *testing.T) {
			s := &Server{conns: map[*conn]struct{}{}, o: DefaultOptions}
			client, c := pair(t, s, secure)
			if c.gone() {
				t.Error("a client that waits is gone")
			}
			if _, err := client.Write([]byte("more")); err != nil {
				t.Fatal(err)
			}
			if c.gone() {
				t.Error("a client that has sent another request is gone")
			}
			client.Close()
			waitFor(t, "the client to be gone", c.gone)
		})
	}
}

// pair is both ends of a connection of a server.
func pair(t *testing.T, s *Server, secure bool) (net.Conn, *conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if secure {
		s.o.TLS = selfSigned(t)
	}
	l := newListener(ln, s)
	client := dialed(t, ln.Addr().String())
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accepted.Close() })
	if secure {
		over := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
		done := make(chan error, 1)
		go func() { done <- over.Handshake() }()
		if err := accepted.(*conn).Conn.(*tls.Conn).Handshake(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		client = over
	}
	return client, accepted.(*conn)
}

// selfSigned is a certificate of the test.
func selfSigned(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// TestTLS asks over TLS, on a connection that is kept.
func TestTLS(t *testing.T) {
	_, address := sums(t, Options{TLS: selfSigned(t)})
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	for range 3 {
		resp, err := client.Post("https://"+address+"/v2/models/sum/infer", "application/json", strings.NewReader(sumRequest))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("%d %s: %v", resp.StatusCode, body, err)
		}
	}
}

// TestPlainToTLS sends HTTP to a TLS port, which says so.
func TestPlainToTLS(t *testing.T) {
	_, address := sums(t, Options{TLS: selfSigned(t)})
	for _, method := range []string{"GET", "POST"} {
		a := ask(t, method, "http://"+address+"/v2", nil)
		if a.status != 400 || !strings.Contains(a.body, "https://") {
			t.Errorf("%s: %d %q", method, a.status, a.body)
		}
	}
}

// TestUnpackedTogether holds that what bodies unpack to counts as well: a small packed body is refused where there is
// no memory for what is in it.
func TestUnpackedTogether(t *testing.T) {
	s, address := sums(t, Options{MaxBody: 4 << 20, MaxBodies: 1 << 20})
	small, err := wire.Compress(nil, "gzip", make([]byte, 3<<20))
	if err != nil {
		t.Fatal(err)
	}
	a := ask(t, "POST", "http://"+address+"/v2/models/sum/infer", small, "Content-Encoding: gzip")
	if a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if n := s.budget.Held(); n != 0 {
		t.Errorf("%d bytes are still counted", n)
	}
}
