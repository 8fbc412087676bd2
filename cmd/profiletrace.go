package cmd

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"infer/internal/fault"
	"infer/model"
	"infer/model/measure"
	"infer/model/trace"
	"infer/profile"
	"infer/report"
)

// runFlags are those that say how to run a model, which --from-trace and --diff do not do.
var runFlags = []string{
	"runs", "duration", "cold", "batch", "profiled-runs", "trace", "roofline", "pre", "post", "provider", "provider-option", "threads",
	"inter-threads", "session-config", "custom-ops", "ort-library", "input", "seed", "shape", "dim", "io",
}

// runFromTrace reads a trace that exists in place of running anything.
func runFromTrace(_ context.Context, a *app, args []string, f profileFlags) error {
	if err := f.checkFromTrace(); err != nil {
		return err
	}
	gates, err := report.ParseGates("profile", f.gates)
	if err != nil {
		return err
	}
	d := a.newDocument("profile")
	var m *model.Model
	if len(args) > 0 {
		if m, err = loadModel(args[0]); err != nil {
			return err
		}
		defer m.Close()
		sum, err := m.Digest()
		if err != nil {
			return err
		}
		d.Manifest.Model = &report.ModelRef{Path: m.Path, SHA256: sum, Bytes: m.Bytes()}
	}
	if err := a.checkOutputs(m, []string{f.fromTrace}, f.outputs()...); err != nil {
		return err
	}
	t, err := readTrace(f.fromTrace, f.opts.WarmUp)
	if err != nil {
		return err
	}
	f.opts.TracePath = f.fromTrace
	if err := profile.FromTrace(t, m, f.opts, d); err != nil {
		return fault.Wrap(err, "trace %q", f.fromTrace)
	}
	return f.finish(a, d, profile.Profiled{Trace: t}, gates)
}

// checkFromTrace refuses what does not go with --from-trace.
func (f *profileFlags) checkFromTrace() error {
	if f.opts.By == "origin" {
		return fault.New(fault.Usage, "use --by node, or profile the model itself", "--by origin needs the graph that the runtime ran, which a trace does not hold")
	}
	return f.checkIdle("--from-trace")
}

// checkIdle refuses flags that say how to run a model, and options that are no good: mode runs nothing. What a configuration
// file says of a run is passed over.
func (f *profileFlags) checkIdle(mode string) error {
	var idle []string
	if f.set != nil {
		f.set.Visit(func(p *pflag.Flag) {
			if p.Changed && slices.Contains(runFlags, p.Name) {
				idle = append(idle, "--"+p.Name)
			}
		})
	}
	if len(idle) > 0 {
		return fault.New(fault.Usage, "leave it out, or leave out "+mode, "%s runs nothing: %s has no use with it", mode, strings.Join(idle, ", "))
	}
	return f.opts.Validate()
}

// readTrace reads a trace without its first warmUp runs. measure.Auto leaves the first run out where others are left
// to tell from: it is the slowest.
func readTrace(path string, warmUp int) (*trace.Trace, error) {
	if warmUp != measure.Auto {
		return trace.ReadFile(path, warmUp)
	}
	t, err := trace.ReadFile(path, 1)
	if err == nil && t.Runs < 2 {
		return trace.ReadFile(path, 0)
	}
	return t, err
}
