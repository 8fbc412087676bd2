package compare

import (
	"encoding/json"
	"fmt"
	"slices"

	"infer/internal/fault"
	"infer/report"
)

// Recompute returns what follows from the raw data of a comparison: of a live one from its blocks, of one of documents from
// those documents, in any order and known by their SHA-256. Where they are not given, or are others, it is a fault.Usage
// error. d stays as it is.
func Recompute(d *report.Document, given []Input) (report.Recomputed, error) {
	var x report.CompareDetails
	if err := json.Unmarshal(d.Details, &x); err != nil {
		return report.Recomputed{}, fault.New(fault.Usage, "", "details of a comparison: %w", err)
	}
	o := Options{Pairs: 1, Alpha: x.Alpha, MinEffect: x.MinEffect, Accepted: x.Accepted, Vary: x.Vary, Force: x.Forced, Explain: x.Explain != nil}
	var exprs []string
	for _, g := range d.Gates {
		exprs = append(exprs, g.Expr)
	}
	var err error
	if o.Gates, err = report.ParseGates("compare", exprs); err != nil {
		return report.Recomputed{}, err
	}
	if x.Mode == "files" {
		return recomputeFiles(&x, given, o)
	}
	if len(given) > 0 {
		return report.Recomputed{}, fault.New(fault.Usage, "give the comparison alone: its blocks are inside", "%q is no part of a live comparison", given[0].Path)
	}
	if d.Verdict == report.NotComparable {
		return report.Recomputed{}, fault.New(fault.Unsupported, "there is nothing to verify", "the two sides were not compared")
	}
	out := report.New("compare")
	if d.Verdict == report.Interrupted {
		out.Verdict = d.Verdict
	}
	x.Metrics, x.Shift, x.Reason = nil, nil, ""
	if err := Pairs(out, &x, o); err != nil {
		return report.Recomputed{}, fault.New(fault.Usage, "it was changed by hand, or damaged", "compute the comparison anew: %w", err)
	}
	return report.Recomputed{
		Document: out, Judged: true, From: fmt.Sprintf("the %d pairs of blocks inside", len(x.Pairs)),
		Details: []string{"metrics", "shift", "reason", "method"},
	}, nil
}

// recomputeFiles compares the documents of both sides again.
func recomputeFiles(x *report.CompareDetails, given []Input, o Options) (report.Recomputed, error) {
	used := 0
	pick := func(runs []report.CompareRun) (list []Input, err error) {
		for _, r := range runs {
			i := slices.IndexFunc(given, func(in Input) bool { return in.SHA256 != "" && in.SHA256 == r.SHA256 })
			if i < 0 {
				return nil, fault.New(fault.Usage, "give the documents that were compared beside it, as they were then", "%q is not here, or was changed since: its SHA-256 was %.12s", r.Path, r.SHA256)
			}
			used++
			in := given[i]
			in.Path = r.Path // texts name it as it was called then
			list = append(list, in)
		}
		return list, nil
	}
	base, err := pick(x.Base.Runs)
	if err != nil {
		return report.Recomputed{}, err
	}
	head, err := pick(x.Head.Runs)
	if err != nil {
		return report.Recomputed{}, err
	}
	if used < len(given) {
		return report.Recomputed{}, fault.New(fault.Usage, "give only the documents that were compared", "%d of %d documents have no part in the comparison", len(given)-used, len(given))
	}
	again, err := Files(base, head, o)
	if err != nil {
		return report.Recomputed{}, err
	}
	return report.Recomputed{
		Document: again, Judged: true, From: fmt.Sprintf("the %d documents that were compared", used),
		Details: []string{"metrics", "shift", "reason", "method", "explain"},
	}, nil
}
