package render

import "infer/report"

// correctionSections says what tracing cost and how the node times were freed of it.
func correctionSections(p report.ProfileDetails) []section { return nil }
