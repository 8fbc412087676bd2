package decide

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"infer/internal/fault"
	"infer/report"
)

// source is a document that is read for a decision.
type source struct {
	Input
	at     int    // its place among the operands
	config string // name of the configuration that it is a measurement of; "": it is about a model

	// By the kind of the document, one of these.
	load     *report.LoadDetails
	profile  *report.ProfileDetails
	quantize *report.QuantizeDetails

	tells map[string]bool // names of the metrics that were taken from it
	of    map[string]bool // names of the configurations that it tells of
}

// identity is what is known of which model something is. The hash decides where both have one, else the path.
type identity struct {
	sha256, path string
}

// known reports whether it is known at all.
func (i identity) known() bool { return i.sha256 != "" || i.path != "" }

// is reports whether both are one model.
func (i identity) is(o identity) bool {
	if i.sha256 != "" && o.sha256 != "" {
		return i.sha256 == o.sha256
	}
	return i.path != "" && o.path != "" && filepath.Clean(i.path) == filepath.Clean(o.path)
}

// stem is the file's name without folders and ending, under which infer serve has the model, too.
func stem(path string) string {
	base := filepath.Base(filepath.FromSlash(strings.ReplaceAll(path, `\`, "/")))
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// open checks that a document tells something of a configuration, and reads its details.
func open(at int, in Input) (*source, error) {
	s := &source{Input: in, at: at, config: in.Name, tells: map[string]bool{}, of: map[string]bool{}}
	var details any
	switch in.Doc.Kind {
	case "loadtest":
		s.load = new(report.LoadDetails)
		details = s.load
	case "profile":
		s.profile = new(report.ProfileDetails)
		details = s.profile
	case "quantize":
		s.quantize = new(report.QuantizeDetails)
		details = s.quantize
	case "predict", "inspect":
		return s, nil
	default:
		return nil, fault.New(fault.Usage, "give documents of infer loadtest, profile, quantize, predict or inspect",
			"%q is of kind %q, from which nothing is decided", in.Path, in.Doc.Kind)
	}
	if err := json.Unmarshal(in.Doc.Details, details); err != nil {
		return nil, fault.New(fault.Usage, "it was changed by hand, or damaged", "details of %q: %w", in.Path, err)
	}
	if s.load != nil && s.load.Schedule.Shard != "" {
		return nil, fault.New(fault.Usage, "merge it with the others first: infer report SHARD... --format json -o whole.json",
			"%q is shard %s of a load test", in.Path, s.load.Schedule.Shard)
	}
	return s, nil
}

// model is the model that the document is about; of a quantization the original.
func (s *source) model() identity {
	if m := s.Doc.Manifest.Model; m != nil {
		return identity{m.SHA256, m.Path}
	}
	return identity{}
}

// written is the model that a quantization wrote, unknown where none was.
func (s *source) written() identity {
	if s.quantize == nil || s.quantize.Output == "" {
		return identity{}
	}
	return identity{s.quantize.OutputHash, s.quantize.Output}
}

// measured is the model that is what the document's configuration runs.
func (s *source) measured() identity {
	if s.quantize != nil {
		return s.written()
	}
	return s.model()
}

// validity says whether the document can be believed, and why not.
func (s *source) validity() (valid bool, why string) {
	if s.Doc.Validity.Verdict == report.Valid && s.Doc.Verdict != report.Invalid {
		return true, ""
	}
	for _, c := range s.Doc.Validity.Checks {
		if !c.OK {
			return false, fmt.Sprintf("%s: %s", c.Name, c.Detail)
		}
	}
	return false, "it says so itself"
}

// run is the source as the decision lists it.
func (s *source) run() report.CompareRun {
	r := report.CompareRun{Path: s.Path, SHA256: s.SHA256, Kind: s.Doc.Kind, Created: s.Doc.Created.Format(time.RFC3339), Config: s.Name}
	r.Valid, r.Why = s.validity()
	r.Of, r.Tells = sortedSet(s.of), sortedSet(s.tells)
	return r
}
