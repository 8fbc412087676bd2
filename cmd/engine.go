package cmd

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/pflag"

	"infer/internal/fault"
	"infer/internal/host"
	"infer/model"
	"infer/model/engine"
	"infer/model/engine/ort"
	"infer/model/engine/ort/library"
	"infer/report"
)

// engineFlags are the flags of every command that runs a model.
type engineFlags struct {
	providers       []string
	providerOptions []string
	threads         int
	interThreads    int
	sessionConfig   []string
	customOps       []string
	ortLibrary      string
}

func (e *engineFlags) add(f *pflag.FlagSet) {
	f.StringArrayVar(&e.providers, "provider", nil, "execution provider, in order of preference: cpu|cuda|tensorrt|openvino|…; repeatable (default cpu)")
	f.StringArrayVar(&e.providerOptions, "provider-option", nil, "`[provider.]key=value` for the provider; repeatable")
	f.IntVar(&e.threads, "threads", 0, "intra-op threads (default: the CPUs this process may really use)")
	f.IntVar(&e.interThreads, "inter-threads", 0, "inter-op threads; more than one runs branches in parallel (default 1)")
	f.StringArrayVar(&e.sessionConfig, "session-config", nil, "`key=value` session-config entry of the runtime; repeatable")
	f.StringArrayVar(&e.customOps, "custom-ops", nil, "`LIBRARY` with custom operators of the model; repeatable")
	addLibraryFlag(f, &e.ortLibrary)
	markTop(f, "provider", "provider-option", "threads", "inter-threads", "session-config", "custom-ops")
}

func addLibraryFlag(f *pflag.FlagSet, path *string) {
	f.StringVar(path, "ort-library", "", "`FILE` of the ONNX Runtime library (default: found or installed, see 'infer runtime')")
	markTop(f, "ort-library")
}

// config returns the session configuration of the flags, with the thread count decided.
func (e *engineFlags) config() (engine.Config, error) {
	var c engine.Config
	if e.threads < 0 || e.interThreads < 0 {
		return c, fault.New(fault.Usage, "give 0 for the default", "--threads and --inter-threads must not be negative")
	}
	if limit := maxThreads(); e.threads > limit || e.interThreads > limit {
		return c, fault.New(fault.Usage, "leave it out for the CPUs that this process may use", "--threads and --inter-threads may be %d at most on this machine", limit)
	}
	c.Threads, c.InterThreads = e.threads, e.interThreads
	if c.Threads == 0 {
		c.Threads = host.EffectiveCPUs().Count
	}
	names := e.providers
	if len(names) == 0 {
		names = []string{"cpu"}
	}
	for _, n := range names {
		c.Providers = append(c.Providers, engine.ProviderSpec{Name: strings.ToLower(n)})
	}
	for _, o := range e.providerOptions {
		if err := addProviderOption(c.Providers, o); err != nil {
			return c, err
		}
	}
	for _, entry := range e.sessionConfig {
		k, v, ok := strings.Cut(entry, "=")
		if !ok || k == "" {
			return c, fault.New(fault.Usage, "write it as key=value", "--session-config %q has no key=value", entry)
		}
		if c.Entries == nil {
			c.Entries = map[string]string{}
		}
		c.Entries[k] = v
	}
	for _, file := range e.customOps {
		if info, err := os.Stat(file); err != nil {
			return c, fault.New(fault.Usage, "give the file of a shared library", "--custom-ops: %w", err)
		} else if !info.Mode().IsRegular() {
			return c, fault.New(fault.Usage, "give the file of a shared library", "--custom-ops %q is not a file", file)
		}
	}
	c.CustomOps = e.customOps
	return c, nil
}

// wanted returns the execution providers that the library must have, in order of preference. optional: cpu, which every
// library has, may run in place of them.
func (e *engineFlags) wanted() (providers []string, optional bool) {
	for _, p := range e.providers {
		if p = strings.ToLower(p); p == "cpu" {
			optional = true
			break
		}
		providers = append(providers, p)
	}
	return providers, optional
}

// maxThreads is far above what is of use: threads of the runtime spin while they wait, so that many more than there are
// CPUs stall the machine, and the runtime takes minutes to start ten thousand.
func maxThreads() int { return max(256, 4*runtime.NumCPU()) }

// addProviderOption gives [provider.]key=value to the provider it names, or to the first one.
func addProviderOption(specs []engine.ProviderSpec, option string) error {
	key, value, ok := strings.Cut(option, "=")
	if !ok || key == "" {
		return fault.New(fault.Usage, "write it as [provider.]key=value", "--provider-option %q has no key=value", option)
	}
	target := &specs[0]
	if name, rest, dotted := strings.Cut(key, "."); dotted {
		for i := range specs {
			if specs[i].Name == name {
				target, key = &specs[i], rest
			}
		}
	}
	if target.Options == nil {
		target.Options = map[string]string{}
	}
	target.Options[key] = value
	return nil
}

// libraryOptions are where to look for the runtime library: the flag, the environment, this user's cache.
func (a *app) libraryOptions(path string) library.Options {
	o := library.OptionsFromEnv()
	if path != "" {
		o.Path = path
	}
	o.Progress = a.progress()
	return o
}

// findLibrary returns the runtime library that has the providers of e. It installs the pinned one on first use where no
// others are asked for.
func (a *app) findLibrary(ctx context.Context, e engineFlags) (library.Library, error) {
	o := a.libraryOptions(e.ortLibrary)
	var optional bool
	o.Providers, optional = e.wanted()
	lib, err := library.Ensure(ctx, o)
	for optional && len(o.Providers) > 0 && fault.KindOf(err) == fault.Unsupported {
		o.Providers = o.Providers[:len(o.Providers)-1] // the session says which are left out
		lib, err = library.Ensure(ctx, o)
	}
	return lib, err
}

// openRuntime finds the runtime library that has the providers of e and loads it.
func (a *app) openRuntime(ctx context.Context, e engineFlags) (*ort.Runtime, library.Library, error) {
	lib, err := a.findLibrary(ctx, e)
	if err != nil {
		return nil, lib, err
	}
	a.log.Debug("runtime library", "path", lib.Path, "version", lib.Version, "source", lib.Source)
	rt, err := ort.Load(ort.LoadOptions{Path: lib.Path})
	if err != nil {
		return nil, lib, fmt.Errorf("load the runtime library: %w", err)
	}
	return rt, lib, nil
}

// runtimeRef records the library and what it loads besides: the files of the asked providers, and custom operators.
func runtimeRef(lib library.Library, c engine.Config) (*report.RuntimeRef, error) {
	ref := &report.RuntimeRef{Name: "onnxruntime", Version: lib.Version, Path: lib.Path, Flavor: lib.Flavor}
	for _, p := range c.Providers {
		ref.Providers = append(ref.Providers, p.Name)
		if file := library.ProviderFile(lib.Path, p.Name); file != "" {
			d, err := digestOf(file)
			if err != nil {
				return nil, err
			}
			ref.ProviderLibraries = append(ref.ProviderLibraries, d)
		}
	}
	for _, file := range c.CustomOps {
		d, err := digestOf(file)
		if err != nil {
			return nil, err
		}
		ref.CustomOps = append(ref.CustomOps, d)
	}
	return ref, nil
}

func digestOf(file string) (report.FileDigest, error) {
	d := report.FileDigest{Path: file}
	f, err := os.Open(file)
	if err != nil {
		return d, err
	}
	defer f.Close()
	h := sha256.New()
	if d.Bytes, err = io.Copy(h, f); err != nil {
		return d, err
	}
	d.SHA256 = hex.EncodeToString(h.Sum(nil))
	return d, nil
}

// opened is a model with its inputs and the provider to run it on.
type opened struct {
	path     string
	model    *model.Model
	data     *inputs
	config   engine.Config
	library  library.Library
	runtime  *ort.Runtime
	provider engine.Provider
}

// open opens what a command that runs a model needs, cheap things first: flags, model, data, then the runtime.
func (a *app) open(ctx context.Context, args []string, e engineFlags, b bindFlags, d dataFlags) (*opened, error) {
	o := &opened{}
	if err := o.fill(ctx, a, args, e, b, d); err != nil {
		o.close()
		return nil, err
	}
	return o, nil
}

func (o *opened) fill(ctx context.Context, a *app, args []string, e engineFlags, b bindFlags, d dataFlags) error {
	if err := o.load(a, args, e, b, d); err != nil {
		return err
	}
	return o.start(ctx, a, e)
}

// load opens what needs no runtime.
func (o *opened) load(a *app, args []string, e engineFlags, b bindFlags, d dataFlags) (err error) {
	if o.config, err = e.config(); err != nil {
		return err
	}
	if o.path, err = a.modelOperand(args); err != nil {
		return err
	}
	if o.model, err = loadModel(o.path); err != nil {
		return err
	}
	o.data, err = openData(o.model, d, b)
	return err
}

// start loads the runtime.
func (o *opened) start(ctx context.Context, a *app, e engineFlags) (err error) {
	if o.runtime, o.library, err = a.openRuntime(ctx, e); err != nil {
		return err
	}
	o.provider, err = o.runtime.Provider(o.config.Providers[0].Name)
	return err
}

func (o *opened) close() {
	if o.runtime != nil {
		_ = o.runtime.Close()
	}
	if o.data != nil {
		o.data.close()
	}
	if o.model != nil {
		_ = o.model.Close()
	}
}
