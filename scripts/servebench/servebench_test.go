//go:build linux

package main

import (
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"infer/internal/wire"
	"infer/model/tensor"
)

var sample4 = subject{name: "m", input: "X", shape: []int{1, 2, 2}, rows: 1}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		name, text    string
		status, total int
		fails         bool
	}{
		{"nothing yet", "", 0, 0, false},
		{"half a head", "HTTP/1.1 200 OK\r\nContent-Le", 0, 0, false},
		{"whole", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", 200, 40, false},
		{"another case, a body to come", "HTTP/1.1 503 x\r\nA: b\r\nCONTENT-LENGTH:7\r\n\r\n", 503, 49, false},
		{"no length", "HTTP/1.1 200 OK\r\nA: b\r\n\r\n", 0, 0, true},
		{"no HTTP", "hello, this is no HTTP\r\n\r\n", 0, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, total, err := parse([]byte(c.text))
			if status != c.status && !c.fails || total != c.total || (err != nil) != c.fails {
				t.Errorf("status %d, total %d, error %v", status, total, err)
			}
		})
	}
}

// TestRequests reads the requests back with the decoder of the server.
func TestRequests(t *testing.T) {
	ports := []wire.Port{{Name: "X", DType: tensor.Float32, Shape: []int64{-1, 2, 2}}}
	for name, request := range map[string][]byte{"binary": sample4.binaryRequest(), "JSON": sample4.jsonRequest()} {
		head, body, _ := strings.Cut(string(request), "\r\n\r\n")
		jsonLen := -1
		if name == "binary" {
			jsonLen = len(body) - len(sample4.bytes())
			if !strings.Contains(head, "Inference-Header-Content-Length") {
				t.Errorf("no length of the JSON part in %q", head)
			}
		}
		var r wire.Request
		if err := r.DecodeOIP([]byte(body), jsonLen, "m", ports, wire.DefaultLimits); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want := sample4.bytes(); !slices.Equal(r.Inputs[0].Data, want) {
			t.Errorf("%s: %v, not %v", name, r.Inputs[0].Data, want)
		}
	}
}

// TestSchedule checks the rate, the spread of a Poisson process (its gaps are as long as they deviate) and the seed.
func TestSchedule(t *testing.T) {
	const rate, seconds = 2000.0, 50
	due := schedule(rate, seconds*time.Second, 1)
	if n := float64(len(due)); math.Abs(n-rate*seconds) > 5*math.Sqrt(rate*seconds) {
		t.Errorf("%.0f arrivals, not about %.0f", n, rate*seconds)
	}
	var sum, squares float64
	for i := 1; i < len(due); i++ {
		gap := (due[i] - due[i-1]).Seconds() * rate
		sum, squares = sum+gap, squares+gap*gap
	}
	mean := sum / float64(len(due)-1)
	if deviation := math.Sqrt(squares/float64(len(due)-1) - mean*mean); math.Abs(deviation-1) > 0.05 {
		t.Errorf("gaps deviate by %.3f of their mean, not by 1", deviation)
	}
	if !slices.Equal(due, schedule(rate, seconds*time.Second, 1)) || slices.Equal(due, schedule(rate, seconds*time.Second, 2)) {
		t.Error("the seed does not decide")
	}
}

// testServer answers POST with what decide says, and counts.
func testServer(t *testing.T, decide func(n int64) int) (*server, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		status := decide(n.Add(1))
		w.Header().Set("Content-Length", "100000")
		w.WriteHeader(status)
		_, _ = w.Write(make([]byte, 100000))
	}))
	t.Cleanup(s.Close)
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return &server{http: s.Listener.Addr().String(), cmd: cmd}, &n
}

func TestClosed(t *testing.T) {
	s, n := testServer(t, func(n int64) int {
		if n%10 == 0 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	l, err := closed(s, sample4.jsonRequest(), 3, 200*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	all := len(l.latency) + l.failed
	if all == 0 || int64(all) > n.Load() || !slices.IsSorted(l.latency) || !strings.HasPrefix(l.why, "503: HTTP/1.1 503") {
		t.Errorf("%d answered of %d, %d failed: %.30q", len(l.latency), n.Load(), l.failed, l.why)
	}
	if share := float64(l.failed) / float64(all); all > 100 && math.Abs(share-0.1) > 0.05 {
		t.Errorf("%.3f failed, not a tenth", share)
	}
}

func TestOpen(t *testing.T) {
	s, n := testServer(t, func(n int64) int { return []int{200, 429, 503, 504, 500}[n%5] })
	f := open(s.http, sample4.jsonRequest(), 500, 400*time.Millisecond, time.Minute, 1)
	if got := len(f.answered) + len(f.refused) + len(f.expired) + f.failed + f.dropped; got != f.arrivals || int64(got) != n.Load() {
		t.Errorf("%d of %d arrivals came to something, the server saw %d", got, f.arrivals, n.Load())
	}
	if len(f.refused) < len(f.expired) || f.good != len(f.answered) || f.why != "status 500" {
		t.Errorf("%d refused, %d expired, %d good of %d, %q", len(f.refused), len(f.expired), f.good, len(f.answered), f.why)
	}
}
