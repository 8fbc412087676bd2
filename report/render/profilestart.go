package render

import "infer/report"

// startSections lays out the steps of a cold start, and the stages alone and in a pipeline.
func startSections(p report.ProfileDetails) []section { return nil }
