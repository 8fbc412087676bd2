package search

import (
	"math"
	"time"

	"infer/internal/stats"
)

// leastShare stands in for an allowed share of zero where odds are needed.
const leastShare = 1e-4

func (b Objective) share() float64 { return max(leastShare, b.Allowed) }

// looks is how often a trial may be ended early. A look more is a chance more to be wrong, so half of what may be wrong
// is spent over them and half at the end.
const looks = 8

// fewest is how many decided requests a trial needs to fail.
const fewest = 10

// watcher follows one trial and says when it has told enough.
type watcher struct {
	objectives []Objective
	group      []float64     // by objective: requests that are worth one independent one, at least
	alpha      float64       // chance that a decisive verdict is wrong
	longest    time.Duration // of the trial
	shortest   time.Duration // that passes

	next     int // look
	waiting  []waiting
	verdict  Verdict
	holds    bool // by the best estimate
	decider  int  // the objective that decided
	overload bool
}

// waiting is how many requests were under way at a time.
type waiting struct {
	at time.Duration
	n  float64
}

// watch takes the evidence so far and reports whether it is enough.
func (w *watcher) watch(e Evidence) bool {
	w.waiting = append(w.waiting, waiting{e.Elapsed, float64(e.Outstanding)})
	if e.Elapsed < w.lookAt(w.next) {
		return false
	}
	for w.next < looks && e.Elapsed >= w.lookAt(w.next) {
		w.next++
	}
	w.judge(e, w.alpha/2/looks)
	return w.verdict == Fail || w.verdict == Pass && e.Elapsed >= w.shortest
}

// lookAt returns when look i is. Early ones are close together, since what fails clearly fails soon.
func (w *watcher) lookAt(i int) time.Duration {
	return time.Duration(float64(w.longest) * math.Pow(2, float64(i-looks)/1.5))
}

// judge sets the verdict that e supports with a chance alpha to be wrong.
func (w *watcher) judge(e Evidence, alpha float64) {
	w.verdict, w.holds, w.decider = Pass, true, 0
	n, closest := float64(e.Due), math.Inf(-1)
	for k, b := range w.objectives {
		m := float64(e.Missed[k])
		g := max(w.group[k], groups(e.Sections[k]))
		if m > b.Allowed*n {
			w.holds = false
			// However requests hang together, a share has at most a chance of x to be 1/x times what it is on average
			// (Markov).
			unlikely := b.Allowed == 0 || m*alpha > n*b.share() || stats.AtLeast(m/g, n/g, b.share()) < alpha
			if n >= fewest && unlikely {
				w.verdict, w.decider = Fail, k
				return
			}
		}
		if m > b.Allowed*n || 1-stats.AtLeast(m/g+1, n/g, b.share()) >= alpha {
			w.verdict = Inconclusive
		}
		if ratio := m / (b.share() * max(1, n)); ratio > closest {
			closest, w.decider = ratio, k
		}
	}
	w.holds = w.holds && n > 0
	if w.overload = w.grows(e); w.overload {
		w.verdict, w.holds = Fail, false
	}
}

// grows reports whether requests under way become more and more: in the second half of the time so far by more than
// chance would have it (six standard deviations of a Poisson count) and by 5 % of the arrivals, and still so in the last
// quarter (three).
func (w *watcher) grows(e Evidence) bool {
	all := float64(e.Due + e.Outstanding)
	if len(w.waiting) < 8 || all < 50 {
		return false
	}
	grown := func(part float64) float64 {
		begin, then := time.Duration(float64(e.Elapsed)*(1-part)), 0.0
		for _, o := range w.waiting {
			if then = o.n; o.at >= begin {
				break
			}
		}
		return float64(e.Outstanding) - then
	}
	return grown(0.5) > max(0.05*all/2, 6*math.Sqrt(all/2)) && grown(0.25) > max(0.05*all/4, 3*math.Sqrt(all/4))
}

// groups returns how many requests are worth one independent one, going by how much more the misses of sections differ
// than those of independent requests would. Sections shorter than a congestion hide that its requests hang together, so
// neighbours are joined as long as six are left, and the highest figure counts.
func groups(sections []Section) float64 {
	most := 1.0
	for size := 1; len(sections)/size >= 6; size *= 2 {
		most = max(most, dispersion(sections, size))
	}
	return most
}

// dispersion is that of the misses of sections joined by size; what is left over of them does not count.
func dispersion(sections []Section, size int) float64 {
	due, missed := make([]float64, len(sections)/size), make([]float64, len(sections)/size)
	for i := range due {
		for _, s := range sections[i*size : (i+1)*size] {
			due[i], missed[i] = due[i]+float64(s.Due), missed[i]+float64(s.Missed)
		}
	}
	return stats.Dispersion(missed, due)
}
