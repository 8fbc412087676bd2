package decide

import (
	"io"

	"infer/internal/fault"
	"infer/report"
)

// ParseOutcomes reads a CSV of what a business measured of each variant: columns variant, metric, value and n, in any
// order, and optionally lo and hi (a 95 % interval) or sd (the standard deviation of the n values). A value in [0, 1]
// without them is taken as a share of n. What is malformed is a fault.Usage error that names the line.
func ParseOutcomes(r io.Reader) ([]report.Outcome, error) {
	return nil, fault.New(fault.Unsupported, "", "no outcomes yet")
}
