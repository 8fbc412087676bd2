package repository

import (
	"cmp"
	"maps"
	"slices"
	"sync/atomic"
)

// slot is what is known of one model. Repository.mu guards it.
type slot struct {
	name     string
	source   Source // that it was last found in
	absent   int    // looks in a row that did not find it
	o        ModelOptions
	files    []file // as they lie on disk, the oldest first
	versions map[string]*version
	unloaded bool // by a request; it stays so until one loads it
	expected bool // it was there at the start, or has served: the server is ready only with it
	turn     atomic.Uint64
}

// version is the state of one version of a model.
type version struct {
	number  int64
	handle  *Handle // nil where it is not loaded
	print   string  // of the files that handle was loaded from
	o       ModelOptions
	loading bool
	failed  string // the fingerprint of files that could not be loaded: they are not tried again
	reason  string // why
	hint    string // what to do about it
}

// wanted returns the files that are to serve: what the policy and the split ask for among those that can be loaded.
func (s *slot) wanted() []file {
	if s.unloaded {
		return nil
	}
	p, err := parsePolicy(s.o.Versions)
	if err != nil {
		return nil // validated before
	}
	usable := slices.Clone(s.files)
	usable = slices.DeleteFunc(usable, func(f file) bool {
		v := s.versions[f.version]
		return v != nil && v.handle == nil && v.failed == f.print
	})
	return p.choose(usable, s.o.Split)
}

// next returns the newest version that is to be loaded.
func (s *slot) next() (file, bool) {
	wanted := s.wanted()
	for _, f := range slices.Backward(wanted) {
		v := s.versions[f.version]
		if v == nil || v.handle == nil || v.failed != f.print && (v.print != f.print || !v.o.same(s.o)) {
			return f, true
		}
	}
	return file{}, false
}

// surplus returns the versions that are loaded and no longer wanted. The last one that serves is never among them.
func (s *slot) surplus() []*version {
	wanted := s.wanted()
	var list []*version
	serving := false
	for name, v := range s.versions {
		if v.handle == nil {
			continue
		}
		if slices.ContainsFunc(wanted, func(f file) bool { return f.version == name }) {
			serving = true
			continue
		}
		list = append(list, v)
	}
	if !serving && !s.unloaded {
		return nil
	}
	return list
}

// at returns the state of a version.
func (s *slot) at(f file) *version {
	v := s.versions[f.version]
	if v == nil {
		v = &version{number: f.number}
		s.versions[f.version] = v
	}
	return v
}

// calm takes back the failure of files that are again as the version that serves was loaded from.
func (s *slot) calm() {
	for _, f := range s.files {
		if v := s.versions[f.version]; v != nil && v.handle != nil && v.print == f.print && v.failed != f.print {
			v.failed, v.reason = "", ""
		}
	}
}

// retry lets versions that failed be tried again: those of names, all where there are none.
func (s *slot) retry(names map[string]int) {
	for name, v := range s.versions {
		if _, ok := names[name]; ok || len(names) == 0 {
			v.failed, v.reason = "", ""
		}
	}
}

// forget drops what is known of versions that are neither on disk nor loaded.
func (s *slot) forget() {
	for name, v := range s.versions {
		if v.handle == nil && !slices.ContainsFunc(s.files, func(f file) bool { return f.version == name }) {
			delete(s.versions, name)
		}
	}
}

// ready returns the versions that serve, the oldest first.
func (s *slot) ready() []*Handle {
	var list []*version
	for _, v := range s.versions {
		if v.handle != nil {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b *version) int { return cmp.Compare(a.number, b.number) })
	handles := make([]*Handle, len(list))
	for i, v := range list {
		handles[i] = v.handle
	}
	return handles
}

// route returns where calls of the model go now.
func (s *slot) route() *route {
	m := &route{name: s.name, sticky: s.o.Sticky, versions: s.ready(), turn: &s.turn}
	if len(m.versions) == 0 {
		m.reason = s.reason()
		return m
	}
	var sum uint64
	numbers := slices.SortedFunc(maps.Keys(s.o.Split), func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
	for _, name := range numbers {
		sum += uint64(s.o.Split[name])
		to := m.versions[len(m.versions)-1]
		if v := s.versions[name]; v != nil && v.handle != nil {
			to = v.handle
		}
		m.shares = append(m.shares, share{upTo: sum, to: to})
	}
	return m
}

// reason says why no version serves.
func (s *slot) reason() string {
	if s.unloaded {
		return "unloaded"
	}
	for _, f := range slices.Backward(s.files) {
		if v := s.versions[f.version]; v != nil && v.reason != "" {
			return v.reason
		}
	}
	return "loading"
}
