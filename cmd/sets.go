package cmd

import (
	"fmt"

	"infer/model/dataset"
	"infer/model/onnx"
	"infer/model/tensor"
)

// sets returns up to n sets of inputs, each for a run at the bound sizes, and says where they come from: made up with
// seeds that follow each other, rows of the data set that follow each other, or zeros, which are one set.
func (in *inputs) sets(n int) (list [][]tensor.Tensor, source string, err error) {
	rows := in.boundRows()
	for i := range int64(n) {
		var set []tensor.Tensor
		switch {
		case in.set == nil && in.flags.Source == "zeros":
			set, err = in.inputs(0)
			n = 1
		case in.set == nil:
			set, _, err = dataset.Random(in.m, in.bound.Shapes, in.flags.Seed+uint64(i))
		case i > 0 && (i+1)*rows > in.set.Rows():
			continue
		default:
			set, err = in.set.Batch(i*rows, (i+1)*rows)
		}
		if err != nil {
			return nil, "", err
		}
		list = append(list, set)
		if n == 1 {
			break
		}
	}
	source = in.flags.Source
	if in.set == nil && source == "random" {
		source = fmt.Sprintf("random, seed %d", in.flags.Seed)
	}
	return list, source, nil
}

// dims returns the bound sizes as shape inference takes them.
func (in *inputs) dims() map[string][]onnx.Dim {
	bound := map[string][]onnx.Dim{}
	for name, s := range in.bound.Shapes {
		for _, size := range s {
			bound[name] = append(bound[name], onnx.Fixed(size))
		}
		if len(s) == 0 {
			bound[name] = []onnx.Dim{}
		}
	}
	return bound
}
