package render

import "infer/report"

// tuneSections lays out a search.
func tuneSections(t report.TuneDetails, o Options) []section { return nil }
