package search

import (
	"math"
	"time"

	"infer/internal/stats"
)

// floorAllowed stands in for a share of zero where a share must be above zero.
const floorAllowed = 1e-4

func (b Objective) share() float64 { return max(floorAllowed, b.Allowed) }

// groups returns how many requests are worth one independent one, going by how much more the misses of sections differ
// than those of independent requests would. Sections shorter than a congestion hide that they hang together, so
// neighbours are joined until six are left, and the highest figure counts.
func groups(sections []Section) float64 {
	most := 1.0
	for size := 1; len(sections)/size >= 6; size *= 2 {
		most = max(most, dispersion(sections, size))
	}
	return most
}

// dispersion is Pearson's χ² over its degrees of freedom, of sections joined by size.
func dispersion(sections []Section, size int) float64 {
	var due, missed float64
	for _, s := range sections {
		due, missed = due+float64(s.Due), missed+float64(s.Missed)
	}
	share := missed / due
	if !(share > 0 && share < 1) {
		return 1
	}
	sum, parts := 0.0, 0.0
	for i := 0; i+size <= len(sections); i += size {
		var d, m float64
		for _, s := range sections[i : i+size] {
			d, m = d+float64(s.Due), m+float64(s.Missed)
		}
		if d == 0 {
			continue
		}
		sum += (m - d*share) * (m - d*share) / (d * share * (1 - share))
		parts++
	}
	return sum / max(1, parts-1)
}

// looks are the shares of a trial's longest time at which it may be ended. A look more is a chance more to be wrong,
// so alpha is spent over them.
const looks = 8

// watcher follows one trial and says when it has told enough.
type watcher struct {
	objectives []Objective
	group      []float64 // by objective: the figure of earlier trials
	alpha      float64   // one-sided, for the whole trial
	longest    time.Duration
	shortest   time.Duration
	next       int // look
	waiting    []outstanding
	steady     bool // a decisive pass ends the trial
	verdict    Verdict
	objective  int
	overload   bool
}

type outstanding struct {
	at time.Duration
	n  float64
}

func (w *watcher) watch(e Evidence) bool {
	w.waiting = append(w.waiting, outstanding{e.Elapsed, float64(e.Outstanding)})
	if e.Elapsed < w.lookAt(w.next) {
		return false
	}
	for w.next < looks && e.Elapsed >= w.lookAt(w.next) {
		w.next++
	}
	w.judge(e, w.alpha/looks)
	return w.verdict == Fail || w.verdict == Pass && e.Elapsed >= w.shortest
}

// lookAt returns when look i is: early looks are close together, since what fails clearly fails soon.
func (w *watcher) lookAt(i int) time.Duration {
	return time.Duration(float64(w.longest) * math.Pow(2, float64(i-looks)/1.5))
}

// judge sets the verdict that e supports at a level of error.
func (w *watcher) judge(e Evidence, alpha float64) {
	w.verdict, w.objective = Pass, 0
	tightest := math.Inf(-1)
	for k, b := range w.objectives {
		n, m := float64(e.Due), float64(e.Missed[k])
		g := max(w.group[k], groups(e.Sections[k]))
		fails := stats.AtLeast(m/g, n/g, b.share())
		passes := 1 - stats.AtLeast(m/g+1, n/g, b.share())
		if m > b.Allowed*n && fails < alpha && n >= 10 {
			w.verdict, w.objective = Fail, k
			return
		}
		if passes >= alpha || m > b.Allowed*n {
			w.verdict = Inconclusive
		}
		if over := m/n - b.Allowed; over > tightest || math.IsNaN(over) {
			tightest, w.objective = over, k
		}
	}
	if w.overloaded(e) {
		w.verdict, w.overload = Fail, true
	}
}

// overloaded reports whether requests under way have grown by more than chance would have it, in the second half of
// the time so far and in its last quarter, by 5 % of the arrivals at least.
func (w *watcher) overloaded(e Evidence) bool {
	at := func(t time.Duration) float64 {
		for _, o := range w.waiting {
			if o.at >= t {
				return o.n
			}
		}
		return 0
	}
	if len(w.waiting) < 8 || e.Due < 50 {
		return false
	}
	rate := (float64(e.Due) + float64(e.Outstanding)) / e.Elapsed.Seconds()
	now := float64(e.Outstanding)
	for _, part := range []float64{0.5, 0.25} {
		begin := time.Duration(float64(e.Elapsed) * (1 - part))
		arrived := rate * part * e.Elapsed.Seconds()
		if grown := now - at(begin); grown < 0.05*arrived || grown < 6*math.Sqrt(arrived) {
			return false
		}
	}
	return true
}
