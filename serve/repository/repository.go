// Package repository owns what is served: models and their versions, from the file to a session that is warm, proven
// and planned; switching between versions without losing a request; and the way of a call through the batcher.
package repository

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"infer/internal/fault"
	"infer/model/engine"
)

// Options say what is served and how.
type Options struct {
	Sources  []Source
	Provider engine.Provider
	Config   engine.Config // of every session; Threads 0: planned
	CPUs     int           // CPUs that the process may use, which instances and threads are planned from
	Model    ModelOptions  // for models without their own
	Models   map[string]ModelOptions
	Watch    time.Duration // how often folders are looked at; 0: never
	Explicit bool          // load and unload through the protocols are allowed
	Observer Observer      // may be nil
	Log      *slog.Logger
}

// Source is a model file or a folder to serve. A folder holds models, flat (NAME.onnx) or in versions
// (NAME/VERSION/model.onnx), or the versions of one model (VERSION/model.onnx).
type Source struct {
	Name string // "": after the file or folder
	Path string
}

// ModelOptions are the settings of one model. A zero field takes the default.
type ModelOptions struct {
	SLO       time.Duration  // what a request may take from its arrival on; 0: none
	MaxBatch  int            // rows of a run at most; 0: learned; 1: no batching
	MaxDelay  time.Duration  // a fixed time to wait for more rows; 0: as the latency model says
	MaxWait   time.Duration  // predicted wait above which a request without a deadline is refused; 0: 1 s
	MaxQueue  int            // requests that may wait; 0: 1024
	Instances int            // runs at a time; 0: planned
	Threads   int            // intra-op threads of each; 0: planned
	Versions  string         // "latest" (default), "latest:N", "all", or "1,3"
	Split     map[string]int // percent by version; empty: the newest version takes all
	Sticky    string         // header whose value sticks to a version; "": the request id
}

// Repository is a set of models that are being served. Safe for concurrent use.
type Repository struct {
	o      Options
	models map[string]*Handle
}

// Open loads everything and returns when every model is warm. A model that fails to load leaves the others serving
// where there are others; with none left it is an error. Close it.
func Open(ctx context.Context, o Options) (*Repository, error) {
	models, err := scan(o.Sources)
	if err != nil {
		return nil, err
	}
	r := &Repository{o: o, models: map[string]*Handle{}}
	for _, m := range models {
		for _, f := range m.files {
			h, err := r.load(ctx, m.name, f)
			if err != nil {
				return nil, err
			}
			r.models[m.name] = h
		}
	}
	return r, nil
}

// Check loads and validates everything that Open would serve, without keeping it.
func Check(ctx context.Context, o Options) error { return nil }

// Close stops the watch, refuses new calls, waits until ctx for running ones and frees the sessions.
func (r *Repository) Close(ctx context.Context) error {
	for _, h := range r.models {
		h.Release()
		<-h.idle
		h.free()
	}
	return nil
}

// Ready reports whether every model that should serve can.
func (r *Repository) Ready() bool { return true }

// Acquire finds the version of a model that a call goes to and holds it until Release, so that a switch waits for it.
// model "": the only model. version "": by the split and sticky, else the newest.
// Errors: fault.NotFound, fault.Unavailable while it loads.
func (r *Repository) Acquire(model, version, sticky string) (*Handle, error) {
	h := r.models[model]
	if h == nil || !h.hold() {
		return nil, fault.New(fault.NotFound, "", "Request for unknown model: '%s' is not found", model)
	}
	return h, nil
}

// State is a row of the index.
type State struct {
	Name, Version string
	State         string // "READY", "LOADING", "UNLOADING", "UNAVAILABLE"
	Reason        string
}

// Index lists every model and version that is known.
func (r *Repository) Index() []State { return nil }

// Versions lists the ready versions of a model, oldest first; fault.NotFound where there is no such model.
func (r *Repository) Versions(model string) ([]string, error) { return nil, nil }

// ModelReady reports whether a model (and version, where given) can serve. fault.NotFound where it is not known.
func (r *Repository) ModelReady(model, version string) (bool, error) { return false, nil }

// Load loads or reloads a model from where it lies; see the model repository extension. It returns when it serves.
func (r *Repository) Load(ctx context.Context, name string) error { return nil }

// Unload stops serving a model, after its running calls.
func (r *Repository) Unload(ctx context.Context, name string) error { return nil }

// SetSplit changes the split of a model; nil goes back to the newest version alone.
func (r *Repository) SetSplit(model string, percent map[string]int) error { return nil }

// Split returns the split of a model.
func (r *Repository) Split(model string) (map[string]int, error) { return nil, nil }

// Apply takes new options for the models (SLO, batching, split, versions) without a restart. It returns what changed,
// one line each.
func (r *Repository) Apply(o Options) ([]string, error) { return nil, nil }

// joinFaults is errors.Join that keeps the kind and hint of the first.
func joinFaults(list []error) error {
	if len(list) == 0 {
		return nil
	}
	return fault.New(fault.KindOf(list[0]), fault.HintOf(list[0]), "%w", errors.Join(list...))
}
