package calibrate

import (
	"errors"
	"os"
	"path/filepath"

	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

// stageFrom is the size in bytes from which a model is written to a temporary file. A session made from memory needs
// the whole model there, beside the runtime's own copy; from a file the runtime maps the constants.
const stageFrom = 64 << 20

// stage is where the sessions of all groups find the constants of the model.
type stage struct {
	dir   string // of the temporary file; "" for none
	model *model.Model
}

// newStage returns a stage for m, which need not be in one piece or below 2 GiB. The caller closes it.
func newStage(m *onnx.Model) (*stage, error) {
	size := int64(0)
	err := m.Tensors(func(t *onnx.Tensor) error {
		n, err := t.ByteSize()
		if size += n; t.External != nil {
			size += stageFrom
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if size < stageFrom {
		return &stage{model: model.New(m)}, nil
	}
	dir, err := os.MkdirTemp("", "infer-calibrate-")
	if err != nil {
		return nil, err
	}
	s := &stage{dir: dir}
	path := filepath.Join(dir, "model.onnx")
	if err = model.New(m).Save(path, model.SaveOptions{External: model.ExternalAlways}); err == nil {
		s.model, err = model.Load(path)
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// expose returns the model with the named values as its outputs; see expose.
func (s *stage) expose(values []string, types map[string]*onnx.Type, inputs map[string]tensor.Shape) *model.Model {
	m := *s.model
	m.Proto = expose(s.model.Proto, values, types, inputs)
	m.MarkEdited()
	return &m
}

// close removes the temporary file. A second close is a no-op.
func (s *stage) close() error {
	var errs []error
	if s.model != nil {
		errs = append(errs, s.model.Close())
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	s.model, s.dir = nil, ""
	return errors.Join(errs...)
}
