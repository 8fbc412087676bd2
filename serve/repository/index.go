package repository

import (
	"cmp"
	"slices"

	"infer/internal/fault"
)

// State is a row of the index.
type State struct {
	Name, Version string
	State         string // "READY", "LOADING", "UNLOADING", "UNAVAILABLE"
	Reason        string
	Hint          string // what to do about a version that could not be loaded
}

// The states of the model repository extension.
const (
	stateReady       = "READY"
	stateLoading     = "LOADING"
	stateUnloading   = "UNLOADING"
	stateUnavailable = "UNAVAILABLE"
)

// Index lists every model and version that is known, by name and version.
func (r *Repository) Index() []State {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []State
	for _, s := range r.slots {
		names := s.known()
		for _, name := range names {
			st := s.state(name)
			if st.State == stateUnavailable && r.drainsVersion(s.name, name) {
				st.State, st.Reason = stateUnloading, "its calls are being finished"
			}
			list = append(list, st)
		}
	}
	slices.SortStableFunc(list, func(a, b State) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// known returns the versions on disk and those that are loaded, the oldest first.
func (s *slot) known() []string {
	number := map[string]int64{}
	for _, f := range s.files {
		number[f.version] = f.number
	}
	for name, v := range s.versions {
		number[name] = v.number
	}
	names := make([]string, 0, len(number))
	for name := range number {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(number[a], number[b]) })
	return names
}

// state describes one version.
func (s *slot) state(name string) State {
	st := State{Name: s.name, Version: name, State: stateUnavailable}
	v := s.versions[name]
	switch {
	case v != nil && v.handle != nil:
		st.State, st.Reason = stateReady, v.reason
	case v != nil && v.loading:
		st.State, st.Reason = stateLoading, "it is being loaded"
	case s.unloaded:
		st.Reason = "unloaded"
	case v != nil && v.reason != "":
		st.Reason, st.Hint = v.reason, v.hint
	default:
		st.Reason = "the version policy does not ask for it"
	}
	return st
}

// drainsVersion reports whether calls of a version that serves no more are being finished. The caller holds mu.
func (r *Repository) drainsVersion(model, version string) bool {
	for h := range r.draining {
		if h.info.Name == model && h.info.Version == version {
			return true
		}
	}
	return false
}

// Versions lists the ready versions of a model, oldest first; fault.NotFound where there is no such model.
func (r *Repository) Versions(model string) ([]string, error) {
	m, err := r.route(model)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(m.versions))
	for i, h := range m.versions {
		names[i] = h.info.Version
	}
	return names, nil
}

// ModelReady reports whether a model (and version, where given) can serve. fault.NotFound where it is not known.
func (r *Repository) ModelReady(model, version string) (bool, error) {
	m, err := r.route(model)
	if err != nil {
		return false, err
	}
	if version == "" {
		return len(m.versions) > 0, nil
	}
	if m.find(version, "") != nil {
		return true, nil
	}
	err = r.missing(m, version)
	if fault.KindOf(err) == fault.NotFound {
		return false, err
	}
	return false, nil
}

// Sticky returns the name of the header whose value keeps calls of a model at one version, "" for the request id.
func (r *Repository) Sticky(model string) string {
	if m, err := r.route(model); err == nil {
		return m.sticky
	}
	return ""
}

// Stats returns the counters of a model's versions; model "": of all, version "": of every loaded one.
func (r *Repository) Stats(model, version string) ([]Stats, error) {
	var list []Stats
	for _, name := range r.names(model) {
		m, err := r.route(name)
		if err != nil {
			return nil, err
		}
		for _, h := range m.versions {
			if version == "" || h.info.Version == version {
				list = append(list, h.stats())
			}
		}
		if version != "" && len(list) == 0 {
			return nil, r.missing(m, version)
		}
	}
	return list, nil
}

// names returns the model, or where it is "" all of them.
func (r *Repository) names(model string) []string {
	if model != "" {
		return []string{model}
	}
	var names []string
	for name := range r.routes.Load().models {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// route returns where calls of a model go.
func (r *Repository) route(model string) (*route, error) {
	all := r.routes.Load()
	if model == "" && all.only != nil {
		return all.only, nil
	}
	if m := all.models[model]; m != nil {
		return m, nil
	}
	return nil, unknown(all, model)
}
