package cmd

import (
	"math"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/pflag"

	"infer/internal/fault"
	"infer/loadtest"
	"infer/report"
	"infer/report/decide"
)

// decisionFlags are those of infer report that ask for a decision.
type decisionFlags struct {
	prices   []string
	use      string
	rps      float64
	target   string
	outcomes string
}

func (f *decisionFlags) add(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.prices, "price", nil, "what an hour costs, for the cost per million inferences: `[NAME=]PRICE/h`, such as 0.40/h or int8='$0.80/h'; repeatable")
	fs.StringVar(&f.use, "utilization", "", "share of its capacity that a replica is planned to be used at, such as 70% (default 100%)")
	fs.Float64Var(&f.rps, "rps", 0, "`RATE` to plan for, in requests a second: how many replicas it takes, and what they cost")
	fs.StringVar(&f.target, "accuracy-target", "", "objective on accuracy, against the first configuration: mlperf99 (99 % of it) or mlperf99.9")
	fs.StringVar(&f.outcomes, "outcome", "", "CSV `FILE` of what a business measured of each configuration: variant,metric,value,n and lo,hi or sd")
}

// asked reports whether any of the flags is set.
func (f *decisionFlags) asked() bool {
	return len(f.prices) > 0 || f.use != "" || f.rps != 0 || f.target != "" || f.outcomes != ""
}

// options are what the flags say.
func (f *decisionFlags) options(slos []report.Gate) (decide.Options, error) {
	o := decide.Options{SLO: slos, Demand: f.rps, Now: time.Now()}
	var err error
	if f.rps != 0 && !(f.rps > 0 && f.rps <= loadtest.MaxRate) || math.IsNaN(f.rps) {
		return o, fault.New(fault.Usage, "give requests a second, such as 500", "--rps %v is not above 0 and at most %.0f", f.rps, loadtest.MaxRate)
	}
	for _, text := range f.prices {
		p, err := decide.ParsePrice(text)
		if err != nil {
			return o, fault.Wrap(err, "--price")
		}
		o.Prices = append(o.Prices, p)
	}
	if f.use != "" {
		if o.Use, err = decide.ParseUse(f.use); err != nil {
			return o, fault.Wrap(err, "--utilization")
		}
	}
	if o.AccuracyTarget, err = decide.ParseAccuracyTarget(f.target); err != nil {
		return o, fault.Wrap(err, "--accuracy-target")
	}
	if f.outcomes != "" {
		if o.Outcomes, err = readOutcomes(f.outcomes); err != nil {
			return o, err
		}
	}
	return o, nil
}

func readOutcomes(path string) ([]report.Outcome, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.Usage, "give a CSV with the columns variant,metric,value,n", "--outcome: %w", err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, fault.New(fault.Usage, "give a CSV with the columns variant,metric,value,n", "--outcome: %q is a folder", path)
	}
	list, err := decide.ParseOutcomes(file)
	return list, fault.Wrap(err, "--outcome %q", path)
}

// operand is a RUN or NAME=RUN of infer report.
type operand struct{ name, path string }

// operands takes the names off. What is a file as it stands has none; a name has no folder in it.
func operands(args []string) ([]operand, error) {
	var list []operand
	for _, a := range args {
		name, path, ok := strings.Cut(a, "=")
		if _, err := os.Stat(a); err == nil || !ok || strings.ContainsAny(name, `/\`) {
			list = append(list, operand{path: a})
			continue
		}
		const hint = "write NAME=RUN, such as int8=load.json"
		switch name = strings.TrimSpace(name); {
		case name == "":
			return nil, fault.New(fault.Usage, hint, "%q has no name before =", a)
		case path == "":
			return nil, fault.New(fault.Usage, hint, "%q has no file behind =", a)
		case len(name) > 64 || strings.ContainsFunc(name, unicode.IsControl):
			return nil, fault.New(fault.Usage, hint, "the name %q is longer than 64 bytes, or no line of text", name)
		}
		list = append(list, operand{name, path})
	}
	return list, nil
}

// decision decides between what the documents are of.
func (a *app) decision(ops []operand, docs []*report.Document, o decide.Options) (*report.Document, error) {
	var in []decide.Input
	for i, op := range ops {
		sum, err := fileHash(op.path)
		if err != nil {
			return nil, err
		}
		in = append(in, decide.Input{Name: op.name, Path: op.path, SHA256: sum, Doc: docs[i]})
	}
	d, err := decide.Decide(in, o)
	if err != nil {
		return nil, err
	}
	d.Manifest = a.newDocument("report").Manifest
	return d, nil
}

// rejudged decides anew from a decision.
func (a *app) rejudged(d *report.Document, o decide.Options) (*report.Document, error) {
	out, err := decide.Rejudge(d, o)
	if err != nil {
		return nil, err
	}
	out.Manifest.Command = a.newDocument("report").Manifest.Command
	return out, nil
}
