package convert

import (
	"strings"
	"testing"

	"infer/internal/fault"
)

func TestTarget(t *testing.T) {
	for _, c := range []struct {
		text   string
		want   Target
		suffix string
	}{
		{"fp16", Target{Kind: FP16}, ".fp16.onnx"},
		{"bf16", Target{Kind: BF16}, ".bf16.onnx"},
		{"onnx", Target{Kind: ONNX}, ".onnx"},
		{"onnx:opset=21", Target{Kind: ONNX, Opset: 21}, ".opset21.onnx"},
		{"ort", Target{Kind: ORT}, ".ort"},
		{"external-data", Target{Kind: ExternalData}, ".external.onnx"},
		{"single-file", Target{Kind: SingleFile}, ".single.onnx"},
		{"tensorrt", Target{Kind: TensorRT}, ".tensorrt.onnx"},
		{"openvino", Target{Kind: OpenVINO}, ".openvino.onnx"},
	} {
		got, err := ParseTarget(c.text)
		if err != nil || got != c.want || got.Suffix() != c.suffix {
			t.Errorf("%s: %+v ending in %s, %v", c.text, got, got.Suffix(), err)
		}
	}
	for _, text := range []string{"", "porridge", "FP16", "fp16:x", "onnx:", "onnx:opset", "onnx:opset=", "onnx:opset=0", "onnx:opset=-3", "onnx:opset=2.5", "onnx:ir=8", "onnx:opset=99999999999999999999"} {
		if got, err := ParseTarget(text); fault.KindOf(err) != fault.Usage || err == nil {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func TestCheckOutput(t *testing.T) {
	for _, c := range []struct {
		to, path, via string
		ok            bool
	}{
		{"fp16", "m.onnx", "", true}, {"fp16", "m", "", true}, {"fp16", "m.ort", "", false}, {"fp16", "m.XML", "", false},
		{"ort", "m.ort", "", true}, {"ort", "m.ORT", "", true}, {"ort", "m.onnx", "", false},
		{"openvino", "m.onnx", "", true}, {"openvino", "m.xml", "", true}, {"openvino", "m.ort", "", false},
		{"openvino", "m.xml", ViaOVC, true}, {"openvino", "m.onnx", ViaOVC, false}, {"openvino", "m.xml", ViaProvider, false}, {"openvino", "m.onnx", ViaProvider, true},
	} {
		target, err := ParseTarget(c.to)
		if err != nil {
			t.Fatal(err)
		}
		if err := target.CheckOutput(c.path, c.via); (err == nil) != c.ok || err != nil && fault.KindOf(err) != fault.Usage {
			t.Errorf("--to %s --via %q -o %s: %v", c.to, c.via, c.path, err)
		}
	}
}

// FuzzParseTarget: whatever is typed is refused or makes a target whose name is the one that was typed.
func FuzzParseTarget(f *testing.F) {
	for _, k := range Kinds {
		f.Add(string(k))
	}
	f.Add("onnx:opset=21")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseTarget(text)
		if err != nil {
			return
		}
		if !strings.HasPrefix(text, string(got.Kind)) || got.Opset < 0 || got.Suffix() == "" {
			t.Errorf("%q is %+v", text, got)
		}
	})
}
