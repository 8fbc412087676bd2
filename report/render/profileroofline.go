package render

import "infer/report"

// rooflineSections lays out the ceilings and the nodes below them.
func rooflineSections(p report.ProfileDetails, o Options) []section { return nil }
