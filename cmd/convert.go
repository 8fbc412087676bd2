package cmd

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"infer/internal/fault"
	"infer/optimize/convert"
)

// convertFlags are the flags of infer convert.
type convertFlags struct {
	to       string
	output   string
	via      string        // provider, trtexec or ovc: what compiles it
	verify   int           // sets of inputs on which the result is compared with the model
	raceTime time.Duration // of the measurement of speed
	ortLevel string
	check    bool
	engine   engineFlags
	bind     bindFlags
	data     dataFlags
	half     halfFlags
	trt      tensorRTFlags
	python   exportFlags
}

// halfFlags are those of fp16 and bf16.
type halfFlags struct {
	keepIO       bool
	blockOps     []string
	blockNodes   string
	calib        string
	samples      int64
	actMax       float64
	maxReduction int64
}

func (f *halfFlags) add(fs *pflag.FlagSet) {
	def := convert.DefaultOptions().Half
	fs.BoolVar(&f.keepIO, "keep-io", def.KeepIO, "fp16, bf16: inputs and outputs stay float32")
	fs.StringSliceVar(&f.blockOps, "block-ops", nil, "fp16, bf16: operators that stay float32, `Softmax,com.microsoft.Gelu`")
	fs.StringVar(&f.blockNodes, "block-nodes", "", "fp16, bf16: nodes whose names match `REGEX` stay float32")
	fs.StringVar(&f.calib, "calib", "", "fp16: `DATA` whose rows tell which values exceed the range, a data set or random; nodes that touch one stay float32")
	fs.Int64Var(&f.samples, "samples", 0, "fp16: calibration rows to use, the first ones (default: all, 512 at most)")
	fs.Float64Var(&f.actMax, "act-max", def.ActMax, "fp16: the largest value that calibration may see of a node in half precision")
	fs.Int64Var(&f.maxReduction, "max-reduction", def.MaxReduction, "fp16, bf16: nodes that sum over more terms stay float32; 0: no limit")
}

func newConvertCmd(a *app, run func(context.Context, *app, []string, convertFlags) error) *cobra.Command {
	var f convertFlags
	c := &cobra.Command{
		Use:   "convert MODEL --to FORMAT -o OUT",
		Short: "Convert a model to another precision, opset, storage or runtime",
		Long: `convert writes a model in another form, and proves it: what was written is read back and run beside MODEL on the same
inputs (--verify sets of them, made up or from --input), and one that answers differently is not kept (exit 3).

  fp16, bf16      half precision where that is safe: constants are rounded and counted, nodes that would overflow stay float32
  onnx:opset=N    another version of ai.onnx, up or down, every operator that changed rewritten
  onnx            of a model of PyTorch (TorchScript, .pt2) or TensorFlow (a SavedModel's folder, .keras, .tflite), by the
                  exporters of your own Python (--python); TorchScript needs --shape name:1x3x224x224 for each input
  ort             ONNX Runtime's own format, optimized ahead
  external-data   weights in a file beside the model; single-file: back inside
  tensorrt        an engine for the GPU of this machine; --via trtexec makes a native one
  openvino        compiled by ONNX Runtime's OpenVINO provider; -o OUT.xml makes an IR with OpenVINO's ovc

Models above 1 GiB are converted tensor by tensor, in little memory, and are not run.

--check says what an artifact is and whether it would load on this machine: versions, opsets, custom operators, files
beside it, the provider that it needs, GPU and driver. One that would not load is exit 1.`,
		Example: `  infer convert model.onnx --to fp16
  infer convert model.onnx --to fp16 --calib calib --act-max 2000 -o half.onnx
  infer convert model.onnx --to onnx:opset=21
  infer convert model.onnx --to ort -o model.ort
  infer convert model.onnx --to external-data -o external.onnx
  infer convert --check model.onnx`,
		Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return run(c.Context(), a, args, f) },
	}
	f.add(c.Flags())
	return c
}

func (f *convertFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.to, "to", "", "`FORMAT`: fp16|bf16|onnx[:opset=N]|ort|external-data|single-file|tensorrt|openvino")
	fs.StringVarP(&f.output, "output", "o", "", "`FILE` to write (default: beside MODEL, as MODEL.fp16.onnx)")
	fs.StringVar(&f.via, "via", "", "what compiles it: provider|trtexec (tensorrt), provider|ovc (openvino); default provider")
	fs.IntVar(&f.verify, "verify", 3, "sets of inputs on which what was written is compared with MODEL; 0 runs neither")
	fs.DurationVar(&f.raceTime, "race-time", convert.DefaultOptions().RaceTime, "longest time to measure the speed beside MODEL; 0 leaves it out")
	fs.StringVar(&f.ortLevel, "ort-level", "extended", "ort: how far the stored graph is optimized: basic|extended|all (all is for this CPU alone)")
	fs.BoolVar(&f.check, "check", false, "convert nothing: say whether the artifact MODEL would load here")
	f.half.add(fs)
	f.trt.add(fs)
	f.python.add(fs)
	f.data.add(fs)
	f.engine.add(fs)
	f.bind.add(fs)
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
	if f.verify < 0 {
		return fault.New(fault.Usage, "give 0 to run nothing", "--verify %d is negative", f.verify)
	}
	if len(args) > 0 && isForeign(args[0]) {
		return f.export(ctx, a, args[0], target)
	}
	if target.Kind == convert.TensorRT {
		return f.tensorRT(ctx, a, args)
	}
	return f.rewrite(ctx, a, args, target)
}

// nameOutput chooses the output beside the model where none is given, and says so.
func (f *convertFlags) nameOutput(a *app, path string, t convert.Target) {
	if f.output != "" {
		return
	}
	suffix := t.Suffix()
	if t.Kind == convert.OpenVINO && f.via == convert.ViaOVC {
		suffix = ".openvino.xml"
	}
	f.output = strings.TrimSuffix(path, filepath.Ext(path)) + suffix
	a.log.Info(fmt.Sprintf("output: %s", f.output))
}
