package null

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"infer/internal/fault"
)

// ways are the two servers of HTTP: that of this system and the one that every system can have.
var ways = []struct {
	name  string
	start func(Options) (*Server, error)
}{
	{"system", HTTP},
	{"plain", func(o Options) (*Server, error) {
		l, err := o.listen()
		if err != nil {
			return nil, err
		}
		return servePlain(l, o)
	}},
}

// each runs a test with both servers and fails where a goroutine is left.
func each(t *testing.T, o Options, test func(t *testing.T, addr string)) {
	t.Helper()
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			s, err := w.start(o)
			if err != nil {
				t.Fatal(err)
			}
			test(t, s.Addr())
			for range 2 {
				if err := s.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			}
			if c, err := net.Dial("tcp", s.Addr()); err == nil {
				c.Close()
				t.Error("takes connections when it is closed")
			}
			settle(t, before)
		})
	}
}

// settle waits until there are no more goroutines than before.
func settle(t *testing.T, before int) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, before %d:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
	}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(time.Minute))
	t.Cleanup(func() { c.Close() })
	return c
}

// expect reads n answers with a body.
func expect(t *testing.T, r *bufio.Reader, n int, body []byte) {
	t.Helper()
	for i := range n {
		a, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("answer %d of %d: %v", i, n, err)
		}
		got, err := io.ReadAll(a.Body)
		if err != nil || a.StatusCode != http.StatusOK || !bytes.Equal(got, body) {
			t.Fatalf("answer %d of %d: status %d, %d bytes, %v", i, n, a.StatusCode, len(got), err)
		}
	}
}

func TestHTTP(t *testing.T) {
	body := bytes.Repeat([]byte("answer"), 500)
	each(t, Options{Body: body}, func(t *testing.T, addr string) {
		c := dial(t, addr)
		r := bufio.NewReader(c)
		io.WriteString(c, post(3000))
		expect(t, r, 1, body)
		io.WriteString(c, post(3)+post(0)+"GET / HTTP/1.1\r\n\r\n"+post(3000)[:500])
		expect(t, r, 3, body)
		io.WriteString(c, post(3000)[500:]+post(1<<20))
		expect(t, r, 2, body)
		io.WriteString(c, post(3, "Connection: close\r\n"))
		expect(t, r, 1, body)
		if _, err := r.ReadByte(); err != io.EOF {
			t.Errorf("the connection goes on: %v", err)
		}
		a, err := http.Post("http://"+addr, "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(a.Body)
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
		a.Body.Close()
		http.DefaultClient.CloseIdleConnections()
	})
}

// TestHTTPSlowReader sends many requests before it reads the first answer, far more than buffers hold.
func TestHTTPSlowReader(t *testing.T) {
	const n = 24
	body := bytes.Repeat([]byte("x"), 1<<20)
	each(t, Options{Body: body}, func(t *testing.T, addr string) {
		c := dial(t, addr)
		sent := make(chan error, 1)
		go func() {
			_, err := io.WriteString(c, strings.Repeat(post(1000), n))
			sent <- err
		}()
		expect(t, bufio.NewReader(c), n, body)
		if err := <-sent; err != nil {
			t.Error(err)
		}
	})
}

func TestHTTPRefuses(t *testing.T) {
	each(t, Options{}, func(t *testing.T, addr string) {
		for _, in := range []string{"nonsense\r\n\r\n", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"} {
			c := dial(t, addr)
			io.WriteString(c, in)
			r := bufio.NewReader(c)
			a, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if a.StatusCode != http.StatusBadRequest {
				t.Errorf("%q: status %d, want 400", in, a.StatusCode)
			}
			io.Copy(io.Discard, a.Body)
			if _, err := r.ReadByte(); err != io.EOF {
				t.Errorf("%q: the connection goes on: %v", in, err)
			}
		}
	})
}

// TestHTTPMany has connections that come and go while others are under way.
func TestHTTPMany(t *testing.T) {
	body := []byte("answer")
	each(t, Options{Body: body, Threads: 3}, func(t *testing.T, addr string) {
		var work sync.WaitGroup
		for range 32 {
			work.Go(func() {
				for range 10 {
					c, err := net.Dial("tcp", addr)
					if err != nil {
						t.Error(err)
						return
					}
					r := bufio.NewReader(c)
					for range 10 {
						io.WriteString(c, post(100))
						a, err := http.ReadResponse(r, nil)
						if err != nil {
							t.Error(err)
							break
						}
						io.Copy(io.Discard, a.Body)
					}
					c.Close()
				}
			})
		}
		work.Wait()
	})
}

// TestHTTPTimes looks at the lower bounds of the times only: nothing else is sure on a busy machine.
func TestHTTPTimes(t *testing.T) {
	const service = 5 * time.Millisecond
	t.Run("one at a time", func(t *testing.T) {
		each(t, Options{ServiceTime: service, Serial: true}, func(t *testing.T, addr string) {
			took := together(t, addr, 8)
			if took < 8*service {
				t.Errorf("8 requests took %v, less than 8 times %v", took, service)
			}
		})
	})
	t.Run("side by side", func(t *testing.T) {
		each(t, Options{ServiceTime: service}, func(t *testing.T, addr string) {
			if took := together(t, addr, 8); took < service {
				t.Errorf("took %v, less than %v", took, service)
			}
		})
	})
	t.Run("stall", func(t *testing.T) {
		const stall = 100 * time.Millisecond
		each(t, Options{StallFor: stall}, func(t *testing.T, addr string) {
			if took := together(t, addr, 8); took < stall {
				t.Errorf("took %v, less than %v", took, stall)
			}
		})
	})
}

// together sends n requests at once, each on a connection of its own, and returns when the last was answered.
func together(t *testing.T, addr string, n int) time.Duration {
	t.Helper()
	conns := make([]net.Conn, n)
	for i := range conns {
		conns[i] = dial(t, addr)
	}
	start := time.Now()
	for _, c := range conns {
		io.WriteString(c, post(10))
	}
	for _, c := range conns {
		expect(t, bufio.NewReader(c), 1, nil)
		c.Close()
	}
	return time.Since(start)
}

// TestHTTPCloseInService closes servers whose answers have hours to go, to a client that has gone and one that waits.
func TestHTTPCloseInService(t *testing.T) {
	each(t, Options{ServiceTime: time.Hour}, func(t *testing.T, addr string) {
		gone := dial(t, addr)
		io.WriteString(gone, post(10)+post(10))
		gone.Close()
		io.WriteString(dial(t, addr), post(10))
	})
}

func TestOptions(t *testing.T) {
	busy, err := HTTP(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for name, o := range map[string]Options{
		"negative":        {ServiceTime: -1},
		"taken":           {Addr: busy.Addr()},
		"no address":      {Addr: "nowhere"},
		"timed by turns":  {Threads: 2, ServiceTime: 1},
		"negative stall":  {StallFor: -1},
		"negative moment": {StallAfter: -1},
	} {
		for _, start := range []func(Options) (*Server, error){HTTP, GRPC} {
			if _, err := start(o); fault.KindOf(err) != fault.Usage {
				t.Errorf("%s: got %v, want a usage error", name, err)
			}
		}
	}
}

func TestRun(t *testing.T) {
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	err := Run(ctx, HTTP, Options{}, func(addr string) {
		if took := together(t, addr, 2); took < 0 {
			t.Error(took)
		}
		cancel()
	})
	if err != nil {
		t.Error(err)
	}
	if err := Run(ctx, HTTP, Options{Addr: "nowhere"}, nil); fault.KindOf(err) != fault.Usage {
		t.Errorf("got %v, want a usage error", err)
	}
	settle(t, before)
}

func TestGRPC(t *testing.T) {
	before := runtime.NumGoroutine()
	const service = 5 * time.Millisecond
	body := []byte("\x0a\x01m")
	s, err := GRPC(Options{Body: body, ServiceTime: service, Serial: true})
	if err != nil {
		t.Fatal(err)
	}
	c, err := grpc.NewClient(s.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodec(asIs{})))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			in, out := bytes.Repeat([]byte("x"), 3000), []byte(nil)
			if err := c.Invoke(t.Context(), "/any.Service/Method", &in, &out); err != nil || !bytes.Equal(out, body) {
				t.Errorf("got %q, %v; want %q", out, err, body)
			}
		})
	}
	work.Wait()
	if took := time.Since(start); took < 4*service {
		t.Errorf("4 calls took %v, less than 4 times %v", took, service)
	}
	c.Close()
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	settle(t, before)
}

// asIs is a codec of bytes.
type asIs struct{}

func (asIs) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (asIs) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = bytes.Clone(data)
	return nil
}
func (asIs) Name() string { return "proto" }
