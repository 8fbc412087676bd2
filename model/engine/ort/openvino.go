//go:build cgo && !windows

package ort

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	ortgo "github.com/yalue/onnxruntime_go"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine"
	"infer/model/onnx"
)

// openvinoOptions are the options of the OpenVINO provider. The library answers a wrong one with "Failed to load shared
// library", so that the reason is looked for here. Ref: ONNX Runtime 1.24, docs of the OpenVINO execution provider.
var openvinoOptions = []string{
	"cache_dir", "device_id", "device_luid", "device_type", "disable_dynamic_shapes", "enable_causallm", "enable_opencl_throttling",
	"enable_qdq_optimizer", "layout", "load_config", "model_priority", "num_of_threads", "num_streams", "precision", "reshape_input",
}

var (
	openvinoDevice = regexp.MustCompile(`^(CPU|GPU|NPU|AUTO|HETERO|MULTI|BATCH)([._(]|$)`)
	openvinoWord   = regexp.MustCompile(`[:,]`)
	positiveNumber = regexp.MustCompile(`^[1-9]\d*$`)
)

// appendOpenVINO adds the OpenVINO provider. It has threads of its own and takes their number from an option only, so
// that the session's number is given there where nothing else is.
func (o opener) appendOpenVINO(options *ortgo.SessionOptions, given map[string]string) error {
	if err := checkOpenVINO(given); err != nil {
		return err
	}
	all := map[string]string{}
	maps.Copy(all, given)
	device, config := given["device_type"], openvinoConfig(given)
	if config != "" {
		all["load_config"] = config
	}
	if all["num_of_threads"] == "" && (device == "" || strings.Contains(device, "CPU")) && !strings.Contains(config, "INFERENCE_NUM_THREADS") {
		all["num_of_threads"] = strconv.Itoa(o.threads())
	}
	err := options.AppendExecutionProviderOpenVINO(all)
	switch {
	case err == nil || len(given) == 0:
		return err
	case device != "" && !strings.HasPrefix(device, "CPU"):
		return fault.New(fault.Unsupported, "see what is here with `infer runtime doctor`, or leave device_type out for the CPU",
			"OpenVINO cannot use device_type=%s on this machine", device)
	}
	var list []string
	for _, key := range slices.Sorted(maps.Keys(given)) {
		list = append(list, key+"="+given[key])
	}
	return fault.New(fault.Usage, "the CPU takes precision FP32 and ACCURACY; leave options out to find the one it refuses, or see `infer runtime doctor`",
		"the openvino provider does not start with the options %s", strings.Join(list, " "))
}

// openvinoConfig returns the text of the option load_config, which may name a file with it.
func openvinoConfig(given map[string]string) string {
	text := given["load_config"]
	if b, err := os.ReadFile(text); err == nil {
		text = string(b)
	}
	return text
}

// checkOpenVINO reports options that the provider does not know, and values that it does not take.
func checkOpenVINO(given map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(given)) {
		value, hint := given[key], ""
		switch key {
		case "device_type":
			if slices.ContainsFunc(openvinoWord.Split(value, -1), func(d string) bool { return !openvinoDevice.MatchString(d) }) {
				hint = "it takes CPU, GPU, GPU.1, NPU, AUTO:GPU,CPU and the like"
			}
		case "precision":
			if !slices.Contains([]string{"FP32", "FP16", "ACCURACY"}, value) {
				hint = "it takes FP32, FP16 or ACCURACY, as far as the device has it"
			}
		case "num_of_threads", "num_streams":
			if !positiveNumber.MatchString(value) {
				hint = "it takes a number of 1 or more"
			}
		case "enable_opencl_throttling", "enable_qdq_optimizer", "enable_causallm", "disable_dynamic_shapes":
			if !slices.Contains([]string{"true", "True", "false", "False"}, value) {
				hint = "it takes true or false"
			}
		case "load_config":
			if !json.Valid([]byte(openvinoConfig(given))) {
				hint = "it takes JSON such as {\"CPU\": {\"NUM_STREAMS\": \"1\"}}, or a file with it"
			}
		default:
			if !slices.Contains(openvinoOptions, key) {
				hint = "its options are " + strings.Join(openvinoOptions, ", ")
				if near := fault.Nearest(key, openvinoOptions); near != "" {
					hint = "did you mean " + near + "? " + hint
				}
				return fault.New(fault.Usage, hint, "the openvino provider has no option %q", key)
			}
		}
		if hint != "" {
			return fault.New(fault.Usage, hint, "option of the openvino provider: %s=%q", key, value)
		}
	}
	return nil
}

// hasOptionalInputs reports whether initializers of the graph are listed among its inputs too, as exporters of IR
// version 3 wrote them.
func hasOptionalInputs(m *model.Model) bool { return len(m.Inputs()) < len(m.Proto.Graph.Inputs) }

// withoutOptionalInputs returns the model in bytes with its initializers as nothing but that. OpenVINO takes an input
// that is not given for one that is, and ends the process; no session of infer gives them.
func withoutOptionalInputs(m *model.Model) ([]byte, error) {
	p, g := *m.Proto, *m.Proto.Graph
	given := m.Inputs()
	g.Inputs = slices.Clone(g.Inputs)
	g.Inputs = slices.DeleteFunc(g.Inputs, func(v *onnx.ValueInfo) bool {
		return !slices.ContainsFunc(given, func(p engine.Port) bool { return p.Name == v.Name })
	})
	p.Graph, p.IRVersion = &g, max(p.IRVersion, 4)
	return onnx.Encode(&p)
}
