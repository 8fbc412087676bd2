package repository

import (
	"context"
	"errors"
	"time"

	"infer/internal/fault"
)

// look scans the sources and takes what lies there into the slots. Files for which complete is false are left as they
// were before. The caller has the turn.
func (r *Repository) look(complete func(model string, f file) bool) error {
	models, err := scan(r.o.Sources)
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[string]bool{}
	for _, m := range models {
		if seen[m.name] {
			continue // two models of one name: said in err
		}
		seen[m.name] = true
		s := r.slots[m.name]
		if s == nil {
			s = &slot{name: m.name, o: r.o.of(m.name), versions: map[string]*version{}}
		}
		s.files = settled(s, m, complete)
		s.calm()
		if len(s.files) > 0 && r.slots[m.name] == nil {
			r.slots[m.name] = s
			r.publish()
		}
	}
	if err != nil {
		return err // a source that cannot be read says nothing about its models
	}
	for name, s := range r.slots {
		if !seen[name] {
			s.files = nil
		}
		s.forget()
		if len(s.files)+len(s.versions) == 0 {
			delete(r.slots, name)
			r.publish()
		}
	}
	return nil
}

// settled returns the files of a model that are complete, and of the others those that were there before.
func settled(s *slot, m found, complete func(string, file) bool) []file {
	var files []file
	for _, f := range m.files {
		if complete(m.name, f) {
			files = append(files, f)
			continue
		}
		for _, old := range s.files {
			if old.version == f.version {
				files = append(files, old)
			}
		}
	}
	return files
}

// bring makes a model serve what it should: each version is loaded, warmed, proven and checked before it takes calls,
// and what it replaces goes on until then and until its calls have ended. A version that fails leaves everything as it
// is. The caller has the turn; requests are never blocked.
func (r *Repository) bring(ctx context.Context, s *slot) error {
	var faults []error
	for {
		r.mu.Lock()
		f, more := s.next()
		var before *Handle
		if more {
			s.at(f).loading = true
			before = s.before(f)
		}
		o := s.o
		r.mu.Unlock()
		if !more {
			break
		}
		if err := r.step(ctx, s, f, o, before); err != nil {
			faults = append(faults, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range s.surplus() {
		h := v.handle
		v.handle, v.print = nil, ""
		r.publish()
		r.retire(h)
	}
	return joinFaults(faults)
}

// before returns the version that a new one is compared with: the one of the same number, else the newest.
func (s *slot) before(f file) *Handle {
	if v := s.versions[f.version]; v != nil && v.handle != nil {
		return v.handle
	}
	if all := s.ready(); len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

// step loads one version and switches to it.
func (r *Repository) step(ctx context.Context, s *slot, f file, o ModelOptions, before *Handle) error {
	begin := time.Now()
	log := r.log.With("model", s.name, "version", f.version)
	r.tell(ModelEvent{Model: s.name, Version: f.version, What: "load"})
	h, err := r.load(ctx, s.name, f, o, before)
	took := time.Since(begin)

	r.mu.Lock()
	v := s.at(f)
	v.loading = false
	if err != nil {
		if ctx.Err() == nil {
			v.failed, v.reason, v.hint = f.print, err.Error(), fault.HintOf(err)
		}
		r.publish()
		r.mu.Unlock()
		r.tell(ModelEvent{Model: s.name, Version: f.version, What: "failed", Duration: took, Err: err})
		log.Error("the model was not loaded", "path", f.path, "err", err, "hint", fault.HintOf(err), "serving", before != nil)
		return fault.Wrap(err, "model %q version %s", s.name, f.version)
	}
	old := v.handle
	v.handle, v.print, v.o, v.failed, v.reason = h, f.print, o, "", ""
	s.expected = true
	r.publish()
	if old != nil {
		r.retire(old)
	}
	r.mu.Unlock()

	event := ModelEvent{Model: s.name, Version: f.version, Digest: h.info.Digest, What: "ready", Duration: took}
	if before != nil {
		event.What = "switch"
	}
	r.tell(event)
	log.Info("the model is ready", "took", took, "digest", h.info.Digest, "plan", h.info.Metadata[planKey], "batching", h.info.BatchNote)
	return nil
}

// publish makes the routes of what is loaded now. The caller holds mu.
func (r *Repository) publish() {
	all := &routes{models: make(map[string]*route, len(r.slots)), closed: r.closed}
	for name, s := range r.slots {
		m := s.route()
		all.models[name] = m
		all.only = m
	}
	if len(r.slots) != 1 {
		all.only = nil
	}
	r.routes.Store(all)
}

// retire gives up a version that no route leads to any more: it is freed when its calls have ended. The caller holds mu.
func (r *Repository) retire(h *Handle) {
	r.draining[h] = true
	r.drains.Add(1)
	go func() {
		defer r.drains.Done()
		begin := time.Now()
		<-h.idle
		err := h.free()
		r.mu.Lock()
		delete(r.draining, h)
		r.mu.Unlock()
		close(h.freed)
		r.tell(ModelEvent{Model: h.info.Name, Version: h.info.Version, Digest: h.info.Digest, What: "unload", Duration: time.Since(begin), Err: err})
	}()
	h.Release()
}

// take gives the caller the turn to load and unload, of which there is one; leave gives it back.
func (r *Repository) take(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Repository) leave() { <-r.turn }

func (r *Repository) tell(e ModelEvent) {
	if r.o.Observer != nil {
		r.o.Observer.Model(e)
	}
}

func (r *Repository) ran(e RunEvent) SpanContext {
	if r.o.Observer == nil {
		return SpanContext{}
	}
	return r.o.Observer.Run(e)
}

// joinFaults is errors.Join that keeps kind and hint of the first.
func joinFaults(list []error) error {
	if len(list) == 0 {
		return nil
	}
	return fault.New(fault.KindOf(list[0]), fault.HintOf(list[0]), "%w", errors.Join(list...))
}
