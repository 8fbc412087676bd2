package emit

import (
	"slices"

	"infer/internal/fault"
	"infer/model/tensor"
	"infer/optimize/quantize/affine"
)

// Target is what a rewritten model is to run on: which layouts its runtime turns into integer kernels.
type Target struct {
	Name       string
	Activation affine.Grid
	Weight     affine.Grid
	// Outputs says that integer kernels give integers: a Conv is one only where its output is quantized too, and what
	// lies between two of them runs on integers.
	Outputs bool
	// IntBias says that a bias belongs to the kernel as int32; otherwise it stays float.
	IntBias bool
	// Dynamic says that the runtime has kernels that quantize activations in every run.
	Dynamic bool
	// Contrib says that the runtime has the operators of com.microsoft.
	Contrib bool
}

// TargetNames are the values of --target.
var TargetNames = []string{"auto", "cpu", "cpu:avx2", "cpu:vnni", "tensorrt", "openvino"}

// NewTarget returns the target of a name and, in words for people, why it is laid out as it is. "auto" follows the
// execution provider, "cpu" the instruction sets of this machine (arch as in runtime.GOARCH, isa as the kernel names
// them).
func NewTarget(name, provider, arch string, isa []string) (Target, string, error) {
	if name == "auto" {
		name = map[string]string{"tensorrt": "tensorrt", "cuda": "tensorrt", "openvino": "openvino"}[provider]
		if name == "" {
			name = "cpu"
		}
	}
	why := "named by --target"
	if name == "cpu" {
		name, why = detect(arch, isa)
	}
	u8, s8 := affine.Grid{DType: tensor.Uint8}, affine.Grid{DType: tensor.Int8, Symmetric: true}
	cpu := Target{Name: name, Activation: u8, Weight: s8, Outputs: true, IntBias: true, Dynamic: true, Contrib: true}
	switch name {
	case "cpu:vnni":
		return cpu, why, nil
	case "cpu:avx2":
		cpu.Weight.Reduced = true
		return cpu, why, nil
	case "tensorrt":
		return Target{Name: name, Activation: s8, Weight: s8}, "TensorRT takes symmetric int8 in front of what it computes", nil
	case "openvino":
		return Target{Name: name, Activation: u8, Weight: s8}, "OpenVINO takes uint8 activations and symmetric int8 weights", nil
	}
	hint := "use one of auto, cpu, cpu:avx2, cpu:vnni, tensorrt, openvino"
	if near := fault.Nearest(name, TargetNames); near != "" {
		hint = "did you mean " + near + "?"
	}
	return Target{}, "", fault.New(fault.Usage, hint, "target %q is not known", name)
}

// detect tells processors whose integer kernels add pairs of products in 16 bits, and saturate there, from those that
// add four in 32 bits. The first kind needs weights of 7 bits to stay exact.
func detect(arch string, isa []string) (name, why string) {
	if arch != "amd64" {
		return "cpu:vnni", "kernels of " + arch + " add products in 32 bits: weights keep their 8 bits"
	}
	for _, set := range []string{"amx_int8", "avx512_vnni", "avx_vnni"} {
		if slices.Contains(isa, set) {
			return "cpu:vnni", "this CPU has " + set + ": weights keep their 8 bits"
		}
	}
	return "cpu:avx2", "this CPU has no VNNI, its int8 kernels saturate at 16 bits: weights are kept within ±64"
}
