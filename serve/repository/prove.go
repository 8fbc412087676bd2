package repository

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"infer/model/engine"
	"infer/model/tensor"
)

// tolerance is how much the same row may differ between a run alone and one with others: rel of the value, and abs of
// the largest value of the output. Kernels add up in another order for another number of rows; with e the rounding of
// the dtype, sums of some hundred products are off by some ten e of the largest term. What rows do to each other in a
// model that mixes them is larger by orders of magnitude. Integers, bools and strings are equal or they are not.
type tolerance struct{ rel, abs float64 }

func toleranceOf(d tensor.DType) tolerance {
	switch d {
	case tensor.Float32, tensor.Float64:
		return tolerance{1e-3, 1e-5}
	case tensor.Float16:
		return tolerance{1e-2, 2e-3}
	case tensor.BFloat16:
		return tolerance{5e-2, 1e-2}
	}
	return tolerance{}
}

// together are the runs of the proof, by numbers of rows: in pairs and all, in another order and beside others.
var together = [][]int{{0, 1}, {2, 1, 0}}

// prove finds out whether rows of several calls can run together: the same rows alone and with others give the same.
// That they do not is no error.
func (l *loader) prove(ctx context.Context) error {
	t, i := &l.trial, &l.h.info
	if t.err != nil {
		i.BatchNote = "no batching: the model did not run on made-up inputs: " + t.err.Error()
		l.r.log.Warn("the model was not warmed up: it did not run on made-up inputs", "model", i.Name, "version", i.Version, "err", t.err)
		return nil
	}
	s := l.h.sessions[0]
	if err := t.answer(ctx, s); err != nil {
		return err
	}
	if !t.batch {
		i.BatchNote = "no batching: axis 0 of every input and output would have to be dynamic"
		return nil
	}
	worst := 0.0
	for _, rows := range together {
		if t.slow && len(rows) < trialRows {
			continue
		}
		diff, err := t.prove(ctx, s, rows)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			i.BatchNote = "no batching: " + err.Error()
			return nil
		}
		worst = max(worst, diff)
	}
	i.BatchAxis = true
	i.MaxBatch = l.o.MaxBatch
	if i.MaxBatch == 0 {
		i.MaxBatch = largestBatch
	}
	t.key = l.h.key(t.rows[0])
	i.BatchNote = "rows of several requests can run together: results are equal (largest difference 0)"
	if worst > 0 {
		i.BatchNote = fmt.Sprintf("rows of several requests can run together: results are equal but for rounding (largest difference %.2g of the largest value)", worst)
	}
	if i.MaxBatch == 1 {
		i.BatchNote += "; switched off by max batch 1"
	}
	return nil
}

// prove runs rows together and compares each with its answer alone. It returns the largest difference as a part of the
// largest value.
func (t *trial) prove(ctx context.Context, s engine.Session, rows []int) (float64, error) {
	in, err := t.tile(rows)
	if err != nil {
		return 0, err
	}
	out, _, err := t.run(ctx, s, in)
	if err != nil {
		return 0, fmt.Errorf("a run of %d rows fails: %w", len(rows), err)
	}
	return t.check(out, rows)
}

// check compares the outputs of a run of rows with the answers of each row alone.
func (t *trial) check(out []tensor.Tensor, rows []int) (float64, error) {
	worst := 0.0
	for o, all := range out {
		if len(all.Shape) == 0 || all.Shape[0] != int64(len(rows)) {
			return 0, fmt.Errorf("output %q has shape %s for %d rows", all.Name, all.Shape, len(rows))
		}
		for k, r := range rows {
			row, err := tensor.Slice(all, int64(k), int64(k)+1)
			if err != nil {
				return 0, err
			}
			diff, scale, ok := compare(t.answers[r][o], row)
			if !ok {
				return 0, fmt.Errorf("output %q of a row depends on the other rows of its run: it differs by %.3g of %.3g at most between %d rows and one alone", all.Name, diff, scale, len(rows))
			}
			if scale > 0 {
				worst = max(worst, diff/scale)
			}
		}
	}
	return worst, nil
}

// compare returns the largest difference between two tensors, the largest value of a, and whether they are the same
// within the tolerance of their dtype. A NaN or infinity is the same as itself.
func compare(a, b tensor.Tensor) (diff, scale float64, ok bool) {
	if a.DType != b.DType || !a.Shape.Equal(b.Shape) {
		return math.Inf(1), 0, false
	}
	if !a.DType.IsFloat() {
		if tensor.Equal(a, b) {
			return 0, 0, true
		}
		return 1, 1, false
	}
	x, y := floats(a), floats(b)
	for _, v := range x {
		if v := math.Abs(v); v > scale && !math.IsInf(v, 0) {
			scale = v
		}
	}
	tol := toleranceOf(a.DType)
	ok = true
	for i := range x {
		if x[i] == y[i] || math.IsNaN(x[i]) && math.IsNaN(y[i]) {
			continue
		}
		d := math.Abs(x[i] - y[i])
		if math.IsInf(x[i], 0) || !(d <= tol.rel*math.Abs(x[i])+tol.abs*scale) {
			ok = false
		}
		if d > diff || math.IsNaN(d) {
			diff = d
		}
	}
	return diff, scale, ok
}

// floats returns the elements of a floating-point tensor.
func floats(t tensor.Tensor) []float64 {
	if t.DType == tensor.Float64 {
		v := make([]float64, len(t.Data)/8)
		for i := range v {
			v[i] = math.Float64frombits(binary.LittleEndian.Uint64(t.Data[8*i:]))
		}
		return v
	}
	narrow := make([]float32, len(t.Data)*8/t.DType.Bits())
	tensor.DecodeFloats(narrow, t.DType, t.Data)
	v := make([]float64, len(narrow))
	for i := range narrow {
		v[i] = float64(narrow[i])
	}
	return v
}

// finite reports whether a tensor has neither NaN nor infinity.
func finite(t tensor.Tensor) bool {
	return !t.DType.IsFloat() || !slices.ContainsFunc(floats(t), func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
}
