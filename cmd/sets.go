package cmd

import (
	"cmp"
	"fmt"
	"maps"

	"infer/internal/fault"
	"infer/model"
	"infer/model/dataset"
	"infer/model/onnx"
	"infer/model/tensor"
)

// maxSets is how many sets of inputs two models are compared on at most: each is kept with its outputs.
const maxSets = 1000

// sets returns n sets of inputs to compare two models on, and where they come from, in words. Of a data set they are its
// rows, evenly spread. Made-up ones differ by their seed and, from the second on, in the sizes of the axes that nobody has
// bound: what holds at size 1 alone would not show there. A model may refuse such sizes.
func (in *inputs) sets(n int) (sets [][]tensor.Tensor, source string, err error) {
	if n < 0 || n > maxSets {
		return nil, "", fault.New(fault.Usage, fmt.Sprintf("give 0 to %d", maxSets), "--verify %d is no number of sets of inputs", n)
	}
	if in.set != nil {
		return in.rowSets(n)
	}
	source = in.flags.Source
	if source == "random" {
		source = fmt.Sprintf("random, seed %d", in.flags.Seed)
	}
	for i := range n {
		bound, err := in.sized(int64(i))
		if err != nil {
			return nil, "", err
		}
		var set []tensor.Tensor
		if source == "zeros" {
			set, _, err = dataset.Zeros(in.m, bound.Shapes)
		} else {
			set, _, err = dataset.Random(in.m, bound.Shapes, in.flags.Seed+uint64(i))
		}
		if err != nil {
			return nil, "", err
		}
		sets = append(sets, set)
	}
	return sets, source, nil
}

// rowSets returns runs over the rows of the data set.
func (in *inputs) rowSets(n int) (sets [][]tensor.Tensor, source string, err error) {
	rows, have := in.boundRows(), in.set.Rows()
	if rows < 1 {
		return nil, "", fault.New(fault.Usage, "give the batch axis a size of 1 or more", "--shape makes a run of no rows")
	}
	if rows > have {
		return nil, "", fault.New(fault.Usage, "give a smaller batch or more rows", "a run of %d rows needs more than the %d of data set %q", rows, have, in.flags.Source)
	}
	runs := min(int64(n), have/rows)
	for i := range runs {
		at := i * (have/rows - 1) / max(runs-1, 1) * rows
		set, err := in.set.Batch(at, at+rows)
		if err != nil {
			return nil, "", err
		}
		sets = append(sets, set)
	}
	return sets, fmt.Sprintf("%d of %d rows of %s", runs*rows, have, in.flags.Source), nil
}

// sized binds the axes that nobody has bound to other sizes than 1: each to its own, larger by more.
func (in *inputs) sized(more int64) (model.Bound, error) {
	if more == 0 {
		return in.bound, nil
	}
	sizes := in.sizesAsked()
	shapes := maps.Clone(in.asked.Shapes)
	for _, p := range in.m.Inputs() {
		if _, ok := shapes[p.Name]; ok {
			continue
		}
		s := in.bound.Shapes[p.Name].Clone()
		for i, d := range p.Type.Dims {
			if d.Known {
				continue
			}
			size, ok := sizes[d.Name]
			if !ok || d.Name == "" {
				size = 2 + more + int64(len(sizes))
				sizes[cmp.Or(d.Name, fmt.Sprintf("%s[%d]", p.Name, i))] = size
			}
			s[i] = size
			shapes[p.Name] = s
		}
	}
	return in.m.Bind(model.Bindings{Shapes: shapes})
}

// sizesAsked returns the sizes of the axes that the flags bind, by name.
func (in *inputs) sizesAsked() map[string]int64 {
	sizes := maps.Clone(in.asked.Dims)
	for _, p := range in.m.Inputs() {
		for i, d := range p.Type.Dims {
			if s := in.asked.Shapes[p.Name]; i < len(s) && !d.Known && d.Name != "" {
				sizes[d.Name] = s[i]
			}
		}
	}
	return sizes
}

// dims returns the bound sizes as shape inference takes them.
func (in *inputs) dims() map[string][]onnx.Dim {
	bound := map[string][]onnx.Dim{}
	for name, s := range in.bound.Shapes {
		bound[name] = []onnx.Dim{}
		for _, size := range s {
			bound[name] = append(bound[name], onnx.Fixed(size))
		}
	}
	return bound
}
