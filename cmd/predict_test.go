package cmd

import (
	"math"
	"testing"

	"infer/model/predict"
	"infer/report"
)

// TestPredictThroughput: what is left over for the last run says nothing about the others.
func TestPredictThroughput(t *testing.T) {
	for _, c := range []struct {
		name     string
		seconds  []float64
		rows     []int64
		want     float64 // rows/s
		n        int
		interval bool
	}{
		{"equal runs", []float64{0.0320, 0.0322}, []int64{32, 32}, 64 / 0.0642, 2, true},
		{"a short last run", []float64{0.032, 0.032, 0.010}, []int64{32, 32, 1}, 1000, 2, true},
		{"one run", []float64{0.010}, []int64{5}, 500, 1, false},
		{"one run and a short one", []float64{0.032, 0.010}, []int64{32, 1}, 1000, 1, false},
	} {
		d := &report.Document{}
		addThroughput(d, predict.Result{Seconds: c.seconds, RunRows: c.rows})
		m := d.Metrics[0]
		if m.Name != "throughput" || math.Abs(*m.Value-c.want) > 1e-9*c.want || m.N != c.n || (m.Lo != nil) != c.interval {
			t.Errorf("%s: %+v (%v rows/s), want %v", c.name, m, *m.Value, c.want)
		}
	}
}
