package cmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"infer/internal/fault"
	"infer/internal/host"
	"infer/model"
	"infer/model/engine"
	"infer/model/engine/ort/library"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/artifact"
	"infer/optimize/convert"
	"infer/optimize/trtexec"
)

// tensorRTFlags are the flags of convert --to tensorrt.
type tensorRTFlags struct {
	profiles      []string
	trtexec       string
	timingCache   string
	optLevel      int
	workspace     string
	compat        string
	versionCompat bool
	stripWeights  bool
	embed         bool
}

func (f *tensorRTFlags) add(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.profiles, "profile", nil, "tensorrt: shapes of dynamic inputs, `INPUT:MIN/OPT/MAX` as in x:1x3x224x224/8x3x224x224/32x3x224x224, several inputs with commas; repeatable")
	fs.StringVar(&f.trtexec, "trtexec", "", "tensorrt: `PATH` of trtexec (default: found on PATH)")
	fs.StringVar(&f.timingCache, "timing-cache", "", "tensorrt: `PATH` of measured kernels to use and bring up to date: a file of trtexec, a folder of the provider")
	fs.IntVar(&f.optLevel, "opt-level", trtexec.DefaultOptions.OptLevel, "tensorrt: how hard to look for fast kernels, 0 to 5")
	fs.StringVar(&f.workspace, "workspace", "", "tensorrt: GPU memory that kernels may use, such as 4GiB (default: all)")
	fs.StringVar(&f.compat, "hw-compat", string(trtexec.CompatNone), "tensorrt: on which other GPUs it is to run: none|ampere+|same-cc")
	fs.BoolVar(&f.versionCompat, "version-compat", false, "tensorrt: load in later releases of TensorRT too (trtexec)")
	fs.BoolVar(&f.stripWeights, "strip-weights", false, "tensorrt: leave the weights out of the engine; they come from the ONNX file when it loads")
	fs.BoolVar(&f.embed, "embed", false, "tensorrt: the engine inside the ONNX file, not in a folder beside it (provider)")
}

// options turns the flags into options of what builds the engine.
func (f *tensorRTFlags) options(via string) (trtexec.Options, error) {
	o := trtexec.DefaultOptions
	o.TimingCache, o.OptLevel, o.Compat = f.timingCache, f.optLevel, trtexec.Compat(f.compat)
	o.VersionCompatible, o.StripWeights = f.versionCompat, f.stripWeights
	for _, text := range f.profiles {
		p, err := trtexec.ParseProfile(text)
		if err != nil {
			return o, err
		}
		o.Profiles = append(o.Profiles, p)
	}
	if f.workspace != "" {
		n, err := parseBytes(f.workspace)
		if err != nil {
			return o, fault.Wrap(err, "--workspace")
		}
		o.Workspace = n
	}
	if err := o.Validate(); err != nil {
		return o, err
	}
	return o, f.suit(via)
}

// suit reports flags that what builds the engine has nothing for.
func (f *tensorRTFlags) suit(via string) error {
	only := func(flag, other string) error {
		return fault.New(fault.Usage, "leave it out, or pass --via "+other, "%s is of --via %s", flag, other)
	}
	native := via == convert.ViaTrtexec
	switch {
	case !native && f.trtexec != "":
		return only("--trtexec", convert.ViaTrtexec)
	case !native && f.versionCompat:
		return only("--version-compat", convert.ViaTrtexec)
	case !native && f.compat == string(trtexec.CompatSame):
		return only("--hw-compat same-cc", convert.ViaTrtexec)
	case native && f.embed:
		return only("--embed", convert.ViaProvider)
	}
	return nil
}

// keyed returns the options that an engine depends on, for its key.
func (f *tensorRTFlags) keyed(o trtexec.Options, extra map[string]string) map[string]string {
	m := map[string]string{
		"opt_level": strconv.Itoa(o.OptLevel), "workspace": strconv.FormatInt(o.Workspace, 10), "hw_compat": string(o.Compat),
		"version_compat": strconv.FormatBool(o.VersionCompatible), "strip_weights": strconv.FormatBool(o.StripWeights), "embed": strconv.FormatBool(f.embed),
	}
	for k, v := range extra {
		m["provider."+k] = v
	}
	return m
}

// tensorRT builds an engine of a model for the GPU of this machine.
func (f *convertFlags) tensorRT(ctx context.Context, a *app, args []string) error {
	if !slices.Contains([]string{"", convert.ViaProvider, convert.ViaTrtexec}, f.via) {
		return fault.New(fault.Usage, "use provider or trtexec", "--via %q makes nothing for TensorRT", f.via)
	}
	if f.via == "" {
		f.via = convert.ViaProvider
	}
	e := &convert.Engine{Embed: f.trt.embed}
	var err error
	if e.Build, err = f.trt.options(f.via); err != nil {
		return err
	}
	o, err := f.openForEngine(a, args, e)
	if err != nil {
		return err
	}
	defer o.close()
	if err := f.nameEngine(a, o); err != nil {
		return err
	}
	t := convert.Task{Model: o.model, Target: convert.Target{Kind: convert.TensorRT}, Name: f.to, Output: f.output, Bound: o.data.dims(), Engine: e, Progress: a.progress()}
	if f.via == convert.ViaTrtexec {
		err = f.withTool(ctx, o, &t)
	} else {
		err = f.withProvider(ctx, a, o, &t)
	}
	if err != nil {
		return err
	}
	if e.Made.Model, err = o.model.Digest(); err != nil {
		return err
	}
	return f.buildEngine(ctx, a, o, t)
}

// buildEngine runs the conversion and writes its document.
func (f *convertFlags) buildEngine(ctx context.Context, a *app, o *opened, t convert.Task) error {
	rest := *f
	rest.via = "" // of the other kinds
	opts, err := rest.options()
	if err != nil {
		return err
	}
	d := a.newDocument("convert")
	if err := a.manifest(d, o); err != nil {
		return err
	}
	if f.via == convert.ViaTrtexec {
		d.Manifest.Runtime = nil
	}
	d.Manifest.Options["engine"] = t.Engine.Made.Options
	if !typed(o.model.Proto) {
		d.Warn("the graph is float32, and TensorRT takes precision from the graph alone: for a faster engine make it half or int8 first, `infer convert --to fp16` or `infer quantize --int8 --target tensorrt`")
	}
	if err := convert.Run(ctx, t, opts, d); err != nil {
		return err
	}
	if err := a.emit(d, ""); err != nil {
		return err
	}
	return outcome(d, false)
}

// typed reports whether a graph computes in something else than float32 somewhere: half precision, or quantized.
func typed(m *onnx.Model) bool {
	found := false
	m.Walk(func(g *onnx.Graph) {
		for _, n := range g.Nodes {
			found = found || n.OpType == "QuantizeLinear" || n.OpType == "DequantizeLinear"
		}
		for _, t := range g.Initializers {
			found = found || t.DType == tensor.Float16 || t.DType == tensor.BFloat16
		}
	})
	return found
}

// openForEngine opens model and inputs, and settles the profiles; the runtime comes later. Inputs have the shapes that
// the first profile is tuned for.
func (f *convertFlags) openForEngine(a *app, args []string, e *convert.Engine) (o *opened, err error) {
	o = &opened{}
	defer func() {
		if err != nil {
			o.close()
		}
	}()
	if f.via == convert.ViaProvider {
		if e.Extra, err = f.tensorRTProvider(); err != nil {
			return o, err
		}
	}
	if o.config, err = f.engine.config(); err != nil {
		return o, err
	}
	if o.path, err = a.modelOperand(args); err != nil {
		return o, err
	}
	if o.model, err = loadModel(o.path); err != nil {
		return o, err
	}
	bind := f.bind
	for name, shape := range convert.Tuned(e.Build.Profiles) {
		asked := func(s string) bool { return strings.HasPrefix(s, name+":") }
		if !slices.ContainsFunc(bind.Shapes, asked) && slices.ContainsFunc(o.model.Inputs(), func(p model.Port) bool { return p.Name == name }) {
			bind.Shapes = append(slices.Clone(bind.Shapes), name+":"+shape.String())
		}
	}
	if len(e.Build.Profiles) > 0 { // their shapes are checked first: the words fit better
		if e.Build.Profiles, err = convert.Profiles(o.model.Inputs(), e.Build.Profiles, model.Bound{}); err != nil {
			return o, err
		}
	}
	if o.data, err = openData(o.model, f.data, bind); err != nil {
		return o, err
	}
	if len(e.Build.Profiles) == 0 {
		e.Build.Profiles, err = convert.Profiles(o.model.Inputs(), nil, o.data.bound)
	}
	for _, p := range e.Build.Profiles {
		e.Made.Profiles = append(e.Made.Profiles, p.String())
	}
	return o, err
}

// tensorRTProvider makes TensorRT's the provider, and returns the options that are given for it. Those that choose a
// precision are refused: releases from 11 on do not know them, and the graph has one already.
func (f *convertFlags) tensorRTProvider() (map[string]string, error) {
	if len(f.engine.providers) == 0 {
		f.engine.providers = []string{"tensorrt"}
	}
	if len(f.engine.providers) > 1 || !strings.EqualFold(f.engine.providers[0], "tensorrt") {
		return nil, fault.New(fault.Usage, "leave it out", "--to tensorrt compiles with the tensorrt provider alone, not with %s", strings.Join(f.engine.providers, ", "))
	}
	c, err := f.engine.config()
	if err != nil {
		return nil, err
	}
	for _, k := range []string{"trt_fp16_enable", "trt_bf16_enable", "trt_int8_enable", "trt_int8_calibration_table_name"} {
		if _, ok := c.Providers[0].Options[k]; ok {
			return nil, fault.New(fault.Usage, "give it a typed graph: `infer convert --to fp16`, `infer quantize --int8 --target tensorrt`", "%s chooses a precision, which the graph does", k)
		}
	}
	return c.Providers[0].Options, nil
}

// nameEngine chooses the output beside the model where none is given, and refuses one whose ending does not suit.
func (f *convertFlags) nameEngine(a *app, o *opened) error {
	native := f.via == convert.ViaTrtexec
	if f.output == "" {
		suffix := ".tensorrt.onnx"
		if native {
			suffix = ".plan"
		}
		f.output = strings.TrimSuffix(o.path, filepath.Ext(o.path)) + suffix
		a.log.Info(fmt.Sprintf("output: %s", f.output))
	}
	ending := strings.ToLower(filepath.Ext(f.output))
	switch {
	case native && (ending == ".onnx" || ending == ".ort" || ending == ".xml"):
		return fault.New(fault.Usage, "end it in .plan or .engine", "--output %q: trtexec makes a native engine", f.output)
	case !native && ending != ".onnx":
		return fault.New(fault.Usage, "end it in .onnx, or pass --via trtexec for a native engine", "--output %q: the provider makes an ONNX file that refers to its engine", f.output)
	}
	return a.checkOutputs(o.model, []string{f.data.Source, f.trt.trtexec}, outputFile{"--output", f.output}, outputFile{"the record of --output", artifact.RecordPath(f.output)})
}

// withTool prepares a build by trtexec. What nvidia-smi does not tell, as on Jetson, stays empty.
func (f *convertFlags) withTool(ctx context.Context, o *opened, t *convert.Task) error {
	path, err := trtexec.Find(f.trt.trtexec)
	if err != nil {
		return err
	}
	tool, err := trtexec.Probe(ctx, path)
	if err != nil {
		return err
	}
	gpus, err := host.NVIDIA(ctx)
	if ctx.Err() != nil {
		return err
	}
	e := t.Engine
	e.Tool, e.Made.Maker, e.Made.TensorRT, e.Made.Options = tool, "trtexec", tool.Version.String(), f.trt.keyed(e.Build, nil)
	setGPU(&e.Made, gpus)
	return nil
}

func setGPU(e *artifact.Engine, gpus []host.GPU) {
	if len(gpus) > 0 {
		e.GPU, e.Compute, e.Driver = gpus[0].Name, gpus[0].Compute, gpus[0].Driver
	}
}

// withProvider prepares a build by ONNX Runtime's provider: a GPU, a library that has it, inputs to run it on.
func (f *convertFlags) withProvider(ctx context.Context, a *app, o *opened, t *convert.Task) error {
	gpus, err := host.NVIDIA(ctx)
	if err != nil {
		return fault.New(fault.KindOf(err), "convert on the machine that will run it: NVIDIA's driver, `infer runtime install --flavor cuda`, and TensorRT's libraries (pip install tensorrt-cu13-libs, or tensorrt-cu12-libs for CUDA 12)", "TensorRT: %w", err)
	}
	if o.runtime, o.library, err = a.openRuntime(ctx, f.engine); err != nil {
		return err
	}
	if !slices.Contains(o.runtime.Providers(), "tensorrt") {
		return fault.New(fault.Unsupported, "infer runtime install --flavor cuda", "the TensorRT provider is not in the ONNX Runtime of %s", o.library.Path)
	}
	e := t.Engine
	e.Made.Maker, e.Made.Options = "onnxruntime "+o.library.Version, f.trt.keyed(e.Build, e.Extra)
	setGPU(&e.Made, gpus)
	if found := artifact.FindTensorRT(os.Getenv("LD_LIBRARY_PATH"), runtimesOf([]library.Library{o.library})); len(found) > 0 {
		e.Made.TensorRT = found[0].Version
	}
	if t.Compiler, err = o.runtime.Provider("tensorrt"); err != nil {
		return err
	}
	t.Compiled, t.Config = o.config, o.config
	t.Config.Providers = []engine.ProviderSpec{{Name: "cpu"}}
	if t.Provider, err = o.runtime.Provider("cpu"); err != nil {
		return err
	}
	t.Inputs, t.Source, err = o.data.sets(f.verify)
	return err
}

// runtimesOf returns copies of ONNX Runtime as a check of artifacts takes them.
func runtimesOf(list []library.Library) []artifact.Runtime {
	var out []artifact.Runtime
	for _, l := range list {
		if l.Problem == "" {
			out = append(out, artifact.Runtime{Version: l.Version, Path: l.Path, Providers: l.Providers})
		}
	}
	return out
}
