//go:build linux

package main

import (
	"os"
	"path/filepath"

	"infer/model"
	"infer/model/onnx"
	"infer/testdata/arch"
)

// mnist is the shared mnist-cnn with an open batch axis.
func (b *bench) mnist() subject {
	return subject{name: "mnist-cnn", file: filepath.Join(b.models, "mnist-cnn", "mnist-cnn-dynamic.onnx"), input: "input.1", shape: []int{1, 1, 28, 28},
		output: `output { name: "33" data_type: TYPE_FP32 dims: [10] }`, rows: 64}
}

func (b *bench) squeezenet() subject {
	return subject{name: "squeezenet", file: filepath.Join(b.models, "squeezenet1.1", "squeezenet1.1-fp32.onnx"), input: "data_0", shape: []int{1, 3, 224, 224},
		output: `output { name: "softmaxout_1" data_type: TYPE_FP32 dims: [1000] }`, rows: 64}
}

// dense is a generated stack of 24 dense layers of 1024 x 1024, 100 MB: one row reads as much memory as many.
func (b *bench) dense() (subject, error) {
	return b.generated("dense", arch.Sized(96<<20, arch.WithSymbolicBatch()), []int{1, 1024}, `output { name: "output" data_type: TYPE_FP32 dims: [1024] }`)
}

// tiny is a model of one node: what is measured is everything else.
func (b *bench) tiny() (subject, error) {
	return b.generated("tiny", arch.Chain("Relu", 1, 16), []int{16}, `output { name: "output" data_type: TYPE_FP32 dims: [16] }`)
}

func (b *bench) generated(name string, m *onnx.Model, shape []int, output string) (subject, error) {
	s := subject{name: name, file: filepath.Join(b.work, name+".onnx"), input: "input", shape: shape, output: output, rows: 64}
	if _, err := os.Stat(s.file); err == nil {
		return s, nil
	}
	return s, model.New(m).Save(s.file, model.SaveOptions{})
}
