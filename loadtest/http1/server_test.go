package http1

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// script answers requests on connections of a test server. It gets the number of the connection and of the request on
// it, from 0 on; false ends the connection.
type script func(c net.Conn, conn, request int) bool

// serve starts a server for the test and returns its address.
func serve(t testing.TB, network string, answer script) string {
	t.Helper()
	addr := "127.0.0.1:0"
	if network == "tcp6" {
		addr = "[::1]:0"
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Skipf("this machine cannot listen on %s: %v", addr, err)
	}
	serveOn(t, l, answer)
	return l.Addr().String()
}

func serveOn(t testing.TB, l net.Listener, answer script) {
	var all sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	all.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			all.Go(func() {
				defer func() {
					c.Close()
					mu.Lock()
					delete(open, c)
					mu.Unlock()
				}()
				in := bufio.NewReaderSize(c, 64<<10)
				for i := 0; ; i++ {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					if _, err := io.Copy(io.Discard, r.Body); err != nil || !answer(c, n, i) {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
}

// text answers every request with the same bytes.
func text(answer string) script {
	return func(c net.Conn, _, _ int) bool {
		_, err := io.WriteString(c, answer)
		return err == nil && !strings.Contains(strings.ToLower(answer), "connection: close")
	}
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// leaks fails the test if goroutines are left of what it did from here on.
func leaks(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for range 200 {
			if runtime.NumGoroutine() <= before {
				return
			}
			time.Sleep(10 * time.Millisecond) // goroutines that are done may not be gone yet
		}
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
	})
}

// answers are well-formed answers, and what is to be read of them.
var answers = []struct {
	name, bytes string
	code        uint16
	size        int64
	closes      bool // the server ends the connection
}{
	{"content length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, 5, false},
	{"lower case, bare line ends", "HTTP/1.1 200 OK\ncontent-length: 5\n\nhello", 200, 5, false},
	{"no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200, 0, false},
	{"the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", 200, 2, false},
	{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n", 200, 15, false},
	{"chunks and trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\nServer-Timing: queue;dur=1\r\nA: b\r\n\r\n", 200, 1, false},
	{"until the end", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", 200, 5, true},
	{"length and close", "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 5\r\n\r\nhello", 200, 5, true},
	{"http/1.0", "HTTP/1.0 200 OK\r\nX: connection: close\r\n\r\nhello", 200, 5, true},
	{"http/1.0 kept alive", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\nhello", 200, 5, false},
	{"no content", "HTTP/1.1 204 No Content\r\n\r\n", 204, 0, false},
	{"not modified", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, 0, false},
	{"continue first", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, 2, false},
	{"overload", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nfull", 503, 4, false},
	{"failure", "HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\noh\x00!", 500, 4, false},
}

// gzipped returns a body of one gzip stream in one chunk.
func gzipped(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write([]byte(s))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", b.Len(), b.Bytes())
}
