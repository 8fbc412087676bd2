package surgery

import (
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

func TestSetIR(t *testing.T) {
	m := conditional()
	m.Opsets = []onnx.Opset{{Version: 13}}
	m.Graph.Nodes[0].Metadata = []onnx.Prop{{Key: "from", Value: "here"}}
	m.Graph.Initializers = []*onnx.Tensor{floats("w", 1, 4)}
	m.Graph.Nodes = append([]*onnx.Node{op("Add", named("z", "w"), named("x"))}, m.Graph.Nodes...)
	m.Graph.Inputs[1].Name = "z"
	old := m.Clone()
	lines, err := SetIR(old, 3)
	if err != nil {
		t.Fatal(err)
	}
	valid(t, old)
	want := []string{"IR version 3, was 10", "1 initializer became inputs with a default", "2 initializers of subgraphs became Constant nodes", "metadata of nodes, values and tensors are gone: IR version 10 brought them"}
	if !slices.Equal(lines, want) || !slices.Equal(names(old.Graph.Inputs), named("c", "z", "w")) || old.IRVersion != 3 {
		t.Errorf("%q, inputs %q", lines, names(old.Graph.Inputs))
	}
	same(t, m, old, nil)
	lines, err = SetIR(old, 8)
	if err != nil || !slices.Equal(names(old.Graph.Inputs), named("c", "z")) || len(lines) != 2 {
		t.Errorf("%v: %q, inputs %q", err, lines, names(old.Graph.Inputs))
	}
	same(t, m, old, nil)
	if lines, err := SetIR(old, 8); err != nil || lines != nil {
		t.Errorf("again: %q %v", lines, err)
	}
}

// TestSetIRRefuses: what a version cannot hold is named, and the model stays as it was.
func TestSetIRRefuses(t *testing.T) {
	plain := func(edit func(m *onnx.Model)) *onnx.Model {
		m := build(values(float("x", 2)), values(float("y", 2)), []*onnx.Node{op("Relu", named("x"), named("y"))})
		edit(m)
		return m
	}
	field := func(number byte) []byte { return []byte{number<<3 | 2, 0} } // of no bytes; below 16
	for _, c := range []struct {
		name    string
		model   *onnx.Model
		version int64
		want    string
	}{
		{"a function", plain(func(m *onnx.Model) { m.Functions = []*onnx.Function{{Name: "f", Opsets: m.Opsets}} }), 7, `function "f" needs version 8`},
		{"a default of a function", plain(func(m *onnx.Model) {
			m.Functions = []*onnx.Function{{Name: "f", AttrProtos: []*onnx.Attribute{enginetest.Int("k", 1)}}}
		}), 8, "needs version 9"},
		{"an overload", plain(func(m *onnx.Model) { m.Graph.Nodes[0].Overload = "o" }), 9, `the overload that node "y" (Relu) calls needs version 10`},
		{"int4", plain(func(m *onnx.Model) {
			m.Graph.Initializers = []*onnx.Tensor{enginetest.Initializer(tensor.Tensor{Name: "q", DType: tensor.Int4, Shape: tensor.Shape{2}, Data: []byte{0}})}
		}), 9, `"q" of type int4 needs version 10`},
		{"a Cast to float8", plain(func(m *onnx.Model) {
			m.Graph.Nodes = append(m.Graph.Nodes, op("Cast", named("y"), named("f"), enginetest.Int("to", int64(tensor.Float8E4M3FN))))
		}), 8, `"f" of type float8e4m3fn needs version 9`},
		{"an optional value", plain(func(m *onnx.Model) {
			m.Graph.ValueInfo = []*onnx.ValueInfo{{Name: "o", Type: &onnx.Type{Kind: onnx.KindOptional, Elem: m.Graph.Inputs[0].Type}}}
		}), 7, `the optional value "o" needs version 8`},
		{"annotations", plain(func(m *onnx.Model) { m.Graph.Unknown = field(14) }), 4, "quantization annotations needs version 5"},
		{"machines", plain(func(m *onnx.Model) { m.Graph.Nodes[0].Unknown = field(10) }), 9, `the placement of node "y" (Relu) needs version 11`},
		{"training", plain(func(m *onnx.Model) { m.Unknown = []byte{0xa2, 0x01, 0} }), 6, "training information needs version 7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			was := c.model.IRVersion
			_, err := SetIR(c.model, c.version)
			refused(t, err, fault.Unsupported, c.want, "or newer")
			if c.model.IRVersion != was {
				t.Error("the model changed")
			}
			if _, err := SetIR(c.model, MaxIR); err != nil {
				t.Error(err)
			}
		})
	}
	for _, v := range []int64{2, 14} {
		_, err := SetIR(chain(), v)
		refused(t, err, fault.Usage, "is not one that infer writes", "use 3 to 13")
	}
}

func TestOpset(t *testing.T) {
	m := chain()
	low := m.Clone()
	lines, err := Opset(t.Context(), low, 11)
	if err != nil {
		t.Fatal(err)
	}
	valid(t, low)
	if low.Opset("") != 11 || low.IRVersion != 6 || lines[0] != "opset 11, was 21" || !strings.Contains(strings.Join(lines, "\n"), "IR version 6, was 10") {
		t.Errorf("opset %d, IR version %d, %q", low.Opset(""), low.IRVersion, lines)
	}
	same(t, m, low, nil)
	lines, err = Opset(t.Context(), low, 21)
	if err != nil || low.Opset("") != 21 || low.IRVersion != 10 {
		t.Errorf("%v: opset %d, IR version %d, %q", err, low.Opset(""), low.IRVersion, lines)
	}
	same(t, m, low, nil)
	if lines, err := Opset(t.Context(), low, 21); err != nil || lines != nil {
		t.Errorf("again: %q, %v", lines, err)
	}
	for _, v := range []int64{0, 6, 99} {
		_, err := Opset(t.Context(), low, v)
		refused(t, err, fault.Usage, "is not one that infer brings models to", "use 7 to 25")
	}
	unknown := build(values(float("x", 2)), values(float("y", 2)), []*onnx.Node{op("Gelu", named("x"), named("y"))})
	unknown.Graph.Inputs[0].Type = nil
	_, err = Opset(t.Context(), unknown, 17)
	refused(t, err, fault.Unsupported, `node "y" (Gelu, making "y") cannot be brought from opset 20 to 19`, "use opset 20 or newer")
	if unknown.Opset("") != 21 {
		t.Error("the model changed")
	}
}

// TestOpsetOld: initializers that had to be inputs are none where the file's version allows it.
func TestOpsetOld(t *testing.T) {
	m := build(values(float("x", 2), float("w", 2)), values(float("y", 2)), []*onnx.Node{op("Add", named("x", "w"), named("y"))}, floats("w", 2))
	m.IRVersion, m.Opsets = 3, []onnx.Opset{{Version: 8}}
	up := m.Clone()
	if _, err := Opset(t.Context(), up, 13); err != nil || len(up.Graph.Inputs) != 1 || up.IRVersion != 7 {
		t.Errorf("%v: inputs %q, IR version %d", err, names(up.Graph.Inputs), up.IRVersion)
	}
	same(t, m, up, nil)
}
