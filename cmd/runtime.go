package cmd

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"infer/internal/fault"
	"infer/model/engine/ort"
	"infer/model/engine/ort/library"
	"infer/report"
)

// newRuntimeCmd groups what concerns the ONNX Runtime library as a file.
func newRuntimeCmd(a *app) *cobra.Command {
	c := &cobra.Command{
		Use:   "runtime",
		Short: "Find, install and diagnose the ONNX Runtime library",
		Long: `runtime tells which ONNX Runtime libraries are on this machine and which one infer uses:
--ort-library or INFER_ORT_LIBRARY, then infer's own cache, then a system copy that is new enough, then an install of
the pinned release ` + library.Pinned + ` through your package client (pip, uv or npm), checked against a pinned checksum.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		newRuntimeSubCmd(a, "list", "List the libraries of this machine and the one in use", runRuntimeList),
		newRuntimeSubCmd(a, "install", "Install the pinned library into infer's cache, where it is not there yet", runRuntimeInstall),
		newRuntimeSubCmd(a, "doctor", "Say what would go wrong on this machine, and what to do about it", runRuntimeDoctor),
	)
	return c
}

// runtimeFlags are the flags of the subcommands of runtime.
type runtimeFlags struct {
	library string // list and doctor: the library to look at
	flavor  string // install: the build
	output  string
}

func newRuntimeSubCmd(a *app, use, short string, run func(context.Context, *app, runtimeFlags) error) *cobra.Command {
	var f runtimeFlags
	c := &cobra.Command{
		Use:     use,
		Short:   short,
		Example: "  infer runtime " + use + "\n  infer runtime " + use + " --format json",
		Args:    usageArgs(cobra.NoArgs),
		RunE:    func(c *cobra.Command, _ []string) error { return run(c.Context(), a, f) },
	}
	if use == "install" {
		c.Flags().StringVar(&f.flavor, "flavor", "cpu", "build of the library: cpu")
	} else {
		addLibraryFlag(c.Flags(), &f.library)
	}
	addOutputFlag(c.Flags(), &f.output)
	return c
}

func runRuntimeList(ctx context.Context, a *app, f runtimeFlags) error {
	libs, err := library.Find(ctx, a.libraryOptions(f.library))
	if err != nil {
		return err
	}
	return a.emitLibraries(libs, nil, f.output)
}

func runRuntimeInstall(ctx context.Context, a *app, f runtimeFlags) error {
	o := a.libraryOptions("")
	o.Path = "" // what is installed is infer's own copy, whatever else is in use
	if a.bar == nil && !o.Offline {
		a.log.Info("installing onnxruntime " + library.Pinned + " where it is not in the cache yet")
	}
	lib, err := library.Install(ctx, o, f.flavor)
	if err != nil {
		return err
	}
	lib.Selected = true
	return a.emitLibraries([]library.Library{lib}, nil, f.output)
}

func runRuntimeDoctor(ctx context.Context, a *app, f runtimeFlags) error {
	o := a.libraryOptions(f.library)
	findings := library.Doctor(ctx, o)
	libs, err := library.Find(ctx, o)
	if err != nil {
		return err
	}
	rows := make([]report.Finding, 0, len(findings)+1)
	failed := 0
	for _, x := range findings {
		level := x.Severity
		if x.OK {
			level = "ok"
		}
		rows = append(rows, report.Finding{Name: x.Name, Level: level, Detail: x.Detail, Fix: x.Advice})
		if x.Severity == library.SeverityError {
			failed++
		}
	}
	for _, l := range libs {
		if l.Selected {
			row := loads(l)
			if row.Level == "error" {
				failed++
			}
			rows = append(rows, row)
		}
	}
	if err := a.emitLibraries(libs, rows, f.output); err != nil {
		return err
	}
	if failed > 0 {
		return fault.New(fault.Internal, "each finding above says what to do", "%d of %d checks failed", failed, len(rows))
	}
	return nil
}

// loads loads the library that would be used, which is the proof, and names its providers.
func loads(l library.Library) report.Finding {
	rt, err := ort.Load(ort.LoadOptions{Path: l.Path})
	if err != nil {
		return report.Finding{Name: "library loads", Level: "error", Detail: err.Error(), Fix: fault.HintOf(err)}
	}
	defer rt.Close()
	return report.Finding{Name: "library loads", Level: "ok", Detail: fmt.Sprintf("version %s, providers %v", rt.Version(), rt.Providers())}
}

func (a *app) emitLibraries(libs []library.Library, findings []report.Finding, output string) error {
	d := a.newDocument("runtime")
	details := report.RuntimeDetails{Libraries: []report.Library{}, Findings: findings}
	for _, l := range libs {
		row := report.Library{Path: l.Path, Version: l.Version, Source: l.Source, Providers: l.Providers, Selected: l.Selected, Problem: l.Problem}
		if info, err := os.Stat(l.Path); err == nil {
			row.Bytes = info.Size()
		}
		if row.Providers == nil {
			row.Providers = []string{}
		}
		details.Libraries = append(details.Libraries, row)
	}
	if len(libs) == 0 && !a.libraryOptions("").Offline {
		details.Next = &report.NextStep{Command: "infer runtime install", Why: "this machine has no ONNX Runtime library yet; the first use installs it too"}
	}
	if err := d.SetDetails(details); err != nil {
		return err
	}
	return a.emit(d, output)
}
