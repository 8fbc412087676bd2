package compare

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

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
// Without gates it judges latency_p99<=+5% of load tests and latency_p50<=+5% of all else, or where only the other of
// them is on both sides that, or where none is nothing.
//
// Where the two sides, or the runs of one of them, are not alike in what Differs says, no gate is judged and the verdict
// is not_comparable, unless o.Force. A gate is never passed or failed by a document that is invalid or was interrupted;
// the verdict is then invalid where such a document is a load test, or where the figures would miss a gate, else
// inconclusive. o.Pairs means nothing here. What cannot be compared at all (no document, one that does not validate or
// has nothing to compare, the same one twice on a side, options that are wrong) is an error of kind fault.Usage.
func Files(base, head []Input, o Options) (*report.Document, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	f := files{o: o, d: report.New("compare")}
	var err error
	if f.base, err = open("base", base); err != nil {
		return nil, err
	}
	if f.head, err = open("head", head); err != nil {
		return nil, err
	}
	if err := CheckVary(o.Vary, docs(f.runs())...); err != nil {
		return nil, err
	}
	f.x = &report.CompareDetails{Mode: "files", Alpha: o.Alpha, Confidence: o.Confidence(), MinEffect: o.MinEffect, Accepted: o.Accepted, Vary: o.Vary, Base: f.base.describe(), Head: f.head.describe()}
	f.match()
	if len(f.o.Gates) == 0 {
		f.o.Gates = f.defaults()
	}
	f.measure()
	f.judge()
	f.x.Method = f.method()
	f.x.Shift = f.shift()
	if o.Explain {
		f.explain()
	}
	return f.d, f.d.SetDetails(f.x)
}

// files is a comparison of documents under way.
type files struct {
	o          Options
	base, head side
	d          *report.Document
	x          *report.CompareDetails
}

// side is the documents of base or head.
type side struct {
	name string
	runs []run
}

// run is a document of a side, decoded.
type run struct {
	Input
	profile *report.ProfileDetails // nil: of another kind
	load    *report.LoadDetails
	invalid string // why its figures cannot be believed; "": they can
}

// open checks and decodes the documents of a side.
func open(name string, in []Input) (side, error) {
	s := side{name: name}
	if len(in) == 0 {
		return s, fault.New(fault.Usage, "give two results, or several with --base and --head", "there is no result for %s", name)
	}
	for _, i := range in {
		r, err := decode(i)
		if err != nil {
			return s, err
		}
		if k := slices.IndexFunc(s.runs, func(o run) bool { return o.Doc == i.Doc || o.SHA256 != "" && o.SHA256 == i.SHA256 }); k >= 0 {
			return s, fault.New(fault.Usage, "give each result once: the same one again tells nothing of the noise", "%q and %q for %s are the same result", s.runs[k].Path, i.Path, name)
		}
		s.runs = append(s.runs, r)
	}
	return s, nil
}

// leastFigure is below every figure but 0, and its inverse above: so ratios are finite.
const leastFigure = 1e-60

func decode(in Input) (run, error) {
	r := run{Input: in}
	if in.Doc == nil {
		return r, fault.New(fault.Usage, "", "%q is no result", in.Path)
	}
	if err := in.Doc.Validate(); err != nil {
		return r, fault.New(fault.Usage, "it was changed by hand, or damaged", "result %q: %w", in.Path, err)
	}
	for _, m := range in.Doc.Metrics {
		for _, v := range []*float64{m.Value, m.Lo, m.Hi} {
			if v != nil && *v != 0 && !(math.Abs(*v) > leastFigure && math.Abs(*v) < 1/leastFigure) {
				return r, fault.New(fault.Usage, "it was changed by hand, or damaged", "result %q: %s has a figure of %g, which nothing can have", in.Path, m.Name, *v)
			}
		}
	}
	var details any
	switch in.Doc.Kind {
	case "compare", "report", "deploy", "runtime", "version":
		return r, fault.New(fault.Usage, "give results of profile, loadtest, predict, quantize, convert, optimize, tune or inspect", "%q is of kind %s, which measures nothing", in.Path, in.Doc.Kind)
	case "profile":
		r.profile = &report.ProfileDetails{}
		details = r.profile
	case "loadtest":
		r.load = &report.LoadDetails{}
		details = r.load
	}
	if details != nil {
		if err := json.Unmarshal(in.Doc.Details, details); err != nil {
			return r, fault.New(fault.Usage, "it was changed by hand, or damaged", "details of %q: %w", in.Path, err)
		}
	}
	r.invalid = invalid(in.Doc)
	return r, nil
}

// invalid says why the figures of a document cannot be believed; "": they can.
func invalid(d *report.Document) string {
	if d.Verdict == report.Interrupted {
		return "it was interrupted"
	}
	for _, c := range d.Validity.Checks {
		if !c.OK {
			return strings.TrimSuffix(c.Name+": "+c.Detail, ": ")
		}
	}
	if d.Validity.Verdict == report.NotValid || d.Verdict == report.Invalid {
		return "it says so itself"
	}
	return ""
}

func docs(runs []run) []*report.Document {
	var out []*report.Document
	for _, r := range runs {
		out = append(out, r.Doc)
	}
	return out
}

func (f *files) runs() []run { return slices.Concat(f.base.runs, f.head.runs) }

// describe is what the details say of a side.
func (s side) describe() report.CompareSide {
	out := report.CompareSide{Kind: "files", Model: s.runs[0].Doc.Manifest.Model}
	var names []string
	for _, r := range s.runs {
		names = append(names, r.Path)
		run := report.CompareRun{Path: r.Path, SHA256: r.SHA256, Kind: r.Doc.Kind, Valid: r.invalid == "", Why: r.invalid}
		if t := r.Doc.Created; !t.IsZero() {
			run.Created = t.UTC().Format(time.RFC3339)
		}
		out.Runs = append(out.Runs, run)
		if m := r.Doc.Manifest.Model; m == nil || out.Model == nil || m.SHA256 != out.Model.SHA256 {
			out.Model = nil
		}
	}
	out.Name = strings.Join(names, ", ")
	if len(names) > 3 {
		out.Name = fmt.Sprintf("%s and %d more", names[0], len(names)-1)
	}
	return out
}

// match finds out whether the documents are comparable, and warns of what is not known of it.
func (f *files) match() {
	list, warnings := differs(f.base.facts(), f.head.facts(), f.o.Vary)
	f.x.Differs = slices.Concat(f.base.mixed(f.o.Vary), f.head.mixed(f.o.Vary), list)
	for _, w := range warnings {
		f.d.Warn("%s", w)
	}
	for _, s := range []side{f.base, f.head} {
		if s.describe().Model == nil && s.runs[0].Doc.Manifest.Model != nil {
			f.d.Warn("the %s runs are not all of the same model", s.name)
		}
	}
	for _, b := range f.base.runs {
		if slices.ContainsFunc(f.head.runs, func(h run) bool { return h.Doc == b.Doc || b.SHA256 != "" && h.SHA256 == b.SHA256 }) {
			f.d.Warn("%s is on both sides: it cannot differ from itself", b.Path)
		}
	}
	bars := barring(f.x.Differs)
	if f.x.Forced = f.o.Force && len(bars) > 0; f.x.Forced {
		f.d.Warn("compared by --force, although %s", differences(bars))
	}
}

// comparable reports whether gates may be judged.
func (f *files) comparable() bool { return f.x.Forced || len(barring(f.x.Differs)) == 0 }

// facts are what the runs of a side tell: of each thing what the first tells that does.
func (s side) facts() []fact {
	out := factsOf(s.runs[0].Doc)
	for _, r := range s.runs[1:] {
		for _, p := range matched(out, factsOf(r.Doc)) {
			i := slices.IndexFunc(out, func(f fact) bool { return f.what == p[1].what })
			switch {
			case i < 0 && p[1].what != "":
				out = append(out, p[1])
			case i >= 0 && !out[i].told():
				out[i] = p[1]
			}
		}
	}
	return out
}

// mixed returns in what the runs of a side are not alike. Of what --vary names only the seed may differ among them: the
// rest is what sets the sides apart.
func (s side) mixed(vary []string) []report.CompareDiffers {
	vary = slices.DeleteFunc(slices.Clone(vary), func(v string) bool { return varyName(v) != "seed" })
	var out []report.CompareDiffers
	first := s.runs[0]
	for _, r := range s.runs[1:] {
		list, _ := differs(factsOf(first.Doc), factsOf(r.Doc), vary)
		for _, d := range barring(list) {
			d.What += among + s.name + " runs"
			if !slices.ContainsFunc(out, func(o report.CompareDiffers) bool { return o.What == d.What }) {
				d.Base, d.Head = d.Base+" ("+first.Path+")", d.Head+" ("+r.Path+")"
				out = append(out, d)
			}
		}
	}
	return out
}

// differences says what differs in words.
func differences(list []report.CompareDiffers) string {
	var parts []string
	for _, d := range list {
		parts = append(parts, difference(d))
	}
	return strings.Join(parts, "; ")
}
