package repository

import (
	"infer/model/declared"
	"infer/model/engine"
)

// declare reads the declared input and output of the model, where there is such a file beside it. A broken one is an
// error of the load: who wrote it expects it to work.
func (h *Handle) declare(s engine.Session) error {
	path, ok := declared.Find(h.info.Path)
	if !ok {
		return nil
	}
	io, err := declared.Open(path, s.Inputs(), s.Outputs())
	if err != nil {
		return err
	}
	h.info.Declared = io
	if io.Output() == h.info.Outputs[0].Name {
		h.info.Labels = io.Names()
	}
	return nil
}
