//go:build cgo && !windows

package ort

import (
	"strconv"
	"strings"

	ortgo "github.com/yalue/onnxruntime_go"

	"infer/internal/fault"
	"infer/model/engine"
)

// append adds an execution provider to the options of a session, through the call that the library has for it. An
// option it does not take is a fault.Usage error; a provider that does not load here is fault.Unsupported.
func (o opener) append(options *ortgo.SessionOptions, spec engine.ProviderSpec) error {
	p, err := lookUp(spec.Name, []string{spec.Name})
	if err != nil {
		return err
	}
	preloaded := o.rt.preload(p.name)
	switch p.name {
	case "cuda":
		err = appendCUDA(options, spec.Options)
	case "tensorrt":
		err = appendTensorRT(options, spec.Options)
	case "openvino":
		err = o.appendOpenVINO(options, spec.Options)
	case "coreml":
		err = options.AppendExecutionProviderCoreMLV2(spec.Options)
	case "directml":
		err = appendDirectML(options, spec.Options)
	default:
		err = options.AppendExecutionProvider(p.generic, spec.Options)
	}
	if err == nil || fault.HintOf(err) != "" {
		return err
	}
	why := cleanMessage(err.Error())
	if preloaded != nil {
		why += " (" + preloaded.Error() + ")"
	}
	return fault.New(fault.Unsupported, "run `infer runtime doctor`, or pass --provider cpu", "the %s provider cannot be used: %s", p.name, why)
}

// badOption makes an error of what the library says of options. It loads the provider's own library to look at them, and
// where that fails no option is at fault.
func badOption(name string, err error) error {
	if strings.Contains(err.Error(), "Failed to load library") {
		return err
	}
	return fault.New(fault.Usage, "see the options of this provider at onnxruntime.ai/docs/execution-providers",
		"option of the %s provider: %s", name, cleanMessage(err.Error()))
}

func appendCUDA(o *ortgo.SessionOptions, options map[string]string) error {
	c, err := ortgo.NewCUDAProviderOptions()
	if err != nil {
		return err
	}
	defer c.Destroy()
	if err := c.Update(options); err != nil {
		return badOption("cuda", err)
	}
	return o.AppendExecutionProviderCUDA(c)
}

func appendTensorRT(o *ortgo.SessionOptions, options map[string]string) error {
	c, err := ortgo.NewTensorRTProviderOptions()
	if err != nil {
		return err
	}
	defer c.Destroy()
	if err := c.Update(options); err != nil {
		return badOption("tensorrt", err)
	}
	return o.AppendExecutionProviderTensorRT(c)
}

func appendDirectML(o *ortgo.SessionOptions, options map[string]string) error {
	device := 0
	for k, v := range options {
		n, err := strconv.Atoi(v)
		if k != "device_id" || err != nil || n < 0 {
			return fault.New(fault.Usage, "it takes device_id=N", "option of the directml provider: %s=%s", k, v)
		}
		device = n
	}
	return o.AppendExecutionProviderDirectML(device)
}
