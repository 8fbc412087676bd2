package model

import (
	"fmt"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model/onnx"
	"infer/model/tensor"
)

// signed returns a model whose inputs have the given types.
func signed(types map[string]*onnx.Type, order ...string) *Model {
	g := &onnx.Graph{}
	for _, name := range order {
		g.Inputs = append(g.Inputs, &onnx.ValueInfo{Name: name, Type: types[name]})
	}
	return New(&onnx.Model{Graph: g})
}

func dims(ds ...onnx.Dim) *onnx.Type {
	return &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32, HasShape: true, Dims: ds}
}

func TestBind(t *testing.T) {
	m := signed(map[string]*onnx.Type{
		"x:0":   dims(onnx.Symbol("batch"), onnx.Fixed(3), onnx.Dim{}, onnx.Fixed(-1)),
		"ids":   dims(onnx.Symbol("batch"), onnx.Symbol("seq")),
		"state": dims(),
		"any":   {Kind: onnx.KindTensor},
		"list":  {Kind: onnx.KindSequence},
	}, "x:0", "ids", "state", "any", "list")
	shape := func(name string, d ...int64) Bindings { return Bindings{Shapes: map[string]tensor.Shape{name: d}} }
	dim := func(name string, n int64) Bindings { return Bindings{Dims: map[string]int64{name: n}} }
	both := func(a, b Bindings) Bindings {
		if a.Shapes == nil {
			a.Shapes = b.Shapes
		}
		for k, v := range b.Shapes {
			a.Shapes[k] = v
		}
		a.Dims = b.Dims
		return a
	}
	tests := []struct {
		name string
		b    Bindings
		want string // x:0, ids, state, any and the reasons; or "!" and part of an error, with the hint
	}{
		{"nothing", Bindings{}, "1x3x1x1 1x1 scalar - default default default default default"},
		{"by name", dim("batch", 8), "8x3x1x1 8x1 scalar - dim default default dim default"},
		{"by shape", shape("x:0", 2, 3, 5, 7), "2x3x5x7 2x1 scalar - shape shape shape sibling default"},
		{"by a later shape", shape("ids", 4, 16), "4x3x1x1 4x16 scalar - sibling default default shape shape"},
		{"both agree", both(shape("ids", 4, 16), dim("batch", 4)), "4x3x1x1 4x16 scalar - dim default default shape shape"},
		{"unknown rank", shape("any", 2, 2), "1x3x1x1 1x1 scalar 2x2 default default default default default"},
		{"unknown input", shape("y", 1), `!no input is called "y"; the inputs are: x:0, ids, state, any`},
		{"a sequence", shape("list", 1), `!no input is called "list"`},
		{"unknown axis", dim("N", 1), `!no dynamic axis is called "N"; the named axes are: batch, seq`},
		{"fixed axis", shape("x:0", 2, 4, 5, 7), `!axis 1 of input "x:0" is fixed at 3, and shape 2x4x5x7 says 4; the input takes batchx3x?x?`},
		{"rank", shape("ids", 2), `!input "ids" has 2 axes, and shape 2 has 1`},
		{"scalar", shape("state", 2), `!input "state" has 0 axes, and shape 2 has 1; the input takes a scalar`},
		{"shape against name", both(shape("ids", 4, 16), dim("batch", 8)), `!axis "batch" is 8 by name, and shape 4x16`},
		{"shape against shape", both(shape("ids", 4, 16), shape("x:0", 2, 3, 1, 1)), `!axis "batch" is 2 in the shape of input "x:0" and 4 in that of "ids"`},
		{"too large", shape("any", 1<<40, 1<<40), "!too large"},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			b, err := m.Bind(c.b)
			if want, ok := strings.CutPrefix(c.want, "!"); ok {
				got := fmt.Sprintf("%v; %s", err, fault.HintOf(err))
				if fault.KindOf(err) != fault.Usage || !strings.Contains(got, want) {
					t.Errorf("got %s, want %s", got, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%s %s %s ", b.Shapes["x:0"], b.Shapes["ids"], b.Shapes["state"])
			if s, ok := b.Shapes["any"]; ok {
				got += s.String()
			} else {
				got += "-"
			}
			for _, a := range b.Axes {
				got += " " + string(a.Reason)
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	b, err := m.Bind(Bindings{})
	if err != nil {
		t.Fatal(err)
	}
	// batch and seq once each, two unnamed axes, the input without a shape.
	if len(b.Notes) != 5 || !strings.Contains(b.Notes[0], "--dim batch=N") {
		t.Errorf("notes are %q", b.Notes)
	}
	if err := b.Complete(); fault.KindOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), "--shape any:") {
		t.Errorf("got %v", err)
	}
}

func TestParseFlags(t *testing.T) {
	for text, want := range map[string]string{
		"x:1x3x224x224": "x 1x3x224x224", "serving_default_x:0:1x28": "serving_default_x:0 1x28", "s:scalar": "s scalar",
		"x": "!", "x:": "!", ":1": "!", "x:1,3": "!", "x:axb": "!", "x:-1": "!", "x:1x": "!", "": "!",
	} {
		name, shape, err := ParseShapeFlag(text)
		if got := name + " " + shape.String(); want == "!" && fault.KindOf(err) != fault.Usage || want != "!" && (err != nil || got != want) {
			t.Errorf("--shape %s: got %s, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"batch=8": "batch 8", "a=b=2": "a=b 2", "batch": "!", "=8": "!", "batch=": "!", "batch=0": "!", "batch=-1": "!", "batch=x": "!", "": "!",
	} {
		name, size, err := ParseDimFlag(text)
		if got := fmt.Sprintf("%s %d", name, size); want == "!" && fault.KindOf(err) != fault.Usage || want != "!" && (err != nil || got != want) {
			t.Errorf("--dim %s: got %s, %v", text, got, err)
		}
	}
	if _, err := ParseExternal("maybe"); fault.KindOf(err) != fault.Usage {
		t.Errorf("got %v", err)
	}
}
