package quantize

import (
	"fmt"

	"infer/internal/fault"
	"infer/model"
	"infer/model/dataset"
	"infer/model/tensor"
)

// Rows is a data set: *dataset.Set is one.
type Rows interface {
	// Rows returns how many rows there are.
	Rows() int64
	// Batch returns the inputs for rows lo to hi (exclusive).
	Batch(lo, hi int64) ([]tensor.Tensor, error)
	// BatchSize returns how many rows a run must have, 0 where it may be any number.
	BatchSize() int64
}

// part is some rows of a data set.
type part struct {
	all   Rows
	index []int64
}

func (p part) Rows() int64      { return int64(len(p.index)) }
func (p part) BatchSize() int64 { return p.all.BatchSize() }

// Batch gathers the rows; those that follow each other are read in one go.
func (p part) Batch(lo, hi int64) ([]tensor.Tensor, error) {
	if lo < 0 || hi > int64(len(p.index)) || lo >= hi {
		return nil, fmt.Errorf("rows %d to %d of %d", lo, hi, len(p.index))
	}
	var runs [][]tensor.Tensor
	for i := lo; i < hi; {
		j := i + 1
		for j < hi && p.index[j] == p.index[j-1]+1 {
			j++
		}
		t, err := p.all.Batch(p.index[i], p.index[j-1]+1)
		if err != nil {
			return nil, err
		}
		runs = append(runs, t)
		i = j
	}
	return join(runs)
}

// join puts the inputs of several runs together along axis 0. What is the same for every row, such as a scalar, is
// taken once.
func join(runs [][]tensor.Tensor) ([]tensor.Tensor, error) {
	if len(runs) == 1 {
		return runs[0], nil
	}
	out := make([]tensor.Tensor, len(runs[0]))
	for i, first := range runs[0] {
		if len(first.Shape) == 0 {
			out[i] = first
			continue
		}
		var parts []tensor.Tensor
		for _, r := range runs {
			parts = append(parts, r[i])
		}
		t, err := tensor.Concat(parts...)
		if err != nil {
			return nil, err
		}
		out[i] = t
	}
	return out, nil
}

// take returns at most n rows of src, evenly spread; 0 for all.
func take(src Rows, n int64) Rows {
	total := src.Rows()
	if n <= 0 || n >= total {
		return src
	}
	p := part{all: src}
	for i := range n {
		p.index = append(p.index, i*total/n)
	}
	return p
}

// holdOut splits src: every fifth row is kept for judging, the others calibrate. Of few rows it is every fourth, third or
// second, so that a run of the model has its rows. held is nil where there are not enough for two runs.
func holdOut(src Rows) (fit, held Rows) {
	n := src.Rows()
	stride := min(5, n/max(src.BatchSize(), 1))
	if stride < 2 {
		return src, nil
	}
	a, b := part{all: src}, part{all: src}
	for i := range n {
		if i%stride == stride-1 {
			b.index = append(b.index, i)
		} else {
			a.index = append(a.index, i)
		}
	}
	return a, b
}

// randomRows makes rows up; the same seed gives the same rows.
type randomRows struct {
	model *model.Model
	shape map[string]tensor.Shape
	seed  uint64
	count int64
}

// NewRandomRows returns count made-up rows for m, each one run of the given input shapes.
func NewRandomRows(m *model.Model, shapes map[string]tensor.Shape, seed uint64, count int64) (Rows, error) {
	r := &randomRows{model: m, shape: shapes, seed: seed, count: count}
	if _, err := r.Batch(0, 1); err != nil {
		return nil, fault.Wrap(err, "make inputs up")
	}
	return r, nil
}

func (r *randomRows) Rows() int64      { return r.count }
func (r *randomRows) BatchSize() int64 { return 1 }

func (r *randomRows) Batch(lo, hi int64) ([]tensor.Tensor, error) {
	if hi != lo+1 {
		return nil, fmt.Errorf("made-up inputs come one at a time, not %d to %d", lo, hi)
	}
	in, _, err := dataset.Random(r.model, r.shape, r.seed+uint64(lo))
	return in, err
}
