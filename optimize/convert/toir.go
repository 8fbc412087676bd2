package convert

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"time"

	"infer/internal/child"
	"infer/internal/fault"
	"infer/model/engine"
	"infer/report"
)

// converter is the name of OpenVINO's own converter.
const converter = "ovc"

// toIR lets ovc write an IR: OUT.xml and its weights beside it, as precise as the model.
func (c *conversion) toIR(ctx context.Context) error {
	tool, err := exec.LookPath(converter)
	if err != nil {
		return fault.New(fault.Unsupported, "install it with `pip install openvino` and have it on PATH, or give -o a name that ends in .onnx for ONNX Runtime's provider",
			"an IR (.xml) is made by %s, which is not on PATH", converter)
	}
	source := c.Model
	if source.Edited() || source.Path == "" {
		return fault.New(fault.Internal, "", "%s reads model files", converter)
	}
	argv := []string{tool, source.Path, "--output_model", c.draft.Path(), "--compress_to_fp16=False"}
	last := []string{}
	begin := time.Now()
	err = child.Lines(ctx, argv, []string{"OPENVINO_TELEMETRY_OPT_OUT=1"}, func(line string) {
		if text := strings.Trim(strings.TrimPrefix(line, "[ ERROR ]"), " -"); text != "" && text != "END OF REPORT" {
			last = append(last, text)[max(0, len(last)-3):]
		}
	})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		if _, ok := errors.AsType[*exec.ExitError](err); ok {
			return fault.New(fault.Unsupported, "run it by hand to see all that it says", "%s cannot convert the model: %s", converter, strings.Join(last, "; "))
		}
		return err
	}
	argv[3] = c.Output
	c.details.Tool = &report.ToolRun{Name: converter, Version: toolVersion(ctx, tool), Command: argv, Seconds: time.Since(begin).Seconds()}
	c.note("written without compression to float16, which ovc does unless it is told not to")
	c.remark("the IR was run by OpenVINO itself, in the Python of ovc")
	python := interpreterOf(tool)
	c.output.open = func(ctx context.Context) (engine.Session, error) {
		if python == "" {
			return nil, fault.New(fault.Unsupported, "pass --verify 0", "the IR cannot be run: no Python with OpenVINO is known")
		}
		return newIRSession(python, c.draft.Path(), c.Model), nil
	}
	return nil
}

// toolVersion asks ovc for its version; "" where it does not tell.
func toolVersion(ctx context.Context, tool string) (version string) {
	_ = child.Lines(ctx, []string{tool, "--version"}, nil, func(line string) {
		if words := strings.Fields(line); len(words) > 0 && strings.ContainsAny(words[len(words)-1], "0123456789") {
			version = words[len(words)-1]
		}
	})
	return version
}
