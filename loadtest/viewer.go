package loadtest

import (
	"time"

	"infer/loadtest/sample"
	"infer/loadtest/schedule"
)

// live returns what looks at a running load for h, nil where nobody does.
func (o *Options) live(h Hooks, phase string, l load) func(time.Duration, *sample.Fold) {
	if h.Live == nil {
		return nil
	}
	v := &viewer{phase: phase, from: l.from, to: l.to, limit: o.limit(), show: h.Live}
	if l.schedule != nil {
		v.cursor = l.schedule.Cursor(0, 1)
	}
	return v.look
}

// viewer keeps what a live view shows of the seconds gone by.
type viewer struct {
	phase       string
	from, to    time.Duration // the window
	limit       time.Duration
	show        func(LiveView)
	cursor      *schedule.Cursor
	due         int64         // requests that were due until now
	next        time.Duration // when the next one is
	second      int64         // last whole second that was noted
	before      int64         // due until then
	offered     float64
	rates, p99s []float64
}

func (v *viewer) look(at time.Duration, f *sample.Fold) {
	live := f.Live(at)
	view := LiveView{Answered: live.Throughput, P50: live.P50, P99: live.P99, Limit: v.limit, Errors: map[string]int64{}}
	view.Phase, view.Elapsed, view.Total = v.part(at)
	for o := sample.Outcome(0); int(o) < sample.Outcomes; o++ {
		if n := live.Counts[o]; n > 0 && o != sample.OK {
			view.Errors[o.String()] = n
		}
	}
	if v.cursor != nil {
		for v.next <= at {
			_, due, ok := v.cursor.Next()
			if !ok {
				v.cursor = nil
				break
			}
			v.next = due
			v.due++
		}
	}
	view.InFlight = max(0, v.due-live.Due())
	if at < time.Second && at > 0 {
		v.offered = float64(v.due) / at.Seconds()
	}
	if s := int64(at / time.Second); s > v.second {
		v.offered = float64(v.due-v.before) / float64(s-v.second)
		v.second, v.before = s, v.due
		v.rates, v.p99s = append(v.rates, live.Throughput), append(v.p99s, live.P99.Seconds())
		if len(v.rates) > 600 {
			v.rates, v.p99s = v.rates[300:], v.p99s[300:]
		}
	}
	view.Offered, view.Rates, view.P99s = v.offered, v.rates, v.p99s
	v.show(view)
}

// part says in which part of the load a moment is, how long that goes on already, and how long it takes; 0: that is
// open.
func (v *viewer) part(at time.Duration) (phase string, elapsed, total time.Duration) {
	named := func(part string) string {
		if v.phase == "load" {
			return part
		}
		return v.phase + ", " + part
	}
	switch {
	case at < v.from:
		return named("warm-up"), at, v.from
	case at >= v.to:
		return named("waiting for the last answers"), at - v.to, 0
	}
	return v.phase, at - v.from, v.to - v.from
}
