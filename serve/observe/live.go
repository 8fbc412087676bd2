package observe

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"infer/serve/repository"
)

// Window is how far Live looks back, in steps of a second.
const Window = 60 * time.Second

const steps = int(Window / time.Second)

// Live are the figures of one version of a model over the last Window. The present second, which is not over, is left
// out. Model and Version are "" for requests that found no model.
type Live struct {
	Model   string `json:"model"`
	Version string `json:"version"`
	Waiting int    `json:"waiting_calls"` // in the queue now
	Running int    `json:"running_calls"` // in a run now
	Window  Step   `json:"window"`        // the whole window; its rates are means over it
	Steps   []Step `json:"steps"`         // second by second, oldest first, always as many as the window has seconds
}

// Step are the figures of a span of time. Quantiles are of answered requests, within 3 % of themselves, and null where
// there were none; so is the mean of rows without a run.
type Step struct {
	Start      int64    `json:"start_unix_seconds"`
	Duration   float64  `json:"duration_seconds"`
	Answered   float64  `json:"answered_per_second"`  // with a result
	Refused    float64  `json:"refused_per_second"`   // overload, late, draining
	Failed     float64  `json:"failed_per_second"`    // the runtime failed
	Invalid    float64  `json:"invalid_per_second"`   // malformed, unknown, without a key
	Cancelled  float64  `json:"cancelled_per_second"` // the client has gone
	Rows       float64  `json:"rows_per_second"`      // of runs
	Runs       float64  `json:"runs_per_second"`
	BatchRows  *float64 `json:"batch_rows_mean"` // rows of a run
	LatencyP50 *float64 `json:"latency_p50_seconds"`
	LatencyP99 *float64 `json:"latency_p99_seconds"`
	QueueP50   *float64 `json:"queue_p50_seconds"`
	QueueP99   *float64 `json:"queue_p99_seconds"`
}

// outcome is what Step tells apart.
type outcome int

const (
	answered outcome = iota
	refused
	failed
	invalid
	cancelled
	outcomes
)

func outcomeOf(r repository.Reason) outcome {
	switch r {
	case repository.OK:
		return answered
	case repository.Refused, repository.Late, repository.Unavailable:
		return refused
	case repository.Failed:
		return failed
	case repository.Cancelled:
		return cancelled
	}
	return invalid
}

// second is what happened in one second, or in several that were merged.
type second struct {
	unix       int64 // which second; 0: never used
	count      [outcomes]uint64
	rows, runs uint64
	latency    spread
	queue      spread
}

func (s *second) merge(o *second) {
	for i, n := range o.count {
		s.count[i] += n
	}
	s.rows, s.runs = s.rows+o.rows, s.runs+o.runs
	s.latency.merge(&o.latency)
	s.queue.merge(&o.queue)
}

// step derives the figures of n seconds from start on.
func (s *second) step(start int64, n int) Step {
	per := func(count uint64) float64 { return float64(count) / float64(n) }
	t := Step{
		Start: start, Duration: float64(n),
		Answered: per(s.count[answered]), Refused: per(s.count[refused]), Failed: per(s.count[failed]),
		Invalid: per(s.count[invalid]), Cancelled: per(s.count[cancelled]),
		Rows: per(s.rows), Runs: per(s.runs),
		LatencyP50: s.latency.quantile(0.50), LatencyP99: s.latency.quantile(0.99),
		QueueP50: s.queue.quantile(0.50), QueueP99: s.queue.quantile(0.99),
	}
	if s.runs > 0 {
		mean := float64(s.rows) / float64(s.runs)
		t.BatchRows = &mean
	}
	return t
}

// ring holds the seconds of the window and the present one. It has 165 KiB, allocated with its first event.
type ring struct {
	mu      sync.Mutex
	seconds []second
}

// at returns the second of unix for writing, nil when that has left the window already. The mutex is held.
func (r *ring) at(unix int64) *second {
	if r.seconds == nil {
		r.seconds = make([]second, steps+1)
	}
	s := &r.seconds[int(unix%int64(len(r.seconds)))]
	if s.unix > unix {
		return nil
	}
	if s.unix < unix {
		*s = second{unix: unix}
	}
	return s
}

func (r *ring) request(end time.Time, o outcome, latency, queue time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.at(end.Unix())
	if s == nil {
		return
	}
	s.count[o]++
	if o == answered {
		s.latency.add(latency)
		s.queue.add(queue)
	}
}

func (r *ring) run(end time.Time, rows int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.at(end.Unix()); s != nil {
		s.rows += uint64(rows)
		s.runs++
	}
}

// forget frees the memory.
func (r *ring) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seconds = nil
}

// live reads the window that ends before the second of now.
func (r *ring) live(now time.Time) (whole Step, each []Step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := now.Unix() - int64(steps)
	var sum, none second
	each = make([]Step, steps)
	for i := range each {
		unix, s := first+int64(i), &none
		if r.seconds != nil {
			if have := &r.seconds[int(unix%int64(len(r.seconds)))]; have.unix == unix {
				s = have
			}
		}
		sum.merge(s)
		each[i] = s.step(unix, 1)
	}
	return sum.step(first, steps), each
}

// spread is a histogram of durations with 16 linear buckets an octave from 2^-17 (7.6 µs) to 2^6 s; what is outside
// counts in the outermost. internal/stats has a finer one, 40 times as large, and there are two of these a second.
type spread [(spreadMax - spreadMin) << spreadBits]uint32

const (
	spreadBits = 4
	spreadMin  = -17
	spreadMax  = 6
	spreadKey  = (1023 + spreadMin) << spreadBits
)

func (s *spread) add(d time.Duration) {
	// The top bits of a positive float are its exponent and leading mantissa: a log-linear index.
	key := int(math.Float64bits(max(0, d.Seconds()))>>(52-spreadBits)) - spreadKey
	s[min(len(s)-1, max(0, key))]++
}

func (s *spread) merge(o *spread) {
	for i, n := range o {
		s[i] += n
	}
}

// quantile returns the middle of the bucket with the nearest-rank p-quantile, in seconds; nil for none.
func (s *spread) quantile(p float64) *float64 {
	var n, seen uint64
	for _, c := range s {
		n += uint64(c)
	}
	if n == 0 {
		return nil
	}
	rank := uint64(max(1, math.Ceil(p*float64(n)-1e-9)))
	for i, c := range s {
		if seen += uint64(c); seen >= rank {
			key := uint64(i + spreadKey)
			lo, hi := math.Float64frombits(key<<(52-spreadBits)), math.Float64frombits((key+1)<<(52-spreadBits))
			middle := (lo + hi) / 2
			return &middle
		}
	}
	return nil
}

// Live returns the figures of every model and version that is loaded or was asked for, sorted by both.
func (b *Observe) Live() []Live {
	now, current := b.now(), b.statsByVersion()
	list := []Live{} // null is no list
	for key, v := range *b.series.versions.Load() {
		l := Live{Model: key.model, Version: key.version, Waiting: current[key].Waiting, Running: current[key].Running}
		l.Window, l.Steps = v.ring.live(now)
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b Live) int {
		return cmp.Or(cmp.Compare(a.Model, b.Model), cmp.Compare(a.Version, b.Version))
	})
	return list
}
