package cmd

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"infer/internal/fault"
	"infer/model"
	"infer/model/onnx"
	"infer/optimize"
	"infer/optimize/pipeline"
	"infer/optimize/surgery"
	"infer/report"
)

// optimizeFlags are the flags of infer optimize.
type optimizeFlags struct {
	opts     pipeline.Options
	engine   engineFlags
	bind     bindFlags
	data     dataFlags
	passes   []string
	list     bool
	verify   int
	maxFold  string
	opset    int64
	ir       int64
	fix      bool
	free     []string
	from, to []string
	keep     []string
	drop     []string
	external string
	output   string
}

func newOptimizeCmd(a *app, run func(context.Context, *app, []string, optimizeFlags) error) *cobra.Command {
	f := optimizeFlags{opts: pipeline.DefaultOptions()}
	c := &cobra.Command{
		Use:   "optimize [MODEL] -o OUT",
		Short: "Rewrite a model's graph so that it computes the same with less",
		Long: `optimize runs graph passes over a model until none applies any more. After each pass the model runs on random inputs, or
on those of --input, and must answer like the original within --rtol and --atol; a pass that drifts is rolled back and
reported. At last both are measured in turns: what would be slower than the original goes back too.

Level safe, the default, writes operators of ONNX alone, at the model's own opset. Level full adds fusions to operators
of ONNX Runtime (com.microsoft). --list-passes names all passes; --passes +NAME,-NAME turns single ones on and off.

Changes of the model itself are asked for by name: --opset and --ir, axes fixed (--fix-dims with --dim or --shape) or made
dynamic (--free-dim, proven row by row), a part cut out (--from, --to), outputs kept or dropped, external data in or out.`,
		Example: `  infer optimize model.onnx -o model.opt.onnx
  infer optimize model.onnx --level full --passes=-fuse-gelu
  infer optimize model.onnx --fix-dims --dim batch=1 -o model.b1.onnx
  infer optimize --list-passes`,
		Aliases: []string{"simplify"},
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE:    func(c *cobra.Command, args []string) error { return run(c.Context(), a, args, f) },
	}
	f.add(c.Flags())
	return c
}

func (f *optimizeFlags) add(fs *pflag.FlagSet) {
	fs.StringVarP(&f.output, "output", "o", "", "`FILE` of the model to write (default: MODEL.opt.onnx beside MODEL)")
	fs.StringVar(&f.opts.Level, "level", f.opts.Level, "passes that run: safe|full|none (only those of --passes)")
	fs.StringSliceVar(&f.passes, "passes", nil, "passes to turn on and off, `+NAME,-NAME`; repeatable")
	fs.BoolVar(&f.list, "list-passes", false, "list all passes with their levels, and do nothing else")
	fs.IntVar(&f.verify, "verify", 3, "sets of inputs to compare outputs on, before and after; 0 runs nothing")
	fs.Float64Var(&f.opts.Tolerance.Rel, "rtol", f.opts.Tolerance.Rel, "relative difference of outputs that is tolerated")
	fs.Float64Var(&f.opts.Tolerance.Abs, "atol", f.opts.Tolerance.Abs, "absolute difference of outputs that is tolerated")
	fs.StringVar(&f.maxFold, "fold-size-limit", "1MiB", "how much larger a folded constant may be than what it was made of")
	fs.DurationVar(&f.opts.RaceTime, "race-time", f.opts.RaceTime, "longest time to measure the speed before and after; 0 does not")
	fs.Int64Var(&f.opset, "opset", 0, "version of ai.onnx to bring the model to, up or down")
	fs.Int64Var(&f.ir, "ir", 0, "version of the file format to write")
	fs.BoolVar(&f.fix, "fix-dims", false, "fix dynamic axes to the sizes of --dim and --shape, for good")
	fs.StringArrayVar(&f.free, "free-dim", nil, "make a fixed axis dynamic, `INPUT:AXIS=NAME`, or NAME for the first axis of every input; repeatable")
	fs.StringSliceVar(&f.from, "from", nil, "cut out the part of the graph that begins at these `VALUES`")
	fs.StringSliceVar(&f.to, "to", nil, "cut out the part of the graph that ends at these `VALUES`")
	fs.StringSliceVar(&f.keep, "keep-outputs", nil, "`NAMES` of the outputs that stay")
	fs.StringSliceVar(&f.drop, "drop-outputs", nil, "`NAMES` of the outputs that go")
	fs.StringVar(&f.opts.Save.DataFile, "data-file", "", "`NAME` of the file of external data, beside the model (default: OUT.data)")
	fs.StringVar(&f.external, "external-data", "auto", "weights in a file of their own: auto|never|always")
	f.data.add(fs)
	f.engine.add(fs)
	f.bind.add(fs)
}

// settle turns the flags into options.
func (f *optimizeFlags) settle() (err error) {
	if f.opts.Passes, err = optimize.Select(optimize.Level(f.opts.Level), f.passes); err != nil {
		return err
	}
	if f.opts.MaxFold, err = parseBytes(f.maxFold); err != nil {
		return fault.Wrap(err, "--fold-size-limit")
	}
	if f.opts.Save.External, err = model.ParseExternal(f.external); err != nil {
		return fault.Wrap(err, "--external-data")
	}
	if f.fix && len(f.bind.Dims)+len(f.bind.Shapes) == 0 {
		return fault.New(fault.Usage, "say the sizes: --dim batch=1, or --shape NAME:1x3x224x224", "--fix-dims has nothing to fix")
	}
	if f.opset < 0 || f.ir < 0 {
		return fault.New(fault.Usage, "", "--opset %d and --ir %d: versions are positive", f.opset, f.ir)
	}
	f.opts.Seed = f.data.Seed
	return f.opts.Validate()
}

func runOptimize(ctx context.Context, a *app, args []string, f optimizeFlags) error {
	if f.list {
		return listPasses(a, f.output)
	}
	if err := f.settle(); err != nil {
		return err
	}
	o, err := a.open(ctx, args, f.engine, f.bind, f.data)
	if err != nil {
		return err
	}
	defer o.close()
	if f.output == "" {
		f.output = strings.TrimSuffix(o.path, filepath.Ext(o.path)) + ".opt.onnx"
		a.log.Info(fmt.Sprintf("output: %s", f.output))
	}
	data, err := f.opts.Save.DataPath(f.output)
	if err != nil {
		return err
	}
	if err := a.checkOutputs(o.model, []string{f.data.Source}, outputFile{"--output", f.output}, outputFile{"the external data of --output", data}); err != nil {
		return err
	}
	d := a.newDocument("optimize")
	if err := a.manifest(d, o); err != nil {
		return err
	}
	sets, source, err := o.data.sets(f.verify)
	if err != nil {
		return err
	}
	if f.opts.Edits, err = f.edits(o); err != nil {
		return err
	}
	t := pipeline.Task{
		Model: o.model, Provider: o.provider, Config: o.config, Bound: o.data.dims(), Inputs: sets, Source: source, Output: f.output,
		Progress: a.progress(),
	}
	d.Manifest.Options["level"], d.Manifest.Options["passes"] = f.opts.Level, f.passes
	if err := pipeline.Run(ctx, t, f.opts, d); err != nil {
		return o.data.explain(err)
	}
	if err := a.emit(d, ""); err != nil {
		return err
	}
	return outcome(d, false)
}

// edits are the changes that the flags ask for by name, in the order in which they make sense: what is cut away first
// need not be converted.
func (f *optimizeFlags) edits(o *opened) ([]pipeline.Edit, error) {
	var list []pipeline.Edit
	add := func(on bool, name string, cuts bool, run func(context.Context, *onnx.Model) ([]string, error)) {
		if on {
			list = append(list, pipeline.Edit{Name: name, Cuts: cuts, Run: run})
		}
	}
	add(len(f.keep) > 0, "--keep-outputs", false, func(_ context.Context, m *onnx.Model) ([]string, error) { return surgery.KeepOutputs(m, f.keep...) })
	add(len(f.drop) > 0, "--drop-outputs", false, func(_ context.Context, m *onnx.Model) ([]string, error) { return surgery.DropOutputs(m, f.drop...) })
	add(len(f.from)+len(f.to) > 0, "--from and --to", true, func(_ context.Context, m *onnx.Model) ([]string, error) { return surgery.Extract(m, f.from, f.to) })
	add(f.opset > 0, "--opset", false, func(ctx context.Context, m *onnx.Model) ([]string, error) { return surgery.Opset(ctx, m, f.opset) })
	if len(f.free) > 0 {
		axes, err := parseAxes(f.free)
		if err != nil {
			return nil, err
		}
		list = append(list, pipeline.Edit{Name: "--free-dim",
			Run: func(_ context.Context, m *onnx.Model) ([]string, error) { return surgery.FreeDims(m, axes...) },
			Prove: func(ctx context.Context, before, after *model.Model) (report.Agreement, error) {
				return surgery.ProveBatch(ctx, o.provider, before, after, axes, surgery.ProofOptions{Bindings: o.data.asked, Seed: f.data.Seed, Tolerance: f.opts.Tolerance, Config: o.config})
			}})
	}
	add(f.fix, "--fix-dims", false, func(_ context.Context, m *onnx.Model) ([]string, error) { return surgery.FixDims(m, o.data.asked) })
	add(f.ir > 0, "--ir", false, func(_ context.Context, m *onnx.Model) ([]string, error) { return surgery.SetIR(m, f.ir) })
	return list, nil
}

func parseAxes(texts []string) ([]surgery.Axis, error) {
	var axes []surgery.Axis
	for _, t := range texts {
		x, err := surgery.ParseAxis(t)
		if err != nil {
			return nil, fault.Wrap(err, "--free-dim")
		}
		axes = append(axes, x)
	}
	return axes, nil
}

// listPasses prints the passes there are.
func listPasses(a *app, output string) error {
	d := a.newDocument("optimize")
	details := report.OptimizeDetails{Passes: []report.PassRun{}, Ops: []report.OpChange{}}
	for _, p := range optimize.All() {
		details.Listed = append(details.Listed, report.PassListing{Pass: p.Name, Level: string(p.Level), Doc: p.Doc})
	}
	if err := d.SetDetails(details); err != nil {
		return err
	}
	return a.emit(d, output)
}
