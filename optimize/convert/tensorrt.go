package convert

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/model"
	"infer/model/agree"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/artifact"
	"infer/optimize/trtexec"
	"infer/report"
)

// ViaTrtexec is what makes a native TensorRT engine; the default is ViaProvider.
const ViaTrtexec = "trtexec"

// Engine says what TensorRT is to build, by what, and what the result will be bound to.
type Engine struct {
	Build trtexec.Options   // Model, Engine and Layers are set by Run; of ONNX Runtime's provider TimingCache is a folder
	Embed bool              // of the provider: the engine lies inside the ONNX file, not in a folder beside it
	Extra map[string]string // of the provider: further options, as typed
	Tool  *trtexec.Tool     // nil: ONNX Runtime's provider, which is Task.Compiler
	Made  artifact.Engine   // what the engine depends on
}

// toTensorRT builds an engine and notes beside it what it was built of.
func (c *conversion) toTensorRT(ctx context.Context) error {
	begin := time.Now()
	build := c.toContext
	if c.Engine.Tool != nil {
		build = c.toPlan
	}
	if err := build(ctx); err != nil {
		return err
	}
	e := &c.Engine.Made
	e.Seconds = cmp.Or(c.details.Engine.Seconds, time.Since(begin).Seconds())
	c.details.Engine.Seconds = e.Seconds
	return c.recordEngine()
}

// facts fills what a report tells of an engine.
func (c *conversion) facts() *report.EngineFacts {
	e := c.Engine.Made
	f := &report.EngineFacts{Key: e.MakeKey(), GPU: e.GPU, Compute: e.Compute, Driver: e.Driver, Profiles: e.Profiles}
	if e.TensorRT != "" {
		f.Version = "TensorRT " + e.TensorRT
	}
	return f
}

// reuse looks for an engine that an earlier conversion made of the same things, and reports whether there is one. One
// of other things, or that has changed, is to be built again, and the report says why.
func (c *conversion) reuse() (bool, error) {
	c.details.Engine = c.facts()
	there, err := artifact.ReadEngine(artifact.RecordPath(realPath(c.Output)))
	if err != nil {
		c.details.Engine.Rebuilt = err.Error()
		return false, nil
	}
	if there == nil {
		return false, nil
	}
	if now := &c.Engine.Made; now.GPU == "" { // nobody tells before a build: as far as is known it is the same
		now.GPU, now.Compute, now.Driver = there.GPU, there.Compute, there.Driver
		c.details.Engine = c.facts()
	}
	if why := there.Differs(c.Engine.Made); why != "" {
		c.details.Engine.Rebuilt = "another: " + why
		return false, nil
	}
	if err := there.Intact(realPath(c.Output)); err != nil {
		c.details.Engine.Rebuilt = "it is no longer whole: " + err.Error()
		return false, nil
	}
	c.details.Engine.Cached, c.details.Engine.Seconds = true, there.Seconds
	c.details.Via, c.details.Output = c.via(), c.Output
	for _, f := range there.Files {
		c.details.Files = append(c.details.Files, report.ArtifactFile{Path: filepath.Join(filepath.Dir(c.Output), filepath.FromSlash(f.Name)), Bytes: f.Bytes, What: c.what(f.Name)})
	}
	c.details.OutputHash = there.Files[0].SHA256
	return true, nil
}

func (c *conversion) via() string {
	if c.Engine.Tool != nil {
		return ViaTrtexec
	}
	return ViaProvider
}

// recordEngine writes what the engine was built of, with the sums of its files, into the draft.
func (c *conversion) recordEngine() error {
	e := c.Engine.Made
	dir := filepath.Dir(c.draft.Path())
	if err := e.Note(dir, c.draft.Path()); err != nil {
		return err
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path == c.draft.Path() {
			return err
		}
		return e.Note(dir, path)
	})
	if err != nil {
		return fmt.Errorf("look at what was built: %w", err)
	}
	b, err := e.Encode()
	if err != nil {
		return err
	}
	return os.WriteFile(artifact.RecordPath(c.draft.Path()), b, 0o644)
}

// cacheFolder is where the provider puts engines: a folder beside the ONNX file, of its name. The provider refuses a name
// with two dots in a row anywhere.
func (c *conversion) cacheFolder() string {
	name := strings.TrimSuffix(filepath.Base(c.draft.Path()), ".onnx") + ".engines"
	for strings.Contains(name, "..") {
		name = strings.ReplaceAll(name, "..", ".")
	}
	return name
}

// ProviderOptions returns the options of ONNX Runtime's TensorRT provider for building an engine to an EPContext model at
// path, with its cache in folder, relative to it. None of them chooses a precision: without trt_fp16_enable,
// trt_bf16_enable and trt_int8_enable the provider builds strongly typed networks on TensorRT 10, and always on 11.
// Ref: ONNX Runtime, "TensorRT Execution Provider".
func (e Engine) ProviderOptions(path, folder string) map[string]string {
	o := map[string]string{
		"trt_engine_cache_enable": "1", "trt_engine_cache_path": folder,
		"trt_dump_ep_context_model": "1", "trt_ep_context_file_path": path, "trt_ep_context_embed_mode": "0",
	}
	if e.Embed {
		o["trt_ep_context_embed_mode"] = "1"
	}
	b := e.Build
	if b.TimingCache != "" {
		o["trt_timing_cache_enable"], o["trt_timing_cache_path"] = "1", b.TimingCache
	}
	if b.OptLevel != trtexec.DefaultOptions.OptLevel {
		o["trt_builder_optimization_level"] = strconv.Itoa(b.OptLevel)
	}
	if b.Workspace > 0 {
		o["trt_max_workspace_size"] = strconv.FormatInt(b.Workspace, 10)
	}
	if b.Compat == trtexec.CompatAmpere {
		o["trt_engine_hw_compatible"] = "1"
	}
	if b.StripWeights {
		o["trt_weight_stripped_engine_enable"] = "1"
	}
	for _, p := range b.Profiles {
		for name, w := range map[string]trtexec.Which{"trt_profile_min_shapes": trtexec.Min, "trt_profile_opt_shapes": trtexec.Opt, "trt_profile_max_shapes": trtexec.Max} {
			if o[name] != "" {
				o[name] += ","
			}
			o[name] += p.Shapes(w)
		}
	}
	maps.Copy(o, e.Extra)
	return o
}

// toContext lets ONNX Runtime's provider build the engine, and write an ONNX file that refers to it.
func (c *conversion) toContext(ctx context.Context) error {
	c.details.Via = ViaProvider
	if c.Compiler == nil {
		return fault.New(fault.Unsupported, "run `infer runtime install --flavor cuda`", "there is no TensorRT provider")
	}
	config := c.Compiled
	config.Providers = slices.Clone(config.Providers)
	config.Providers[0].Options = c.Engine.ProviderOptions(c.draft.Path(), c.cacheFolder())
	if err := c.ticking("build the engine", func() error { return c.compileEngine(ctx, config) }); err != nil {
		return tensorRTError(err)
	}
	m, err := model.Load(c.draft.Path())
	if err != nil {
		return fault.Wrap(err, "read back what was built")
	}
	defer m.Close()
	contexts := m.Proto.Contexts()
	if len(contexts) == 0 {
		return fault.New(fault.Unsupported, "", "TensorRT took no part of the graph")
	}
	others := 0
	m.Proto.Walk(func(g *onnx.Graph) { others += len(g.Nodes) })
	c.note(fmt.Sprintf("%d compiled parts of the graph, and %d nodes beside them", len(contexts), others-len(contexts)))
	c.note("TensorRT computes float32 products as TF32, with 11 significant bits, on GPUs that have it")
	if c.Engine.Embed {
		if err := os.RemoveAll(c.draft.Beside(c.cacheFolder())); err != nil {
			return err
		}
	} else if plan, err := trtexec.ReadPlan(c.draft.Beside(filepath.FromSlash(contexts[0].File))); err == nil && plan.Version != (trtexec.Version{}) {
		c.details.Engine.Version = "TensorRT " + plan.Version.String()
	}
	c.output.provider, c.output.config = c.Compiler, c.Compiled
	return nil
}

// compileEngine opens a session, in which the provider builds, and runs it once: engines of dynamic shapes are written
// no sooner.
func (c *conversion) compileEngine(ctx context.Context, config engine.Config) error {
	s, err := c.Compiler.Open(ctx, c.Model, config)
	if err != nil {
		return err
	}
	if len(c.Inputs) > 0 {
		in, err := agree.Suit(c.Inputs[0], s.Inputs())
		if err == nil {
			err = s.Run(ctx, in, make([]tensor.Tensor, len(s.Outputs())))
		}
		if err != nil {
			_ = s.Close()
			return err
		}
	}
	if w, ok := s.(engine.Warner); ok {
		for _, text := range w.Warnings() {
			c.doc.Warn("%s", text)
		}
	}
	if err := s.Close(); err != nil {
		return err
	}
	if _, err := os.Stat(c.draft.Path()); err != nil {
		return fault.New(fault.Unsupported, "some node is none of TensorRT's: `infer profile --provider tensorrt --provider cuda` runs it all the same, without an engine made ahead",
			"the provider wrote no engine")
	}
	return nil
}

// missingLibrary finds in an error of the loader what was not found of CUDA and TensorRT.
var missingLibrary = regexp.MustCompile(`\blib(nvinfer\w*|nvonnxparser|cublas\w*|cudart|cudnn\w*|cufft|curand)\.so\.(\d+)`)

// tensorRTError adds to an error of the provider what helps where its own hint does not.
func tensorRTError(err error) error {
	if m := missingLibrary.FindStringSubmatch(err.Error()); m != nil {
		if strings.HasPrefix(m[1], "nv") {
			return fault.New(fault.Unsupported, fmt.Sprintf("install TensorRT %s (pip install 'tensorrt-cu13-libs==%s.*', cu12 where the library is for CUDA 12) and add its folder, tensorrt_libs, to LD_LIBRARY_PATH", m[2], m[2]), "%w", err)
		}
		return fault.New(fault.Unsupported, "install CUDA's libraries with `infer runtime install --flavor cuda`, or add their folders to LD_LIBRARY_PATH", "%w", err)
	}
	if strings.Contains(err.Error(), "cannot run every node") {
		return fault.New(fault.Unsupported, "an engine holds the whole graph or none of it: `infer profile --provider tensorrt --provider cuda` shows which nodes TensorRT takes", "TensorRT does not take every node of the graph: %w", err)
	}
	return err
}

// ticking tells once a second that work which reports nothing goes on.
func (c *conversion) ticking(what string, work func() error) error {
	begin, done := time.Now(), make(chan error, 1)
	go func() { done <- work() }()
	clock := time.NewTicker(time.Second)
	defer clock.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-clock.C:
			c.Progress.Send(progress.Event{Phase: what, Done: time.Since(begin).Seconds(), Unit: "s", Note: "TensorRT tries kernels; minutes are usual"})
		}
	}
}
