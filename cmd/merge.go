package cmd

import (
	"infer/internal/fault"
	"infer/loadtest"
	"infer/profile"
	"infer/report"
	"infer/report/compare"
)

// mergeRuns merges documents into one: the shards of a load test, runs of the same load, or profiles of the same model.
// What differs between them is refused by name.
func mergeRuns(docs []*report.Document, ops []operand, slos, gates []report.Gate) (*report.Document, error) {
	if len(docs) < 2 {
		return nil, fault.New(fault.Usage, "give several runs of one measurement", "--merge has one document, and nothing to merge it with")
	}
	shards := isShard(docs[0])
	for i, d := range docs[1:] {
		if shards && d.Kind == "loadtest" {
			continue // several machines may have made them, each its own part: loadtest.Merge knows what must be alike
		}
		if err := alike(docs[0], d); err != nil {
			return nil, fault.Wrap(err, "merge %q with %q", ops[0].path, ops[i+1].path)
		}
	}
	switch docs[0].Kind {
	case "loadtest":
		if shards {
			return loadtest.Merge(docs, slos, gates)
		}
		return loadtest.MergeRuns(docs, slos, gates)
	case "profile":
		if len(slos) > 0 {
			return nil, fault.New(fault.Usage, "use --gate", "--slo judges load tests, and these are profiles")
		}
		return profile.Merge(docs, gates)
	}
	return nil, fault.New(fault.Usage, "give load tests or profiles", "documents of kind %s have nothing that adds up", docs[0].Kind)
}

// alike refuses documents that were not measured in the same way, or of another model.
func alike(a, b *report.Document) error {
	const hint = "merge runs of one measurement; infer compare tells what a change does"
	if a.Kind != b.Kind {
		return fault.New(fault.Usage, hint, "one is of kind %s, the other of kind %s", a.Kind, b.Kind)
	}
	if m, n := a.Manifest.Model, b.Manifest.Model; m != nil && n != nil && m.SHA256 != n.SHA256 {
		return fault.New(fault.Usage, hint, "the models differ: %q (%.12s) and %q (%.12s)", m.Path, m.SHA256, n.Path, n.SHA256)
	}
	for _, d := range compare.Differs(a, b, []string{"seed"}) {
		if !d.Allowed {
			return fault.New(fault.Usage, hint, "%s differs: %s in one and %s in the other", d.What, d.Base, d.Head)
		}
	}
	return nil
}

// isShard reports whether a load test is a part of one.
func isShard(d *report.Document) bool {
	x, err := loadtest.Details(d)
	return err == nil && x.Schedule.Shard != ""
}
