package repository

import (
	"sync/atomic"

	"infer/internal/fault"
)

// routes say where calls go. They are made anew at every change and never changed: Acquire takes no lock.
type routes struct {
	models map[string]*route
	only   *route // the only model; nil where there are several
	closed bool
}

// route is where the calls of one model go.
type route struct {
	name     string
	versions []*Handle // the oldest first; empty while none is ready
	shares   []share   // the split; empty: all to the newest
	turn     *atomic.Uint64
	sticky   string // header of the sticky value; "": the request id
	reason   string // why versions is empty
}

// share is the part of the calls that goes to a version: those whose draw lies below upTo and not in an earlier share.
type share struct {
	upTo uint64
	to   *Handle
}

// Acquire finds the version of a model that a call goes to and holds it until Release, so that a switch waits for it.
// model "": the only model. version "": by the split and sticky, else the newest.
// Errors: fault.NotFound, fault.Unavailable while it loads.
func (r *Repository) Acquire(model, version, sticky string) (*Handle, error) {
	for {
		all := r.routes.Load()
		if all.closed {
			return nil, fault.New(fault.Unavailable, "", "the server is shutting down")
		}
		m := all.only
		if model != "" || m == nil {
			m = all.models[model]
		}
		if m == nil {
			return nil, unknown(all, model)
		}
		h := m.find(version, sticky)
		if h == nil {
			return nil, r.missing(m, version)
		}
		if h.hold() {
			return h, nil
		}
		// It was switched in between: the routes are other ones now.
	}
}

// find returns the version that a call goes to, nil where it is not there.
func (m *route) find(version, sticky string) *Handle {
	if len(m.versions) == 0 {
		return nil
	}
	newest := m.versions[len(m.versions)-1]
	if version == "" {
		if len(m.shares) == 0 {
			return newest
		}
		return m.draw(sticky)
	}
	for _, h := range m.versions {
		if h.info.Version == version {
			return h
		}
	}
	return nil
}

// draw chooses by the split. The same sticky value has the same draw as long as the server runs and after it; without
// one the draws are taken in turn, so that of a hundred calls in a row each version gets its percentage.
func (m *route) draw(sticky string) *Handle {
	var d uint64
	if sticky == "" {
		d = m.turn.Add(1) * 61 % 100 // 61 has no factor in common with 100: it visits every draw
	} else {
		for i := range len(sticky) {
			d = mix(d ^ uint64(sticky[i]))
		}
		d %= 100
	}
	for _, s := range m.shares {
		if d < s.upTo {
			return s.to
		}
	}
	return m.versions[len(m.versions)-1]
}

func unknown(all *routes, model string) error {
	if model == "" {
		return fault.New(fault.NotFound, "name one: GET /v2/models lists them", "there are %d models: which one is not said", len(all.models))
	}
	names := make([]string, 0, len(all.models))
	for name := range all.models {
		names = append(names, name)
	}
	hint := ""
	if near := fault.Nearest(model, names); near != "" {
		hint = "did you mean '" + near + "'?"
	}
	return fault.New(fault.NotFound, hint, "Request for unknown model: '%s' is not found", model)
}

// missing is the error of a model that is known and cannot serve the version.
func (r *Repository) missing(m *route, version string) error {
	if len(m.versions) == 0 {
		return fault.New(fault.Unavailable, "", "model '%s' is not ready: %s", m.name, m.reason)
	}
	for _, s := range r.Index() {
		if s.Name == m.name && s.Version == version {
			return fault.New(fault.Unavailable, "", "model '%s' version %s is not ready: %s", m.name, version, s.Reason)
		}
	}
	return fault.New(fault.NotFound, "", "Request for unknown model: '%s' version %s is not found", m.name, version)
}
