// Package advice owns the rules that say what to do about a profile: each has a trigger, evidence, the most that it can
// gain, and a command to try.
package advice

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"infer/report"
)

// Rule is one row of the table.
type Rule struct {
	ID      string // "MEM-BOUND"
	Trigger string // one line
	Advice  string // one line
	Needs   []Need // facts without which it cannot judge
	Voids   bool   // what it finds makes the other figures doubtful: it comes first
	Check   func(f *Facts) *report.Advice
}

// Rules returns the table, in the order of the alphabet.
func Rules() []Rule {
	rules := slices.Concat(machineRules(), spinRules(), nodeRules(), threadRules(), graphRules(), sessionRules(), startRules())
	slices.SortFunc(rules, func(a, b Rule) int { return strings.Compare(a.ID, b.ID) })
	return rules
}

// Check returns what the rules say: what makes the figures doubtful first, then what can gain most.
func Check(f *Facts) []report.Advice {
	f = f.whole()
	var found []report.Advice
	void := map[string]bool{}
	for _, r := range Rules() {
		if r.missing(f) != "" {
			continue
		}
		if a := r.Check(f); a != nil {
			a.Rule = r.ID
			void[r.ID] = r.Voids
			found = append(found, *a)
		}
	}
	slices.SortStableFunc(found, func(a, b report.Advice) int {
		if void[a.Rule] != void[b.Rule] {
			if void[a.Rule] {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.Bound, a.Bound)
	})
	return found
}

// Unjudged returns the rules that nothing can be said about, and what they lack, in the order of the table.
func Unjudged(f *Facts) []report.UnjudgedRule {
	f = f.whole()
	var list []report.UnjudgedRule
	for _, r := range Rules() {
		if why := r.missing(f); why != "" {
			list = append(list, report.UnjudgedRule{Rule: r.ID, Why: why})
		}
	}
	return list
}

// missing says which of the facts that r needs f lacks, "" for none.
func (r Rule) missing(f *Facts) string {
	for _, n := range r.Needs {
		if !n.Have(f) {
			return n.What
		}
	}
	return ""
}

// Bound is the most that a run can speed up where a share of it, in [0, 1], becomes factor times faster; factor may be
// infinite. Where the whole run is gone it is 0: nobody knows. Ref: Amdahl's law.
func Bound(share, factor float64) float64 {
	b := 1 / (1 - share*(1-1/factor))
	if math.IsInf(b, 0) || math.IsNaN(b) || b < 0 {
		return 0
	}
	return b
}

// gone is the factor of work that need not be done at all.
var gone = math.Inf(1)
