// Package predict owns batch inference: a session over the rows of a data set into one .npy file an output,
// resumable after an interruption, and the accuracy of what it wrote.
package predict

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/model/engine"
	"infer/model/tensor"
)

// Source is the data: rows along axis 0 of every input.
type Source interface {
	// Rows returns how many rows there are.
	Rows() int64
	// Batch returns the inputs for rows lo to hi.
	Batch(lo, hi int64) ([]tensor.Tensor, error)
}

// Options are the choices of one batch inference.
type Options struct {
	Dir      string                     // folder of the output files; it exists
	Batch    int64                      // rows a run, ≥ 1
	Key      string                     // identity of model, data and options: a partial result of another key is begun anew
	FileName func(output string) string // file name of an output, without .npy; nil: the output's name
	Labels   []int64                    // one class id a row; nil: none
	Progress progress.Func
}

// File is one output file.
type File struct {
	Output string
	Path   string
	DType  tensor.DType
	Shape  tensor.Shape // [rows, …]
}

// Result is what was done, whole or up to an interruption.
type Result struct {
	Files    []File
	Rows     int64     // rows whose outputs are written, resumed ones included
	Resumed  int64     // rows that an earlier call had written
	Seconds  []float64 // duration of each run, in order
	RunRows  []int64   // rows of each run
	Wall     time.Duration
	Accuracy *Accuracy // nil without labels or before the last row
	Done     bool      // every row is written and the files have their names
}

// Run writes the outputs of s for every row of src. When ctx is cancelled it keeps the partial files, which the next
// call with the same Key goes on with, and returns the result so far with Done false and no error.
// A batch size that the model cannot take, an output without a row for every input row and a full disk are errors;
// partial files are removed then.
func Run(ctx context.Context, s engine.Session, src Source, o Options) (r Result, err error) {
	w, err := openWriters(s, o)
	if err != nil {
		return r, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.abort())
		}
	}()
	total := src.Rows()
	done, err := w.resume(total)
	if err != nil {
		return r, err
	}
	r.Rows, r.Resumed = done, done
	begin := time.Now()
	for r.Rows < total && ctx.Err() == nil {
		n, seconds, err := w.step(ctx, s, src, r.Rows, min(r.Rows+o.Batch, total))
		if err != nil {
			if ctx.Err() != nil {
				break
			}
			return r, fmt.Errorf("rows %d to %d: %w", r.Rows, min(r.Rows+o.Batch, total), err)
		}
		r.Rows += n
		r.Seconds, r.RunRows = append(r.Seconds, seconds), append(r.RunRows, n)
		o.Progress.Send(progress.Event{Phase: "predict", Done: float64(r.Rows), Total: float64(total), Unit: "rows"})
	}
	r.Wall = time.Since(begin)
	r.Files = w.files()
	if r.Rows < total {
		return r, w.suspend()
	}
	if err := w.close(); err != nil {
		return r, err
	}
	r.Done = true
	if o.Labels != nil {
		r.Accuracy, err = Score(r.Files, o.Labels)
	}
	return r, err
}

// step runs rows lo to hi and appends their outputs.
func (w *writers) step(ctx context.Context, s engine.Session, src Source, lo, hi int64) (rows int64, seconds float64, err error) {
	in, err := src.Batch(lo, hi)
	if err != nil {
		return 0, 0, err
	}
	out := make([]tensor.Tensor, len(w.ports))
	begin := time.Now()
	if err := s.Run(ctx, in, out); err != nil {
		return 0, 0, err
	}
	seconds = time.Since(begin).Seconds()
	for i := range out {
		if err := w.append(i, out[i], hi-lo); err != nil {
			return 0, 0, err
		}
	}
	return hi - lo, seconds, w.flush()
}

// path returns the file of an output.
func (o Options) path(output string) string {
	name := output
	if o.FileName != nil {
		name = o.FileName(output)
	}
	return filepath.Join(o.Dir, name+".npy")
}

// rowsOf turns one run's output into rows: along axis 0 where that has the run's rows, else, for a run of one row,
// as one row whole. Sequences of maps (the scores of scikit-learn classifiers) become a matrix [rows, keys].
func rowsOf(t tensor.Tensor, rows int64) (tensor.Tensor, error) {
	if t.DType == tensor.Sequence || t.DType == tensor.Map {
		m, err := matrix(t)
		if err != nil {
			return t, err
		}
		t = m
	}
	switch {
	case len(t.Shape) > 0 && t.Shape[0] == rows:
		return t, nil
	case rows == 1:
		t.Shape = append(tensor.Shape{1}, t.Shape...)
		return t, nil
	}
	return t, fault.New(fault.Unsupported, "run it with --batch 1",
		"output %q has shape %s for a run of %d rows: its first axis is not the rows", t.Name, t.Shape, rows)
}

// matrix stacks a sequence of maps that have the same keys in the same order into [items, keys]; a single map is one
// row. Other sequences are refused by name.
func matrix(t tensor.Tensor) (tensor.Tensor, error) {
	items := t.Elems
	if t.DType == tensor.Map {
		items = []tensor.Tensor{t}
	}
	var rows []tensor.Tensor
	for _, m := range items {
		if m.DType != tensor.Map || len(m.Elems) != 2 {
			return t, fault.New(fault.Unsupported, "", "output %q is a sequence of %s, which has no .npy form", t.Name, m.DType)
		}
		if !tensor.Equal(m.Elems[0], items[0].Elems[0]) {
			return t, fault.New(fault.Unsupported, "", "output %q has maps of different keys, which have no common columns", t.Name)
		}
		v := m.Elems[1]
		v.Shape = append(tensor.Shape{1}, v.Shape...)
		rows = append(rows, v)
	}
	if len(rows) == 0 {
		return t, fault.New(fault.Unsupported, "", "output %q is an empty sequence, which has no .npy form", t.Name)
	}
	out, err := tensor.Concat(rows...)
	out.Name = t.Name
	return out, err
}
