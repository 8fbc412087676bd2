package repository

import (
	"context"
	"os"
	"testing"

	"infer/model/engine/enginetest"
	"infer/model/tensor"
)

const sharedMnist = "../../../shared/models/mnist-cnn/mnist-cnn-dynamic.onnx"

// BenchmarkInfer is a call from its tensors to its outputs, alone and from two goroutines a CPU.
func BenchmarkInfer(b *testing.B) {
	b.Run("one node", func(b *testing.B) {
		benchInfer(b, save(b, plus(1), b.TempDir(), "m.onnx"), enginetest.Floats("x", tensor.Shape{1, 2}, 1, 2))
	})
	b.Run("mnist-cnn", func(b *testing.B) {
		if _, err := os.Stat(sharedMnist); err != nil {
			b.Skipf("no shared models: %v", err)
		}
		benchInfer(b, sharedMnist, enginetest.Floats("input.1", tensor.Shape{1, 1, 28, 28}, make([]float32, 784)...))
	})
}

func benchInfer(b *testing.B, path string, x tensor.Tensor) {
	in := []tensor.Tensor{x}
	r := serve(b, Options{}, path)
	one := func() {
		h, err := r.Acquire("", "", "")
		if err != nil {
			b.Error(err)
			return
		}
		c := NewCall()
		c.Inputs = in
		if err := h.Infer(context.Background(), c); err != nil {
			b.Error(err)
		}
		c.Free()
		h.Release()
	}
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			one()
		}
	})
	b.Run("together", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(2)
		b.RunParallel(func(p *testing.PB) {
			for p.Next() {
				one()
			}
		})
	})
}

// TestAllocations: a call allocates nothing. The call is used again without the pool, which forgets now and then.
func TestAllocations(t *testing.T) {
	r := serve(t, Options{}, save(t, plus(1), t.TempDir(), "m.onnx"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := NewCall()
	c.Inputs = []tensor.Tensor{enginetest.Floats("x", tensor.Shape{1, 2}, 1, 2)}
	got := testing.AllocsPerRun(200, func() {
		h, err := r.Acquire("m", "", "some user")
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Infer(ctx, c); err != nil {
			t.Fatal(err)
		}
		h.Release()
	})
	if got > 0 {
		t.Errorf("%v allocations a call", got)
	}
}
