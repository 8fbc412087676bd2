package repository

import (
	"infer/model/declared"
	"infer/model/engine"
)

const takesKey = "takes" // of Info.Metadata: "image" or "text", where that is declared

// declare reads the declared input and output of the model, where there is such a file beside it or in the folder of its
// versions. A broken one is an error of the load: who wrote it expects it to work.
func (h *Handle) declare(s engine.Session) error {
	path, own := declared.Find(h.info.Path)
	if !own {
		path = h.io
	}
	if path == "" {
		return nil
	}
	io, err := declared.Open(path, s.Inputs(), s.Outputs())
	if err != nil {
		return err
	}
	h.info.Declared = io
	if kind := io.Kind(); kind == declared.Image || kind == declared.Text {
		h.info.Metadata[takesKey] = kind.String()
	}
	if output, names := io.LabelNames(); len(h.info.Outputs) > 0 && output == h.info.Outputs[0].Name {
		h.info.Labels = names
	}
	return nil
}
