package cmd

import (
	"context"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"infer/model/engine/ort/library"
	"infer/report"
)

// version is the version of infer; a release build sets it with -ldflags "-X infer/cmd.version=…".
var version = "0.1.0-dev"

// toolVersion returns the version with the commit it was built from, where the build knows it.
func toolVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return version + "+" + s.Value[:12]
		}
	}
	return version
}

func newVersionCmd(a *app, run func(context.Context, *app, runtimeFlags) error) *cobra.Command {
	var f runtimeFlags
	c := &cobra.Command{
		Use:     "version",
		Short:   "Print the versions of infer, Go and the ONNX Runtime library",
		Example: "  infer version\n  infer version --format json",
		Args:    usageArgs(cobra.NoArgs),
		RunE:    func(c *cobra.Command, _ []string) error { return run(c.Context(), a, f) },
	}
	addLibraryFlag(c.Flags(), &f.library)
	addOutputFlag(c.Flags(), &f.output)
	return c
}

func runVersion(ctx context.Context, a *app, f runtimeFlags) error {
	d := a.newDocument("version")
	details := report.VersionDetails{Infer: toolVersion(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Pinned: library.Pinned}
	libs, err := library.Find(ctx, a.libraryOptions(f.library))
	if err != nil {
		d.Warn("%v", err)
	}
	for _, l := range libs {
		if l.Selected {
			details.Runtime, details.Library, details.Providers = l.Version, l.Path, l.Providers
		}
	}
	if err := d.SetDetails(details); err != nil {
		return err
	}
	return a.emit(d, f.output)
}
