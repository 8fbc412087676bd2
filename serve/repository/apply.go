package repository

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"infer/internal/fault"
)

// Apply takes new options for the models (SLO, batching, split, versions) without a restart: Model and Models of o, and
// Sources where it has any: models of new ones are loaded, those of sources that left are unloaded. It returns what
// changed, one line each, when that serves. A split that SetSplit changed stays where o has the split that it had before.
// The end of ctx cuts it short: what was not loaded by then is not.
func (r *Repository) Apply(ctx context.Context, o Options) ([]string, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	ctx, cancel := r.within(ctx)
	defer cancel()
	if err := r.take(ctx); err != nil {
		return nil, err
	}
	defer r.leave()
	if len(o.Sources) == 0 {
		o.Sources = r.o.Sources
	}
	if err := r.checkNew(o); err != nil {
		return nil, err
	}
	r.mu.Lock()
	before := r.o
	r.o.Model, r.o.Models = o.Model, o.Models
	r.mu.Unlock()
	lines, changed := r.exchangeSources(o.Sources)
	r.mu.Lock()
	for _, name := range slices.Sorted(maps.Keys(r.slots)) {
		s := r.slots[name]
		if changed[name] != nil {
			continue
		}
		was, is := before.of(name), r.o.of(name)
		differences := was.changes(is)
		if len(differences) == 0 {
			continue
		}
		if maps.Equal(was.Split, is.Split) {
			is.Split = s.o.Split
		}
		s.o = is
		s.retry(nil)
		changed[name] = s
		for _, d := range differences {
			lines = append(lines, fmt.Sprintf("model %q: %s", name, d))
		}
	}
	r.publish()
	r.mu.Unlock()
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(changed)) {
		if err := r.bring(ctx, changed[name]); err != nil {
			faults = append(faults, err)
		}
	}
	return lines, joinFaults(faults)
}

// checkVersions reports versions of a split that are not among the known ones.
func checkVersions(model string, split map[string]int, known []string) []error {
	var faults []error
	for _, v := range slices.Sorted(maps.Keys(split)) {
		if split[v] > 0 && !slices.Contains(known, v) {
			faults = append(faults, fault.New(fault.Usage, "the versions are "+strings.Join(known, ", "), "model %q: split names version %s, which is not there", model, v))
		}
	}
	return faults
}

// checkNew reports what is wrong with new sources and with the splits of their models. The caller has the turn.
func (r *Repository) checkNew(o Options) error {
	models, unread, err := scan(o.Sources)
	for _, s := range o.Sources {
		if unread[s] && slices.Contains(r.o.Sources, s) {
			return nil // it could be read at the start: what it holds is as it was
		}
	}
	if err != nil {
		return err
	}
	var faults []error
	for _, m := range models {
		var known []string
		for _, f := range m.files {
			known = append(known, f.version)
		}
		faults = append(faults, checkVersions(m.name, o.of(m.name).Split, known)...)
	}
	return joinFaults(faults)
}

// exchangeSources takes other sources in the place of those before. It unloads the models that no source has any more,
// and returns those that are to be loaded and a line for each of both. The caller has the turn.
func (r *Repository) exchangeSources(sources []Source) (lines []string, added map[string]*slot) {
	added = map[string]*slot{}
	before := map[string]Source{}
	for _, s := range r.all() {
		before[s.name] = s.source
	}
	same := slices.Equal(r.o.Sources, sources)
	r.o.Sources = sources
	if same {
		return nil, added
	}
	if err := r.look(nil); err != nil {
		r.log.Error("the models cannot be looked at", "err", err)
	}
	for _, s := range r.all() {
		was, known := before[s.name]
		switch {
		case !slices.Contains(sources, s.source):
			r.remove(s)
			lines = append(lines, fmt.Sprintf("model %q: unloaded", s.name))
		case !known:
			added[s.name] = s
			lines = append(lines, fmt.Sprintf("model %q: loaded", s.name))
		case was != s.source:
			r.mu.Lock()
			s.o = r.o.of(s.name)
			r.mu.Unlock()
			added[s.name] = s
			lines = append(lines, fmt.Sprintf("model %q: path: %s → %s", s.name, was.Path, s.source.Path))
		}
	}
	return lines, added
}
