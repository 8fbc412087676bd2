package half

import (
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// The words of the small models below.
var (
	node    = enginetest.Node
	names   = enginetest.Names
	integer = enginetest.Int
)

// f32 is a float32 value of a shape.
func f32(name string, dims ...any) *onnx.ValueInfo {
	return enginetest.Value(name, tensor.Float32, dims...)
}

// constant is a float32 initializer; a nil shape is one axis.
func constant(name string, s tensor.Shape, v ...float32) *onnx.Tensor {
	return enginetest.Initializer(enginetest.Floats(name, s, v...))
}

// ints is an int64 initializer; a nil shape is one axis.
func ints(name string, s tensor.Shape, v ...int64) *onnx.Tensor {
	return enginetest.Initializer(enginetest.Int64s(name, s, v...))
}

// build returns a graph with one float32 input x of a shape.
func build(dims []any, out []*onnx.ValueInfo, nodes []*onnx.Node, constants ...*onnx.Tensor) *onnx.Model {
	return enginetest.Build(enginetest.Values(f32("x", dims...)), out, nodes, constants...).Proto
}

// text writes the nodes of a graph one a line, subgraphs indented: "y = Add(x, c)"; a Cast with its type.
func text(g *onnx.Graph) string {
	var b strings.Builder
	for _, n := range g.Nodes {
		op := n.OpType
		if op == "Cast" {
			op += ":" + tensor.DType(n.Int("to", 0)).String()
		}
		b.WriteString(strings.Join(n.Outputs, ", ") + " = " + op + "(" + strings.Join(n.Inputs, ", ") + ")\n")
		for _, sub := range n.Subgraphs() {
			for line := range strings.Lines(text(sub)) {
				b.WriteString("\t" + line)
			}
		}
	}
	return b.String()
}

// types lists the initializers of a graph with their dtypes: "w:float16".
func types(g *onnx.Graph) []string {
	var list []string
	for _, t := range g.Initializers {
		list = append(list, t.Name+":"+t.DType.String())
	}
	return list
}

// body is an attribute that holds a graph.
func body(name string, g *onnx.Graph) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrGraph, G: g}
}

// with returns the default options with a change.
func with(change func(*Options)) Options {
	o := DefaultOptions
	change(&o)
	return o
}

// halves returns a float32 tensor in float16.
func halves(x tensor.Tensor) tensor.Tensor {
	f, err := tensor.Floats(x)
	if err != nil {
		panic(err)
	}
	data, _, _ := round(f, tensor.Float16)
	return tensor.Tensor{Name: x.Name, DType: tensor.Float16, Shape: x.Shape, Data: data}
}

// otherDomain moves the Gelu of a model to com.microsoft.
func otherDomain(m *onnx.Model) *onnx.Model {
	for _, n := range m.Graph.Nodes {
		if n.OpType == "Gelu" {
			n.Domain = "com.microsoft"
		}
	}
	m.Opsets = append(m.Opsets, onnx.Opset{Domain: "com.microsoft", Version: 1})
	return m
}

// normalization is (x − mean) / √(variance + ε) over the last axis, in the pieces that exporters write.
func normalization() *onnx.Model {
	return build([]any{2, 2}, enginetest.Values(f32("y", 2, 2)), []*onnx.Node{
		node("ReduceMean", names("x", "axis"), names("mean")), node("Sub", names("x", "mean"), names("d")),
		node("Pow", names("d", "two"), names("sq")), node("ReduceMean", names("sq", "axis"), names("var")),
		node("Add", names("var", "eps"), names("e")), node("Sqrt", names("e"), names("dev")), node("Div", names("d", "dev"), names("y")),
	}, ints("axis", nil, -1), constant("two", tensor.Shape{}, 2), constant("eps", tensor.Shape{}, 1e-5))
}

// TestUnknownType: nobody knows what an unknown operator makes, so whoever reads it is left alone.
func TestUnknownType(t *testing.T) {
	m := build([]any{2}, enginetest.Values(f32("y", 2)), []*onnx.Node{
		node("Relu", names("x"), names("a")), node("Strange", names("a"), names("b")), node("Relu", names("b"), names("c")),
		node("Mul", names("a", "c"), names("y")),
	})
	m.Graph.Nodes[1].Domain = "own"
	m.Opsets = append(m.Opsets, onnx.Opset{Domain: "own", Version: 1})
	c, r := convertCopy(t, m, DefaultOptions)
	want := "x_float16 = Cast:float16(x)\na = Relu(x_float16)\na_float32 = Cast:float32(a)\nb = Strange(a_float32)\nc = Relu(b)\n" +
		"y = Mul(a_float32, c)\n"
	if got := text(c.Graph); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if len(r.Kept) != 2 || r.Kept[1].Why != `type of "c" is not known` {
		t.Errorf("kept %v", r.Kept)
	}
}

// TestOverflow: a decomposed normalization of values around 1000 has squares of 10⁶, which no float16 holds.
func TestOverflow(t *testing.T) {
	m := normalization()
	converted, _ := convertCopy(t, m, DefaultOptions)
	in := []tensor.Tensor{enginetest.Floats("x", tensor.Shape{2, 2}, 1000, -1000, 2000, -500)}
	if d := distance(t, outputs(t, open(t, model.New(converted)), in), outputs(t, open(t, model.New(m)), in)); !(d < 0.003) {
		t.Errorf("outputs differ by %.5f of their norm", d)
	}
}

// TestTypes: declared types of inputs, outputs and inner values follow.
func TestTypes(t *testing.T) {
	m := build([]any{2}, enginetest.Values(f32("y", 2)), []*onnx.Node{
		node("Mul", names("x", "c"), names("a")), node("Mul", names("a", "d"), names("y")), node("Sin", names("d"), names("unread")),
	}, constant("c", nil, 2), constant("d", nil, 3))
	m.Graph.ValueInfo = enginetest.Values(f32("a", 2), f32("c", 1), f32("d", 1))
	kept, _ := convertCopy(t, m, with(func(o *Options) { o.BlockOps = []string{"Sin"} }))
	for i, want := range []tensor.DType{tensor.Float16, tensor.Float16, tensor.Float32} { // d is kept in both types
		if v := kept.Graph.ValueInfo[i]; v.Type.DType != want {
			t.Errorf("%s is declared %s, want %s", v.Name, v.Type.DType, want)
		}
	}
	if x, y := kept.Graph.Inputs[0].Type.DType, kept.Graph.Outputs[0].Type.DType; x != tensor.Float32 || y != tensor.Float32 {
		t.Errorf("input is declared %s, output %s; want float32", x, y)
	}
	if m.Graph.ValueInfo[0].Type.DType != tensor.Float32 {
		t.Error("the type of the given model has changed")
	}
	all, _ := convertCopy(t, m, with(func(o *Options) { o.KeepIO = false }))
	if x, y := all.Graph.Inputs[0].Type.DType, all.Graph.Outputs[0].Type.DType; x != tensor.Float16 || y != tensor.Float16 {
		t.Errorf("input is declared %s, output %s; want float16", x, y)
	}
}

// TestInitializerInputs: below IR version 4 an initializer must be an input too and is a constant all the same; from
// then on a caller may override it, so it stays float32 like every input.
func TestInitializerInputs(t *testing.T) {
	m := build([]any{2}, enginetest.Values(f32("y", 2)), []*onnx.Node{node("Mul", names("x", "w"), names("y"))}, constant("w", nil, 2, 3))
	m.Graph.Inputs = append(m.Graph.Inputs, f32("w", 2))
	overridable, _ := convertCopy(t, m, DefaultOptions)
	if got := types(overridable.Graph); !slices.Equal(got, []string{"w:float32"}) || len(overridable.Graph.Inputs) != 2 {
		t.Errorf("constants %v, %d inputs; want a float32 that can be overridden", got, len(overridable.Graph.Inputs))
	}
	both, _ := convertCopy(t, m, with(func(o *Options) { o.KeepIO = false }))
	if got := types(both.Graph); !slices.Equal(got, []string{"w:float16"}) || both.Graph.Inputs[1].Type.DType != tensor.Float16 {
		t.Errorf("constants %v, input %s; want float16", got, both.Graph.Inputs[1].Type.DType)
	}
	m.IRVersion, m.Opsets = 3, []onnx.Opset{{Version: 8}}
	old, _ := convertCopy(t, m, DefaultOptions)
	if got := types(old.Graph); !slices.Equal(got, []string{"w:float16"}) || len(old.Graph.Inputs) != 1 || old.IRVersion != 4 {
		t.Errorf("constants %v, %d inputs, IR version %d; want a float16 constant, 1 and 4", got, len(old.Graph.Inputs), old.IRVersion)
	}
	open(t, model.New(old))
}

// TestFunctions: calls of the model's own functions stay float32, and their bodies as they are.
func TestFunctions(t *testing.T) {
	m := build([]any{2}, enginetest.Values(f32("y", 2)), []*onnx.Node{
		node("Relu", names("x"), names("a")), node("Twice", names("a"), names("b")), node("Exp", names("b"), names("y")),
	})
	m.Graph.Nodes[1].Domain = "own"
	m.Opsets = append(m.Opsets, onnx.Opset{Domain: "own", Version: 1})
	m.Functions = []*onnx.Function{{
		Name: "Twice", Domain: "own", Inputs: names("i"), Outputs: names("o"), Opsets: []onnx.Opset{{Version: enginetest.Opset}},
		Nodes: []*onnx.Node{node("Add", names("i", "i"), names("o"))},
	}}
	converted, r := convertCopy(t, m, DefaultOptions)
	if len(r.Kept) != 1 || r.Kept[0] != (Kept{"b", "own.Twice", "a function of the model"}) {
		t.Errorf("kept %v", r.Kept)
	}
	in := []tensor.Tensor{enginetest.Floats("x", nil, 1, 2)}
	if d := distance(t, outputs(t, open(t, model.New(converted)), in), outputs(t, open(t, model.New(m)), in)); !(d < 0.003) {
		t.Errorf("outputs differ by %.5f of their norm", d)
	}
}

// TestDeterminism: equal models give equal bytes.
func TestDeterminism(t *testing.T) {
	for range 5 {
		var files [2][]byte
		for i := range files {
			c, _ := convertCopy(t, normalization(), DefaultOptions)
			b, err := onnx.Encode(c)
			if err != nil {
				t.Fatal(err)
			}
			files[i] = b
		}
		if !slices.Equal(files[0], files[1]) {
			t.Fatal("two conversions of one model differ")
		}
	}
}

// TestBFloat16: operators whose definition takes bfloat16 later than the model's opset stay float32.
func TestBFloat16(t *testing.T) {
	m := build([]any{2, 2}, enginetest.Values(f32("y", 2, 2)), []*onnx.Node{
		node("MatMul", names("x", "w"), names("a")), node("Sin", names("a"), names("y")),
	}, constant("w", tensor.Shape{2, 2}, 1e6, 2, 3, 1e-20))
	c, r := convertCopy(t, m, with(func(o *Options) { o.DType = tensor.BFloat16 }))
	want := "x_bfloat16 = Cast:bfloat16(x)\na = MatMul(x_bfloat16, w)\na_float32 = Cast:float32(a)\ny = Sin(a_float32)\n"
	if got := text(c.Graph); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if len(r.Kept) != 1 || r.Kept[0].Why != "bfloat16 from opset 22 on" || r.Clamped+r.Flushed != 0 || len(r.Notes) != 1 {
		t.Errorf("%+v", r)
	}
}

// TestErrors: what cannot be converted is refused before anything changes.
func TestErrors(t *testing.T) {
	relu := func() *onnx.Model {
		return build([]any{2}, enginetest.Values(f32("y", 2)), []*onnx.Node{node("Mul", names("x", "w"), names("y"))}, constant("w", nil, 2, 3))
	}
	halfModel, _ := convertCopy(t, relu(), DefaultOptions)
	old := relu()
	old.Opsets[0].Version = 12
	for _, c := range []struct {
		name string
		m    *onnx.Model
		o    Options
		kind fault.Kind
		part string
	}{
		{"converted already", halfModel, DefaultOptions, fault.Unsupported, `constant "w" is float16`},
		{"bfloat16 before opset 13", old, with(func(o *Options) { o.DType = tensor.BFloat16 }), fault.Unsupported, "opset 12 has no bfloat16"},
		{"no graph", &onnx.Model{}, DefaultOptions, fault.Unsupported, "no graph"},
		{"another type", relu(), with(func(o *Options) { o.DType = tensor.Int8 }), fault.Usage, "want float16 or bfloat16"},
		{"no largest activation", relu(), with(func(o *Options) { o.ActMax = 0 }), fault.Usage, "want more than 0"},
		{"negative reduction", relu(), with(func(o *Options) { o.MaxReduction = -1 }), fault.Usage, "longest reduction is -1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Convert(c.m, nil, c.o)
			if err == nil || !strings.Contains(err.Error(), c.part) || fault.KindOf(err) != c.kind {
				t.Errorf("error %v, want %q", err, c.part)
			}
		})
	}
}
