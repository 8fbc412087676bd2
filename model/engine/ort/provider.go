//go:build cgo && !windows

package ort

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	ortgo "github.com/yalue/onnxruntime_go"

	"infer/internal/fault"
	"infer/internal/host"
	"infer/model"
	"infer/model/engine"
)

// provider opens sessions of a Runtime.
type provider struct {
	rt   *Runtime
	name string
}

// Provider returns the execution provider of a name, as --provider takes it. An unknown name is a fault.Usage error;
// whether the library has it, and whether it works here, is found when a session is opened.
func (r *Runtime) Provider(name string) (engine.Provider, error) {
	p, err := lookUp(name, r.Providers())
	if err != nil {
		return nil, err
	}
	return provider{rt: r, name: p.name}, nil
}

// Name returns the name of the provider.
func (p provider) Name() string { return p.name }

// Open opens a session; the sessions of this package satisfy Session. See engine.Provider. The library cannot be told
// to stop creating one: when ctx ends Open returns at once, and what is created is freed once it is there.
func (p provider) Open(ctx context.Context, m *model.Model, c engine.Config) (engine.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := p.open(ctx, m, c)
	if err != nil {
		name := "the model in memory"
		if m.Path != "" {
			name = strconv.Quote(m.Path)
		}
		return nil, fault.Wrap(err, "open session for %s", name)
	}
	return s, nil
}

func (p provider) open(ctx context.Context, m *model.Model, c engine.Config) (_ engine.Session, err error) {
	specs := c.Providers
	if len(specs) == 0 {
		specs = []engine.ProviderSpec{{Name: p.name}}
	}
	plan, err := p.rt.plan(specs)
	if err != nil {
		return nil, err
	}
	files := noteFiles(c)
	defer func() {
		if err != nil {
			files.removeNew()
		}
	}()
	o := opener{rt: p.rt, model: m, config: c, abandoned: files.removeNew}
	made, err := o.create(ctx, &plan)
	if errors.Is(err, errFallback) && ctx.Err() == nil {
		err = o.leftOver(ctx, plan)
	}
	if err != nil && ctx.Err() == nil && plan.cpu && len(plan.used) > 0 {
		why := err
		onCPU := selection{cpu: true, warnings: plan.warnings}
		made, err = o.create(ctx, &onCPU)
		if err == nil {
			onCPU.warn("%s cannot be used: %v; running on cpu", plan.used[0].Name, why)
			plan = onCPU
		}
	}
	if err != nil {
		return nil, err
	}
	s, err := newSession(p.rt, made, m, c)
	if err != nil {
		made.Destroy()
		return nil, err
	}
	s.warnings, s.strict = plan.warnings, plan.has("openvino")
	if err := files.checkWritten(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// selection is which of the asked providers a session is opened on.
type selection struct {
	used     []engine.ProviderSpec // without cpu
	cpu      bool                  // the cpu may run what they cannot
	warnings []string
}

func (s *selection) has(provider string) bool {
	return slices.ContainsFunc(s.used, func(p engine.ProviderSpec) bool { return p.Name == provider })
}

func (s *selection) warn(format string, args ...any) {
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
}

// plan checks the asked providers against the library. One that the library lacks is an error, or a warning where cpu
// comes after it.
func (r *Runtime) plan(specs []engine.ProviderSpec) (selection, error) {
	var s selection
	available := r.Providers()
	for i, spec := range specs {
		p, err := lookUp(spec.Name, available)
		if err != nil {
			return s, err
		}
		if s.cpu {
			s.warn("%s is listed after cpu, which runs everything, and is not used", p.name)
			continue
		}
		if p.name == "cpu" {
			if len(spec.Options) > 0 {
				return s, fault.New(fault.Usage, "use --session-config for settings of the whole session",
					"the cpu provider takes no options, got %q", slices.Sorted(maps.Keys(spec.Options))[0])
			}
			s.cpu = true
			continue
		}
		if slices.Contains(available, p.name) {
			s.used = append(s.used, engine.ProviderSpec{Name: p.name, Options: spec.Options})
			continue
		}
		err = missing(p, r.Version(), available)
		if !cpuAfter(specs[i+1:]) {
			return s, err
		}
		s.warn("%v", err)
	}
	return s, nil
}

func cpuAfter(specs []engine.ProviderSpec) bool {
	return slices.ContainsFunc(specs, func(s engine.ProviderSpec) bool { return strings.EqualFold(s.Name, "cpu") })
}

// opener creates sessions of one model with one configuration.
type opener struct {
	rt     *Runtime
	model  *model.Model
	config engine.Config
	// abandoned is called when the library is done with a session that nobody waits for any more.
	abandoned func()
	record    bool // which provider each node went to
}

// create opens the model on the selected providers. A provider that fails to join is left out of sel with a warning
// when the cpu may run in its place.
func (o opener) create(ctx context.Context, sel *selection) (*ortgo.DynamicAdvancedSession, error) {
	options, err := ortgo.NewSessionOptions()
	if err != nil {
		return nil, translate(err.Error())
	}
	var bytes []byte
	keepSignalStack(func() { bytes, err = o.prepare(options, sel) })
	if err != nil {
		options.Destroy()
		return nil, err
	}
	path := o.path()
	return o.wait(ctx, func() (*ortgo.DynamicAdvancedSession, error) {
		defer options.Destroy()
		if bytes != nil {
			return ortgo.NewDynamicAdvancedSessionWithONNXData(bytes, nil, nil, options)
		}
		return ortgo.NewDynamicAdvancedSession(path, nil, nil, options)
	})
}

// wait returns what create makes, or the error of ctx when that ends first. create must not touch the model: its caller
// may close it then.
func (o opener) wait(ctx context.Context, create func() (*ortgo.DynamicAdvancedSession, error)) (*ortgo.DynamicAdvancedSession, error) {
	type result struct {
		made *ortgo.DynamicAdvancedSession
		err  error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		keepSignalStack(func() { r.made, r.err = create() })
		done <- r
	}()
	select {
	case r := <-done:
		if r.err != nil && strings.Contains(r.err.Error(), noFallback) {
			return nil, errFallback
		}
		if r.err != nil {
			return nil, translate(r.err.Error())
		}
		return r.made, nil
	case <-ctx.Done():
		go func() {
			if r := <-done; r.err == nil {
				r.made.Destroy()
			}
			o.abandoned()
		}()
		return nil, ctx.Err()
	}
}

// prepare sets the options; the bytes are those of a model that the library cannot read from its file, else nil.
func (o opener) prepare(options *ortgo.SessionOptions, sel *selection) (bytes []byte, err error) {
	if err := o.configure(options); err != nil {
		return nil, err
	}
	joined := 0
	for _, spec := range sel.used {
		switch err := o.append(options, spec); {
		case err == nil:
			joined++
		case sel.cpu && fault.KindOf(err) != fault.Usage:
			sel.warn("%s cannot be used: %v", spec.Name, err)
		default:
			return nil, err
		}
	}
	entries := map[string]string{}
	if joined > 0 && !sel.cpu {
		entries["session.disable_cpu_ep_fallback"] = "1"
	}
	// Without this the library takes the name of the file for its format.
	entries["session.load_model_format"] = strings.ToUpper(string(o.model.Format()))
	if o.record {
		entries[recordAssignment] = "1"
	}
	if bytes, err = o.bytes(sel, entries); err != nil {
		return nil, err
	}
	maps.Copy(entries, o.config.Entries)
	for _, k := range slices.Sorted(maps.Keys(entries)) {
		if err := options.AddSessionConfigEntry(k, entries[k]); err != nil {
			return nil, fault.New(fault.Usage, "", "session-config entry %q: %s", k, cleanMessage(err.Error()))
		}
	}
	return bytes, nil
}

// bytes returns the graph as ONNX where the library must not read the model from its file, and sets the entries that
// bytes need; nil for a model that it can read itself.
func (o opener) bytes(sel *selection, entries map[string]string) ([]byte, error) {
	optional := sel.has("openvino") && hasOptionalInputs(o.model)
	if !optional && o.model.Path != "" && !o.model.Edited() {
		return nil, nil
	}
	// Providers look for their caches beside the file that they are opened from, and find none beside bytes.
	if files := o.model.Proto.ContextFiles(); len(files) > 0 {
		return nil, fault.New(fault.Unsupported, "change the model that it was compiled from, and compile that again",
			"a model whose execution provider keeps what it compiled in a file (%q) runs only as it was written", files[0])
	}
	entries["session.load_model_format"] = "ONNX"
	if o.model.Path != "" {
		dir, err := filepath.Abs(filepath.Dir(o.path()))
		if err != nil {
			return nil, err
		}
		entries["session.model_external_initializers_file_folder_path"] = dir
	}
	if optional {
		return withoutOptionalInputs(o.model)
	}
	return o.model.Serialize()
}

// path returns the model file for the library to open. The library refuses external data that a symbolic link beside
// the model leads to, so that a model that is a link itself is opened where it really lies, if its data are there.
func (o opener) path() string {
	real, err := filepath.EvalSymlinks(o.model.Path)
	if err != nil {
		return o.model.Path
	}
	for _, f := range o.model.Files() {
		if _, err := os.Stat(filepath.Join(filepath.Dir(real), filepath.FromSlash(f.Location))); err != nil {
			return o.model.Path
		}
	}
	return real
}

// threads returns how many intra-op threads the session has.
func (o opener) threads() int {
	if o.config.Threads == 0 {
		return host.EffectiveCPUs().Count
	}
	return o.config.Threads
}

// configure sets everything but providers and entries.
func (o opener) configure(options *ortgo.SessionOptions) error {
	c := o.config
	levels := map[engine.OptLevel]ortgo.GraphOptimizationLevel{
		engine.OptAll: ortgo.GraphOptimizationLevelEnableAll, engine.OptNone: ortgo.GraphOptimizationLevelDisableAll,
		engine.OptBasic: ortgo.GraphOptimizationLevelEnableBasic, engine.OptExtended: ortgo.GraphOptimizationLevelEnableExtended,
	}
	level, ok := levels[c.OptLevel]
	if !ok || c.Threads < 0 || c.InterThreads < 0 {
		return fault.New(fault.Usage, "", "optimization level %d, %d intra-op and %d inter-op threads: not a valid setting",
			c.OptLevel, c.Threads, c.InterThreads)
	}
	threads, mode := o.threads(), ortgo.ExecutionMode(ortgo.ExecutionModeSequential)
	if c.InterThreads > 1 {
		mode = ortgo.ExecutionModeParallel
	}
	steps := []func() error{
		func() error { return options.SetGraphOptimizationLevel(level) },
		func() error { return options.SetIntraOpNumThreads(threads) },
		func() error { return options.SetInterOpNumThreads(max(c.InterThreads, 1)) },
		func() error { return options.SetExecutionMode(mode) },
	}
	if c.OptimizedModelPath != "" {
		steps = append(steps, func() error { return options.SetOptimizedModelFilePath(c.OptimizedModelPath) })
	}
	if c.TracePrefix != "" {
		steps = append(steps, func() error { return options.EnableProfiling(c.TracePrefix) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return translate(err.Error())
		}
	}
	for _, file := range c.CustomOps {
		if err := o.rt.registerCustomOps(options, file); err != nil {
			return err
		}
	}
	return nil
}
