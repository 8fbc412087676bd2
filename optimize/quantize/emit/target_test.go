package emit

import (
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model/tensor"
	"infer/optimize/quantize/affine"
)

func TestNewTarget(t *testing.T) {
	u8, s8 := affine.Grid{DType: tensor.Uint8}, affine.Grid{DType: tensor.Int8, Symmetric: true}
	s7 := s8
	s7.Reduced = true
	vnni := Target{Name: "cpu:vnni", Activation: u8, Weight: s8, Outputs: true, IntBias: true, Dynamic: true, Contrib: true}
	avx2 := vnni
	avx2.Name, avx2.Weight = "cpu:avx2", s7
	tensorrt, openvino := Target{Name: "tensorrt", Activation: s8, Weight: s8}, Target{Name: "openvino", Activation: u8, Weight: s8}
	for _, c := range []struct {
		name, provider, arch, isa string
		want                      Target
		why                       string
	}{
		{"cpu:vnni", "cpu", "amd64", "", vnni, "named by --target"},
		{"cpu:avx2", "cpu", "arm64", "", avx2, "named by --target"},
		{"cpu", "cuda", "amd64", "avx2", avx2, "no VNNI"},
		{"cpu", "cpu", "amd64", "", avx2, "no VNNI"},
		{"cpu", "cpu", "amd64", "avx2 avx_vnni", vnni, "has avx_vnni"},
		{"cpu", "cpu", "amd64", "avx512f avx512_vnni", vnni, "has avx512_vnni"},
		{"cpu", "cpu", "amd64", "avx512_vnni amx_int8", vnni, "has amx_int8"},
		{"cpu", "cpu", "amd64", "avx512_vnnix", avx2, "no VNNI"},
		{"cpu", "cpu", "arm64", "", vnni, "arm64"},
		{"auto", "cpu", "amd64", "avx_vnni", vnni, "has avx_vnni"},
		{"auto", "", "amd64", "", avx2, "no VNNI"},
		{"auto", "dml", "amd64", "", avx2, "no VNNI"},
		{"auto", "tensorrt", "amd64", "avx_vnni", tensorrt, "symmetric int8"},
		{"auto", "cuda", "arm64", "", tensorrt, "symmetric int8"},
		{"auto", "openvino", "amd64", "", openvino, "uint8 activations"},
		{"tensorrt", "cpu", "amd64", "", tensorrt, "symmetric int8"},
		{"openvino", "cpu", "amd64", "", openvino, "uint8 activations"},
	} {
		got, why, err := NewTarget(c.name, c.provider, c.arch, strings.Fields(c.isa))
		if err != nil || got != c.want || !strings.Contains(why, c.why) {
			t.Errorf("NewTarget(%s, %s, %s, %s): %+v, %q, %v", c.name, c.provider, c.arch, c.isa, got, why, err)
		}
	}
}

func TestUnknownTarget(t *testing.T) {
	for name, hint := range map[string]string{"tensort": "did you mean tensorrt?", "": "use one of auto, cpu, cpu:avx2", "Hexagon": "use one of auto"} {
		_, _, err := NewTarget(name, "cpu", "amd64", nil)
		if fault.KindOf(err) != fault.Usage || !strings.HasPrefix(fault.HintOf(err), hint) {
			t.Errorf("%q: %v, hint %q", name, err, fault.HintOf(err))
		}
	}
	for _, name := range TargetNames {
		if _, _, err := NewTarget(name, "cpu", "amd64", nil); err != nil {
			t.Error(err)
		}
	}
}
