package cmd

import (
	"fmt"
	"strings"

	"infer/internal/fault"
	"infer/loadtest"
	"infer/loadtest/sample"
	"infer/profile"
	"infer/report"
	"infer/report/compare"
	"infer/report/decide"
)

// runVerify verifies a document and shows what came of it.
func (f *reportFlags) runVerify(a *app, ops []operand) error {
	if f.merge || f.judges() {
		return fault.New(fault.Usage, "verify first, then call infer report again", "--verify checks what is written, and --merge, --slo, --gate and what a decision asks for would make it another document")
	}
	d, differs := verify(ops)
	if d == nil {
		return differs
	}
	a.strict = f.strict
	if err := a.emit(d, f.output); err != nil {
		return err
	}
	return differs
}

// verify computes the numbers of the first document among ops anew from its raw data: from what is inside, and from the
// other arguments, which are samples or the documents that it was made of. It returns the document, which says what came
// of it, with an error that names the first number that does not follow; without a document it could not be verified at all.
func verify(ops []operand) (*report.Document, error) {
	raw, err := sortRaw(ops)
	if err != nil {
		return nil, err
	}
	d := raw.document.Doc
	d.Forget()
	again, err := raw.recompute()
	if err != nil {
		return nil, fault.Wrap(err, "verify %q", raw.document.Path)
	}
	v, err := d.Verify(again)
	if err != nil {
		return nil, fault.Wrap(err, "verify %q", raw.document.Path)
	}
	if n := v.First(); n != nil {
		err = fault.New(fault.Internal, "the document was changed, or is of other data; --format json lists every number under verification",
			"verify %q: %s is written as %s, and follows as %s from %s", raw.document.Path, n.Name, withUnit(n.Written, n.Unit), withUnit(n.Recomputed, n.Unit), v.From)
	}
	return d, err
}

func withUnit(number, unit string) string {
	if unit == "" || unit == "1" {
		return number
	}
	return number + " " + unit
}

// rawData is what the arguments of --verify name.
type rawData struct {
	document compare.Input   // to verify
	others   []compare.Input // that it was made of
	samples  []string        // paths
}

func sortRaw(ops []operand) (*rawData, error) {
	r := &rawData{}
	for _, op := range ops {
		path := op.path
		if sample.IsFile(path) {
			r.samples = append(r.samples, path)
			continue
		}
		d, sum, err := readResult(path)
		if err != nil {
			return nil, err
		}
		in := compare.Input{Path: path, SHA256: sum, Doc: d}
		if r.document.Doc == nil {
			r.document = in
			continue
		}
		r.others = append(r.others, in)
	}
	if r.document.Doc == nil {
		return nil, fault.New(fault.Usage, "give the document beside them: infer report run.json run.samples --verify", "--verify has samples, and no document to verify with them")
	}
	return r, nil
}

// recompute computes what follows from the raw data, by the kind of the document.
func (r *rawData) recompute() (report.Recomputed, error) {
	d := r.document.Doc
	if len(r.samples) > 0 && d.Kind != "loadtest" && d.Kind != "report" {
		return report.Recomputed{}, fault.New(fault.Usage, "give samples with the load test that wrote them", "%q are samples of a load test, and the document is of kind %s", r.samples[0], d.Kind)
	}
	switch d.Kind {
	case "loadtest":
		if len(r.others) > 0 {
			return report.Recomputed{}, fault.New(fault.Usage, "give the samples of its runs or shards", "a load test follows from samples, not from %s", pathsText(r.others))
		}
		return loadtest.Recompute(d, r.samples)
	case "profile":
		var runs []*report.Document
		for _, in := range r.others {
			runs = append(runs, in.Doc)
		}
		return profile.Recompute(d, runs)
	case "compare":
		return compare.Recompute(d, r.others)
	case "report":
		sources, err := r.sources()
		if err != nil {
			return report.Recomputed{}, err
		}
		return decide.Recompute(d, sources)
	}
	return report.Recomputed{}, fault.New(fault.Unsupported, "give a load test with its samples, a profile, a comparison or a decision with its documents", "a document of kind %s holds no raw data that its numbers follow from", d.Kind)
}

// sources are what a decision was made of: documents, and load tests as their samples.
func (r *rawData) sources() (list []decide.Input, err error) {
	for _, in := range r.others {
		list = append(list, decide.Input{Path: in.Path, SHA256: in.SHA256, Doc: in.Doc})
	}
	for _, path := range r.samples {
		in := decide.Input{Path: path}
		if in.Doc, in.SHA256, err = readResult(path); err != nil {
			return nil, err
		}
		if in.SHA256, err = fileHash(path); err != nil {
			return nil, err
		}
		list = append(list, in)
	}
	return list, nil
}

func pathsText(list []compare.Input) string {
	var names []string
	for _, in := range list {
		names = append(names, fmt.Sprintf("%q", in.Path))
	}
	return strings.Join(names, ", ")
}
