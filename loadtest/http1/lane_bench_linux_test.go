//go:build linux && (amd64 || arm64)

package http1

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"infer/loadtest/drive"
	"infer/loadtest/sample"
)

func post(t testing.TB, host string, size int) Request {
	t.Helper()
	r, err := NewRequest("POST", "/v2/models/m/infer", host, http.Header{"Content-Type": {"application/json"}}, make([]byte, size))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// BenchmarkLane sends from one lane, closed loop with 32 connections, 3 KB a request, to a server in a process of its
// own. It reports requests for each second of CPU time of this process. INFER_TEST_NULL_CPU pins the server.
func BenchmarkLane(b *testing.B) {
	cpu := -1
	if s := os.Getenv("INFER_TEST_NULL_CPU"); s != "" {
		cpu, _ = strconv.Atoi(s)
	}
	addr := os.Getenv("INFER_TEST_NULL_ADDR")
	if addr == "" {
		addr = startNull(b, cpu)
	}
	g, err := New(Options{Addr: addr, Requests: []Request{post(b, addr, 3000)}})
	if err != nil {
		b.Fatal(err)
	}
	defer g.Close()
	if err := g.Open(b.Context(), 32); err != nil {
		b.Fatal(err)
	}
	var answered, bad int64
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b.ResetTimer()
	cpuBefore := cpuTime()
	st, err := g.Run(context.Background(), drive.Load{Concurrency: 32, Requests: int64(b.N), Timeout: 10 * time.Second, Connections: 32,
		Emit: func(s []sample.Sample) {
			for i := range s {
				if s[i].Outcome != sample.OK {
					bad++
				}
			}
			answered += int64(len(s))
		}})
	used := cpuTime() - cpuBefore
	b.StopTimer()
	runtime.ReadMemStats(&after)
	if err != nil || answered != int64(b.N) || bad > 0 {
		b.Fatalf("answered %d of %d, %d of them bad: %v %+v", answered, b.N, bad, err, st)
	}
	b.ReportMetric(float64(b.N)/used.Seconds(), "req/cpu-s")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
	b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N), "mallocs/req")
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkLag sends at fixed rates for b.N requests each and reports by how much the lane was late, in µs.
func BenchmarkLag(b *testing.B) {
	for _, rate := range []float64{500, 20000} {
		for _, spin := range []time.Duration{0, 150 * time.Microsecond} {
			b.Run(fmt.Sprintf("rate=%v/spin=%v", rate, spin), func(b *testing.B) {
				addr := os.Getenv("INFER_TEST_NULL_ADDR")
				if addr == "" {
					addr = startNull(b, -1)
				}
				g, err := New(Options{Addr: addr, Requests: []Request{post(b, addr, 3000)}})
				if err != nil {
					b.Fatal(err)
				}
				defer g.Close()
				if err := g.Open(b.Context(), 64); err != nil {
					b.Fatal(err)
				}
				var lags []time.Duration
				cpuBefore := cpuTime()
				if _, err = g.Run(context.Background(), drive.Load{Schedule: at(b, rate, int64(b.N)), Timeout: 10 * time.Second, Connections: 64,
					Spin: spin, Emit: func(all []sample.Sample) {
						for _, s := range all {
							lags = append(lags, s.Lag())
						}
					}}); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(100*(cpuTime()-cpuBefore).Seconds()/b.Elapsed().Seconds(), "cpu-%")
				slices.Sort(lags)
				for _, p := range []int{50, 90, 99} {
					b.ReportMetric(float64(lags[(len(lags)-1)*p/100])/1e3, fmt.Sprintf("p%d-us", p))
				}
			})
		}
	}
}
