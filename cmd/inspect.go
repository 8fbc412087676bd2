package cmd

import (
	"context"

	"github.com/spf13/cobra"

	"infer/profile"
	"infer/report"
)

// inspectFlags are the flags of infer inspect.
type inspectFlags struct {
	bind   bindFlags
	diff   string
	top    int
	output string
}

func newInspectCmd(a *app, run func(context.Context, *app, []string, inspectFlags) error) *cobra.Command {
	f := inspectFlags{top: 10}
	c := &cobra.Command{
		Use:   "inspect [MODEL]",
		Short: "Tell what a model file holds, without any runtime",
		Long: `inspect reads an ONNX file: signature, operators, parameters, MACs, activation memory, quantization state and what
looks wrong. It loads no runtime. Where it cannot infer a shape or a cost it says so and counts it as not covered.`,
		Example: `  infer inspect model.onnx
  infer inspect model.onnx --dim batch=8 --format json
  infer inspect model.onnx --diff other.onnx`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return run(c.Context(), a, args, f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.diff, "diff", "", "`OTHER` model: what changed in signature, operators, constants and cost")
	fs.IntVar(&f.top, "top", f.top, "rows of the tables")
	addOutputFlag(fs, &f.output)
	f.bind.add(fs)
	return c
}

func runInspect(_ context.Context, a *app, args []string, f inspectFlags) error {
	want, err := f.bind.bindings()
	if err != nil {
		return err
	}
	path, err := a.modelOperand(args)
	if err != nil {
		return err
	}
	m, err := loadModel(path)
	if err != nil {
		return err
	}
	defer m.Close()
	if err := a.checkOutputs(m, []string{f.diff}, outputFile{"--output", f.output}); err != nil {
		return err
	}
	d := a.newDocument("inspect")
	sum, err := m.Digest()
	if err != nil {
		return err
	}
	d.Manifest.Model = &report.ModelRef{Path: m.Path, SHA256: sum, Bytes: m.Bytes()}
	details, err := profile.Inspect(m, want, d)
	if err != nil {
		return err
	}
	if f.diff != "" {
		other, err := loadModel(f.diff)
		if err != nil {
			return err
		}
		defer other.Close()
		if details.Diff, err = profile.Diff(m, other, want); err != nil {
			return err
		}
	}
	if err := d.SetDetails(details); err != nil {
		return err
	}
	a.top = f.top
	return a.emit(d, f.output)
}
