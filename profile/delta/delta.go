// Package delta owns the difference of two profiles: which nodes moved, beyond noise or not, and what else differs that
// may be the reason.
package delta

import "infer/report"

// Side is one of the two profiles.
type Side struct {
	Path     string
	Document *report.Document
	Details  *report.ProfileDetails
}

// Compare returns what differs between base and head. Its Model is the caller's to fill in.
func Compare(base, head Side) *report.ProfileDiff { return nil }
