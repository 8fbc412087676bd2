package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"infer/internal/atomicfile"
	"infer/internal/fault"
	"infer/internal/host"
	"infer/model/dataset"
	"infer/optimize/quantize"
	"infer/optimize/quantize/calibrate"
	"infer/optimize/quantize/emit"
	"infer/report"
)

// quantizeFlags are the flags of infer quantize.
type quantizeFlags struct {
	opts        quantize.Options
	engine      engineFlags
	bind        bindFlags
	mode        string
	weights     string
	int8, int4  bool
	fp16, bf16  bool
	calib       string
	data        string
	seed        uint64
	io          string
	method      string
	memory      string
	target      string
	perTensor   bool
	include     []string
	exclude     []string
	budget      string
	sensitivity string
	replay      string
	output      string
}

func newQuantizeCmd(a *app, run func(context.Context, *app, []string, quantizeFlags) error) *cobra.Command {
	f := quantizeFlags{opts: quantize.DefaultOptions}
	c := &cobra.Command{
		Use:   "quantize [MODEL] -o OUT",
		Short: "Make a model smaller and faster that stays accurate",
		Long: `quantize makes an int8, int4 or half-precision model of a float32 one.

--int8 tries the candidates that make sense for the graph and the target, measures them against the original on this
machine, in turns, and writes the fastest that keeps the accuracy budget. It never writes one that is slower than the
original (--allow-slower takes one for its size); where nothing pays, nothing is written and the exit code is 3.

Calibration rows (--calib) are needed for static int8. Accuracy is measured on --data, with its labels where it has
some, or on a fifth of the calibration rows that is kept apart. Beside OUT lies OUT's .quant.json with every decision;
--replay makes the same bytes of it again.`,
		Example: `  infer quantize model.onnx --int8 --calib calib/ --data test/ -o model.int8.onnx
  infer quantize model.onnx --mode static --calib calib/ --method entropy --allow-slower
  infer quantize model.onnx --int4 --block-size 64 -o model.int4.onnx
  infer quantize model.onnx --int8 --calib calib/ --accuracy-budget agreement:99.5%`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return run(c.Context(), a, args, f) },
	}
	f.add(c.Flags())
	perChannel := c.Flags().Lookup("per-channel")
	c.PreRunE = func(*cobra.Command, []string) error { return f.checkScales(perChannel.Changed) }
	return c
}

// checkScales reports --per-channel and --per-tensor, where both are asked for.
func (f *quantizeFlags) checkScales(asked bool) error {
	if asked && f.opts.PerChannel && f.perTensor {
		return fault.New(fault.Usage, "give one of them", "--per-channel and --per-tensor contradict each other")
	}
	return nil
}

func (f *quantizeFlags) add(fs *pflag.FlagSet) {
	fs.StringVarP(&f.output, "output", "o", "", "`FILE` of the model to write (default: MODEL.int8.onnx and the like, beside MODEL)")
	fs.BoolVar(&f.int8, "int8", false, "int8 in whatever form is fastest within the accuracy budget (= --mode auto --weights int8)")
	fs.BoolVar(&f.int4, "int4", false, "weights of 4 bits (= --mode weight-only --weights int4)")
	fs.BoolVar(&f.fp16, "fp16", false, "half precision (= --mode fp16)")
	fs.BoolVar(&f.bf16, "bf16", false, "bfloat16 (= --mode bf16)")
	fs.StringVar(&f.mode, "mode", "", "auto|static|dynamic|weight-only|fp16|bf16 (default auto)")
	fs.StringVar(&f.weights, "weights", "", "int8|int4: the type of the weights (default int8)")
	fs.StringVar(&f.target, "target", "auto", "what the model is to run on: "+strings.Join(emit.TargetNames, "|"))
	fs.StringVar(&f.calib, "calib", "", "calibration `DATA`: a data set folder or file, images or texts (--io), or random to make inputs up")
	fs.Int64Var(&f.opts.Samples, "samples", 0, "calibration rows to use, evenly spread (default: all, 512 at most)")
	fs.StringVar(&f.method, "method", f.opts.Method.String(), "how ranges are found: minmax|moving-average|mean-minmax|percentile=P|entropy|mse|auto")
	fs.StringVar(&f.memory, "calib-mem", "1GiB", "memory for tensors while calibrating; ranges do not depend on it")
	fs.StringVar(&f.opts.Cache, "calib-cache", "", "`FILE` that keeps what calibration saw: an interrupted one goes on from it, a finished one is used again")
	fs.StringArrayVar(&f.opts.Ranges, "ranges", nil, "calibration `FILE` to use in place of rows; several are merged; repeatable")
	fs.StringVar(&f.data, "data", "", "`DATA` to judge accuracy on, with labels where it has some (default: a fifth of --calib)")
	fs.StringVar(&f.budget, "accuracy-budget", "", "accuracy to keep: top1:0.5 (points), agreement:99%, sqnr:30dB, cosine:0.999")
	fs.BoolVar(&f.opts.AllowSlower, "allow-slower", false, "take a model that is slower than the original")
	fs.BoolVar(&f.opts.KeepBest, "keep-best", false, "write the best model within the budget even where it is not faster, which may be the optimized float one")
	fs.BoolVar(&f.opts.PerChannel, "per-channel", f.opts.PerChannel, "a scale for each channel of a weight")
	fs.BoolVar(&f.perTensor, "per-tensor", false, "one scale for each weight")
	fs.IntVar(&f.opts.Block, "block-size", f.opts.Block, "weights that share a scale in weight-only: 16, 32, 64, 128 or 256")
	fs.IntVar(&f.opts.AccuracyLevel, "accuracy-level", f.opts.AccuracyLevel, "what MatMulNBits computes in: 4 int8, 1 float32")
	fs.BoolVar(&f.opts.Portable, "portable", false, "weight-only with operators of ONNX alone (DequantizeLinear of opset 21)")
	fs.BoolVar(&f.opts.Embeddings, "embeddings", false, "quantize the tables of Gather too (dynamic and weight-only)")
	fs.StringArrayVar(&f.include, "include", nil, "quantize only nodes whose name matches `REGEX`, or op:Conv; repeatable")
	fs.StringArrayVar(&f.exclude, "exclude", nil, "leave nodes float whose name matches `REGEX`, or op:Conv; repeatable")
	fs.StringVar(&f.opts.Explain, "explain", "", "tell everything about one `NODE`: range, scale, why it is quantized or not")
	fs.StringVar(&f.sensitivity, "sensitivity", "", "write the error and gain of each group to `FILE` (JSON)")
	fs.StringVar(&f.replay, "replay", "", "make the model of a .quant.json `FILE` again, the same bytes, without calibration or search")
	fs.DurationVar(&f.opts.RaceTime, "race-time", f.opts.RaceTime, "longest time for each measurement of speed")
	fs.Uint64Var(&f.seed, "seed", 1, "seed of made-up inputs")
	markTop(fs, "seed")
	addIOFlag(fs, &f.io)
	f.engine.add(fs)
	f.bind.add(fs)
}

// settle turns the flags into options.
func (f *quantizeFlags) settle() (err error) {
	if err := f.settleMode(); err != nil {
		return err
	}
	if f.opts.Method, err = calibrate.ParseMethod(f.method); err != nil {
		return err
	}
	if f.opts.Memory, err = parseBytes(f.memory); err != nil {
		return fault.Wrap(err, "--calib-mem")
	}
	for _, list := range []struct {
		from []string
		to   *[]quantize.Pattern
	}{{f.include, &f.opts.Include}, {f.exclude, &f.opts.Exclude}} {
		for _, text := range list.from {
			p, err := quantize.ParsePattern(text)
			if err != nil {
				return err
			}
			*list.to = append(*list.to, p)
		}
	}
	if f.budget != "" {
		b, err := quantize.ParseBudget(f.budget)
		if err != nil {
			return err
		}
		f.opts.Budget = &b
	}
	if f.perTensor {
		f.opts.PerChannel = false
	}
	if f.replay != "" && (f.mode != "" || f.weights != "" || f.int8 || f.int4 || f.fp16 || f.bf16 || f.perTensor || len(f.include)+len(f.exclude)+len(f.opts.Ranges) > 0) {
		return fault.New(fault.Usage, "leave them out: the record decides", "--replay and flags that choose the form or the nodes contradict each other")
	}
	if f.calib == "zeros" {
		return fault.New(fault.Usage, "give a data set, or random to make inputs up", "--calib zeros: ranges of zeros tell nothing")
	}
	f.opts.Seed, f.opts.Sensitivity = f.seed, f.sensitivity != ""
	if f.opts.Mode == quantize.Static && f.calib == "" && len(f.opts.Ranges) == 0 && f.replay == "" {
		return fault.New(fault.Usage, "pass --calib with a data set, or --calib random to make inputs up", "static quantization needs calibration data")
	}
	return f.opts.Validate()
}

// settleMode reads the flags that choose the mode, of which there may be one.
func (f *quantizeFlags) settleMode() error {
	chosen := ""
	choose := func(flag string, on bool, m quantize.Mode, bits int) error {
		if !on {
			return nil
		}
		if chosen != "" {
			return fault.New(fault.Usage, "give one of them", "%s and %s contradict each other", chosen, flag)
		}
		chosen, f.opts.Mode, f.opts.Bits = flag, m, bits
		return nil
	}
	for _, c := range []struct {
		flag string
		on   bool
		mode quantize.Mode
		bits int
	}{
		{"--int8", f.int8, quantize.Auto, 8}, {"--int4", f.int4, quantize.WeightOnly, 4}, {"--fp16", f.fp16, quantize.FP16, 8},
		{"--bf16", f.bf16, quantize.BF16, 8},
	} {
		if err := choose(c.flag, c.on, c.mode, c.bits); err != nil {
			return err
		}
	}
	if f.mode != "" && !(f.int8 && f.mode == string(quantize.Auto) || f.int4 && f.mode == string(quantize.WeightOnly)) {
		if err := choose("--mode", true, quantize.Mode(f.mode), 8); err != nil {
			return err
		}
	}
	switch f.weights {
	case "":
	case "int8":
		if f.int4 {
			return fault.New(fault.Usage, "give one of them", "--int4 and --weights int8 contradict each other")
		}
		f.opts.Bits = 8
	case "int4":
		f.opts.Bits = 4
	default:
		return fault.New(fault.Usage, "use int8 or int4", "--weights %q is not known", f.weights)
	}
	return nil
}

func runQuantize(ctx context.Context, a *app, args []string, f quantizeFlags) error {
	if err := f.settle(); err != nil {
		return err
	}
	source := dataFlags{Source: f.calib, Seed: f.seed, IO: f.io}
	if source.Source == "" {
		source.Source = "random"
		if f.data != "" {
			source.Source = f.data
		}
	}
	o, err := a.open(ctx, args, f.engine, f.bind, source)
	if err != nil {
		return err
	}
	defer o.close()
	f.nameOutput(a, o.path)
	record := quantize.RecordPath(f.output)
	if err := a.checkOutputs(o.model, []string{f.calib, f.data, f.replay}, outputFile{"--output", f.output}, outputFile{"the external data of --output", f.output + ".data"},
		outputFile{"the record of --output", record}, outputFile{"--sensitivity", f.sensitivity}, outputFile{"--calib-cache", f.opts.Cache}); err != nil {
		return err
	}
	d := a.newDocument("quantize")
	if err := a.manifest(d, o); err != nil {
		return err
	}
	t, closeData, err := f.task(a, o, d)
	if err != nil {
		return err
	}
	defer closeData()
	if f.replay != "" {
		r, err := quantize.ReadRecord(f.replay)
		if err != nil {
			return err
		}
		t.Record = r
	}
	if err := quantize.Run(ctx, t, f.opts, d); err != nil {
		return o.data.explain(err)
	}
	if err := f.writeSensitivity(d); err != nil {
		return err
	}
	if err := a.emit(d, ""); err != nil {
		return err
	}
	return outcome(d, false)
}

// nameOutput chooses the output beside the model where none is given, and says so.
func (f *quantizeFlags) nameOutput(a *app, path string) {
	if f.output != "" {
		return
	}
	suffix := ".int8.onnx"
	switch {
	case f.opts.Mode == quantize.FP16 || f.opts.Mode == quantize.BF16:
		suffix = "." + string(f.opts.Mode) + ".onnx"
	case f.opts.Bits == 4:
		suffix = ".int4.onnx"
	}
	f.output = strings.TrimSuffix(path, filepath.Ext(path)) + suffix
	a.log.Info(fmt.Sprintf("output: %s", f.output))
}

// plainWord is what a shell takes as it is.
var plainWord = regexp.MustCompile(`^[\w@%+=:,./-]+$`)

// commandLine writes arguments of this program as a person would type them.
func commandLine(args []string) string {
	words := []string{"infer"}
	for _, w := range args {
		if !plainWord.MatchString(w) {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		words = append(words, w)
	}
	return strings.Join(words, " ")
}

// madeUpRows are the calibration inputs that --calib random makes up where --samples does not say.
const madeUpRows = 40

// task gathers what is quantized. The returned function closes the data that it opened.
func (f *quantizeFlags) task(a *app, o *opened, d *report.Document) (t quantize.Task, closeData func(), err error) {
	closeData = func() {}
	in, err := o.data.inputs(0)
	if err != nil {
		return t, closeData, err
	}
	t = quantize.Task{
		Model: o.model, Provider: o.provider, Config: o.config, Inputs: in, Source: f.calib, DataName: f.data, Output: f.output, Progress: a.progress(),
		Command: commandLine(a.args),
	}
	facts := host.Facts()
	if t.Target, t.TargetWhy, err = emit.NewTarget(f.target, o.config.Providers[0].Name, runtime.GOARCH, facts.ISA); err != nil {
		return t, closeData, err
	}
	switch {
	case f.calib == "":
	case o.data.set != nil:
		t.Calib = o.data.set
	default:
		n := f.opts.Samples
		if n == 0 {
			n = madeUpRows
		}
		t.Random = true
		if t.Calib, err = quantize.NewRandomRows(o.model, o.data.bound.Shapes, f.seed, n); err != nil {
			return t, closeData, err
		}
	}
	if f.data != "" {
		io, err := openIO(o.model, dataFlags{Source: f.data, IO: f.io})
		if err != nil {
			return t, closeData, err
		}
		set, err := dataset.Open(f.data, o.model.Inputs(), dataset.Options{IO: io})
		if err != nil {
			return t, closeData, fault.Wrap(err, "--data")
		}
		closeData = func() { _ = set.Close() }
		t.Data = set
		if sum, err := set.Digest(); err == nil && f.calib != "" && sum == d.Manifest.Data.SHA256 {
			d.Warn("--data holds the rows of --calib: accuracy is measured on rows that were calibrated on")
		}
		t.Labels, _ = set.Labels()
	}
	t.Key = strings.Join([]string{d.Manifest.Model.SHA256, d.Manifest.Data.SHA256, fmt.Sprint(f.seed), fmt.Sprint(f.opts.Samples), o.data.bindingText()}, "|")
	d.Manifest.Options["mode"], d.Manifest.Options["target"] = f.opts.Mode, t.Target.Name
	return t, closeData, nil
}

// writeSensitivity writes the groups of the report, where there are any, to the file that was asked for.
func (f *quantizeFlags) writeSensitivity(d *report.Document) error {
	if f.sensitivity == "" {
		return nil
	}
	var q report.QuantizeDetails
	if err := json.Unmarshal(d.Details, &q); err != nil {
		return err
	}
	if q.Groups == nil {
		d.Warn("no groups were measured: %s is not written", f.sensitivity)
		return nil
	}
	return atomicfile.Write(f.sensitivity, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(q.Groups)
	})
}
