package predict

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"infer/internal/atomicfile"
	"infer/model/engine"
	"infer/model/tensor"
)

// stateFile lies beside the partial files and says what they are part of.
const stateFile = ".infer-predict.json"

// state is what a partial result is known by.
type state struct {
	Key     string
	Outputs []outputState // nil before the first run, when dtypes and shapes are not known
}

type outputState struct {
	Name  string
	DType tensor.DType
	Row   tensor.Shape
}

// writers are the open files of one batch inference.
type writers struct {
	o     Options
	ports []engine.Port
	w     []*tensor.NpyWriter
	row   []outputState
}

func openWriters(s engine.Session, o Options) (*writers, error) {
	w := &writers{o: o, ports: s.Outputs()}
	w.w, w.row = make([]*tensor.NpyWriter, len(w.ports)), make([]outputState, len(w.ports))
	return w, nil
}

// resume opens the partial files of an interrupted call with the same key and returns how many rows all of them
// hold; 0 where there are none.
func (w *writers) resume(total int64) (int64, error) {
	var st state
	b, err := os.ReadFile(w.statePath())
	if err != nil || json.Unmarshal(b, &st) != nil || st.Key != w.o.Key || len(st.Outputs) != len(w.ports) {
		return 0, nil
	}
	rows := total
	for i, s := range st.Outputs {
		w.row[i] = s
		if w.w[i], err = tensor.ResumeNpy(w.o.path(s.Name), s.DType, s.Row); err != nil {
			return 0, err
		}
		rows = min(rows, w.w[i].Rows())
	}
	rows -= rows % w.o.Batch // whole batches, so that a resumed result equals an uninterrupted one
	for i := range w.w {
		if err := w.w[i].Truncate(rows); err != nil {
			return 0, err
		}
	}
	return rows, nil
}

// append adds the rows of one run to output i, whose file the first run opens.
func (w *writers) append(i int, t tensor.Tensor, rows int64) error {
	t.Name = w.ports[i].Name
	t, err := rowsOf(t, rows)
	if err != nil {
		return err
	}
	if w.w[i] == nil {
		w.row[i] = outputState{t.Name, t.DType, t.Shape[1:].Clone()}
		if w.w[i], err = tensor.CreateNpy(w.o.path(t.Name), t.DType, t.Shape[1:]); err != nil {
			return err
		}
		if i == len(w.ports)-1 {
			if err := w.writeState(); err != nil {
				return err
			}
		}
	}
	return w.w[i].Append(t)
}

func (w *writers) statePath() string { return filepath.Join(w.o.Dir, stateFile) }

func (w *writers) writeState() error {
	return atomicfile.Write(w.statePath(), func(out io.Writer) error {
		return json.NewEncoder(out).Encode(state{w.o.Key, w.row})
	})
}

func (w *writers) flush() error { return w.each((*tensor.NpyWriter).Flush) }

func (w *writers) suspend() error { return w.each((*tensor.NpyWriter).Suspend) }

func (w *writers) close() error {
	if err := w.each((*tensor.NpyWriter).Close); err != nil {
		return err
	}
	return w.removeState()
}

func (w *writers) abort() error {
	return errors.Join(w.each((*tensor.NpyWriter).Abort), w.removeState())
}

func (w *writers) removeState() error {
	if err := os.Remove(w.statePath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (w *writers) each(f func(*tensor.NpyWriter) error) error {
	var errs []error
	for _, x := range w.w {
		if x != nil {
			errs = append(errs, f(x))
		}
	}
	return errors.Join(errs...)
}

func (w *writers) files() []File {
	var list []File
	for i, x := range w.w {
		if x != nil {
			list = append(list, File{
				Output: w.row[i].Name, Path: w.o.path(w.row[i].Name), DType: w.row[i].DType,
				Shape: append(tensor.Shape{x.Rows()}, w.row[i].Row...),
			})
		}
	}
	return list
}
