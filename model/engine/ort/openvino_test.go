//go:build cgo && !windows

package ort

import (
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

func TestOpenVINOOptions(t *testing.T) {
	for _, test := range []struct {
		key, value string
		hint       string // "" is fine
	}{
		{"device_type", "CPU", ""}, {"device_type", "AUTO:GPU.1,CPU", ""}, {"device_type", "CPU_FP32", ""}, {"device_type", "XPU", "GPU"},
		{"num_of_threads", "2", ""}, {"num_of_threads", "0", "1 or more"}, {"num_streams", "abc", "1 or more"},
		{"precision", "FP32", ""}, {"precision", "FP64", "ACCURACY"},
		{"disable_dynamic_shapes", "true", ""}, {"disable_dynamic_shapes", "1", "true or false"},
		{"load_config", `{"CPU": {"NUM_STREAMS": "1"}}`, ""}, {"load_config", "/none.json", "JSON"},
		{"cache_dir", "anywhere", ""}, {"cach_dir", "anywhere", "did you mean cache_dir?"},
	} {
		err := checkOpenVINO(map[string]string{test.key: test.value})
		if (err == nil) != (test.hint == "") || err != nil && (fault.KindOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), test.hint)) {
			t.Errorf("%s=%s: got %v, hint %q, want %q", test.key, test.value, err, fault.HintOf(err), test.hint)
		}
	}
}

// TestSameAxes: sizes that contradict each other end the process of OpenVINO, so that they must not reach it.
func TestSameAxes(t *testing.T) {
	port := func(name string, dims ...onnx.Dim) model.Port {
		return model.Port{Name: name, Type: &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32, HasShape: true, Dims: dims}}
	}
	ports := []model.Port{port("a", onnx.Symbol("n"), onnx.Fixed(2)), port("b", onnx.Symbol("n"), onnx.Symbol(""))}
	shaped := func(shapes ...tensor.Shape) (out []tensor.Tensor) {
		for _, s := range shapes {
			out = append(out, tensor.Tensor{Shape: s})
		}
		return out
	}
	if err := sameAxes(ports, shaped(tensor.Shape{3, 2}, tensor.Shape{3, 7}), []int{0, 1}); err != nil {
		t.Error(err)
	}
	err := sameAxes(ports, shaped(tensor.Shape{3, 2}, tensor.Shape{2, 7}), []int{1, 0})
	if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), `axis "n" is 3 in input "b" and 2 in input "a"`) {
		t.Errorf("got %v", err)
	}
}

func TestWithoutOptionalInputs(t *testing.T) {
	value := func(name string) *onnx.ValueInfo {
		return &onnx.ValueInfo{Name: name, Type: &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32, HasShape: true, Dims: []onnx.Dim{onnx.Fixed(1)}}}
	}
	w, err := onnx.NewTensor("w", tensor.Tensor{DType: tensor.Float32, Shape: tensor.Shape{1}, Data: make([]byte, 4)})
	if err != nil {
		t.Fatal(err)
	}
	m := model.New(&onnx.Model{IRVersion: 3, Opsets: []onnx.Opset{{Version: 7}}, Graph: &onnx.Graph{
		Name: "g", Inputs: []*onnx.ValueInfo{value("x"), value("w")}, Outputs: []*onnx.ValueInfo{value("y")}, Initializers: []*onnx.Tensor{w},
		Nodes: []*onnx.Node{{OpType: "Add", Inputs: []string{"x", "w"}, Outputs: []string{"y"}}},
	}})
	if !hasOptionalInputs(m) {
		t.Fatal("not seen")
	}
	b, err := withoutOptionalInputs(m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := onnx.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Graph.Inputs) != 1 || got.Graph.Inputs[0].Name != "x" || got.IRVersion != 4 || len(got.Graph.Initializers) != 1 {
		t.Errorf("inputs %v, IR version %d", got.Graph.Inputs, got.IRVersion)
	}
	if len(m.Proto.Graph.Inputs) != 2 || m.Proto.IRVersion != 3 {
		t.Error("the model itself was changed")
	}
}
