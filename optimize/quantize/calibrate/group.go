package calibrate

import (
	"slices"

	"infer/model/onnx"
)

// group is values that are collected together: exposed as outputs of one session, held at once, looked at, dropped.
type group struct {
	values []*Observation
	start  int64 // rows that were seen of them already
	batch  int64 // rows a run
	bytes  int64 // what their tensors take, as far as it is known
}

// Tensors that the runtime allocates exist twice for a moment, its own and the copy; and the copy of the run before may
// not have been collected yet.
const allocatedCost = 3

// plan divides what is left to do into groups that fit the budget, in the order of the graph, so that the first groups
// need only its beginning. A value of unknown size counts like the largest known one until a run has shown it.
func (c *collector) plan(r *runner) []group {
	left := slices.DeleteFunc(slices.Clone(c.values), func(o *Observation) bool { return o.Rows() >= c.rows })
	slices.SortStableFunc(left, func(a, b *Observation) int { return int(b.Rows() - a.Rows()) })
	guess := int64(1)
	for _, o := range c.values {
		size, _ := c.bytes(o.Value)
		guess = max(guess, size, c.seen[o.Value]*c.options.Batch)
	}
	var groups []group
	for _, o := range left {
		batch, size := c.options.Batch, c.cost(r, o.Value, guess)
		if size > c.options.Memory && batch > c.least {
			batch, size = c.least, size*c.least/batch
		}
		if n := len(groups) - 1; n >= 0 && groups[n].start == o.Rows() && groups[n].batch == batch && groups[n].bytes+size <= c.options.Memory {
			groups[n].values, groups[n].bytes = append(groups[n].values, o), groups[n].bytes+size
			continue
		}
		groups = append(groups, group{values: []*Observation{o}, start: o.Rows(), batch: batch, bytes: size})
	}
	return groups
}

// cost returns the bytes that a value takes in a run of a whole batch; guess stands for a size that is not known.
func (c *collector) cost(r *runner, value string, guess int64) int64 {
	if c.order[value] == input {
		return 0 // held for the run anyway
	}
	size, known := c.bytes(value)
	if known && !r.loose {
		return size // in its place
	}
	if size = max(size, c.seen[value]*c.options.Batch); size == 0 && !known {
		size = guess
	}
	return size * allocatedCost
}

// bytes returns what the tensor of a value takes in a run of a whole batch, as far as inference knows it.
func (c *collector) bytes(value string) (int64, bool) {
	v, ok := c.static.Of(c.graph, value)
	if !ok || v.Kind != onnx.KindTensor {
		return 0, false
	}
	return v.Bytes()
}
