package cmd

import (
	"context"

	"github.com/spf13/cobra"

	"infer/loadtest"
	"infer/report"
	"infer/report/decide"
)

// reportFlags are the flags of infer report.
type reportFlags struct {
	slos   []string
	gates  []string
	strict bool
	merge  bool
	verify bool
	output string
	decide decisionFlags
}

func newReportCmd(a *app, run func(context.Context, *app, []string, reportFlags) error) *cobra.Command {
	var f reportFlags
	c := &cobra.Command{
		Use:   "report [NAME=]RUN...",
		Short: "Show results again in any format, merge shards, and decide which configuration to deploy",
		Long: `report reads results that infer wrote (--format json, --report FILE.json or FILE.html), or the samples of a load test
(--samples-out), and shows one in any format; that is exit 0, whatever its verdict. With --slo and --gate it judges
anew, from the figures inside, and the exit code says the outcome.

The shards of one load test (loadtest --shard 0/4 …) are merged exactly: the figures are those of the whole load. With
--merge so are repeated runs of one load test or profile: counts add up exactly, and intervals follow from how the runs
differ. What is not alike (model, machine, options) is refused by name. The whole is judged as its parts were, and the exit
code says the outcome.

Several other results are decided between: which configuration to deploy by the objectives (--slo, else those of the
load tests), with the Pareto front of accuracy against latency, throughput within the objectives, cost and capacity. NAME=
says which results belong together; without it each load test is a configuration, and profiles, quantizations and
predictions are facts about all configurations of their model. The first configuration is what the others are compared
with. It exits 3 where none meets the objectives. The decision, read again, can be judged by others.

With --verify the numbers of the first document are computed anew from its raw data: a load test from its samples beside
it, or without them from the counts inside; a profile from its histograms; a comparison from its blocks, or from the
documents that were compared; a decision from its documents. The report lists every number as written and as recomputed;
exit 1 when one does not follow.`,
		Example: `  infer report run.json --format markdown
  infer report run.json --slo 'p99<20ms' --report run.html
  infer report fp32=fp32.json int8=int8.json --slo 'p99<200ms' --price 0.40/h --rps 500 --report decision.html
  infer report run1.json run2.json --merge --report runs.json
  infer report run.json run.samples --verify`,
		Args: usageArgs(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return run(c.Context(), a, args, f) },
	}
	fs := c.Flags()
	fs.StringArrayVar(&f.slos, "slo", nil, "judge by this objective in place of those of the load tests, such as 'p99<20ms' or 'accuracy_drop<=0.5pt'; repeatable; exit 3 when missed")
	fs.StringArrayVar(&f.gates, "gate", nil, "judge by this threshold in place of its own; repeatable; exit 3 when missed")
	fs.BoolVar(&f.strict, "strict", false, "exit 4 when a gate is inconclusive, too")
	fs.BoolVar(&f.merge, "merge", false, "merge repeated runs of one load test or profile into one document")
	fs.BoolVar(&f.verify, "verify", false, "compute the numbers of the first document anew from its raw data; exit 1 when one differs")
	f.decide.add(fs)
	addOutputFlag(fs, &f.output)
	a.gh.add(fs)
	return c
}

func runReport(_ context.Context, a *app, args []string, f reportFlags) error {
	slos, err := parseSLOs(f.slos)
	if err != nil {
		return err
	}
	o, err := f.decide.options(slos)
	if err != nil {
		return err
	}
	ops, err := operands(args)
	if err != nil {
		return err
	}
	reads := []string{f.decide.outcomes}
	for _, op := range ops {
		reads = append(reads, op.path)
	}
	if err := a.checkOutputs(nil, reads, outputFile{"--output", f.output}); err != nil {
		return err
	}
	if f.verify {
		return f.runVerify(a, ops)
	}
	d, err := f.document(a, ops, o)
	if err != nil {
		return err
	}
	a.strict = f.strict
	if err := a.emit(d, f.output); err != nil {
		return err
	}
	a.github(d)
	if shown := len(ops) == 1 && !f.merge && !f.judges(); shown {
		return nil // it was judged when it was made
	}
	return outcome(d, f.strict)
}

// judges reports whether anything is asked for but to show what is there.
func (f *reportFlags) judges() bool { return len(f.slos)+len(f.gates) > 0 || f.decide.asked() }

// document reads what the operands name into one document: as it is, merged, judged anew, or a decision between them.
func (f *reportFlags) document(a *app, ops []operand, o decide.Options) (*report.Document, error) {
	var docs []*report.Document
	for _, op := range ops {
		d, _, err := readResult(op.path)
		if err != nil {
			return nil, err
		}
		docs = append(docs, d)
	}
	decided := !f.merge && (f.decide.asked() || len(docs) > 1 && !allShards(docs) || docs[0].Kind == "report")
	kind := docs[0].Kind
	if decided {
		kind = "report"
	}
	gates, err := report.ParseGates(kind, f.gates)
	if err != nil {
		return nil, err
	}
	switch {
	case f.merge:
		return mergeRuns(docs, ops, o.SLO, gates)
	case len(docs) == 1 && !f.judges():
		return docs[0], nil
	case len(docs) == 1 && kind == "report" && docs[0].Kind == "report":
		o.SLO = append(o.SLO, gates...)
		return a.rejudged(docs[0], o)
	case decided:
		o.SLO = append(o.SLO, gates...)
		return a.decision(ops, docs, o)
	case len(docs) > 1:
		return loadtest.Merge(docs, o.SLO, gates)
	case kind == "loadtest":
		return f.rejudgedLoad(a, ops, docs[0], o, gates)
	}
	d := docs[0]
	d.Gates = nil
	if d.Verdict == report.FailedGate || d.Verdict == report.Inconclusive {
		d.Verdict = report.OK
	}
	d.Judge(append(o.SLO, gates...))
	return d, nil
}

// rejudgedLoad judges a load test anew by its figures. A search or a sweep has none for each of its loads, and is decided
// about: at the highest load that holds.
func (f *reportFlags) rejudgedLoad(a *app, ops []operand, d *report.Document, o decide.Options, gates []report.Gate) (*report.Document, error) {
	x, err := loadtest.Details(d)
	if err != nil {
		return nil, err
	}
	if len(x.Points) > 0 && len(gates) == 0 {
		return a.decision(ops, []*report.Document{d}, o)
	}
	return d, loadtest.Rejudge(d, x, o.SLO, gates)
}

// allShards reports whether documents are shards of a load, which are merged.
func allShards(docs []*report.Document) bool {
	for _, d := range docs {
		if d.Kind != "loadtest" {
			return false
		}
		if x, err := loadtest.Details(d); err != nil || x.Schedule.Shard == "" {
			return false
		}
	}
	return true
}
