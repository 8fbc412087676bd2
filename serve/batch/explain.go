package batch

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// Explanation is the state of a scheduler as people read it. Times are seconds, rates rows a second, both of four
// digits.
type Explanation struct {
	Instances int               `json:"instances"`
	Running   int               `json:"running"`
	Waiting   int               `json:"waiting"`
	SLO       float64           `json:"slo_seconds,omitempty"`
	Ahead     float64           `json:"queue_seconds"` // until a request that comes now would begin
	Shapes    []ShapeState      `json:"shapes"`        // the most used first, at most ten
	Refused   map[string]uint64 `json:"refused"`
	Admitted  uint64            `json:"admitted"`
	Runs      uint64            `json:"runs"`
	Rows      uint64            `json:"rows"`
	Deferred  uint64            `json:"deferred"` // decisions to wait for more rows
	EarlyDrop uint64            `json:"early_drops"`
}

// ShapeState is what is known of one shape.
type ShapeState struct {
	Key         ShapeKey     `json:"key"`
	Waiting     int          `json:"waiting"`
	Arrivals    float64      `json:"arrivals_per_second"`
	Utilization float64      `json:"utilization"` // arrivals to what the instances can do with runs of Best rows
	Limit       int          `json:"limit_rows"`  // of a run, by the SLO
	Best        int          `json:"best_rows"`   // of a run, where a row is cheapest
	Needed      int          `json:"needed_rows"` // of a run, to keep up with the arrivals
	Curve       []CurvePoint `json:"curve"`
}

// ShapeKey names a shape. It is written in hex: as a number it would be larger than JSON readers keep whole.
type ShapeKey uint64

// MarshalText writes 16 digits.
func (k ShapeKey) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(k)), nil }

// CurvePoint is the time of a run of Rows as it was seen: Mean of N runs, and what 99 % stay below.
type CurvePoint struct {
	Rows  int     `json:"rows"`
	N     int     `json:"n"`
	Mean  float64 `json:"mean_seconds"`
	Upper float64 `json:"p99_seconds"`
}

// Explain describes the scheduler at now.
func (s *Scheduler) Explain(now time.Duration) Explanation {
	e := Explanation{
		Instances: s.o.Instances, Running: s.o.Instances - len(s.free), Waiting: s.waiting, SLO: s.o.SLO.Seconds(),
		Ahead: digits(s.ahead(now, maxClasses).Seconds()), Refused: map[string]uint64{}, Admitted: s.counts.Admitted, Runs: s.counts.Runs,
		Rows: s.counts.Rows, Deferred: s.counts.Waited, EarlyDrop: s.counts.EarlyDrop,
	}
	for why, n := range s.counts.Refused {
		e.Refused[string(why)] = n
	}
	all := slices.SortedFunc(maps.Values(s.buckets), func(a, b *bucket) int {
		if d := b.curve.total - a.curve.total; d != 0 {
			return d
		}
		if a.key < b.key {
			return -1
		}
		return 1
	})
	for _, b := range all[:min(len(all), 10)] {
		e.Shapes = append(e.Shapes, s.shapeState(now, b))
	}
	return e
}

func (s *Scheduler) shapeState(now time.Duration, b *bucket) ShapeState {
	limit := s.limit(b)
	st := ShapeState{
		Key: ShapeKey(b.key), Waiting: len(b.queued()), Arrivals: digits(b.rate.at(now)), Limit: limit, Best: b.curve.best(limit), Needed: s.needed(now, b, limit),
	}
	if e, ok := b.curve.at(st.Best); ok {
		st.Utilization = digits(st.Arrivals * e.mean / float64(st.Best*s.o.Instances))
	}
	for _, c := range b.curve.cells {
		e, _ := b.curve.at(c.rows)
		st.Curve = append(st.Curve, CurvePoint{Rows: c.rows, N: c.count, Mean: digits(e.mean), Upper: digits(e.upper)})
	}
	return st
}

// digits rounds to four significant digits: more would be none that was measured.
func digits(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return v
	}
	unit := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	if math.IsInf(unit, 0) || unit == 0 {
		return v
	}
	return math.Round(v*unit) / unit
}
