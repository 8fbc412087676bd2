// Package delta owns the difference of two profiles: which nodes moved, beyond noise or not, and what else differs that
// may be the reason.
package delta

import (
	"slices"

	"infer/report"
	"infer/report/compare"
)

// Side is one of the two profiles.
type Side struct {
	Path     string
	Document *report.Document
	Details  *report.ProfileDetails
}

// Compare returns what differs between base and head. Its Model is the caller's to fill in. Where a side has no node times
// that nodes can have, Nodes is nil and Refused says so. Whatever differs beside the models, the nodes are compared:
// Refused and Trouble say what the figures are worth.
func Compare(base, head Side) *report.ProfileDiff {
	x := &report.ProfileDiff{
		Base: base.Path, Head: head.Path, Runs: [2]int{base.Details.ProfiledRuns, head.Details.ProfiledRuns},
		Metrics: metrics(base.Document, head.Document), Nodes: compare.ExplainAll(base.Details.ByNode, head.Details.ByNode),
	}
	conditions(x, base, head)
	x.MACs = macs(base.Document, head.Document)
	if x.Nodes == nil {
		x.Refused = lacking(base, head)
		x.Reading = x.Refused
		return x
	}
	n := noiseOf(x.Nodes.Rows)
	x.Common, x.Spread = n.common, n.sd
	n.judge(x.Nodes.Rows)
	if ops := compare.ExplainAll(base.Details.ByOp, head.Details.ByOp); ops != nil {
		n.judge(ops.Rows)
		x.Ops = ops.Rows
	}
	count(x)
	x.Reading = reading(x, sameModel(base.Document, head.Document))
	x.Nodes.Reading = ""
	return x
}

// lacking says which side has no node times.
func lacking(base, head Side) string {
	for _, s := range []Side{base, head} {
		if len(s.Details.ByNode) == 0 {
			return s.Path + " has no node times: its profile has no traced run"
		}
	}
	return "a side has node times that no node can have"
}

// count says how many nodes are on which side.
func count(x *report.ProfileDiff) {
	for _, r := range x.Nodes.Rows {
		switch {
		case r.Base == nil:
			x.Added++
		case r.Head == nil:
			x.Removed++
		default:
			x.Matched++
			if r.Significant {
				x.Changed++
			}
		}
	}
}

// sameModel reports whether both profiles are of one model file.
func sameModel(base, head *report.Document) bool {
	b, h := base.Manifest.Model, head.Manifest.Model
	return b != nil && h != nil && b.SHA256 != "" && b.SHA256 == h.SHA256
}

// both reports whether a node is on both sides.
func both(r report.ExplainRow) bool { return r.Base != nil && r.Head != nil }

// alike reports whether a node is the same computation on both sides, as far as the profiles tell.
func alike(r report.ExplainRow) bool {
	return both(r) && r.State == "" && !slices.ContainsFunc(r.Differs, func(d report.DiffRow) bool { return d.What != "provider" })
}
