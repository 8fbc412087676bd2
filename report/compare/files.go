package compare

import (
	"infer/internal/fault"
	"infer/report"
)

// Input is a document with where it comes from.
type Input struct {
	Path   string
	SHA256 string // hex, of the file; "": not known
	Doc    *report.Document
}

// Files compares documents, one or several a side, and returns a document of kind "compare", judged, without a manifest.
// Without gates it judges latency_p99<=+5% where both sides have a p99, else latency_p50<=+5%, else nothing.
//
// Where the two sides, or the runs of one of them, are not alike in what Differs says, no gate is judged and the verdict
// is not_comparable, unless o.Force. A gate is never passed or failed by a document that is invalid or was interrupted;
// the verdict is then invalid where such a document is a load test, or where the figures would miss a gate, else
// inconclusive. o.Pairs means nothing here. What cannot be compared at all (no document, one that does not validate or
// has no metrics, the same one twice on a side, options that are wrong) is an error of kind fault.Usage.
func Files(base, head []Input, o Options) (*report.Document, error) {
	return nil, fault.New(fault.Unsupported, "", "not there yet")
}
