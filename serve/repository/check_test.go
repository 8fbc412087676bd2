package repository

import (
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// TestValidation: what does not fit the model is refused in the words that Triton's own tests look for.
func TestValidation(t *testing.T) {
	m := enginetest.Build(
		enginetest.Values(enginetest.Value("A", tensor.Float32, "n", 1, 28, 28), enginetest.Value("B", tensor.Float32, "n", 1, 28, 28),
			enginetest.Value("S", tensor.String, "n")),
		enginetest.Values(enginetest.Value("Y", tensor.Float32, "n", 1, 28, 28), enginetest.Value("T", tensor.String, "n")),
		[]*onnx.Node{
			enginetest.Node("Add", enginetest.Names("A", "B"), enginetest.Names("Y")),
			enginetest.Node("Identity", enginetest.Names("S"), enginetest.Names("T")),
		})
	r := serve(t, Options{}, save(t, m, t.TempDir(), "m.onnx"))
	h, err := r.Acquire("m", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	image := func(name string, shape ...int64) tensor.Tensor {
		x, err := tensor.New(name, tensor.Float32, shape)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	a, b := image("A", 1, 1, 28, 28), image("B", 1, 1, 28, 28)
	s := tensor.Tensor{Name: "S", DType: tensor.String, Shape: tensor.Shape{1}, Strings: []string{"x"}}
	with := func(x tensor.Tensor, change func(*tensor.Tensor)) tensor.Tensor {
		change(&x)
		return x
	}
	for _, c := range []struct {
		name string
		in   []tensor.Tensor
		want []string
		text string
	}{
		{"inputs missing", []tensor.Tensor{a}, nil,
			"expected 3 inputs but got 1 inputs for model 'm'. Got input(s) ['A'], but missing required input(s) ['B','S']. Please provide all required input(s)."},
		{"no inputs", nil, nil, "expected 3 inputs but got 0 inputs for model 'm'. Got input(s) [], but missing required input(s) ['A','B','S']."},
		{"input unknown", []tensor.Tensor{a, b, s, image("Z", 1)}, nil, "unexpected inference input 'Z' for model 'm'"},
		{"input without a name", []tensor.Tensor{a, b, {DType: tensor.String}}, nil, "unexpected inference input '' for model 'm'"},
		{"input twice", []tensor.Tensor{a, b, s, b}, nil, "input 'B' for model 'm' is given twice"},
		{"input twice for another", []tensor.Tensor{a, b, b}, nil, "input 'B' for model 'm' is given twice"},
		{"dtype", []tensor.Tensor{a, with(b, func(x *tensor.Tensor) { x.DType = tensor.Float64 }), s}, nil,
			"inference input 'B' data-type is 'FP64', but model 'm' expects 'FP32'"},
		{"dimension", []tensor.Tensor{a, image("B", 1, 1, 28, 27), s}, nil,
			"unexpected shape for input 'B' for model 'm'. Expected [-1,1,28,28], got [1,1,28,27]"},
		{"rank", []tensor.Tensor{a, image("B", 1, 1, 28), s}, nil, "unexpected shape for input 'B' for model 'm'. Expected [-1,1,28,28], got [1,1,28]"},
		{"rank 0", []tensor.Tensor{a, image("B"), s}, nil, "Expected [-1,1,28,28], got []"},
		{"negative", []tensor.Tensor{a, with(b, func(x *tensor.Tensor) { x.Shape = tensor.Shape{-1, 1, 28, 28} }), s}, nil, "got [-1,1,28,28]"},
		{"overflow", []tensor.Tensor{a, with(b, func(x *tensor.Tensor) { x.Shape = tensor.Shape{1 << 62, 1, 28, 28} }), s}, nil, "input 'B' for model 'm': "},
		{"too short", []tensor.Tensor{a, with(b, func(x *tensor.Tensor) { x.Data = x.Data[:40] }), s}, nil,
			"input byte size mismatch for input 'B' for model 'm'. Expected 3136, got 40"},
		{"strings", []tensor.Tensor{a, b, with(s, func(x *tensor.Tensor) { x.Strings = []string{"x", "y"} })}, nil,
			"expected 1 string elements for inference input 'S' for model 'm', got 2"},
		{"rows", []tensor.Tensor{a, image("B", 2, 1, 28, 28), s}, nil, "input 'B' batch size does not match other inputs for 'm'"},
		{"no rows", []tensor.Tensor{image("A", 0, 1, 28, 28), image("B", 0, 1, 28, 28), with(s, func(x *tensor.Tensor) { x.Shape, x.Strings = tensor.Shape{0}, nil })}, nil,
			"input 'A' for model 'm' has no rows"},
		{"output unknown", []tensor.Tensor{a, b, s}, []string{"Y", "Z"}, "unexpected inference output 'Z' for model 'm'"},
		{"output twice", []tensor.Tensor{a, b, s}, []string{"Y", "Y"}, "output 'Y' for model 'm' is asked for twice"},
		{"right", []tensor.Tensor{s, b, a}, []string{"T", "Y"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			call := NewCall()
			defer call.Free()
			call.Inputs, call.Want = c.in, c.want
			err := h.Infer(t.Context(), call)
			if c.text == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.text) || fault.KindOf(err) != fault.Usage {
				t.Fatalf("kind %d: %v\nwant %s", fault.KindOf(err), err, c.text)
			}
		})
	}
}

// TestEmptyDimensions: an axis that is no batch axis may be empty.
func TestEmptyDimensions(t *testing.T) {
	r := serve(t, Options{}, save(t, enginetest.Identity(tensor.Float32, 1, "k"), t.TempDir(), "m.onnx"))
	h, err := r.Acquire("m", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	c := NewCall()
	defer c.Free()
	c.Inputs = []tensor.Tensor{{Name: "x", DType: tensor.Float32, Shape: tensor.Shape{1, 0}}}
	if err := h.Infer(t.Context(), c); err != nil || !c.Outputs[0].Shape.Equal(tensor.Shape{1, 0}) || len(c.Outputs[0].Data) != 0 {
		t.Errorf("%+v, %v", c.Outputs, err)
	}
}

// TestSignature: what the protocols cannot carry is refused as an input and left out as an output.
func TestSignature(t *testing.T) {
	packed := enginetest.Build(
		enginetest.Values(enginetest.Value("x", tensor.Int4, 2)), enginetest.Values(enginetest.Value("y", tensor.Float32, 2)),
		[]*onnx.Node{enginetest.Node("DequantizeLinear", enginetest.Names("x", "scale"), enginetest.Names("y"))},
		enginetest.Initializer(enginetest.Floats("scale", tensor.Shape{}, 2)))
	path := save(t, packed, t.TempDir(), "m.onnx")
	_, err := Open(t.Context(), Options{Sources: []Source{{Path: path}}, Provider: enginetest.CPU(t), CPUs: 1})
	if err == nil || fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), `input "x"`) {
		t.Errorf("an input of int4: %v", err)
	}
	two := enginetest.Build(
		enginetest.Values(enginetest.Value("x", tensor.Float32, 2)),
		enginetest.Values(enginetest.Value("q", tensor.Int4, 2), enginetest.Value("y", tensor.Float32, 2)),
		[]*onnx.Node{
			enginetest.Node("Cast", enginetest.Names("x"), enginetest.Names("q"), enginetest.Int("to", int64(tensor.Int4))),
			enginetest.Node("Neg", enginetest.Names("x"), enginetest.Names("y")),
		})
	r := serve(t, Options{}, save(t, two, t.TempDir(), "m.onnx"))
	h, err := r.Acquire("m", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	if out := h.Info().Outputs; len(out) != 1 || out[0].Name != "y" {
		t.Errorf("outputs %v", out)
	}
}
