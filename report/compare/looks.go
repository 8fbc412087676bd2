package compare

import (
	"math"

	"infer/report"
)

// Look reports whether the pairs of x so far decide o's gates; most is how many pairs there will be at most. It judges
// them only now and then and notes when in x.Looks: judging after every pair and stopping at the first answer would err
// far more often than o.Alpha says. Each look gets the share of o.Alpha that belongs to the pairs which came since the
// one before, so that with the last look all of it is spent, whenever that comes; looks that could decide nothing are
// left out. How many pairs there will be depends on the clock alone, not on what they show.
// Ref: Lan and DeMets, Biometrika 70 (1983), with a spending function that is a straight line.
func Look(x *report.CompareDetails, most int, o Options) (decided bool) {
	n, looked, spent := len(x.Pairs), 0, 0.0
	for _, l := range x.Looks {
		looked, spent = l.Pairs, spent+l.Tail
	}
	last := n >= most
	if !last && (n < o.Pairs || 2*n < 3*looked) {
		return false
	}
	tail := o.Alpha/2*min(1, float64(n)/float64(max(1, most))) - spent
	if last {
		tail = o.Alpha/2 - spent
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
		open = open || m.Verdict == report.GateInconclusive
	}
	return !open
}
