//go:build linux && (amd64 || arm64)

package http1

import (
	"bytes"
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"infer/loadtest/drive"
	"infer/loadtest/sample"
	"infer/loadtest/schedule"
)

// at returns n requests, equally far apart at a rate.
func at(t testing.TB, perSecond float64, n int64) *schedule.Schedule {
	t.Helper()
	s, err := schedule.New(schedule.Options{Arrival: "constant", Requests: n,
		Stages: []schedule.Stage{{From: perSecond, To: perSecond, For: time.Hour}}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(t testing.TB, addr string, n int, requests ...Request) drive.Generator {
	t.Helper()
	if len(requests) == 0 {
		requests = []Request{post(t, addr, 100)}
	}
	g, err := New(Options{Addr: addr, Requests: requests})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	if err := g.Open(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	return g
}

// sends sends l and returns its samples by index, each of which must be there once.
func sends(t testing.TB, ctx context.Context, g drive.Generator, l drive.Load) ([]sample.Sample, drive.Stats) {
	t.Helper()
	var all []sample.Sample
	l.Emit = func(s []sample.Sample) { all = append(all, s...) }
	st, err := g.Run(ctx, l)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b sample.Sample) int { return int(a.Index - b.Index) })
	for i := range all {
		s := &all[i]
		if i > 0 && s.Index == all[i-1].Index {
			t.Fatalf("two samples of request %d: %+v %+v", s.Index, s, all[i-1])
		}
		if s.Woke < s.Due || s.Sent < s.Woke || s.Done < s.Sent {
			t.Fatalf("times out of order: %+v", s)
		}
	}
	return all, st
}

func all(t testing.TB, samples []sample.Sample, n int, o sample.Outcome) {
	t.Helper()
	if len(samples) != n {
		t.Errorf("%d samples, want %d", len(samples), n)
	}
	for _, s := range samples {
		if s.Outcome != o {
			t.Fatalf("request %d is %v, want %v: %+v", s.Index, s.Outcome, o, s)
		}
	}
}

// TestLanesAnswers has every kind of answer over two lanes, in a closed loop and by a schedule.
func TestLanesAnswers(t *testing.T) {
	for _, c := range answers {
		t.Run(c.name, func(t *testing.T) {
			leaks(t)
			answer := text(c.bytes)
			addr := serve(t, "tcp", func(conn net.Conn, n, i int) bool { return answer(conn, n, i) && !c.closes })
			want := sample.OK
			switch {
			case c.code == 503:
				want = sample.Refused
			case c.code >= 300:
				want = sample.Failed
			}
			for _, l := range []drive.Load{
				{Concurrency: 3, Requests: 50, Timeout: 10 * time.Second, Connections: 4, Lanes: 2},
				{Schedule: at(t, 2000, 50), Timeout: 10 * time.Second, Connections: 4, Lanes: 2},
			} {
				g := open(t, addr, 2)
				samples, st := sends(t, t.Context(), g, l)
				all(t, samples, 50, want)
				if s := samples[7]; s.Code != c.code || s.Bytes != c.size || s.Compute != sample.Untold {
					t.Errorf("sample %+v", s)
				}
				if !c.closes && st.OpenedDuring > 2 {
					t.Errorf("%d connections were opened where they stay open", st.OpenedDuring)
				}
				if want != sample.OK && (len(st.Faults) != 1 || st.Faults[0].Count != 50) {
					t.Errorf("faults %+v", st.Faults)
				}
			}
		})
	}
}

func TestLanesFaults(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer script
		want   sample.Outcome
		text   string
	}{
		{"garbage", text("\x00\x01what is this"), sample.Broken, "not HTTP/1.1"},
		{"half", func(c net.Conn, _, _ int) bool { io.WriteString(c, ok[:len(ok)-1]); return false }, sample.Broken, "in the middle of its answer"},
		{"reset", func(c net.Conn, _, _ int) bool {
			io.WriteString(c, ok[:10])
			c.(*net.TCPConn).SetLinger(0)
			return false
		}, sample.Broken, "in the middle of its answer"},
		{"closes at once", func(c net.Conn, _, _ int) bool { return false }, sample.Broken, "before it answered"},
		{"never answers", func(c net.Conn, _, _ int) bool { return true }, sample.TimedOut, "timeout"},
		{"refuses", text("HTTP/1.1 429 Slow\r\nContent-Length: 8\r\n\r\nslow\r\nit"), sample.Refused, "status 429: slow it"},
		{"junk", text(ok + "JUNK"), sample.Broken, "4 bytes came behind the end of the answer"},
		{"two answers", text(ok + ok), sample.Broken, "bytes came behind the end of the answer"},
		{"TLS", text("\x15\x03\x01\x00\x02\x02\x46"), sample.Broken, "the server speaks TLS: write https://"},
		{"TLS that knows", text("HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"), sample.Failed, "HTTPS server.: the server speaks TLS: write https://"},
		{"fails", text("HTTP/1.1 500 Oh\r\nContent-Length: 3\r\n\r\noh!"), sample.Failed, "status 500: oh!"},
	} {
		t.Run(c.name, func(t *testing.T) {
			leaks(t)
			g := open(t, serve(t, "tcp", c.answer), 1)
			for _, l := range []drive.Load{
				{Schedule: at(t, 1000, 20), Timeout: 300 * time.Millisecond, Connections: 30},
				{Concurrency: 4, Requests: 20, Timeout: 300 * time.Millisecond, Connections: 30},
			} {
				samples, st := sends(t, t.Context(), g, l)
				all(t, samples, 20, c.want)
				if len(st.Faults) != 1 || st.Faults[0].Count != 20 || !strings.Contains(st.Faults[0].Text, c.text) {
					t.Errorf("faults %+v, want %q", st.Faults, c.text)
				}
			}
		})
	}
}

// TestLanesStall has a server that stops for a while: what was due meanwhile waited, and the latencies say so.
func TestLanesStall(t *testing.T) {
	var gate atomic.Pointer[chan struct{}]
	var seen atomic.Int32
	closed := make(chan struct{})
	gate.Store(&closed)
	addr := serve(t, "tcp", func(c net.Conn, _, _ int) bool {
		if seen.Add(1) == 100 {
			time.Sleep(300 * time.Millisecond)
			close(closed)
		} else if seen.Load() > 100 {
			<-closed
		}
		_, err := io.WriteString(c, ok)
		return err == nil
	})
	samples, st := sends(t, t.Context(), open(t, addr, 4), drive.Load{Schedule: at(t, 1000, 600), Timeout: 5 * time.Second, Connections: 8})
	all(t, samples, 600, sample.OK)
	late := 0
	for _, s := range samples {
		if s.Latency() > 100*time.Millisecond {
			late++
		}
	}
	if late < 150 { // 200 were due in the first 200 ms of the stall
		t.Errorf("%d requests with a latency over 100 ms", late)
	}
	if st.Waited < 150 || st.InFlight > 8 {
		t.Errorf("%d waited, %d under way", st.Waited, st.InFlight)
	}
}

// TestLanesWaited has as many connections as requests, none of them made before: no request waits for a free one.
func TestLanesWaited(t *testing.T) {
	addr := serve(t, "tcp", text(ok))
	for most, want := range map[int]bool{100: false, 1: true} {
		g := open(t, addr, 1)
		samples, st := sends(t, t.Context(), g, drive.Load{Schedule: at(t, 1e6, 100), Timeout: 5 * time.Second, Connections: most})
		if all(t, samples, 100, sample.OK); (st.Waited > 0) != want {
			t.Errorf("%d connections: %d waited", most, st.Waited)
		}
	}
}

// TestLanesDropped has one connection and a server that never answers: one request times out, the others are dropped.
func TestLanesDropped(t *testing.T) {
	addr := serve(t, "tcp", func(net.Conn, int, int) bool { return true })
	samples, st := sends(t, t.Context(), open(t, addr, 1), drive.Load{Schedule: at(t, 10000, 100), Timeout: 200 * time.Millisecond, Connections: 1})
	timedOut, dropped := 0, 0
	for _, s := range samples {
		switch s.Outcome {
		case sample.TimedOut:
			timedOut++
		case sample.Dropped:
			if dropped++; s.Sent != s.Done {
				t.Errorf("dropped and sent: %+v", s)
			}
		}
		if s.Latency() < 200*time.Millisecond {
			t.Errorf("given up too early: %+v", s)
		}
	}
	if len(samples) != 100 || timedOut < 1 || timedOut+dropped != 100 || st.Waited < 99 {
		t.Errorf("%d timed out, %d dropped, %d waited", timedOut, dropped, st.Waited)
	}
}

// TestLanesLineEnd has a server that adds a line end to its answers, which is no fault.
func TestLanesLineEnd(t *testing.T) {
	samples, _ := sends(t, t.Context(), open(t, serve(t, "tcp", text(ok+"\r\n")), 1), drive.Load{Concurrency: 1, Requests: 20, Timeout: 5 * time.Second, Connections: 1})
	all(t, samples, 20, sample.OK)
}

// narrow makes connections that take little at a time. With much less TCP takes half a minute for 20 MB, whoever sends.
type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if err == nil {
		err = c.(*net.TCPConn).SetReadBuffer(64 << 10)
	}
	return c, err
}

// TestLanesLarge sends a body that needs many writes to a server that takes little at a time, and takes an answer that
// needs many reads.
func TestLanesLarge(t *testing.T) {
	const size = 20 << 20
	body := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	serveOn(t, narrow{l}, func(c net.Conn, _, _ int) bool {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 20971520\r\n\r\n")
		_, err := c.Write(body)
		return err == nil
	})
	r, err := NewRequest("POST", "/", addr, nil, body)
	if err != nil {
		t.Fatal(err)
	}
	g := open(t, addr, 1, r)
	check := &checks{right: body}
	samples, _ := sends(t, t.Context(), g, drive.Load{Concurrency: 2, Requests: 4, Timeout: 30 * time.Second, Connections: 2, Check: check})
	all(t, samples, 4, sample.OK)
	for _, s := range samples {
		if s.Bytes != size || !s.Checked {
			t.Errorf("sample %+v", s)
		}
	}
}

// TestLanesEarlyAnswer has a server that answers and closes before it has read the request.
func TestLanesEarlyAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.ReadFull(c, make([]byte, 1000))
			io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
			c.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	defer func() { l.Close(); <-done }()
	r, err := NewRequest("POST", "/", "h", nil, make([]byte, 20<<20))
	if err != nil {
		t.Fatal(err)
	}
	samples, st := sends(t, t.Context(), open(t, l.Addr().String(), 0, r), drive.Load{Concurrency: 1, Requests: 3, Timeout: 10 * time.Second, Connections: 1})
	all(t, samples, 3, sample.Failed)
	if len(st.Faults) != 1 || st.Faults[0].Text != "status 413: big" {
		t.Errorf("faults %+v", st.Faults)
	}
}

// TestLanesCancel stops loads in every state: sending, waiting for answers, waiting for a schedule.
func TestLanesCancel(t *testing.T) {
	leaks(t)
	answer := serve(t, "tcp", text(ok))
	silent := serve(t, "tcp", func(net.Conn, int, int) bool { return true })
	for _, c := range []struct {
		name string
		addr string
		l    drive.Load
		cut  bool
	}{
		{"closed loop", answer, drive.Load{Concurrency: 4, Connections: 4, Timeout: time.Minute}, false},
		{"open loop", answer, drive.Load{Schedule: at(t, 5000, 1e6), Connections: 4, Timeout: time.Minute}, false},
		{"no answer", silent, drive.Load{Schedule: at(t, 5000, 1e6), Connections: 4, Timeout: time.Minute}, true},
		{"nothing due", answer, drive.Load{Schedule: at(t, 0.001, 2), Connections: 4, Timeout: time.Minute}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := open(t, c.addr, 4)
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			samples, st := sends(t, ctx, g, c.l)
			if c.cut && (len(samples) != 0 || st.Cut < 4) || !c.cut && len(samples) == 0 {
				t.Errorf("%d samples, %d cut", len(samples), st.Cut)
			}
			took := time.Since(st.Start)
			t.Logf("%v, %d samples, %d cut", took, len(samples), st.Cut)
		})
	}
}

// TestLanesMany has thousands of connections under way at a time.
func TestLanesMany(t *testing.T) {
	const n = 2000
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < 2*n+100 {
		t.Skipf("this needs %d open files, the limit is %d", 2*n+100, limit.Cur)
	}
	addr := serve(t, "tcp", text(ok))
	g := open(t, addr, n/2)
	samples, st := sends(t, t.Context(), g, drive.Load{Concurrency: n, Requests: 5 * n, Connections: n, Timeout: 30 * time.Second, Lanes: 2})
	all(t, samples, 5*n, sample.OK)
	if st.Opened != n/2 {
		t.Errorf("%d opened before", st.Opened)
	}
}

func TestLanesSixAndNames(t *testing.T) {
	six := serve(t, "tcp6", text(ok))
	samples, _ := sends(t, t.Context(), open(t, six, 1), drive.Load{Concurrency: 1, Requests: 10, Connections: 1, Timeout: 5 * time.Second})
	all(t, samples, 10, sample.OK)
	_, port, _ := net.SplitHostPort(serve(t, "tcp", text(ok)))
	samples, _ = sends(t, t.Context(), open(t, "localhost:"+port, 1), drive.Load{Concurrency: 1, Requests: 10, Connections: 1, Timeout: 5 * time.Second})
	all(t, samples, 10, sample.OK)
}

// TestLanesUnreachable has a server that goes away between Open and Run, and one that was never there.
func TestLanesUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := open(t, l.Addr().String(), 1)
	l.Close()
	for _, load := range []drive.Load{
		{Schedule: at(t, 1000, 50), Connections: 4, Timeout: 5 * time.Second},
		{Concurrency: 2, Requests: 10, Connections: 2, Timeout: 5 * time.Second},
	} {
		samples, st := sends(t, t.Context(), g, load)
		last := samples[len(samples)-1]
		if last.Outcome != sample.Unreachable || len(st.Faults) == 0 || !strings.Contains(st.Faults[0].Text, "connection refused") {
			t.Errorf("%+v %+v", last, st.Faults)
		}
	}
	fresh, err := New(Options{Addr: l.Addr().String(), Requests: []Request{post(t, "h", 1)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := fresh.Open(t.Context(), 3); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("opened: %v", err)
	}
}

// TestLanesAgain runs loads on the same connections, some of which the server has closed in between.
func TestLanesAgain(t *testing.T) {
	var mu sync.Mutex
	var odd []net.Conn
	addr := serve(t, "tcp", func(c net.Conn, n, i int) bool {
		if n%2 == 1 && i == 0 {
			mu.Lock()
			odd = append(odd, c)
			mu.Unlock()
		}
		_, err := io.WriteString(c, ok)
		return err == nil
	})
	g := open(t, addr, 10)
	l := drive.Load{Concurrency: 10, Requests: 100, Connections: 10, Timeout: 5 * time.Second}
	for range 3 {
		samples, _ := sends(t, t.Context(), g, l)
		all(t, samples, 100, sample.OK)
		mu.Lock()
		for _, c := range odd {
			c.Close()
		}
		odd = nil
		mu.Unlock()
	}
}

// TestLanesDuration ends a closed loop by time.
func TestLanesDuration(t *testing.T) {
	addr := serve(t, "tcp", text(ok))
	samples, _ := sends(t, t.Context(), open(t, addr, 2), drive.Load{Concurrency: 2, Duration: 100 * time.Millisecond, Connections: 2, Timeout: 5 * time.Second})
	for _, s := range samples {
		if s.Sent > 100*time.Millisecond+time.Second || s.Outcome != sample.OK {
			t.Errorf("sample %+v", s)
		}
	}
	if len(samples) < 10 {
		t.Errorf("%d samples", len(samples))
	}
}
