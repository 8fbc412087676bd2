package render

import "infer/report"

// adviceSections lays out what to do.
func adviceSections(p report.ProfileDetails) []section { return nil }
