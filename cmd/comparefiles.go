package cmd

import (
	"path/filepath"
	"strings"
	"time"

	"infer/internal/fault"
	"infer/model"
	"infer/report"
	"infer/report/baseline"
	"infer/report/compare"
)

// runFiles compares results that are there.
func (f *compareFlags) runFiles(a *app, args []string) error {
	bases, heads, err := f.operands(args)
	if err != nil {
		return err
	}
	if err := targets(append(append([]string{}, bases...), heads...)); err != nil {
		return err
	}
	if err := a.checkOutputs(nil, append(append([]string{}, bases...), heads...), outputFile{"--output", f.output}); err != nil {
		return err
	}
	head, err := readInputs(heads)
	if err != nil {
		return err
	}
	if f.baseline != "" {
		return f.againstBaseline(a, head)
	}
	base, err := readInputs(bases)
	if err != nil {
		return err
	}
	d, err := compare.Files(base, head, f.opts)
	if err != nil {
		return err
	}
	a.madeBy(d, head[len(head)-1].Doc)
	return f.finish(a, d)
}

// operands returns the files of both sides: two of the command line, or those of --base and --head.
func (f *compareFlags) operands(args []string) (bases, heads []string, err error) {
	list := func(flags []string) (out []string) {
		for _, text := range flags {
			out = append(out, strings.Split(text, ",")...)
		}
		return out
	}
	bases, heads = list(f.bases), list(f.heads)
	const hint = "give BASE.json HEAD.json, or --base FILE… --head FILE…, or --a TARGET --b TARGET"
	switch {
	case f.update != "never" && f.baseline == "":
		return nil, nil, fault.New(fault.Usage, "pass --baseline too", "--update-baseline %s has no store to update", f.update)
	case f.baseline != "" && len(bases) > 0:
		return nil, nil, fault.New(fault.Usage, "give one of them", "--baseline and --base both name the base")
	case f.baseline != "":
		heads = append(heads, args...)
	case len(args) == 1 && len(bases) > 0 && len(heads) == 0:
		heads = args
	case len(args) == 1 && len(heads) > 0 && len(bases) == 0:
		bases = args
	case len(args) == 2 && len(bases)+len(heads) == 0:
		return args[:1], args[1:], nil
	case len(args) > 0 && len(bases) > 0 && len(heads) > 0:
		return nil, nil, fault.New(fault.Usage, "name each file behind --base or --head", "%q is on neither side", args[0])
	}
	if len(heads) == 0 || len(bases) == 0 && f.baseline == "" {
		return nil, nil, fault.New(fault.Usage, hint, "there is nothing to compare: a side has no result")
	}
	return bases, heads, nil
}

// targets refuses what is measured and not read.
func targets(paths []string) error {
	for i, p := range paths {
		if _, ok := model.CutExt(p); !ok && isModel(p) {
			continue
		}
		a, b := p, "HEAD"
		if len(paths) == 2 {
			a, b = paths[0], paths[1]
		} else if i > 0 {
			a, b = "BASE", p
		}
		return fault.New(fault.Usage, "for a live comparison: --a "+a+" --b "+b, "%q is no result, but something to measure", p)
	}
	return nil
}

func readInputs(paths []string) ([]compare.Input, error) {
	var out []compare.Input
	for _, p := range paths {
		d, sum, err := readResult(p)
		if err != nil {
			return nil, err
		}
		out = append(out, compare.Input{Path: p, SHA256: sum, Doc: d})
	}
	return out, nil
}

// madeBy gives a document that was computed of another the machine and the model of that one, and the command of this run.
func (a *app) madeBy(d, of *report.Document) {
	made := a.newDocument(d.Kind).Manifest
	d.Manifest = report.Manifest{Tool: made.Tool, Go: made.Go, Command: made.Command, Host: of.Manifest.Host, CPUs: of.Manifest.CPUs, Model: of.Manifest.Model}
}

// againstBaseline compares results with the runs of a store that are of their kind, and adds the newest of them to it.
func (f *compareFlags) againstBaseline(a *app, head []compare.Input) error {
	store, err := baseline.Open(f.baseline)
	if err != nil {
		return err
	}
	if err := store.Missing(); err != nil {
		if f.update == "never" {
			return err
		}
		a.log.Info("this is the first run of the baseline: " + err.Error())
		return f.first(a, store, head)
	}
	newest := head[len(head)-1].Doc
	f.opts.Accepted = append(f.opts.Accepted, store.Accepted()...)
	var base []compare.Input
	b := report.CompareBaseline{Spec: f.baseline, Kind: store.Kind, Newest: store.Runs()[0].Document.Created.UTC().Format(time.RFC3339)}
	var like *report.Document // the newest run that may be compared; the others of the base are like it
	for _, r := range store.Runs() {
		if like == nil && (f.opts.Force || compare.Comparable(r.Document, newest, f.opts.Vary)) {
			like = r.Document
		}
		if like != nil && compare.Comparable(r.Document, like, []string{"seed"}) {
			base = append(base, compare.Input{Path: r.Path, SHA256: r.SHA256, Doc: r.Document})
			continue
		}
		b.Left++
	}
	if len(base) == 0 { // let the comparison say in what the newest differs
		r := store.Runs()[0]
		base = append(base, compare.Input{Path: r.Path, SHA256: r.SHA256, Doc: r.Document})
		b.Left--
	}
	b.Runs = len(base)
	d, err := compare.Files(base, head, f.opts)
	if err != nil {
		return err
	}
	a.madeBy(d, newest)
	for _, w := range []string{store.Age(time.Now()), store.Machines(newest)} {
		if w != "" {
			d.Warn("%s", w)
		}
	}
	return f.record(a, store, d, b, newest)
}

// first adds the first run of a store, which has nothing to be compared with: only the gates on its own values judge it.
func (f *compareFlags) first(a *app, store *baseline.Store, head []compare.Input) error {
	newest := head[len(head)-1].Doc
	d := a.newDocument("compare")
	d.Manifest.Model = newest.Manifest.Model
	x := &report.CompareDetails{Mode: "files", Metrics: []report.CompareMetric{}, Reason: "the first run of this baseline: nothing to compare it with",
		Head: report.CompareSide{Name: filepath.Base(head[0].Path), Kind: "files"}, Base: report.CompareSide{Name: f.baseline, Kind: "files"}}
	for _, g := range f.opts.Gates {
		if g.Relative {
			continue
		}
		r := g.Eval(newest)
		if d.Gates = append(d.Gates, r); r.Verdict == report.Fail {
			x.Reason = r.Reason
		}
	}
	d.Judge(nil)
	b := report.CompareBaseline{Spec: f.baseline, Kind: store.Kind}
	if err := d.SetDetails(x); err != nil {
		return err
	}
	return f.record(a, store, d, b, newest)
}

// record adds the newest head to the store where that is asked for, then finishes. As long as the store has too few runs
// to judge by, it takes those of which nothing is decided, too: else it would never have enough.
func (f *compareFlags) record(a *app, store *baseline.Store, d *report.Document, b report.CompareBaseline, head *report.Document) error {
	x, err := detailsOf[report.CompareDetails](d)
	if err != nil {
		return err
	}
	grows := d.Verdict == report.Inconclusive && !x.Forced && store.Many() && b.Runs < compare.LeastHistory && d.Validity.Verdict == report.Valid
	if f.update == "always" || f.update == "on-pass" && (d.Verdict == report.OK || grows) {
		acceptances := accepted(f.opts.Accepted, x.Metrics)
		known := len(acceptances) == 0 && store.Holds(head)
		if known {
			d.Warn("this run is in the baseline already: it was not added again")
		} else if err := store.Add(head, acceptances); err != nil {
			return err
		}
		b.Updated = !known
		if n := b.Runs + 1; b.Updated && n <= compare.LeastHistory && store.Many() {
			d.Warn("run %d of %d that a baseline needs before it can judge", n, compare.LeastHistory)
		}
	}
	x.Baseline = &b
	if err := d.SetDetails(x); err != nil {
		return err
	}
	return f.finish(a, d)
}

// accepted returns those acceptances that made a gate pass, up to the value that they let pass.
func accepted(list []report.Acceptance, metrics []report.CompareMetric) []report.Acceptance {
	var out []report.Acceptance
	for _, acc := range list {
		for _, m := range metrics {
			if acc.At == "" && m.Name == acc.Metric && m.Accepted {
				out = append(out, report.Acceptance{Metric: m.Name, Labels: m.Labels, Reason: acc.Reason, At: time.Now().UTC().Format(time.RFC3339), Until: m.Head})
			}
		}
	}
	return out
}
