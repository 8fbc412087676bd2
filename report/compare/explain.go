package compare

import "infer/report"

// ExplainNodes says which nodes moved between two profiles, from their shares by node. Nodes are matched by name, then
// those that are left by operator and shapes in order; the rest was added or removed. Times are means a profiled run,
// intervals tell of the noise within the two profiles and not of that between runs of the program. Nil where a side has
// no nodes.
func ExplainNodes(base, head []report.Share) *report.CompareExplain { return nil }

// ExplainPhases says which phase of a request moved between two load tests: a late generator, the wait for a connection,
// the queue, the model, or the rest. Times are means a request. Phases that only one of the servers tells are in the
// rest of both. Nil where a side has no figures or no answer.
func ExplainPhases(base, head *report.LoadDetails) *report.CompareExplain { return nil }
