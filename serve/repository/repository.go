// Package repository owns what is served: models and their versions, from the file to a session that is warm, proven
// and planned; switching between versions without losing a request; and the way of a call through the batcher.
package repository

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"infer/internal/fault"
	"infer/internal/host"
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
// (NAME/VERSION/model.onnx), or the versions of one model (VERSION/model.onnx). Where there is no .onnx file, one that ends
// in .ort may stand in its place.
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
	o      Options // Model, Models and Sources change by who has the turn, the first two under mu
	log    *slog.Logger
	routes atomic.Pointer[routes]
	turn   chan struct{} // full while somebody loads or unloads
	keeps  bool          // what the log says of models that were not loaded is kept: who has the turn sets it
	kept   []func()
	life   context.Context
	stop   context.CancelFunc // ends life
	watch  sync.WaitGroup
	drains sync.WaitGroup

	mu       sync.Mutex // never held while a model is loaded
	slots    map[string]*slot
	draining map[*Handle]bool
	closed   bool
}

// Open is New and Start.
func Open(ctx context.Context, o Options) (*Repository, error) {
	r, err := New(o)
	if err != nil {
		return nil, err
	}
	if err := r.Start(ctx); err != nil {
		return nil, errors.Join(err, r.Close(context.Background()))
	}
	return r, nil
}

// New returns a repository that serves nothing yet: its models are known, and loading. Close it.
func New(o Options) (*Repository, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.CPUs < 1 {
		o.CPUs = host.EffectiveCPUs().Count
	}
	r := &Repository{o: o, log: o.Log, turn: make(chan struct{}, 1), slots: map[string]*slot{}, draining: map[*Handle]bool{}}
	r.life, r.stop = context.WithCancel(context.Background())
	r.routes.Store(&routes{})
	if err := r.look(nil); err != nil {
		return nil, err
	}
	if err := o.known(r.slots); err != nil {
		return nil, err
	}
	var faults []error
	for _, s := range r.all() {
		faults = append(faults, checkVersions(s.name, o.of(s.name).Split, s.known())...)
	}
	if err := joinFaults(faults); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.slots {
		s.expected = true
	}
	r.publish()
	return r, nil
}

// Start loads everything and returns when every model is warm; then it watches. A model that fails to load leaves the
// others serving where there are others; with none left it is an error.
func (r *Repository) Start(ctx context.Context) error {
	faults := r.bringAll(ctx)
	serving := false
	r.mu.Lock()
	for _, s := range r.slots {
		s.expected = len(s.ready()) > 0 // one that failed is told by the index, and keeps the others from nothing
		serving = serving || s.expected
	}
	r.mu.Unlock()
	if serving {
		for _, log := range r.kept { // else it is the error
			log()
		}
	}
	r.kept = nil
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !serving && faults != nil:
		return faults
	case !serving && r.o.Watch == 0 && !r.o.Explicit:
		return fault.New(fault.Usage, "a folder holds NAME.onnx, NAME/VERSION/model.onnx or VERSION/model.onnx", "no model found")
	}
	if r.o.Watch > 0 {
		r.watch.Go(func() { r.follow(r.life) })
	}
	return nil
}

// bringAll loads what there is and returns the faults of the models together.
func (r *Repository) bringAll(ctx context.Context) error {
	if err := r.take(ctx); err != nil {
		return err
	}
	defer r.leave()
	r.keeps = true
	defer func() { r.keeps = false }()
	var list []error
	for _, s := range r.all() {
		if err := r.bring(ctx, s); err != nil {
			list = append(list, err)
		}
	}
	return joinFaults(list)
}

// Check loads and validates everything that Open would serve, without keeping it. Any fault is an error.
func Check(ctx context.Context, o Options) error {
	r, err := New(o)
	if err != nil {
		return err
	}
	faults := r.bringAll(ctx)
	models := len(r.all())
	err = r.Close(context.Background())
	switch {
	case faults != nil:
		return faults
	case ctx.Err() != nil:
		return ctx.Err()
	case models == 0:
		return fault.New(fault.Usage, "a folder holds NAME.onnx, NAME/VERSION/model.onnx or VERSION/model.onnx", "no model found")
	}
	return err
}

// known reports options for a model that is not there.
func (o Options) known(slots map[string]*slot) error {
	names := slices.Sorted(maps.Keys(slots))
	for _, name := range slices.Sorted(maps.Keys(o.Models)) {
		if slots[name] == nil && o.Watch == 0 && !o.Explicit {
			return fault.New(fault.Usage, "the models are "+strings.Join(names, ", "), "options for model %q, which is not there", name)
		}
	}
	return nil
}

// all returns the models by name.
func (r *Repository) all() []*slot {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*slot, 0, len(r.slots))
	for _, name := range slices.Sorted(maps.Keys(r.slots)) {
		list = append(list, r.slots[name])
	}
	return list
}

// Close stops the watch, refuses new calls, waits until ctx for running ones and frees the sessions. A second Close is a
// no-op. Where ctx ends first, the sessions of the calls that still run are freed when those end.
func (r *Repository) Close(ctx context.Context) error {
	r.stop()
	r.watch.Wait()
	r.take(context.Background()) // what loads is cut short by the end of life
	defer r.leave()
	r.mu.Lock()
	r.closed = true
	for _, s := range r.slots {
		r.drop(s)
	}
	r.publish()
	r.mu.Unlock()
	done := make(chan struct{})
	go func() { // ends with the last call
		r.drains.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fault.New(fault.Deadline, "", "calls are still running: %w", ctx.Err())
	}
}

// Ready reports whether every model that should serve can: before the end of Start those that were found, then those that
// have served, but for those that were unloaded. At least one must, unless they are loaded on request.
func (r *Repository) Ready() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	serving := r.o.Explicit
	for _, s := range r.slots {
		switch {
		case len(s.ready()) > 0:
			serving = true
		case s.expected && !s.unloaded:
			return false
		}
	}
	return serving && !r.closed
}
