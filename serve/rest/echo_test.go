package rest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

// BenchmarkEcho compares what an empty echo of 3.2 KB (the body of a mnist-cnn request) costs over loopback: net/http,
// fasthttp, and a server that reads and writes fixed sizes and knows no HTTP, which is what client and kernel take.
// The stacks take turns in blocks with the same client, so that a busy machine slows all of them. Figures are CPU
// microseconds of this process, client included, and requests a second, by stack.
func BenchmarkEcho(b *testing.B) {
	const size, block, connections = 3200, 500, 16
	stacks := []struct {
		name  string
		serve func(net.Listener)
	}{
		{"net/http", func(ln net.Listener) { _ = http.Serve(ln, http.HandlerFunc(echoStandard)) }},
		{"fasthttp", func(ln net.Listener) { _ = fasthttp.Serve(ln, echoFast) }},
		{"floor", serveFloor},
	}
	spent, wall := make([]time.Duration, len(stacks)), make([]time.Duration, len(stacks))
	clients := make([][]*echoClient, len(stacks))
	for i, s := range stacks {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer ln.Close()
		go s.serve(ln)
		for range connections {
			clients[i] = append(clients[i], dialEcho(b, ln.Addr().String(), size))
		}
	}
	rounds := 0
	for b.Loop() {
		for i := range stacks {
			cpu, start := cpuTime(), time.Now()
			runEcho(b, clients[i], block)
			spent[i] += cpuTime() - cpu
			wall[i] += time.Since(start)
		}
		rounds++
	}
	for i, s := range stacks {
		n := float64(rounds * block * connections)
		b.ReportMetric(float64(spent[i].Nanoseconds())/1000/n, s.name+"-cpu-µs")
		b.ReportMetric(n/wall[i].Seconds(), s.name+"/s")
	}
	b.ReportMetric(0, "ns/op")
}

func echoStandard(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

func echoFast(ctx *fasthttp.RequestCtx) { ctx.SetBody(ctx.PostBody()) }

// echoRequest is a request of size bytes of body, as tritonclient writes it.
func echoRequest(size int) []byte {
	return append(fmt.Appendf(nil, "POST /v2/models/mnist/infer HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"+
		"Inference-Header-Content-Length: 120\r\nContent-Length: %d\r\n\r\n", size), strings.Repeat("x", size)...)
}

// serveFloor answers every request, whose length it knows, with a fixed answer.
func serveFloor(ln net.Listener) {
	answer := append([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3200\r\n\r\n"), bytes.Repeat([]byte("x"), 3200)...)
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			request := make([]byte, len(echoRequest(3200)))
			for {
				if _, err := io.ReadFull(c, request); err != nil {
					return
				}
				if _, err := c.Write(answer); err != nil {
					return
				}
			}
		}()
	}
}

// echoClient sends one fixed request after the other on its connection.
type echoClient struct {
	conn    net.Conn
	r       *bufio.Reader
	request []byte
	body    []byte
}

func dialEcho(b *testing.B, address string, size int) *echoClient {
	b.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { conn.Close() })
	return &echoClient{conn: conn, r: bufio.NewReaderSize(conn, 8<<10), request: echoRequest(size), body: make([]byte, size)}
}

func (c *echoClient) do() error {
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	for first := true; ; first = false {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !bytes.Contains(line, []byte(" 200 ")) {
			return fmt.Errorf("answer %q", line)
		}
		if len(line) == 2 {
			break
		}
	}
	_, err := io.ReadFull(c.r, c.body)
	return err
}

// runEcho sends n requests on every client at once.
func runEcho(b *testing.B, clients []*echoClient, n int) {
	b.Helper()
	done := make(chan error, len(clients))
	for _, c := range clients {
		go func() {
			for range n {
				if err := c.do(); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range clients {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

// cpuTime is the processor time of this process so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
