package cmd

import (
	"context"
	"os/exec"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"infer/internal/fault"
	"infer/model/measure"
	"infer/profile"
	"infer/report"
)

// profileFlags are the flags of infer profile.
type profileFlags struct {
	opts   profile.Options
	engine engineFlags
	bind   bindFlags
	data   dataFlags
	warmUp string
	gates  []string
	strict bool
	output string

	exports     []string // FORMAT=FILE
	fromTrace   string
	diff        string // the base; the operand is the head
	pre, post   string // commands
	adviceGates []string
	listAdvice  bool
	set         *pflag.FlagSet // to tell what the command line names
}

func newProfileCmd(a *app, run func(context.Context, *app, []string, profileFlags) error) *cobra.Command {
	f := profileFlags{opts: profile.DefaultOptions}
	c := &cobra.Command{
		Use:   "profile [MODEL]",
		Short: "Measure what a model costs: latency, shares by operator, cold start, memory",
		Long: `profile measures one session of a model on this machine.

Latency comes from an unprofiled steady-state run: warm-up ends where a change-point test finds it over, every
percentile has an order-statistic interval, and one that the sample cannot support is left out. Shares by operator
come from a separate profiled pass, cold start from fresh processes.

The commands of --pre and --post stand for the work before and behind the model. One that goes on reading gets a line, the
number of the run, for each run and answers with a line; one that ends is started anew for each run. Each is measured
alone and in turn with the model.

MODEL may come from model: in infer.yaml, or be the only .onnx file of the folder.`,
		Example: `  infer profile model.onnx
  infer profile model.onnx --dim batch=8 --threads 2 --runs 400
  infer profile model.onnx --batch 1,2,4,8 --report profile.json --report profile.md
  infer profile model.onnx --pre 'while read run; do echo ready; done' --post 'sleep 0.01'
  infer profile model.onnx --gate 'latency_p99<20ms' --strict`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return run(c.Context(), a, args, f) },
	}
	fs := c.Flags()
	f.set = fs
	fs.IntVar(&f.opts.Runs, "runs", f.opts.Runs, "timed runs after warm-up (default: as many as --duration gives)")
	fs.DurationVar(&f.opts.Duration, "duration", f.opts.Duration, "length of the timed phase, where --runs is not given")
	fs.StringVar(&f.warmUp, "warm-up", "auto", "untimed runs first: auto|`N`; auto ends where a change-point test finds the runs steady")
	fs.IntVar(&f.opts.Cold, "cold", f.opts.Cold, "fresh processes to measure cold start and peak memory in; 0 for none")
	fs.Int64SliceVar(&f.opts.Batches, "batch", nil, "batch sizes to sweep, such as `1,2,4,8`")
	fs.Lookup("batch").DefValue = "" // or the help says (default [])
	fs.StringVar(&f.opts.By, "by", f.opts.By, "what the shares are grouped by: op|node|block|origin|provider|dtype; origin is the nodes as the model's author wrote them")
	fs.IntVar(&f.opts.Top, "top", f.opts.Top, "rows of the table of shares")
	fs.IntVar(&f.opts.ProfiledRuns, "profiled-runs", f.opts.ProfiledRuns, "traced runs at most, which take turns with untraced ones; 0 for no shares")
	fs.StringVar(&f.opts.TracePath, "trace", "", "keep the runtime's trace of the profiled pass in `FILE`")
	fs.StringVar(&f.opts.Roofline, "roofline", f.opts.Roofline, "ceilings of this machine: auto|measure|off; auto measures them once and keeps them")
	fs.StringArrayVar(&f.exports, "export", nil, "write the profile for another tool, `FORMAT=FILE`: "+strings.Join(exportNames(), ", ")+"; repeatable")
	fs.StringVar(&f.fromTrace, "from-trace", "", "read the trace in `FILE` in place of running anything; MODEL, where given, tells what its nodes compute")
	fs.StringVar(&f.diff, "diff", "", "compare the profile or trace in `BASE` with the one that the operand names, node by node")
	fs.StringVar(&f.pre, "pre", "", "`COMMAND` that stands for what comes before the model: it reads a line and writes one for each run, or is started anew for each")
	fs.StringVar(&f.post, "post", "", "`COMMAND` that stands for what comes after the model, likewise")
	fs.StringArrayVar(&f.adviceGates, "advice-gate", nil, "exit 3 when the advice `RULE` applies, such as LAYOUT; repeatable")
	fs.BoolVar(&f.listAdvice, "list-advice", false, "list the rules of the advice and end")
	fs.StringArrayVar(&f.gates, "gate", nil, "threshold that must hold, such as 'latency_p99<20ms'; repeatable; exit 3 when missed")
	fs.BoolVar(&f.strict, "strict", false, "exit 4 when the measurement is not to be trusted or a gate is inconclusive")
	addOutputFlag(fs, &f.output)
	a.gh.add(fs)
	f.engine.add(fs)
	f.bind.add(fs)
	f.data.add(fs)
	return c
}

func runProfile(ctx context.Context, a *app, args []string, f profileFlags) error {
	if err := f.parseWarmUp(); err != nil {
		return err
	}
	if err := f.checkExports(); err != nil {
		return err
	}
	if err := f.checkAdviceGates(); err != nil {
		return err
	}
	switch {
	case f.listAdvice:
		return runListAdvice(a, f.output)
	case f.diff != "":
		return runProfileDiff(ctx, a, args, f)
	case f.fromTrace != "":
		return runFromTrace(ctx, a, args, f)
	}
	return runLiveProfile(ctx, a, args, f)
}

// runLiveProfile runs the model.
func runLiveProfile(ctx context.Context, a *app, args []string, f profileFlags) error {
	if err := f.opts.Validate(); err != nil {
		return err
	}
	gates, err := report.ParseGates("profile", f.gates)
	if err != nil {
		return err
	}
	o, err := a.open(ctx, args, f.engine, f.bind, f.data)
	if err != nil {
		return err
	}
	defer o.close()
	if err := a.checkOutputs(o.model, []string{f.data.Source}, f.outputs()...); err != nil {
		return err
	}
	for _, b := range f.opts.Batches { // before minutes of measuring, not after
		if _, err := o.data.inputs(b); err != nil {
			return fault.Wrap(err, "--batch %d", b)
		}
	}
	d := a.newDocument("profile")
	if err := a.manifest(d, o); err != nil {
		return err
	}
	f.opts.Cache = a.libraryOptions("").Cache()
	spec := coldSpec{Library: o.library.Path, Model: o.path, Config: o.config, Data: f.data, Bind: f.bind}
	target := profile.Target{
		Model: o.model, Provider: o.provider, Config: o.config, Inputs: o.data.inputs, Progress: a.progress(), Runtime: o.library.Version, Sizes: f.bind.words(),
		Cold: func(ctx context.Context) *exec.Cmd { return coldStart(ctx, spec) },
	}
	o.data.addStages(&target)
	if err := f.addCommands(&target); err != nil {
		return err
	}
	p, err := profile.Run(ctx, target, f.opts, d)
	if err != nil {
		return o.data.explain(err)
	}
	return f.finish(a, d, p, gates)
}

// finish judges a profile and writes it in every form that was asked for.
func (f *profileFlags) finish(a *app, d *report.Document, p profile.Profiled, gates []report.Gate) error {
	d.Judge(gates)
	if err := f.judgeAdvice(d); err != nil {
		return err
	}
	unwritten := f.export(d, p.Trace) // what was measured is told all the same
	if p.Unkept != nil {
		unwritten = fault.Wrap(p.Unkept, "--trace")
	}
	a.top, a.strict = f.opts.Top, f.strict
	if err := a.emit(d, f.output); err != nil {
		return err
	}
	a.github(d)
	if unwritten != nil {
		return unwritten
	}
	return outcome(d, f.strict)
}

// outputs are the files that a profile writes.
func (f *profileFlags) outputs() []outputFile {
	files := []outputFile{{"--output", f.output}, {"--trace", f.opts.TracePath}}
	for _, e := range f.exports {
		_, file, _ := strings.Cut(e, "=")
		files = append(files, outputFile{"--export", file})
	}
	return files
}

// parseWarmUp reads --warm-up: auto, or a number of runs.
func (f *profileFlags) parseWarmUp() error {
	if f.warmUp == "auto" {
		f.opts.WarmUp = measure.Auto
		return nil
	}
	n, err := strconv.Atoi(f.warmUp)
	if err != nil || n < 0 {
		return fault.New(fault.Usage, "give auto or a number of runs", "--warm-up %q is not known", f.warmUp)
	}
	f.opts.WarmUp = n
	return nil
}
