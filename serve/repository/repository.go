// Package repository owns what is served: models and their versions, from the file to a session that is warm, proven
// and planned; switching between versions without losing a request; and the way of a call through the batcher.
package repository

import (
	"context"
	"log/slog"
	"time"

	"infer/internal/wire"
	"infer/model"
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
	o Options
	// …
}

// Open loads everything and returns when every model is warm. A model that fails to load leaves the others serving
// where there are others; with none left it is an error. Close it.
func Open(ctx context.Context, o Options) (*Repository, error) { return nil, nil }

// Check loads and validates everything that Open would serve, without keeping it.
func Check(ctx context.Context, o Options) error { return nil }

// Close stops the watch, refuses new calls, waits until ctx for running ones and frees the sessions.
func (r *Repository) Close(ctx context.Context) error { return nil }

// Ready reports whether every model that should serve can.
func (r *Repository) Ready() bool { return false }

// Acquire finds the version of a model that a call goes to and holds it until Release, so that a switch waits for it.
// model "": the only model. version "": by the split and sticky, else the newest.
// Errors: fault.NotFound, fault.Unavailable while it loads.
func (r *Repository) Acquire(model, version, sticky string) (*Handle, error) { return nil, nil }

// Handle is a version of a model that is held.
type Handle struct{}

// Release gives the version back.
func (h *Handle) Release() {}

// Info describes the version: a pointer to what does not change as long as it is loaded.
func (h *Handle) Info() *Info { return nil }

// Refuses says at once, before a body is decoded, whether a call with this deadline would be refused; nil: try.
func (h *Handle) Refuses(priority int, deadline time.Time) error { return nil }

// Infer runs a call, perhaps together with others, and fills its results. ctx cancels it.
// Errors: fault.Usage (it does not fit the model; the text names the field), *batch.Refusal inside fault.Unavailable,
// fault.Deadline or context.Canceled, fault.Internal (the runtime failed).
func (h *Handle) Infer(ctx context.Context, c *Call) error { return nil }

// NewCall returns an empty call.
func NewCall() *Call { return nil }

// Free gives a call and its buffers back.
func (c *Call) Free() {}

// Info is what is known of a loaded version.
type Info struct {
	Name, Version string
	Digest        string // SHA-256 of the model, hex
	Path          string
	Inputs        []wire.Port // as the protocols show them: axis 0 stays as in the model
	Outputs       []wire.Port
	MaxBatch      int    // rows of a run at most that the batcher makes; 0: it makes none
	BatchAxis     bool   // axis 0 of every input and output counts rows, and that was proven at load
	BatchNote     string // why there is no batching, or how it was proven
	Instances     int
	Threads       int
	Labels        []string // of the classes of the first output, where declared
	Metadata      map[string]string
	Loaded        time.Time
	Model         []model.Port
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

// Stats are the counters of a version since it was loaded.
type Stats struct {
	Name, Version string
	LastInference time.Time
	Inferences    uint64 // rows
	Executions    uint64 // runs
	Success, Fail Duration
	Queue         Duration
	Input         Duration
	Compute       Duration
	Output        Duration
	Batches       []BatchStats // by rows of a run, ascending
	Waiting       int          // calls in the queue now
	Running       int          // calls in a run now
}

// Duration is a count of events and their time together.
type Duration struct {
	Count uint64
	Time  time.Duration
}

// BatchStats are the runs of one size.
type BatchStats struct {
	Rows                   int
	Input, Compute, Output Duration
}

// Stats returns the counters of a model's versions; model "": of all, version "": of every loaded one.
func (r *Repository) Stats(model, version string) ([]Stats, error) { return nil, nil }
