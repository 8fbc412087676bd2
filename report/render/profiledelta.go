package render

import "infer/report"

// deltaSections lays out the difference of two profiles.
func deltaSections(x *report.ProfileDiff, o Options) []section { return nil }
