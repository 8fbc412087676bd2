package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"infer/internal/fault"
	"infer/optimize/quantize"
	"infer/optimize/tune"
	"infer/report"
)

// tuneFlags are the flags of infer tune.
type tuneFlags struct {
	opts     tune.Options
	engine   engineFlags
	bind     bindFlags
	data     dataFlags
	slos     []string
	knobs    []string
	batches  []int64
	variants []string // NAME=FILE
	labelled string
	budget   string
	dryRun   bool
	strict   bool
	output   string
}

func newTuneCmd(a *app, run func(context.Context, *app, []string, tuneFlags) error) *cobra.Command {
	var f tuneFlags
	c := &cobra.Command{
		Use:   "tune [MODEL] -o tuned.yaml",
		Short: "Find the run-time settings that serve a model best on this machine",
		Long: `tune searches threads, instances, batch size and settings of the runtime for the ones that give the highest throughput
(or the lowest latency) within --slo on this machine, and writes them to a file that profile, serve and loadtest take as
--config.

What makes no sense here is left out before anything is measured, and the reason is said (--dry-run says it alone). The
rest runs in short blocks, in shuffled rounds, so that whatever disturbs the machine meets all settings alike; what is
clearly worse drops out, and what is left is measured anew in fresh sessions against the default. A gain that the noise
could have made is none: keeping the default is an answer, and the file says so.

--variant adds the same model in another precision. Which of them keep the accuracy is decided once, on --data, before
any of them is timed.`,
		Example: `  infer tune model.onnx --slo 'p99<20ms' -o tuned.yaml
  infer tune model.onnx --objective latency --max-time 2m
  infer tune model.onnx --knob 'threads=1|2' --knob 'session.force_spinning_stop=0|1'
  infer tune model.onnx --variant other=other.onnx --data test/ --accuracy-budget top1:0.5
  infer tune model.onnx --dry-run`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return run(c.Context(), a, args, f) },
	}
	f.add(c.Flags())
	a.gh.add(c.Flags())
	return c
}

func (f *tuneFlags) add(fs *pflag.FlagSet) {
	fs.StringVarP(&f.output, "output", "o", "tuned.yaml", "`FILE` to write the settings to, for --config")
	fs.StringVar(&f.opts.Objective, "objective", "throughput", "what is to be best: throughput (rows a second) or latency (the p50 of a run)")
	fs.StringArrayVar(&f.slos, "slo", nil, "objective that must hold, such as 'p99<20ms' or 'throughput>=300/s'; repeatable; exit 3 when no setting holds it")
	fs.DurationVar(&f.opts.MaxTime, "max-time", 5*time.Minute, "`TIME` that the search may take")
	fs.StringArrayVar(&f.knobs, "knob", nil, "`NAME=A|B|C`: the values of a knob, of a session-config entry (its full name), or of a provider option (provider.key, cuda.key); repeatable")
	fs.Int64SliceVar(&f.batches, "batch", []int64{1, 2, 4, 8}, "rows of a run to try, where the first axis is dynamic")
	fs.Lookup("batch").DefValue = "1,2,4,8"
	fs.StringArrayVar(&f.variants, "variant", nil, "`NAME=FILE`: the same model in another precision; repeatable")
	fs.StringVar(&f.labelled, "data", "", "`DATA` with labels on which variants are judged")
	fs.StringVar(&f.budget, "accuracy-budget", "", "accuracy that a variant must keep: top1:0.5 (points, the default with labels) or agreement:99%")
	fs.StringVar(&f.opts.Journal, "journal", "", "`FILE` of what was measured; an interrupted search goes on from it")
	fs.BoolVar(&f.dryRun, "dry-run", false, "say what would be searched, and what is left out and why; measure nothing")
	fs.BoolVar(&f.strict, "strict", false, "exit 4 when the measurement is not to be trusted or an objective is inconclusive")
	f.engine.add(fs)
	f.bind.add(fs)
	f.data.add(fs)
}

// settle checks what needs no model.
func (f *tuneFlags) settle() (err error) {
	if f.opts.Objective != "throughput" && f.opts.Objective != "latency" {
		return fault.New(fault.Usage, "use throughput or latency", "--objective %q is not known", f.opts.Objective)
	}
	if f.opts.MaxTime < time.Second {
		return fault.New(fault.Usage, "give a time such as 5m", "--max-time %v is below 1s", f.opts.MaxTime)
	}
	if f.opts.SLOs, err = parseSLOs(f.slos); err != nil {
		return err
	}
	for _, g := range f.opts.SLOs {
		known := strings.HasPrefix(g.Metric, "latency_") || g.Metric == "throughput" || g.Metric == "peak_rss" || g.Metric == "accuracy_top1" && f.labelled != ""
		if !known || len(g.Labels) > 0 {
			return fault.New(fault.Usage, "use mean, p50, p90, p95, p99, max, throughput or peak_rss, or with --data accuracy_top1, without labels", "objective %q: infer tune does not measure %s", g.Expr, g.Metric)
		}
	}
	for _, b := range f.batches {
		if b < 1 {
			return fault.New(fault.Usage, "give numbers of rows, such as 1,2,4,8", "--batch %d is not at least 1", b)
		}
	}
	if f.budget != "" {
		b, err := quantize.ParseBudget(f.budget)
		if err != nil {
			return err
		}
		if b.Kind != "top1" && b.Kind != "agreement" {
			return fault.New(fault.Usage, "use top1:0.5 or agreement:99%", "--accuracy-budget %q: infer tune judges classes alone", f.budget)
		}
		if f.labelled == "" {
			return fault.New(fault.Usage, "pass --data with a data set", "--accuracy-budget has no rows to be judged on")
		}
	}
	if f.labelled != "" && len(f.variants) == 0 {
		return fault.New(fault.Usage, "pass --variant NAME=FILE, or leave it out", "--data judges variants, and there is none")
	}
	f.opts.Seed = f.data.Seed
	return nil
}

func runTune(ctx context.Context, a *app, args []string, f tuneFlags) error {
	if err := f.settle(); err != nil {
		return err
	}
	t := &tuner{f: &f, a: a}
	defer t.close()
	if err := t.load(args); err != nil {
		return err
	}
	reads := []string{f.data.Source, f.labelled}
	for _, v := range t.variants {
		reads = append(reads, v.path)
	}
	files := []outputFile{{"--output", f.output}, {"--journal", f.opts.Journal}}
	if f.dryRun {
		files = nil
	}
	if err := a.checkOutputs(t.base.model, reads, files...); err != nil {
		return err
	}
	if f.dryRun {
		return t.dryRun()
	}
	d := a.newDocument("tune")
	if err := t.start(ctx, d); err != nil {
		return err
	}
	if err := t.judgeVariants(ctx, d); err != nil {
		return err
	}
	if err := t.plan(); err != nil {
		return err
	}
	x, err := t.search(ctx, d)
	if err != nil {
		return t.base.data.explain(err)
	}
	return t.finish(d, x)
}

// tuner is one search: the model and its variants, the space, and what opening a setting told.
type tuner struct {
	f        *tuneFlags
	a        *app
	base     *opened
	variants []*variant
	accuracy *report.Interval // of the model, where variants were judged on labels
	space    *tuneSpace
	opens    map[string]openCost // by setting
}

// load opens what needs no runtime: the model, its inputs, its variants.
func (t *tuner) load(args []string) (err error) {
	t.base = &opened{}
	if err := t.base.load(t.a, args, t.f.engine, t.f.bind, t.f.data); err != nil {
		return err
	}
	return t.loadVariants()
}

// start loads the runtime and says in d what is searched.
func (t *tuner) start(ctx context.Context, d *report.Document) error {
	if err := t.base.start(ctx, t.a, t.f.engine); err != nil {
		return err
	}
	if err := t.a.manifest(d, t.base); err != nil {
		return err
	}
	o := d.Manifest.Options
	delete(o, "threads") // they are searched
	delete(o, "inter_threads")
	o["objective"], o["max_time_s"] = t.f.opts.Objective, t.f.opts.MaxTime.Seconds()
	if len(t.f.slos) > 0 {
		o["slo"] = t.f.slos
	}
	d.Manifest.Seed = &t.f.data.Seed
	return nil
}

// search runs the search, and adds what only the command knows.
func (t *tuner) search(ctx context.Context, d *report.Document) (*report.TuneDetails, error) {
	o := t.f.opts
	o.Progress = t.a.progress()
	var err error
	if o.Manifest, err = t.identity(d); err != nil {
		return nil, err
	}
	t.opens = map[string]openCost{}
	o.MaxOpen = t.mostOpen()
	x, err := tune.Search(ctx, t.describe(), t.open, o)
	if err != nil {
		return nil, err
	}
	x.SLOs, x.Variants = t.f.slos, t.reportVariants()
	x.Pruned = append(slices.Clone(t.space.pruned), x.Pruned...)
	for i := range x.Trials {
		c := t.opens[settingText(t.space.full(x.Trials[i].Setting))]
		x.Trials[i].Init, x.Trials[i].FirstRun = c.init.Seconds(), c.firstRun.Seconds()
	}
	return x, nil
}

// dryRun reports the space, and measures nothing.
func (t *tuner) dryRun() error {
	if err := t.plan(); err != nil {
		return err
	}
	d := t.a.newDocument("tune")
	sum, err := t.base.model.Digest()
	if err != nil {
		return err
	}
	d.Manifest.Model = &report.ModelRef{Path: t.base.model.Path, SHA256: sum, Bytes: t.base.model.Bytes()}
	x, err := tune.Survey(t.describe())
	if err != nil {
		return err
	}
	x.Objective, x.SLOs, x.Variants = t.f.opts.Objective, t.f.slos, t.reportVariants()
	x.Pruned = append(slices.Clone(t.space.pruned), x.Pruned...)
	x.Reading = fmt.Sprintf("%d settings would be searched in %v at most; nothing was measured", x.Candidates, t.f.opts.MaxTime)
	if err := d.SetDetails(x); err != nil {
		return err
	}
	return t.a.emit(d, "")
}

func (t *tuner) close() {
	for _, v := range t.variants {
		v.close()
	}
	if t.base != nil {
		t.base.close()
	}
}
