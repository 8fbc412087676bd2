package cmd

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"infer/internal/fault"
	"infer/optimize/convert"
)

// convertFlags are the flags of infer convert.
type convertFlags struct {
	to     string
	output string
	via    string // provider, trtexec or ovc: what compiles it
	verify int    // sets of inputs on which the result is compared with the model
	check  bool
	engine engineFlags
	bind   bindFlags
	data   dataFlags
	half   halfFlags
	trt    tensorRTFlags
	python exportFlags
}

// halfFlags are those of fp16 and bf16.
type halfFlags struct{}

func (f *halfFlags) add(*pflag.FlagSet) {}

func newConvertCmd(a *app, run func(context.Context, *app, []string, convertFlags) error) *cobra.Command {
	var f convertFlags
	c := &cobra.Command{
		Use:     "convert MODEL --to FORMAT -o OUT",
		Short:   "Convert a model to another precision, opset, storage or runtime",
		Example: `  infer convert model.onnx --to fp16`,
		Args:    usageArgs(cobra.MaximumNArgs(1)),
		RunE:    func(c *cobra.Command, args []string) error { return run(c.Context(), a, args, f) },
	}
	fs := c.Flags()
	fs.StringVar(&f.to, "to", "", "`FORMAT`: fp16|bf16|onnx:opset=N|ort|external-data|single-file|tensorrt|openvino")
	fs.StringVarP(&f.output, "output", "o", "", "`FILE` to write (default: beside MODEL)")
	fs.StringVar(&f.via, "via", "", "what compiles it: provider|trtexec (tensorrt), provider|ovc (openvino); default provider")
	fs.IntVar(&f.verify, "verify", 3, "sets of inputs on which what was written is compared with MODEL; 0 runs neither")
	fs.BoolVar(&f.check, "check", false, "convert nothing: say whether the artifact MODEL would load here")
	f.half.add(fs)
	f.trt.add(fs)
	f.python.add(fs)
	f.data.add(fs)
	f.engine.add(fs)
	f.bind.add(fs)
	return c
}

func runConvert(ctx context.Context, a *app, args []string, f convertFlags) error {
	if f.check {
		return f.checkArtifact(ctx, a, args)
	}
	if f.to == "" {
		return fault.New(fault.Usage, "pass --to fp16, --to onnx:opset=21 and the like", "convert to what is not said")
	}
	target, err := convert.ParseTarget(f.to)
	if err != nil {
		return err
	}
	if len(args) > 0 && isForeign(args[0]) {
		return f.export(ctx, a, args[0], target)
	}
	if target.Kind == convert.TensorRT {
		return f.tensorRT(ctx, a, args)
	}
	return f.rewrite(ctx, a, args, target)
}

// rewrite converts an ONNX model to whatever infer or the runtime can make of it.
func (f *convertFlags) rewrite(context.Context, *app, []string, convert.Target) error { return nil }
