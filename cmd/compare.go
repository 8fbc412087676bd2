package cmd

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"infer/internal/fault"
	"infer/loadtest"
	"infer/report"
	"infer/report/compare"
)

// compareFlags are the flags of infer compare.
type compareFlags struct {
	bases, heads []string
	a, b         string
	aSet, bSet   []string
	opts         compare.Options
	gates        []string
	minEffect    string
	accept       []string
	explain      bool
	strict       bool
	output       string

	block   time.Duration
	maxTime time.Duration
	rps     float64
	load    loadtestFlags // what the blocks of a load are made of

	baseline string
	update   string
}

func newCompareCmd(a *app, run func(context.Context, *app, []string, compareFlags) error) *cobra.Command {
	f := compareFlags{opts: compare.DefaultOptions, load: loadtestFlags{opts: loadtest.DefaultOptions, instances: 1, env: a.std.Env}}
	c := &cobra.Command{
		Use:   "compare [BASE HEAD]",
		Short: "Tell a regression from noise: two results, or two things measured in turns",
		Long: `compare says whether HEAD is worse than BASE: ok, regressed or inconclusive, by gates such as 'latency_p99<=+5%'.

Live, --a and --b are a MODEL.onnx, the URL of a server, or exec:COMMAND: a server to start where {port} (or {grpc}) stands
for its port, else a program that is timed from start to exit. Blocks of both are measured in turns, a pair with the
same inputs and arrivals, until the gates are decided or --max-time is over. What drifts on the machine hits both alike,
so this tells small changes from noise where two runs on different days cannot.

BASE and HEAD are results that infer wrote, or those of perf_analyzer, Locust, wrk and vegeta; several a side with --base and
--head. They must be of the same machine, input and options; what differs is named, and --vary allows it.

Exit codes: 0 ok or inconclusive, 3 regressed, 4 not comparable or not trustworthy (with --strict inconclusive, too).`,
		Example: `  infer compare --a base.onnx --b head.onnx --gate 'latency_p50<=+5%' --explain
  infer compare --a http://localhost:8000 --b http://localhost:9000 --rps 200 --gate 'latency_p99<=+5%'
  infer compare --a 'exec:infer serve base.onnx --http :{port} --grpc off --metrics off' --b 'exec:infer serve head.onnx --http :{port} --grpc off --metrics off' --rps 200
  infer compare base.json head.json --gate 'latency_p99<=+5%' --gate 'model_bytes<=+0%'
  infer compare head.json --baseline runs/ --update-baseline on-pass`,
		Args: usageArgs(cobra.MaximumNArgs(2)),
		RunE: func(c *cobra.Command, args []string) error {
			f.load.set = c.Flags()
			return run(c.Context(), a, args, f)
		},
	}
	fs := c.Flags()
	f.addSides(fs)
	f.addJudging(fs)
	f.addLoad(fs)
	addOutputFlag(fs, &f.output)
	a.gh.add(fs)
	f.load.engine.add(fs)
	f.load.bind.add(fs)
	f.load.data.add(fs)
	return c
}

func (f *compareFlags) addSides(fs *pflag.FlagSet) {
	fs.StringVar(&f.a, "a", "", "base of a live comparison: a `TARGET` (MODEL.onnx, URL or exec:COMMAND)")
	fs.StringVar(&f.b, "b", "", "head of a live comparison: a `TARGET`")
	fs.StringArrayVar(&f.aSet, "a-set", nil, "`NAME=VALUE` of --threads, --inter-threads, --provider or --session-config for --a alone; repeatable")
	fs.StringArrayVar(&f.bSet, "b-set", nil, "the same for --b; repeatable")
	fs.StringArrayVar(&f.bases, "base", nil, "result `FILE` of the base; repeatable, and more may follow behind commas")
	fs.StringArrayVar(&f.heads, "head", nil, "result `FILE` of the head; repeatable")
	fs.StringVar(&f.baseline, "baseline", "", "accepted runs as base: a file, a folder, or git:`REF[:PATH]`")
	fs.StringVar(&f.update, "update-baseline", "never", "add the head to --baseline: on-pass|always|never")
}

func (f *compareFlags) addJudging(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.gates, "gate", nil, "threshold: a change ('latency_p99<=+5%', 'accuracy_top1>=-0.5pt') or a limit of the head ('latency_p99<20ms'); repeatable; exit 3 when missed")
	fs.Float64Var(&f.opts.Alpha, "alpha", f.opts.Alpha, "how often a gate may fail though nothing is worse, over all looks at the pairs together")
	fs.StringVar(&f.minEffect, "min-effect", "1%", "change that does not matter, however certain")
	fs.StringSliceVar(&f.opts.Vary, "vary", nil, "what may differ between the sides, such as `provider,threads`: any option that results record, and "+strings.Join(compare.VaryNames(), ", "))
	fs.BoolVar(&f.opts.Force, "force", false, "compare what is not comparable, and mark the result")
	fs.StringArrayVar(&f.accept, "accept", nil, "accept a regression: `METRIC:REASON`; recorded in the result and in --baseline; repeatable")
	fs.BoolVar(&f.explain, "explain", false, "say which node or phase moved")
	fs.BoolVar(&f.strict, "strict", false, "exit 4 when the comparison is inconclusive, too")
}

func (f *compareFlags) addLoad(fs *pflag.FlagSet) {
	o := &f.load.opts
	fs.IntVar(&f.opts.Pairs, "pairs", f.opts.Pairs, "pairs of blocks before the gates are judged first; more follow until they are decided or --max-time is over")
	fs.DurationVar(&f.block, "block", 0, "`TIME` of a block (default: 1s, or as long as --rps takes for the requests that a p99 needs)")
	fs.DurationVar(&f.maxTime, "max-time", 2*time.Minute, "`TIME` for all pairs")
	fs.Float64Var(&f.rps, "rps", 0, "offer this arrival rate to both (open loop); default: one run or request after the other")
	fs.IntVar(&o.Concurrency, "concurrency", 0, "requests under way at a time (closed loop)")
	fs.StringVar(&o.Schedule.Arrival, "arrival", o.Schedule.Arrival, "arrivals of --rps: poisson|constant|gamma:SHAPE|burst:N")
	fs.DurationVar(&o.Timeout, "timeout", o.Timeout, "`TIME` from when a request was due until it is given up")
	fs.IntVar(&o.Connections, "connections", o.Connections, "connections at most")
	f.load.target.add(fs)
}

func runCompare(ctx context.Context, a *app, args []string, f compareFlags) error {
	if err := f.validate(); err != nil {
		return err
	}
	live := f.a != "" || f.b != ""
	files := len(args) > 0 || len(f.bases)+len(f.heads) > 0 || f.baseline != ""
	switch {
	case live && files:
		return fault.New(fault.Usage, "give --a and --b, or result files", "a live comparison and result files cannot go together")
	case live:
		return f.runLive(ctx, a)
	}
	return f.runFiles(a, args)
}

// validate reads the flags that both ways of comparing have.
func (f *compareFlags) validate() (err error) {
	if f.opts.Gates, err = report.ParseGates("compare", f.gates); err != nil {
		return err
	}
	if f.opts.MinEffect, err = share("min-effect", f.minEffect); err != nil {
		return err
	}
	for _, text := range f.accept {
		metric, reason, ok := strings.Cut(text, ":")
		if strings.TrimSpace(reason) == "" || !ok {
			return fault.New(fault.Usage, "write it like 'latency_p99:the new tokenizer is worth it'", "--accept %q is not METRIC:REASON", text)
		}
		if err := knownMetric(metric); err != nil {
			return fault.Wrap(err, "--accept %q", text)
		}
		f.opts.Accepted = append(f.opts.Accepted, report.Acceptance{Metric: metric, Reason: strings.TrimSpace(reason)})
	}
	switch f.update {
	case "never", "on-pass", "always":
	default:
		return fault.New(fault.Usage, "give on-pass, always or never", "--update-baseline %q is not known", f.update)
	}
	f.opts.Explain = f.explain
	return f.opts.Validate()
}

// knownMetric returns a fault where there is no metric of a name.
func knownMetric(name string) error {
	if _, ok := report.KnownByName(name); ok {
		return nil
	}
	var names []string
	for _, k := range report.Known() {
		names = append(names, k.Name)
	}
	hint := "the metrics are " + strings.Join(names, " ")
	if near := fault.Nearest(name, names); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	return fault.New(fault.Usage, hint, "there is no metric %q", name)
}

// share reads a part of a whole, as a percentage or a number.
func share(flag, text string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil {
		return 0, fault.New(fault.Usage, "give a share such as 1% or 0.01", "--%s %q is no share", flag, text)
	}
	if percent {
		v /= 100
	}
	return v, nil
}

// finish emits a comparison and says its outcome.
func (f *compareFlags) finish(a *app, d *report.Document) error {
	a.strict = f.strict
	if err := a.emit(d, f.output); err != nil {
		return err
	}
	a.github(d)
	return outcome(d, f.strict)
}
