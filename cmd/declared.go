package cmd

import (
	"github.com/spf13/pflag"

	"infer/model"
	"infer/model/declared"
)

// addIOFlag adds --io, which every command has that takes images and texts.
func addIOFlag(f *pflag.FlagSet, path *string) {
	f.StringVar(path, "io", "", "`FILE` that declares how images or texts become inputs, and labels (default: MODEL.io.yaml)")
	markTop(f, "io")
}

// openIO opens the declaration of --io, or the one beside the model where there is one and data are read; nil for none.
func openIO(m *model.Model, d dataFlags) (*declared.IO, error) {
	path := d.IO
	if path == "" {
		beside, ok := declared.Find(m.Path)
		if !ok || d.isMade() {
			return nil, nil
		}
		path = beside
	}
	return declared.Open(path, m.Inputs(), m.Outputs())
}
