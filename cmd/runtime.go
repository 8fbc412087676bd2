package cmd

import (
	"context"
	"fmt"
	"strings"

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
the pinned release ` + library.Pinned + ` through your package client (pip, uv or npm), checked against a pinned checksum.

Builds for accelerators are installed by name (install --flavor openvino) and used by the commands that are asked for
their execution provider (--provider openvino), and by no others.`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		newRuntimeSubCmd(a, "list", "List the libraries of this machine and the one in use", runRuntimeList),
		newRuntimeSubCmd(a, "install", "Install the pinned library, or one for an accelerator, into infer's cache", runRuntimeInstall),
		newRuntimeSubCmd(a, "doctor", "Say what would go wrong on this machine, and what to do about it", runRuntimeDoctor),
	)
	return c
}

// runtimeFlags are the flags of the subcommands of runtime.
type runtimeFlags struct {
	library   string   // list and doctor: the library to look at
	providers []string // list and doctor: the execution providers that it must have
	flavor    string   // install: the build
	output    string
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
		c.Flags().StringVar(&f.flavor, "flavor", "cpu", "build of the library: "+strings.Join(library.Flavors(), "|"))
	} else {
		c.Flags().StringArrayVar(&f.providers, "provider", nil, "execution provider that the library must have, as for the commands that run a model; repeatable")
		addLibraryFlag(c.Flags(), &f.library)
	}
	addOutputFlag(c.Flags(), &f.output)
	return c
}

// options are those of list and doctor.
func (f *runtimeFlags) options(a *app) library.Options {
	o := a.libraryOptions(f.library)
	e := engineFlags{providers: f.providers}
	o.Providers, _ = e.wanted()
	return o
}

func runRuntimeList(ctx context.Context, a *app, f runtimeFlags) error {
	libs, err := library.Find(ctx, f.options(a))
	if err != nil {
		return err
	}
	return a.emitLibraries(libs, nil, f.output)
}

func runRuntimeInstall(ctx context.Context, a *app, f runtimeFlags) error {
	o := a.libraryOptions("")
	o.Path = "" // what is installed is infer's own copy, whatever else is in use
	plan, err := library.PlanInstall(o, f.flavor)
	if err != nil {
		return err
	}
	if !o.Offline {
		a.sayPlan(plan)
	}
	lib, err := library.Install(ctx, o, f.flavor)
	if err != nil {
		return err
	}
	if plan.Flavor == "cpu" {
		lib.Selected = true
	}
	return a.emitLibraries([]library.Library{lib}, nil, f.output)
}

// sayPlan says before an install what will be downloaded.
func (a *app) sayPlan(p library.Plan) {
	for _, d := range p.Downloads {
		a.log.Info(fmt.Sprintf("to download: %s, %s", d.Package, report.FormatValue(report.Bytes, float64(d.Bytes))))
	}
	if len(p.Downloads) > 0 {
		a.log.Info(fmt.Sprintf("%s in all, %s on disk, into %s", report.FormatValue(report.Bytes, float64(p.Bytes)), report.FormatValue(report.Bytes, float64(p.OnDisk)), p.Dir))
	}
}

func runRuntimeDoctor(ctx context.Context, a *app, f runtimeFlags) error {
	o := f.options(a)
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
		row := report.Library{Path: l.Path, Version: l.Version, Source: l.Source, Flavor: l.Flavor, Bytes: l.Bytes, Providers: l.Providers, Selected: l.Selected, Problem: l.Problem}
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
