package drive

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"infer/loadtest/schedule"
)

// BenchmarkPacer reports how late a pacer wakes at poisson moments, next to busy goroutines and without, with as many Ps
// as CPUs and with WidenProcs. Its ns/op are those of the schedule.
func BenchmarkPacer(b *testing.B) {
	for _, rate := range []float64{500, 20000} {
		for _, busy := range []int{0, 1, runtime.NumCPU()} {
			for _, wide := range []bool{false, true} {
				b.Run(fmt.Sprintf("%.0f/busy=%d/wide=%v", rate, busy, wide), func(b *testing.B) {
					if wide {
						defer WidenProcs()()
					}
					defer burn(busy)()
					report(b, lags(b, rate))
				})
			}
		}
	}
}

// lags paces b.N poisson moments and returns how late each was.
func lags(b *testing.B, rate float64) []time.Duration {
	s, err := schedule.New(schedule.Options{Stages: []schedule.Stage{{From: rate, To: rate, For: time.Hour}}, Requests: int64(b.N), Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	list := make([]time.Duration, 0, b.N)
	p := newPacer(NewClock(time.Millisecond))
	defer p.close()
	for c := s.Cursor(0, 1); ; {
		_, due, ok := c.Next()
		if !ok {
			return list
		}
		woke, _ := p.wait(context.Background(), due)
		list = append(list, woke-due)
	}
}

func report(b *testing.B, list []time.Duration) {
	slices.Sort(list)
	us := func(p float64) float64 { return float64(list[int(p*float64(len(list)-1))]) / 1e3 }
	b.ReportMetric(us(0.5), "p50-µs")
	b.ReportMetric(us(0.99), "p99-µs")
	b.ReportMetric(us(1), "max-µs")
}

// burn keeps n goroutines busy until stop is called.
func burn(n int) (stop func()) {
	var stopped atomic.Bool
	done := make(chan struct{})
	for range n {
		go func() {
			for !stopped.Load() {
			}
			done <- struct{}{}
		}()
	}
	return func() {
		stopped.Store(true)
		for range n {
			<-done
		}
	}
}
