// Package compare owns what two results, or paired blocks of two things, say about a change: whether they may be compared
// at all, which metrics moved beyond noise, and what the gates make of it. It reads and fills documents; it measures nothing.
package compare

import (
	"infer/internal/fault"
	"infer/report"
)

// Options say how a comparison is judged. DefaultOptions are those of the command without flags.
type Options struct {
	Gates     []report.Gate       // relative ones against the base, absolute ones on the head
	Pairs     int                 // pairs of blocks before the gates are judged first
	Alpha     float64             // how often a gate may fail though nothing is worse, over all looks together; in (0, 0.5)
	MinEffect float64             // relative change that does not matter, in [0, 1)
	Vary      []string            // options that may differ: they are what is compared
	Force     bool                // compare what is not comparable, and mark the result
	Accepted  []report.Acceptance // regressions that do not count
	Explain   bool                // say which nodes or phases moved
}

// DefaultOptions are those of the command without flags.
var DefaultOptions = Options{Pairs: 8, Alpha: 0.05, MinEffect: 0.01}

// Validate returns the first fault of o, of kind fault.Usage.
func (o Options) Validate() error {
	switch {
	case o.Pairs < 1:
		return fault.New(fault.Usage, "give a number such as 8", "--pairs %d: there is nothing to compare", o.Pairs)
	case !(o.Alpha > 0 && o.Alpha < 0.5):
		return fault.New(fault.Usage, "give a probability such as 0.05", "--alpha %v is not above 0 and below 0.5", o.Alpha)
	case !(o.MinEffect >= 0 && o.MinEffect < 1):
		return fault.New(fault.Usage, "give a change such as 1%", "--min-effect %v is not in 0 to 1", o.MinEffect)
	}
	return nil
}

// Confidence is that of intervals which nothing was decided by early.
func (o Options) Confidence() float64 { return 1 - o.Alpha }
