//go:build linux && (amd64 || arm64)

package http1

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"infer/loadtest/drive"
	"infer/loadtest/sample"
)

// checks finds one body right.
type checks struct {
	right []byte
	known atomic.Bool
	calls atomic.Int64
	json  atomic.Int64
}

func (c *checks) Known(_ int, body []byte) bool { return c.known.Load() && bytes.Equal(body, c.right) }

func (c *checks) Check(_ int, a drive.Answer) string {
	c.calls.Add(1)
	c.json.Store(int64(a.JSONLen))
	if !bytes.Equal(a.Body, c.right) {
		return "another body"
	}
	c.known.Store(true)
	return ""
}

func TestLanesCheck(t *testing.T) {
	packed := gzipped(t, "right")
	addr := serve(t, "tcp", func(c net.Conn, _, i int) bool {
		answer := "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nInference-Header-Content-Length: 3\r\n\r\nright"
		switch {
		case i%10 == 9:
			answer = strings.Replace(answer, "right", "wrong", 1)
		case i%10 == 8:
			answer = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + packed
		}
		_, err := io.WriteString(c, answer)
		return err == nil
	})
	check := &checks{right: []byte("right")}
	samples, st := sends(t, t.Context(), open(t, addr, 1), drive.Load{Concurrency: 1, Requests: 100, Connections: 1, Timeout: 5 * time.Second, Check: check})
	for i, s := range samples {
		want := sample.OK
		if i%10 == 9 {
			want = sample.Wrong
		}
		if s.Outcome != want || !s.Checked {
			t.Errorf("sample %+v, want %v", s, want)
		}
	}
	if len(samples) != 100 || st.Unchecked != 0 || check.json.Load() != 3 || len(st.Faults) != 1 || st.Faults[0].Count != 10 {
		t.Errorf("%d samples, %+v, JSON %d", len(samples), st, check.json.Load())
	}
}

// TestLanesUnchecked has a checker that does not come to an end while the load runs: lanes do not wait for it.
func TestLanesUnchecked(t *testing.T) {
	body := strings.Repeat("x", 1<<20)
	addr := serve(t, "tcp", text("HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n"+body))
	check := &slow{until: make(chan struct{})}
	g := open(t, addr, 2)
	var emitted atomic.Int64
	l := drive.Load{Concurrency: 2, Requests: 100, Connections: 2, Timeout: 30 * time.Second, Check: check, Emit: func(s []sample.Sample) {
		if emitted.Add(int64(len(s))) >= 30 && check.ended.CompareAndSwap(false, true) {
			close(check.until) // those that found no room came without it
		}
	}}
	st, err := g.Run(t.Context(), l)
	if err != nil || emitted.Load() != 100 || st.Unchecked < 30 {
		t.Errorf("%d samples, %d unchecked: %v", emitted.Load(), st.Unchecked, err)
	}
}

// TestLanesMemory has large bodies of an unknown length on many connections: what is kept of them stays within its bound.
func TestLanesMemory(t *testing.T) {
	chunk := "100000\r\n" + strings.Repeat("x", 1<<20) + "\r\n"
	addr := serve(t, "tcp", func(c net.Conn, _, _ int) bool {
		_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		for range 20 {
			if err == nil {
				_, err = io.WriteString(c, chunk)
			}
		}
		io.WriteString(c, "0\r\n\r\n")
		return err == nil
	})
	g := open(t, addr, 16)
	samples, st := sends(t, t.Context(), g, drive.Load{Concurrency: 16, Requests: 16, Connections: 16, Timeout: time.Minute, Check: &checks{}})
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("%d MiB of heap, %d unchecked", m.HeapSys>>20, st.Unchecked)
	unchecked := int64(0)
	for _, s := range samples {
		if s.Bytes != 20<<20 || s.Checked != (s.Outcome == sample.Wrong) {
			t.Errorf("sample %+v", s)
		}
		if !s.Checked {
			unchecked++
		}
	}
	if len(samples) != 16 || unchecked == 0 || unchecked != st.Unchecked {
		t.Errorf("%d samples, %d unchecked, stats %d", len(samples), unchecked, st.Unchecked)
	}
}

type slow struct {
	until chan struct{}
	ended atomic.Bool
}

func (s *slow) Known(int, []byte) bool         { return false }
func (s *slow) Check(int, drive.Answer) string { <-s.until; return "" }

// TestLanesAllocate has a run that is long enough to see what each request leaves behind: nothing.
func TestLanesAllocate(t *testing.T) {
	g := open(t, startNull(t, -1), 16)
	var before, after runtime.MemStats
	l := drive.Load{Concurrency: 16, Requests: 1000, Connections: 16, Timeout: 30 * time.Second, Check: fine{}}
	for _, n := range []int64{1000, 20000} {
		l.Requests, l.Emit = n, func([]sample.Sample) {}
		runtime.ReadMemStats(&before)
		if _, err := g.Run(t.Context(), l); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
	}
	if n := after.Mallocs - before.Mallocs; n > 2000 {
		t.Errorf("%d allocations for 20000 requests", n)
	}
}

// fine finds everything right.
type fine struct{}

func (fine) Known(int, []byte) bool         { return true }
func (fine) Check(int, drive.Answer) string { return "" }
