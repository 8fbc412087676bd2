package drive

import (
	"fmt"
	"testing"
	"time"

	"infer/internal/host"
	"infer/loadtest/sample"
)

// BenchmarkWorkers reports what a request costs the generator where the target costs nothing, and in open loop how
// late requests are in the hands of their goroutines.
func BenchmarkWorkers(b *testing.B) {
	for _, n := range []int{1, 32} {
		b.Run(fmt.Sprintf("closed/%d", n), func(b *testing.B) {
			b.ReportAllocs()
			l := Load{Concurrency: n, Duration: time.Hour, Requests: int64(b.N), Timeout: time.Minute, Payloads: 1, Emit: func([]sample.Sample) {}}
			if _, err := Workers(&fake{}).Run(b.Context(), l); err != nil {
				b.Fatal(err)
			}
		})
	}
	cpus := host.EffectiveCPUs().Count
	for _, rate := range []float64{500, 20000, 1e6} {
		for _, busy := range []int{0, cpus} {
			b.Run(fmt.Sprintf("open/%.0f/busy=%d", rate, busy), func(b *testing.B) {
				defer burn(busy)()
				list := make([]time.Duration, 0, b.N)
				l := Load{Schedule: constantRate(b, rate, int64(b.N)), Connections: 32, Timeout: time.Minute, Payloads: 1, Spin: AutoSpin(cpus, rate),
					Emit: func(s []sample.Sample) {
						for i := range s {
							list = append(list, s[i].Lag())
						}
					}}
				if _, err := Workers(&fake{}).Run(b.Context(), l); err != nil {
					b.Fatal(err)
				}
				report(b, list)
			})
		}
	}
}
