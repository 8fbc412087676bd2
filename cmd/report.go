package cmd

import (
	"context"

	"github.com/spf13/cobra"

	"infer/internal/fault"
	"infer/loadtest"
	"infer/loadtest/sample"
	"infer/report"
)

// reportFlags are the flags of infer report.
type reportFlags struct {
	slos   []string
	gates  []string
	strict bool
	output string
}

func newReportCmd(a *app, run func(context.Context, *app, []string, reportFlags) error) *cobra.Command {
	var f reportFlags
	c := &cobra.Command{
		Use:   "report RUN...",
		Short: "Show results again in any format, from documents or samples, and merge shards",
		Long: `report reads results that infer wrote (--format json, --report FILE.json or FILE.html), or the samples of a load test
(--samples-out), and shows them in any format; that is exit 0, whatever their verdict. With --slo and --gate it judges
anew, from the figures inside, and the exit code says the outcome.

The shards of one load test (loadtest --shard 0/4 …) are merged exactly: the figures are those of the whole load.`,
		Example: `  infer report run.json --format markdown
  infer report run.json --slo 'p99<20ms' --report run.html`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return run(c.Context(), a, args, f) },
	}
	fs := c.Flags()
	fs.StringArrayVar(&f.slos, "slo", nil, "judge a load test by this objective in place of its own, such as 'p99<20ms'; repeatable; exit 3 when missed")
	fs.StringArrayVar(&f.gates, "gate", nil, "judge by this threshold in place of its own; repeatable; exit 3 when missed")
	fs.BoolVar(&f.strict, "strict", false, "exit 4 when a gate is inconclusive, too")
	addOutputFlag(fs, &f.output)
	a.gh.add(fs)
	return c
}

func runReport(_ context.Context, a *app, args []string, f reportFlags) error {
	slos, err := parseSLOs(f.slos)
	if err != nil {
		return err
	}
	if err := a.checkOutputs(nil, args, outputFile{"--output", f.output}); err != nil {
		return err
	}
	d, err := f.document(args, slos)
	if err != nil {
		return err
	}
	a.strict = f.strict
	if err := a.emit(d, f.output); err != nil {
		return err
	}
	a.github(d)
	if len(f.slos)+len(f.gates) == 0 {
		return nil // it was judged when it was made, and is only shown
	}
	return outcome(d, f.strict)
}

// document reads what the arguments name into one document.
func (f *reportFlags) document(args []string, slos []report.Gate) (*report.Document, error) {
	var docs []*report.Document
	for _, path := range args {
		d, err := f.read(path)
		if err != nil {
			return nil, err
		}
		docs = append(docs, d)
	}
	gates, err := report.ParseGates(docs[0].Kind, f.gates)
	if err != nil {
		return nil, err
	}
	if len(docs) > 1 {
		for i, d := range docs {
			if d.Kind != "loadtest" {
				return nil, fault.New(fault.Usage, "give one document, or the shards of one load test", "%q is of kind %s: several documents are merged where they are load tests", args[i], d.Kind)
			}
		}
		return loadtest.Merge(docs, slos, gates)
	}
	d := docs[0]
	if len(slos)+len(gates) == 0 {
		return d, nil
	}
	if d.Kind == "loadtest" {
		x, err := loadtest.Details(d)
		if err != nil {
			return nil, err
		}
		return d, loadtest.Rejudge(d, x, slos, gates)
	}
	if len(slos) > 0 {
		return nil, fault.New(fault.Usage, "use --gate", "--slo judges load tests, and %q is of kind %s", args[0], d.Kind)
	}
	d.Gates = nil
	if d.Verdict == report.FailedGate || d.Verdict == report.Inconclusive {
		d.Verdict = report.OK
	}
	d.Judge(gates)
	return d, nil
}

// read reads one file: samples of a load test, or a document.
func (f *reportFlags) read(path string) (*report.Document, error) {
	if sample.IsFile(path) {
		return loadtest.Reread(path, nil, nil)
	}
	d, err := report.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if err := d.Validate(); err != nil {
		return nil, fault.New(fault.Usage, "it was changed by hand, or damaged", "report %q: %w", path, err)
	}
	return d, nil
}
