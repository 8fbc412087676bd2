package search

import (
	"fmt"
	"strconv"
)

// explain says in words why a trial has its verdict.
func (f *finder) explain(w *watcher, e Evidence, s Step) string {
	b := f.o.Objectives[w.decider]
	counts := fmt.Sprintf("%d of %d requests missed it, at most %s may", e.Missed[w.decider], e.Due, percent(b.Allowed))
	switch {
	case !e.Trusted && !s.Holds:
		return "this says nothing about the server: " + e.Why
	case w.overload:
		return fmt.Sprintf("the queue grows without end: %d requests under way after %.1f s", e.Outstanding, e.Elapsed.Seconds())
	case e.Due == 0:
		return "no request was answered"
	case s.Verdict == Fail:
		return fmt.Sprintf("%s fails: %s", b.Expr, counts)
	case s.Verdict == Pass:
		return fmt.Sprintf("%s holds: %s", b.Expr, counts)
	case s.Holds:
		return fmt.Sprintf("%s seems to hold, not for sure: %s", b.Expr, counts)
	}
	return fmt.Sprintf("%s seems to fail, not for sure: %s", b.Expr, counts)
}

// found says why a search ended whose last trial, to confirm, held.
func (f *finder) found(s Step) string {
	rate := number(s.Rate)
	switch {
	case s.N < f.enough():
		return fmt.Sprintf("all objectives hold at %s/s, as far as %d requests tell: %d would confirm it", rate, s.N, f.enough())
	case f.o.Hi > 0 && s.Rate == f.o.Hi:
		return fmt.Sprintf("all objectives hold at %s/s, where the range ends: the server can do more", rate)
	case f.generatorLimit(s.Rate):
		return fmt.Sprintf("all objectives hold at %s/s, and the generator sets the limit above: %s", rate, f.why)
	}
	return fmt.Sprintf("a confirmation run held at %s/s", rate)
}

// generatorLimit reports whether no trial above rate says that the server broke.
func (f *finder) generatorLimit(rate float64) bool {
	for _, s := range f.r.Steps {
		if s.Rate > rate && !s.Holds && s.Trusted {
			return false
		}
	}
	return f.why != ""
}

// despair says why there is no rate at which all objectives hold.
func (f *finder) despair(rate float64) string {
	if f.generatorLimit(0) {
		return fmt.Sprintf("the generator cannot offer %s/s: %s, in each of %d trials", number(rate), f.why, patience)
	}
	name := ""
	for _, s := range f.r.Steps {
		if !s.Holds && s.Trusted {
			name = f.o.Objectives[s.Objective].Expr
		}
	}
	return fmt.Sprintf("even %s/s breaks %s", number(rate), name)
}

func percent(share float64) string { return number(share*100) + " %" }

// number writes at most four digits that matter.
func number(x float64) string { return strconv.FormatFloat(x, 'g', 4, 64) }
