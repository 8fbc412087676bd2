package repository

import (
	"context"
	"maps"
	"slices"
	"time"

	"infer/internal/fault"
)

// Load loads or reloads a model from where it lies; see the model repository extension. It returns when it serves. A
// model that has not changed goes on as it is. Errors: fault.Denied without Options.Explicit, fault.NotFound, what is
// wrong with the model.
func (r *Repository) Load(ctx context.Context, name string) error {
	if err := r.explicit(); err != nil {
		return err
	}
	ctx, cancel := r.within(ctx)
	defer cancel()
	if err := r.take(ctx); err != nil {
		return err
	}
	defer r.leave()
	found := r.look(nil)
	r.mu.Lock()
	s := r.slots[name]
	if s == nil || len(s.files) == 0 || s.absent > 0 {
		r.mu.Unlock()
		if found != nil {
			return found
		}
		return fault.New(fault.NotFound, "", "failed to load '%s', no such model in the repository", name)
	}
	s.unloaded = false
	s.retry(nil)
	r.mu.Unlock()
	return r.bring(ctx, s)
}

// Unload stops serving a model, after its running calls. It returns when they have ended, or ctx.
func (r *Repository) Unload(ctx context.Context, name string) error {
	if err := r.explicit(); err != nil {
		return err
	}
	ctx, cancel := r.within(ctx)
	defer cancel()
	if err := r.take(ctx); err != nil {
		return err
	}
	defer r.leave()
	r.mu.Lock()
	s := r.slots[name]
	if s == nil {
		r.mu.Unlock()
		return unknown(r.routes.Load(), name)
	}
	s.unloaded = true
	handles := s.ready()
	r.drop(s)
	r.mu.Unlock()
	for _, h := range handles {
		select {
		case <-h.freed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// within returns a context that ends with ctx and with the repository.
func (r *Repository) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(r.life, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// drop gives up every version of a model. The caller holds mu.
func (r *Repository) drop(s *slot) {
	handles := s.ready()
	for _, v := range s.versions {
		v.handle, v.print = nil, ""
	}
	r.publish()
	for _, h := range handles {
		r.retire(h)
	}
}

func (r *Repository) explicit() error {
	if r.o.Explicit {
		return nil
	}
	return fault.New(fault.Denied, "the server takes them with --model-control explicit", "explicit model load / unload is not allowed")
}

// SetSplit changes the split of a model; nil goes back to the newest version alone. Versions that are loaded take their
// part at once; the part of one that is not goes to the newest until it is loaded, and where that fails the split is as
// before. It returns when everything serves. Errors: fault.Usage, fault.NotFound, what is wrong with a version.
func (r *Repository) SetSplit(model string, percent map[string]int) error {
	if err := checkSplit(percent); err != nil {
		return err
	}
	percent = maps.Clone(percent)
	s, before, err := r.exchangeSplit(model, percent)
	if err != nil {
		return err
	}
	if err := r.take(r.life); err != nil {
		return err
	}
	defer r.leave()
	faults := r.bring(r.life, s)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(percent)) {
		if v := s.versions[name]; percent[name] > 0 && (v == nil || v.handle == nil) {
			s.o.Split = before
			r.publish()
			if faults == nil {
				faults = fault.New(fault.Unavailable, "", "model '%s' version %s is not loaded: %s", s.name, name, s.state(name).Reason)
			}
			return faults
		}
	}
	return nil
}

// exchangeSplit puts a split in the place of the one before.
func (r *Repository) exchangeSplit(model string, percent map[string]int) (s *slot, before map[string]int, err error) {
	m, err := r.route(model)
	if err != nil {
		return nil, nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s = r.slots[m.name]; s == nil {
		return nil, nil, unknown(r.routes.Load(), m.name)
	}
	known := s.known()
	for _, name := range slices.Sorted(maps.Keys(percent)) {
		if percent[name] > 0 && !slices.Contains(known, name) {
			return nil, nil, fault.New(fault.NotFound, "", "Request for unknown model: '%s' version %s is not found", m.name, name)
		}
	}
	if len(percent) > 0 {
		s.retry(percent)
	}
	before, s.o.Split = s.o.Split, percent
	r.publish()
	return s, before, nil
}

// Split returns the split of a model, nil where the newest version takes all.
func (r *Repository) Split(model string) (map[string]int, error) {
	m, err := r.route(model)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.slots[m.name]; s != nil {
		return maps.Clone(s.o.Split), nil
	}
	return nil, nil
}

// of returns the options of the model of a name.
func (o Options) of(name string) ModelOptions { return o.Models[name].over(o.Model) }

// validate reports what is wrong with the options.
func (o Options) validate() error {
	var faults []error
	if err := o.Model.validate(""); err != nil {
		faults = append(faults, err)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Models)) {
		if err := o.Models[name].validate(name); err != nil {
			faults = append(faults, err)
		}
	}
	return joinFaults(faults)
}

// SLO returns the objective of a model as it is now; 0 for none, and for a model that is not known.
func (r *Repository) SLO(model string) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.slots[model]; s != nil {
		return s.o.SLO
	}
	return 0
}
