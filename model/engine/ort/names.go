package ort

import (
	"slices"
	"strings"

	"infer/internal/fault"
)

// providerNames is an execution provider: its name on the command line, in the library's list of what it was built with,
// and in the library's generic call that adds it to a session.
type providerNames struct{ name, listed, generic string }

// knownProviders are the execution providers that a session can be opened on, given a library that has them.
var knownProviders = []providerNames{
	{"cpu", "CPUExecutionProvider", ""},
	{"cuda", "CUDAExecutionProvider", ""},
	{"tensorrt", "TensorrtExecutionProvider", ""},
	{"openvino", "OpenVINOExecutionProvider", ""},
	{"coreml", "CoreMLExecutionProvider", ""},
	{"directml", "DmlExecutionProvider", ""},
	{"xnnpack", "XnnpackExecutionProvider", "XNNPACK"},
	{"qnn", "QNNExecutionProvider", "QNN"},
	{"snpe", "SNPEExecutionProvider", "SNPE"},
	{"azure", "AzureExecutionProvider", "AZURE"},
	{"vitisai", "VitisAIExecutionProvider", "VitisAI"},
	{"nvtensorrtrtx", "NvTensorRTRTXExecutionProvider", "NvTensorRtRtx"},
	{"vsinpu", "VSINPUExecutionProvider", "VSINPU"},
	{"webgpu", "WebGpuExecutionProvider", "WebGPU"},
	{"webnn", "WebNNExecutionProvider", "WEBNN"},
	{"js", "JsExecutionProvider", "JS"},
}

// providerName returns the name on the command line of a provider that the library lists.
func providerName(listed string) string {
	for _, p := range knownProviders {
		if p.listed == listed {
			return p.name
		}
	}
	return strings.ToLower(strings.TrimSuffix(listed, "ExecutionProvider"))
}

// lookUp returns the names of a provider that is known, or that the library lists. Upper case and "dml" are taken too.
func lookUp(name string, available []string) (providerNames, error) {
	want := strings.ToLower(name)
	if want == "dml" {
		want = "directml"
	}
	names := make([]string, 0, len(knownProviders)+len(available))
	for _, p := range knownProviders {
		if p.name == want {
			return p, nil
		}
		names = append(names, p.name)
	}
	if slices.Contains(available, want) {
		return providerNames{name: want, generic: name}, nil
	}
	hint := "the providers are " + strings.Join(names, ", ")
	if near := fault.Nearest(want, names); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	return providerNames{}, fault.New(fault.Usage, hint, "unknown execution provider %q", name)
}

// missing is the error for a provider that the library was not built with.
func missing(p providerNames, version string, available []string) error {
	hint := "pass --provider cpu; this library has: " + strings.Join(available, ", ")
	switch p.name {
	case "cuda", "tensorrt":
		hint = "leave --ort-library out to have a library with it found, or `infer runtime install --flavor cuda`, or " + hint
	case "openvino":
		hint = "leave --ort-library out to have a library with it found, or `infer runtime install --flavor openvino`, or " + hint
	}
	return fault.New(fault.Unsupported, hint, "the %s provider is not in this build of ONNX Runtime %s", p.name, version)
}
