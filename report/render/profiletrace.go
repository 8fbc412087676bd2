package render

import "infer/report"

// traceSections says where the times of the nodes came from.
func traceSections(t *report.TraceInfo) []section { return nil }
