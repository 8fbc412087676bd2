package repository

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"infer/internal/fault"
)

// look scans the sources and takes what lies there into the slots. Files for which complete is false are left as they
// were before; nil: everything is taken as it is. The caller has the turn. What is not there any more stays as it is: see depart.
func (r *Repository) look(complete func(f file) bool) error {
	models, unread, err := scan(r.o.Sources)
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
		s.absent = 0
		if m.unread {
			continue
		}
		s.source = m.source
		s.files = settled(s, m, complete)
		s.calm()
		if len(s.files) > 0 && r.slots[m.name] == nil {
			r.slots[m.name] = s
			r.publish()
		}
	}
	for name, s := range r.slots {
		if !seen[name] && !unread[s.source] {
			s.absent++
		}
		s.forget()
	}
	return err
}

// depart gives up the models whose files were there at none of the last two looks: one look can fall between the two
// halves of a replacement. What calls them is answered first. The caller has the turn.
func (r *Repository) depart() {
	for _, s := range r.all() {
		if s.absent >= looksGone {
			r.remove(s)
			r.log.Info("the model was unloaded: its files are gone", "model", s.name)
		}
	}
}

// looksGone is how many looks in a row do not find a model that is given up.
const looksGone = 2

// remove forgets a model. The caller has the turn.
func (r *Repository) remove(s *slot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.slots, s.name)
	r.drop(s)
}

// settled returns the files of a model that are complete, and of the others those that were there before.
func settled(s *slot, m found, complete func(file) bool) []file {
	if complete == nil {
		return m.files
	}
	var files []file
	for _, f := range m.files {
		if complete(f) {
			files = append(files, f)
			continue
		}
		for _, old := range s.files {
			if old.version == f.version {
				old.gone = false
				files = append(files, old)
			}
		}
	}
	for _, old := range s.files {
		there := slices.ContainsFunc(m.files, func(f file) bool { return f.version == old.version })
		if v := s.versions[old.version]; !there && !old.gone && v != nil && v.handle != nil {
			old.gone = true // for one look it may be between the halves of a replacement
			files = append(files, old)
		}
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.number, b.number) })
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
		args := []any{"path", f.path, "err", err, "serving", before != nil}
		if hint := fault.HintOf(err); hint != "" {
			args = append(args, "hint", hint)
		}
		r.say(func() { log.Error("the model was not loaded", args...) })
		return fault.Wrap(err, "model %q version %s", s.name, f.version)
	}
	old := v.handle
	v.handle, v.print, v.o, v.failed, v.reason = h, f.print, o, "", ""
	s.expected = true
	bare := undeclared(append(s.ready(), before), h)
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
	args := []any{"took", took, "digest", h.info.Digest, "plan", h.info.Metadata[planKey], "batching", h.info.BatchNote}
	if takes := h.info.Metadata[takesKey]; takes != "" {
		args = append(args, "takes", takes)
	}
	log.Info("the model is ready", args...)
	if bare != "" {
		r.log.Warn("a version has no declared input and output, an older one has: put model.io.yaml beside it or into the folder above",
			"model", s.name, "version", bare)
	}
	return nil
}

// undeclared returns a version that has no declared input and output while an older one of all has, where h is one of the
// two; "" for none. An element of all may be nil.
func undeclared(all []*Handle, h *Handle) string {
	for _, v := range all {
		switch {
		case v == nil || (v.info.Declared == nil) == (h.info.Declared == nil):
		case h.info.Declared == nil && v.number < h.number:
			return h.info.Version
		case v.info.Declared == nil && v.number > h.number:
			return v.info.Version
		}
	}
	return ""
}

// say calls a function that logs: now, or where the faults of a start are kept back, when the start has not failed.
func (r *Repository) say(log func()) {
	if r.keeps {
		r.kept = append(r.kept, log)
		return
	}
	log()
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
