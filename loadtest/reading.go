package loadtest

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"infer/internal/stats"
	"infer/report"
)

// reader says in words what a document's figures mean, and the one command worth trying next.
type reader struct {
	d    *report.Document
	x    *report.LoadDetails
	slos []report.Gate
	said []string
}

func (r *reader) say(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

// read fills Reading and Next of a load that is no search and no sweep.
func read(d *report.Document, x *report.LoadDetails, slos []report.Gate) {
	r := &reader{d: d, x: x, slos: slos}
	r.failures()
	r.objectives()
	r.obstacle()
	r.gap()
	r.course()
	x.Reading = r.said
	x.Next = r.next()
}

// value returns the value and the upper end of a metric; false where it has none.
func (r *reader) value(name string) (v, hi float64, ok bool) {
	m := r.d.Metric(name, nil)
	if m == nil || m.Value == nil {
		return 0, 0, false
	}
	v, hi = *m.Value, *m.Value
	if m.Hi != nil {
		hi = *m.Hi
	}
	return v, hi, true
}

// rate is what the load was, in words.
func (r *reader) rate() string {
	if r.x.Schedule.Loop == "closed" {
		return fmt.Sprintf("%d requests at a time", r.x.Schedule.Concurrency)
	}
	v, _, ok := r.value("offered_rate")
	if !ok {
		return "this load"
	}
	return report.FormatValue(report.Rate, v)
}

func seconds(v float64) string { return report.FormatValue(report.Time, v) }

func (r *reader) failures() {
	rate, _, ok := r.value("error_rate")
	if !ok || rate == 0 || len(r.x.Faults) == 0 {
		return
	}
	f := r.x.Faults[0]
	r.say("%s of the requests failed, most often: %s.", percent(rate), strings.TrimSuffix(f.Text, "."))
}

// objectives says of each SLO whether it holds and by how much, or without any what could be promised.
func (r *reader) objectives() {
	if r.untrusted() {
		return
	}
	for _, s := range r.x.SLO {
		switch {
		case s.Verdict == report.Pass && s.Headroom != nil && *s.Headroom > 0:
			r.say("%s holds at %s, with %s of headroom.", s.Expr, r.rate(), percent(*s.Headroom))
		case s.Verdict == report.Pass:
			r.say("%s holds at %s.", s.Expr, r.rate())
		case s.Verdict == report.Fail:
			r.say("%s breaks at %s: %s.", s.Expr, r.rate(), s.Reason)
		default:
			r.say("Whether %s holds at %s is open: %s.", s.Expr, r.rate(), s.Reason)
		}
	}
	if len(r.x.SLO) > 0 {
		return
	}
	if v, hi, ok := r.value("latency_p99"); ok {
		r.say("At %s p99 is %s (at most %s): a promise of p99<%s leaves a fifth of headroom.", r.rate(), seconds(v), seconds(hi), short(promise(hi)))
	}
}

func (r *reader) untrusted() bool {
	return slices.ContainsFunc(r.d.Validity.Checks, func(c report.Check) bool { return !c.OK })
}

// promise is the limit that an upper bound of p99 can be promised under: a fifth more, rounded up to two digits.
func promise(hi float64) float64 {
	x := 1.25 * hi
	unit := math.Pow(10, math.Floor(math.Log10(x))-1)
	return math.Ceil(x/unit-1e-9) * unit
}

// short writes a limit as a gate takes it: 25ms.
func short(s float64) string {
	number, unit, _ := strings.Cut(seconds(s), " ")
	if strings.Contains(number, ".") {
		number = strings.TrimRight(strings.TrimRight(number, "0"), ".")
	}
	return number + strings.ReplaceAll(unit, "µ", "u")
}

// obstacle says where the slowest requests spent their time.
func (r *reader) obstacle() {
	t := r.x.Tail
	if t == nil || t.N < 20 {
		return
	}
	what, share := r.dominant()
	switch what {
	case "generator":
		r.say("The slowest %d requests spent %s of their time before they were sent: the generator was late, not the server.", t.N, percent(share))
	case "wait":
		r.say("The slowest %d requests spent %s of their time waiting for a free connection: the server holds more requests than there may be connections.", t.N, percent(share))
	case "queue":
		r.say("The slowest %d requests spent %s of their time in the server's queue: it is the load, not the model's run, that makes them slow.", t.N, percent(share))
	case "compute":
		r.say("The slowest %d requests spent %s of their time in the model: a faster model, not more room in the queue, makes them faster.", t.N, percent(share))
	}
	if s := r.x.Server; s != nil && s.Throttled != nil && *s.Throttled > 0.01 {
		r.say("The server was kept from running by its CPU quota for %s of the time.", percent(*s.Throttled))
	}
}

// dominant returns what more than half of the tail's time went to, "" for nothing.
func (r *reader) dominant() (what string, share float64) {
	t := r.x.Tail
	if t == nil {
		return "", 0
	}
	if t.Generator > 0.5 {
		return "generator", t.Generator
	}
	if t.Wait > 0.5 {
		return "wait", t.Wait
	}
	if t.Queue != nil && *t.Queue > 0.5 {
		return "queue", *t.Queue
	}
	if t.Compute != nil && *t.Compute > 0.5 {
		return "compute", *t.Compute
	}
	return "", 0
}

// gap explains latency and service time where they are far apart.
func (r *reader) gap() {
	l, _, ok := r.value("latency_p99")
	s, _, also := r.value("service_p99")
	if !ok || !also || r.x.Figures == nil || l < 1.1*s || l-s < 1e-4 {
		return
	}
	why := "requests were sent late by the generator"
	if w := r.x.Figures.ConnWait; w != nil && w.Count() > 0 && w.Quantile(0.99) > (l-s)/2 {
		why = "requests waited for a free connection while the server was slow; a client that waits for answers would not have sent them"
	}
	r.say("Users wait longer than the server takes: p99 is %s from when a request was due and %s from when it was sent, since %s.", seconds(l), seconds(s), why)
}

// course says how latency went on.
func (r *reader) course() {
	switch r.x.Window.Steady {
	case rising:
		r.say("Latency rises through the run: requests come faster than they are answered, and what was measured is how long the run was, not what the server can keep up.")
	case falling:
		r.say("Latency falls through the run: the server was still warming up; a longer --warm-up leaves that out.")
	}
	if r.x.Schedule.Loop == "closed" {
		r.say("In a closed loop a slow server is asked less: latency here is service time, and what users who do not wait for each other would see is in an open loop (--rps).")
	}
}

// How latency developed in a window.
const (
	level   = "on one level"
	rising  = "rising"
	falling = "falling"
	unclear = "too short to tell"
)

// steady tells how the median latency developed over the quarters of the window: by a quarter or more in all, and in one
// direction all through.
func steady(f *report.LoadFigures) string {
	var p50 []float64
	for i := range f.Sections {
		if l := f.Sections[i].Latency; l.Count() > 0 {
			p50 = append(p50, l.Quantile(0.5))
		}
	}
	n := len(p50)
	if n < 8 {
		return unclear
	}
	up, down := true, true
	quarter := func(i int) float64 { return stats.Median(p50[i*n/4 : (i+1)*n/4]) }
	for i := 1; i < 4; i++ {
		up, down = up && quarter(i) > quarter(i-1), down && quarter(i) < quarter(i-1)
	}
	switch first, last := quarter(0), quarter(3); {
	case up && last > 1.25*first:
		return rising
	case down && last < 0.8*first:
		return falling
	}
	return level
}
