package decide

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/report"
)

// Recompute returns what follows from the documents that a decision was made of, in any order and known by their SHA-256;
// without any, what follows from the metrics of its configurations. Documents that are missing, or others, are a
// fault.Usage error. d stays as it is.
func Recompute(d *report.Document, given []Input) (report.Recomputed, error) {
	x, err := Details(d)
	if err != nil {
		return report.Recomputed{}, err
	}
	o := Options{Outcomes: x.Outcomes, AccuracyTarget: x.AccuracyTarget}
	if o.AccuracyTarget == 0 {
		if o.AccuracyTarget, err = ParseAccuracyTarget(flagIn(d.Manifest.Command, "--accuracy-target")); err != nil {
			return report.Recomputed{}, err
		}
	}
	r := report.Recomputed{
		Judged: true, From: "the metrics of its configurations (their documents are not given)",
		Details: []string{"headline", "chosen", "base", "slo", "configs", "quality", "steps", "outcomes", "levers"},
	}
	again := d
	if len(given) > 0 {
		if again, err = decidedAgain(d, x, given); err != nil {
			return report.Recomputed{}, err
		}
		r.From = fmt.Sprintf("the %d documents that it was made of", len(given))
		r.Details = append(r.Details, "notes")
	}
	r.Document, err = Rejudge(again, o)
	return r, err
}

// decidedAgain is a decision by the same documents, with the prices and the demand of d, for Rejudge to finish.
func decidedAgain(d *report.Document, x *report.DecisionDetails, given []Input) (*report.Document, error) {
	var in []Input
	for _, s := range x.Sources {
		i := slices.IndexFunc(given, func(g Input) bool { return g.SHA256 != "" && g.SHA256 == s.SHA256 })
		if i < 0 {
			return nil, fault.New(fault.Usage, "give all documents of the decision beside it, as they were then", "%q is not here, or was changed since: its SHA-256 was %.12s", s.Path, s.SHA256)
		}
		in = append(in, Input{Name: cmp.Or(s.Config, nameIn(d.Manifest.Command, s.Path)), Path: s.Path, SHA256: s.SHA256, Doc: given[i].Doc})
	}
	if len(in) < len(given) {
		return nil, fault.New(fault.Usage, "give only the documents of the decision", "it was made of %d documents, and %d are here", len(in), len(given))
	}
	again, err := Decide(in, Options{})
	if err != nil {
		return nil, err
	}
	y, err := Details(again)
	if err != nil {
		return nil, err
	}
	y.SLO, y.Price, y.Demand, y.Use = x.SLO, x.Price, x.Demand, x.Use
	return again, again.SetDetails(y)
}

// flagIn is the value of a flag of a command line, "" for none. Older decisions have what an accuracy target was to keep
// only there.
func flagIn(command []string, flag string) string {
	for i, arg := range command {
		if value, ok := strings.CutPrefix(arg, flag+"="); ok {
			return value
		}
		if arg == flag && i+1 < len(command) {
			return command[i+1]
		}
	}
	return ""
}

// nameIn is the name that a command line gave to a document, "" for none. Older decisions have it only there.
func nameIn(command []string, path string) string {
	for _, arg := range command {
		if name, ok := strings.CutSuffix(arg, "="+path); ok && name != "" && !strings.ContainsAny(name, `/\`) && !strings.HasPrefix(name, "-") {
			return name
		}
	}
	return ""
}
