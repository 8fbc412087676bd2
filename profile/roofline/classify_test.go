package roofline

import (
	"math"
	"testing"

	"infer/report"
)

// TestClassify: 100 GFLOP/s and 10 GB/s have their ridge at 10 FLOP/B, 400 GOP/s of int8 at 40.
func TestClassify(t *testing.T) {
	rate := func(v float64) *report.Interval { return &report.Interval{Value: v, N: 9} }
	all := &report.Ceilings{Float32: rate(100e9), Int8: rate(400e9), Memory: rate(10e9), Cache: rate(50e9), CacheBytes: 1e6}
	for _, c := range []struct {
		name                  string
		op                    string
		seconds, flops, bytes float64 // below 0: unknown
		calls                 float64
		below                 bool
		ceilings              *report.Ceilings
		class                 string
		efficiency            float64 // 0: none
	}{
		{name: "right of the ridge", op: "MatMul", seconds: 1e-3, flops: 80e6, bytes: 2e6, class: Compute, efficiency: 0.8},
		{name: "left of the ridge", op: "Gemm", seconds: 1e-3, flops: 8e6, bytes: 8e6, class: Memory, efficiency: 0.8},
		{name: "above the roof", op: "Conv", seconds: 1e-3, flops: 120e6, bytes: 2e6, class: Compute, efficiency: 1.2},
		{name: "no arithmetic", op: "Transpose", seconds: 1e-3, flops: 0, bytes: 5e6, class: Memory, efficiency: 0.5},
		{name: "far below both", op: "MatMul", seconds: 1e-3, flops: 20e6, bytes: 2e6, class: Other, efficiency: 0.2},
		{name: "in the cache the ridge is at 2", op: "Gelu", seconds: 1e-4, flops: 5e6, bytes: 1e6, class: Compute, efficiency: 0.5},
		{name: "int8 has its own roof", op: "QLinearConv", seconds: 1e-3, flops: 80e6, bytes: 4e6, class: Memory, efficiency: 0.4},
		{name: "int8, compute", op: "MatMulInteger", seconds: 1e-3, flops: 200e6, bytes: 2e6, class: Compute, efficiency: 0.5},
		{name: "too short", op: "Add", seconds: 9e-7, flops: 1, bytes: 12, class: Overhead},
		{name: "several short calls", op: "Add", seconds: 3e-6, calls: 4, flops: 1, bytes: 12, class: Overhead},
		{name: "said to be too short", op: "Add", seconds: 1, flops: 1, bytes: 12, below: true, class: Overhead},
		{name: "several calls share the cache", op: "Gelu", seconds: 4e-4, calls: 4, flops: 20e6, bytes: 4e6, class: Compute, efficiency: 0.5},
		{name: "unknown arithmetic", op: "Custom", seconds: 1e-3, flops: -1, bytes: 1e6},
		{name: "unknown bytes", op: "MatMul", seconds: 1e-3, flops: 1e6, bytes: -1},
		{name: "a view", op: "Reshape", seconds: 1e-3, flops: 0, bytes: 0},
		{name: "no int8 roof", op: "QGemm", seconds: 1e-3, flops: 80e6, bytes: 2e6, ceilings: &report.Ceilings{Float32: rate(100e9), Memory: rate(10e9)}},
		{name: "no cache roof", op: "Gemm", seconds: 1e-3, flops: 1e5, bytes: 5e6, ceilings: &report.Ceilings{Float32: rate(100e9), Memory: rate(10e9)}, class: Memory, efficiency: 0.5},
		{name: "no bandwidth", op: "Gemm", seconds: 1e-3, flops: 80e6, bytes: 2e6, ceilings: &report.Ceilings{Float32: rate(100e9)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			// What an earlier call left must not stay.
			row := report.Share{Op: c.op, Count: 1, Seconds: c.seconds, Traced: c.seconds, Calls: c.calls, Below: c.below, Class: "before", Efficiency: &c.seconds}
			if c.flops >= 0 {
				row.FLOPs = &c.flops
			}
			if c.bytes >= 0 {
				row.Bytes = &c.bytes
			}
			if c.ceilings == nil {
				c.ceilings = all
			}
			Classify(c.ceilings, &row, 1e-6)
			got := 0.
			if row.Efficiency != nil {
				got = *row.Efficiency
			}
			if row.Class != c.class || math.Abs(got-c.efficiency) > 1e-9 {
				t.Errorf("class %q, efficiency %g, want %q, %g", row.Class, got, c.class, c.efficiency)
			}
		})
	}
	row := report.Share{Seconds: 1e-9, Traced: 1e-9, Count: 1}
	Classify(nil, &row, 1e-6)
	if row.Class != Overhead {
		t.Errorf("without ceilings a short node is %q", row.Class)
	}
}

func TestIntegerOp(t *testing.T) {
	for op, want := range map[string]bool{"QLinearConv": true, "QLinearMatMul": true, "MatMulInteger": true, "MatMulIntegerToFloat": true, "ConvInteger": true,
		"DynamicQuantizeMatMul": true, "QGemm": true, "MatMul": false, "Conv": false, "QuantizeLinear": false, "DequantizeLinear": false} {
		if report.IntegerOp(op) != want {
			t.Errorf("%s: %t", op, !want)
		}
	}
}
