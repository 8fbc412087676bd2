package compare

import (
	"math"

	"infer/report"
)

// Look reports whether the pairs of x so far decide o's gates; most is how many pairs there will be at most. It judges
// them only now and then and notes when in x.Looks: judging after every pair and stopping at the first answer would err
// far more often than o.Alpha says. What all looks up to a share of the pairs may spend of o.Alpha is the square of that
// share, so that most of it is left for the last look, which has most pairs, and a clear change is still seen early;
// the last look has all that is left, whenever it comes. Looks that could decide nothing, or shortly before the last, are
// left out. How many pairs there will be depends on the clock alone, not on what they show.
// Ref: Lan and DeMets, Biometrika 70 (1983); Kim and DeMets, Biometrika 74 (1987), for the square.
func Look(x *report.CompareDetails, most int, o Options) (decided bool) {
	n, looked, spent := len(x.Pairs), 0, 0.0
	for _, l := range x.Looks {
		looked, spent = l.Pairs, spent+l.Tail
	}
	last := n >= most
	if !last && (n < o.Pairs || 2*n < 3*looked || 3*n > 2*most) {
		return false
	}
	tail := o.Alpha - spent
	if !last {
		share := float64(n) / float64(most)
		tail = o.Alpha*share*share - spent
	}
	// The least p-value that n pairs can give, times the number of gates that Holm corrects for.
	if least := math.Ldexp(float64(max(1, len(o.relative()))), -n); !last && tail < least {
		return false
	}
	x.Looks = append(x.Looks, report.CompareLook{Pairs: n, Tail: tail})
	open := false
	for _, m := range o.measured(x, tail) {
		if m.Verdict == report.Fail {
			return true // whatever the other gates say, the answer stands
		}
		// What no block had will not come with more of them.
		open = open || m.Verdict == report.GateInconclusive && m.Pairs > 0
	}
	return !open
}
