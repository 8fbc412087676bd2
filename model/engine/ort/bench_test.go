//go:build cgo && !windows

package ort_test

import (
	"context"
	"os"
	"testing"

	ortgo "github.com/yalue/onnxruntime_go"

	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/tensor"
)

// BenchmarkRun times one run on one thread: bound, through Run with outputs in place, received in the memory of an
// earlier run and allocated, and, to compare with, the library's own bound and plain runs through onnxruntime_go.
func BenchmarkRun(b *testing.B) {
	b.Run("one node", func(b *testing.B) { benchModel(b, enginetest.Add(1, 4)) })
	b.Run("mnist-cnn", func(b *testing.B) {
		const path = "../../../../shared/models/mnist-cnn/mnist-cnn.onnx"
		if _, err := os.Stat(path); err != nil {
			b.Skipf("no shared models: %v", err)
		}
		m, err := model.Load(path)
		if err != nil {
			b.Fatal(err)
		}
		defer m.Close()
		benchModel(b, m)
	})
}

func benchModel(b *testing.B, m *model.Model) {
	s, err := enginetest.CPU(b).Open(b.Context(), m, engine.Config{Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	zeros := func(ports []engine.Port) (ts []tensor.Tensor) {
		for _, p := range ports {
			var shape tensor.Shape
			for _, d := range p.Type.Dims {
				shape = append(shape, max(d.Size, 1))
			}
			t, err := tensor.New(p.Name, p.Type.DType, shape)
			if err != nil {
				b.Fatal(err)
			}
			ts = append(ts, t)
		}
		return ts
	}
	in, out, got := zeros(s.Inputs()), zeros(s.Outputs()), zeros(s.Outputs())
	bound, err := s.(engine.Binder).Bind(b.Context(), in)
	if err != nil {
		b.Fatal(err)
	}
	defer bound.Close()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	for _, way := range []struct {
		name string
		run  func() error
	}{
		{"bound", func() error { return bound.Run(ctx) }},
		{"bound without cancel", func() error { return bound.Run(context.Background()) }},
		{"run in place", func() error { return s.Run(ctx, in, out) }},
		{"run in place without cancel", func() error { return s.Run(context.Background(), in, out) }},
		{"run received without cancel", func() error {
			for i, t := range got {
				got[i] = tensor.Tensor{Shape: t.Shape[:0], Data: t.Data[:0]}
			}
			return s.Run(context.Background(), in, got)
		}},
		{"run allocating", func() error { return s.Run(ctx, in, make([]tensor.Tensor, len(out))) }},
	} {
		b.Run(way.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := way.run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	benchWrapper(b, m, in, out)
}

// benchWrapper times onnxruntime_go: RunWithBinding, which no context can cancel, and Run on existing tensors.
func benchWrapper(b *testing.B, m *model.Model, in, out []tensor.Tensor) {
	options, err := ortgo.NewSessionOptions()
	if err != nil {
		b.Fatal(err)
	}
	defer options.Destroy()
	options.SetIntraOpNumThreads(1)
	options.SetInterOpNumThreads(1)
	bytes, err := m.Serialize()
	if err != nil {
		b.Fatal(err)
	}
	names := func(ts []tensor.Tensor) (names []string) {
		for _, t := range ts {
			names = append(names, t.Name)
		}
		return names
	}
	s, err := ortgo.NewDynamicAdvancedSessionWithONNXData(bytes, names(in), names(out), options)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Destroy()
	binding, err := s.CreateIoBinding()
	if err != nil {
		b.Fatal(err)
	}
	defer binding.Destroy()
	var ins, outs []ortgo.Value
	for i, t := range append(in, out...) {
		v, err := ortgo.NewCustomDataTensor(ortgo.NewShape(t.Shape...), t.Data, ortgo.TensorElementDataType(t.DType))
		if err != nil {
			b.Fatal(err)
		}
		defer v.Destroy()
		if i < len(in) {
			ins, err = append(ins, v), binding.BindInput(t.Name, v)
		} else {
			outs, err = append(outs, v), binding.BindOutput(t.Name, v)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	b.Run("onnxruntime_go bound", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := s.RunWithBinding(binding); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("onnxruntime_go run", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := s.Run(ins, outs); err != nil {
				b.Fatal(err)
			}
		}
	})
}
