package repository

import (
	"time"

	"infer/internal/wire"
	"infer/model"
	"infer/model/declared"
)

// Info is what is known of a loaded version.
type Info struct {
	Name, Version string
	Digest        string // SHA-256 of the model, hex
	Path          string
	Inputs        []wire.Port // as the protocols show them: axis 0 stays as in the model
	Outputs       []wire.Port
	MaxBatch      int    // rows of a run at most that the batcher makes; 0: the model cannot; 1: it is not to
	BatchAxis     bool   // axis 0 of every input and output counts rows, and that was proven at load
	BatchNote     string // why there is no batching, or how it was proven
	Instances     int
	Threads       int
	Labels        []string     // of the classes of the first output, where declared
	Declared      *declared.IO // of the MODEL.io.yaml beside the model; nil where there is none
	Metadata      map[string]string
	Loaded        time.Time
	Model         []model.Port
}
