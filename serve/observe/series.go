package observe

import (
	"errors"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"infer/serve/batch"
	"infer/serve/repository"
)

// retention is how long the series of an unloaded version stay, so that a last scrape sees what they counted.
const retention = 2 * time.Minute

type modelVersion struct{ model, version string }

// named returns a name that can be a label: files may be called what is no UTF-8, and the metrics client panics then.
func named(model, version string) modelVersion {
	return modelVersion{strings.ToValidUTF8(model, "\uFFFD"), strings.ToValidUTF8(version, "\uFFFD")}
}

type childKey struct{ model, version, protocol string }

// series holds the label children of every version and protocol, found without a lock and without building label
// sets. Its maps are copied when they change, which is when models come and go.
type series struct {
	m        *metrics
	slo      func(model string) time.Duration
	versions atomic.Pointer[map[modelVersion]*version]
	children atomic.Pointer[map[childKey]*child]

	mu    sync.Mutex
	known map[modelVersion]*loaded
}

// loaded is what Model events told of a version.
type loaded struct {
	handles int           // loads less unloads: two while one file replaces another
	took    time.Duration // the last load
	retired time.Time     // when the last handle was unloaded; zero: it is not
}

func newSeries(m *metrics, slo func(string) time.Duration) *series {
	s := &series{m: m, slo: slo, known: map[modelVersion]*loaded{}}
	s.versions.Store(&map[modelVersion]*version{})
	s.children.Store(&map[childKey]*child{})
	return s
}

// version are the children of one version of a model, whatever the protocol.
type version struct {
	queue, compute, batchRows, refusal prometheus.Observer
	runs, failedRuns, rows, within     prometheus.Counter
	refusals                           *prometheus.CounterVec // by why
	slo                                atomic.Int64           // in nanoseconds; 0: none
	digest                             atomic.Pointer[string] // of the model; nil: never loaded
	failures                           tritonFailures
	ring                               ring
}

// child are the children of a version and a protocol.
type child struct {
	*version
	requests [reasons]prometheus.Counter
	duration prometheus.Observer
	in, out  prometheus.Counter
}

// version returns the children of a version, those of "" where it is not known.
func (s *series) version(model, ver string) *version {
	if v := (*s.versions.Load())[modelVersion{model, ver}]; v != nil {
		return v
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.versionLocked(s.resolve(model, ver))
}

// child returns the children of a version and a protocol.
func (s *series) child(model, ver, protocol string) *child {
	if c := (*s.children.Load())[childKey{model, ver, protocol}]; c != nil {
		return c
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name := s.resolve(model, ver)
	key := childKey{name.model, name.version, protocol}
	if c := (*s.children.Load())[key]; c != nil {
		return c
	}
	c := &child{
		version:  s.versionLocked(name),
		duration: s.m.duration.WithLabelValues(name.model, name.version, protocol),
		in:       s.m.requestBytes.WithLabelValues(name.model, name.version, protocol),
		out:      s.m.responseBytes.WithLabelValues(name.model, name.version, protocol),
	}
	for i := range c.requests {
		c.requests[i] = s.m.requests.WithLabelValues(name.model, name.version, protocol, string(reasonAt(i)))
	}
	put(&s.children, key, c)
	return c
}

// resolve returns the labels of a version: names that no Model event told of become "".
func (s *series) resolve(model, ver string) modelVersion {
	key := named(model, ver)
	if _, ok := s.known[key]; ok {
		return key
	}
	for k := range s.known {
		if k.model == key.model {
			return modelVersion{key.model, ""}
		}
	}
	return modelVersion{}
}

func (s *series) versionLocked(key modelVersion) *version {
	if v := (*s.versions.Load())[key]; v != nil {
		return v
	}
	l := prometheus.Labels{"model": key.model, "version": key.version}
	v := &version{
		queue:      s.m.queue.With(l),
		compute:    s.m.compute.With(l),
		batchRows:  s.m.batchRows.With(l),
		refusal:    s.m.refusal.With(l),
		rows:       s.m.rows.With(l),
		within:     s.m.within.With(l),
		runs:       s.m.runs.WithLabelValues(key.model, key.version, "ok"),
		failedRuns: s.m.runs.WithLabelValues(key.model, key.version, "failed"),
		refusals:   s.m.refusals.MustCurryWith(l),
	}
	v.slo.Store(int64(s.slo(key.model)))
	put(&s.versions, key, v)
	return v
}

// put replaces the map behind p by one with k as well.
func put[K comparable, V any](p *atomic.Pointer[map[K]V], k K, v V) {
	m := maps.Clone(*p.Load())
	m[k] = v
	p.Store(&m)
}

// request counts a request at its end. trace is the id of its trace, "" where it is not sampled.
func (c *child) request(e *repository.RequestEvent, trace string) {
	c.requests[indexOf(e.Reason)].Inc()
	c.in.Add(float64(e.RequestLen))
	c.out.Add(float64(e.ResponseLen))
	o := outcomeOf(e.Reason)
	c.ring.request(e.Arrived.Add(e.Total), o, e.Total, e.Timing.Queue)
	if o != answered {
		c.failures.add(e.Reason)
	}
	switch o {
	case answered:
		observe(c.duration, e.Total, trace)
		c.queue.Observe(e.Timing.Queue.Seconds())
		c.rows.Add(float64(e.Rows))
		if slo := c.slo.Load(); slo > 0 && int64(e.Total) <= slo {
			c.within.Inc()
		}
	case refused:
		c.refusal.Observe(e.Total.Seconds())
		if r := (*batch.Refusal)(nil); errors.As(e.Err, &r) {
			c.refusals.WithLabelValues(string(r.Why)).Inc()
		}
	}
}

// observe adds a duration, with the trace as its exemplar where there is one.
func observe(h prometheus.Observer, d time.Duration, trace string) {
	if x, ok := h.(prometheus.ExemplarObserver); ok && trace != "" {
		x.ObserveWithExemplar(d.Seconds(), prometheus.Labels{"trace_id": trace})
		return
	}
	h.Observe(d.Seconds())
}

// model follows what is served.
func (s *series) model(e repository.ModelEvent, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prune(now)
	key := named(e.Model, e.Version)
	k := s.known[key]
	if k == nil {
		k = &loaded{}
		s.known[key] = k
	}
	switch e.What {
	case "load":
		s.m.reloads.WithLabelValues(key.model, "ok") // from 0 on, so that the first one is an increase
		s.m.reloads.WithLabelValues(key.model, "failed")
	case "ready", "switch":
		s.ready(key, k, e)
	case "failed":
		s.m.reloads.WithLabelValues(key.model, "failed").Inc()
		if k.handles == 0 && k.retired.IsZero() { // it never served
			delete(s.known, key)
			s.drop(key)
		}
	case "unload":
		if k.handles--; k.handles <= 0 {
			k.handles, k.retired = 0, now
			s.m.info.DeletePartialMatch(prometheus.Labels{"model": key.model, "version": key.version})
		}
	}
}

func (s *series) ready(key modelVersion, k *loaded, e repository.ModelEvent) {
	k.handles++
	k.took, k.retired = e.Duration, time.Time{}
	s.m.info.DeletePartialMatch(prometheus.Labels{"model": key.model, "version": key.version})
	s.m.info.WithLabelValues(key.model, key.version, e.Digest).Set(1)
	s.m.loadDuration.WithLabelValues(key.model, key.version).Set(e.Duration.Seconds())
	s.m.reloads.WithLabelValues(key.model, "ok").Inc()
	s.versionLocked(key).digest.Store(&e.Digest)
	s.refreshLocked()
}

// refresh asks for the SLO of every model anew.
func (s *series) refresh() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refreshLocked()
}

func (s *series) refreshLocked() {
	for key, v := range *s.versions.Load() {
		slo := s.slo(key.model)
		v.slo.Store(int64(slo))
		if slo > 0 && key.model != "" {
			s.m.slo.WithLabelValues(key.model).Set(slo.Seconds())
		} else {
			s.m.slo.DeleteLabelValues(key.model)
		}
	}
}

// tidy drops the series of versions that were unloaded long ago.
func (s *series) tidy(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prune(now)
}

func (s *series) prune(now time.Time) {
	for key, k := range s.known {
		if k.retired.IsZero() || now.Sub(k.retired) <= Window {
			continue
		}
		if v := (*s.versions.Load())[key]; v != nil {
			v.ring.forget() // by far the largest part
		}
		if now.Sub(k.retired) < retention {
			continue
		}
		delete(s.known, key)
		s.drop(key)
		if s.resolve(key.model, "") == (modelVersion{}) { // that was its last version
			s.drop(modelVersion{key.model, ""})
			s.m.reloads.DeletePartialMatch(prometheus.Labels{"model": key.model})
			s.m.slo.DeleteLabelValues(key.model)
		}
	}
}

// drop forgets the children of a version and their series.
func (s *series) drop(key modelVersion) {
	versions, children := maps.Clone(*s.versions.Load()), maps.Clone(*s.children.Load())
	delete(versions, key)
	maps.DeleteFunc(children, func(c childKey, _ *child) bool { return c.model == key.model && c.version == key.version })
	s.versions.Store(&versions)
	s.children.Store(&children)
	l := prometheus.Labels{"model": key.model, "version": key.version}
	for _, v := range s.m.versioned() {
		v.DeletePartialMatch(l)
	}
}

// loads returns what the last load of each version that is not unloaded took.
func (s *series) loads() map[modelVersion]time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := map[modelVersion]time.Duration{}
	for key, k := range s.known {
		if k.handles > 0 {
			m[key] = k.took
		}
	}
	return m
}

// reasons is how many repository.Reasons there are.
const reasons = 9

// reasonAt and indexOf number the reasons.
func reasonAt(i int) repository.Reason {
	return [reasons]repository.Reason{repository.OK, repository.Invalid, repository.Unknown, repository.Refused,
		repository.Late, repository.Cancelled, repository.Unavailable, repository.Failed, repository.Denied}[i]
}

func indexOf(r repository.Reason) int {
	for i := range reasons {
		if reasonAt(i) == r {
			return i
		}
	}
	return indexOf(repository.Failed) // not a reason: a fault of this program
}
