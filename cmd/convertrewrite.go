package cmd

import (
	"context"
	"regexp"

	"infer/internal/fault"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/optimize/convert"
	"infer/optimize/quantize"
	"infer/optimize/quantize/calibrate"
)

// rewrite converts an ONNX model to whatever infer or the runtime can make of it.
func (f *convertFlags) rewrite(ctx context.Context, a *app, args []string, target convert.Target) error {
	opts, err := f.options()
	if err != nil {
		return err
	}
	compiles := target.Kind == convert.OpenVINO && f.viaOf() == convert.ViaProvider
	if err := f.checkProviders(compiles); err != nil {
		return err
	}
	o, err := a.open(ctx, args, f.engine, f.bind, f.data)
	if err != nil {
		return err
	}
	defer o.close()
	f.nameOutput(a, o.path, target)
	if err := target.CheckOutput(f.output, f.via); err != nil {
		return err
	}
	if err := a.checkOutputs(o.model, []string{f.half.calib, f.data.Source}, outputFile{"--output", f.output}, outputFile{"the external data of --output", f.output + ".data"}); err != nil {
		return err
	}
	t, closeData, err := f.task(a, o, target)
	if err != nil {
		return err
	}
	defer closeData()
	if compiles {
		if err := t.compileWith(o); err != nil {
			return err
		}
	}
	d := a.newDocument("convert")
	if err := a.manifest(d, o); err != nil {
		return err
	}
	if err := convert.Run(ctx, t.Task, opts, d); err != nil {
		return o.data.explain(err)
	}
	if err := a.emit(d, ""); err != nil {
		return err
	}
	return outcome(d, false)
}

// options turns the flags into options.
func (f *convertFlags) options() (convert.Options, error) {
	o := convert.DefaultOptions()
	h := f.half
	o.Half.KeepIO, o.Half.BlockOps, o.Half.ActMax, o.Half.MaxReduction = h.keepIO, h.blockOps, h.actMax, h.maxReduction
	o.Samples, o.RaceTime, o.Seed, o.Via = h.samples, f.raceTime, f.data.Seed, f.via
	if h.blockNodes != "" {
		re, err := regexp.Compile(h.blockNodes)
		if err != nil {
			return o, fault.New(fault.Usage, "write a regular expression of Go, as in '^/head/'", "--block-nodes %q: %w", h.blockNodes, err)
		}
		o.BlockNodes = re
	}
	var err error
	if o.Level, err = convert.ParseLevel(f.ortLevel); err != nil {
		return o, err
	}
	return o, o.Validate()
}

// viaOf returns what makes an OpenVINO artifact: what was asked for, or what suits the name of the output.
func (f *convertFlags) viaOf() string {
	switch {
	case f.via != "":
		return f.via
	case convert.IsIR(f.output):
		return convert.ViaOVC
	}
	return convert.ViaProvider
}

// checkProviders makes OpenVINO the provider where it compiles, and refuses another one.
func (f *convertFlags) checkProviders(compiles bool) error {
	if !compiles {
		return nil
	}
	if len(f.engine.providers) == 0 {
		f.engine.providers = []string{"openvino"}
	}
	if first := f.engine.providers[0]; first != "openvino" {
		return fault.New(fault.Usage, "leave it out, or list cpu after openvino for what it cannot run", "--to openvino compiles with the openvino provider, not with %s", first)
	}
	return nil
}

// rewriting is a task in the making.
type rewriting struct{ convert.Task }

// task gathers what is converted. The returned function closes the data that it opened.
func (f *convertFlags) task(a *app, o *opened, target convert.Target) (t rewriting, closeData func(), err error) {
	closeData = func() {}
	t.Task = convert.Task{
		Model: o.model, Target: target, Name: f.to, Output: f.output, Provider: o.provider, Config: o.config, Bound: o.data.dims(), Progress: a.progress(),
	}
	if t.Inputs, t.Source, err = o.data.sets(f.verify); err != nil {
		return t, closeData, err
	}
	if f.half.calib == "" {
		return t, closeData, nil
	}
	if target.Kind != convert.FP16 && target.Kind != convert.BF16 {
		return t, closeData, fault.New(fault.Usage, "leave it out", "--calib is of --to fp16, not of --to %s", target.Kind)
	}
	if f.half.calib == "random" {
		t.Calib, err = quantize.NewRandomRows(o.model, o.data.bound.Shapes, f.data.Seed, max(f.half.samples, madeUpRows))
		return t, closeData, err
	}
	io, err := openIO(o.model, dataFlags{Source: f.half.calib, IO: f.data.IO})
	if err != nil {
		return t, closeData, err
	}
	set, err := dataset.Open(f.half.calib, o.model.Inputs(), dataset.Options{IO: io})
	if err != nil {
		return t, closeData, fault.Wrap(err, "--calib")
	}
	t.Calib = calibrate.Source(set)
	return t, func() { _ = set.Close() }, nil
}

// compileWith makes the provider that was opened the compiler, and the CPU, of the same library, what the original runs on.
func (t *rewriting) compileWith(o *opened) (err error) {
	t.Compiler, t.Compiled = o.provider, o.config
	t.Config.Providers = []engine.ProviderSpec{{Name: "cpu"}}
	t.Provider, err = o.runtime.Provider("cpu")
	return err
}
