package half

import (
	"math"
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

// TestConvert compares the rewritten graph word by word and runs it.
func TestConvert(t *testing.T) {
	x := enginetest.Floats("x", tensor.Shape{2, 2}, 0.5, -1, 3, 4)
	square := []any{2, 2}
	for _, c := range []struct {
		name      string
		m         *onnx.Model
		o         Options
		want      string
		constants []string
		kept      []string // operator: reason
		in        []tensor.Tensor
	}{
		{
			name: "a chain has one Cast in front and one behind",
			m: build(square, enginetest.Values(f32("y", 2, 2)), []*onnx.Node{
				node("MatMul", names("x", "w"), names("h")), node("Relu", names("h"), names("y")),
			}, constant("w", tensor.Shape{2, 2}, 1, 2, 3, 4)),
			want:      "x_float16 = Cast:float16(x)\nh = MatMul(x_float16, w)\ny_float16 = Relu(h)\ny = Cast:float32(y_float16)\n",
			constants: []string{"w:float16"},
		},
		{
			name: "without float32 inputs and outputs there is no Cast",
			m:    build(square, enginetest.Values(f32("y", 2, 2)), []*onnx.Node{node("Relu", names("x"), names("y"))}),
			o:    Options{DType: tensor.Float16, ActMax: 1},
			want: "y = Relu(x)\n",
			in:   []tensor.Tensor{halves(x)},
		},
		{
			name: "two readers share a Cast, and the output of a float32 node is cast behind it",
			m: build(square, enginetest.Values(f32("y", 2, 2)), []*onnx.Node{
				node("Relu", names("x"), names("a")), node("Softmax", names("a"), names("b")), node("Add", names("a", "b"), names("y")),
			}),
			o: with(func(o *Options) { o.BlockOps = []string{"Softmax"} }),
			want: "x_float16 = Cast:float16(x)\na = Relu(x_float16)\na_float32 = Cast:float32(a)\nb = Softmax(a_float32)\n" +
				"b_float16 = Cast:float16(b)\ny_float16 = Add(a, b_float16)\ny = Cast:float32(y_float16)\n",
			kept: []string{"Softmax: blocked operator"},
		},
		{
			name: "between two float32 nodes there is no pair of Casts, not even around a Transpose",
			m: build(square, enginetest.Values(f32("y", 2, 2)), []*onnx.Node{
				node("Sin", names("x"), names("a")), node("Transpose", names("a"), names("b")), node("Cos", names("b"), names("y")),
			}),
			o: with(func(o *Options) {
				o.BlockNodes = func(n *onnx.Node) bool { return n.OpType == "Sin" || n.OpType == "Cos" }
			}),
			want: "a = Sin(x)\nb = Transpose(a)\ny = Cos(b)\n",
			kept: []string{"Sin: blocked node", "Transpose: moves float32 values", "Cos: blocked node"},
		},
		{
			name: "a constant that both read is stored twice",
			m: build(square, enginetest.Values(f32("y", 2, 2)), []*onnx.Node{
				node("Add", names("x", "c"), names("a")), node("Sin", names("c"), names("b")), node("Mul", names("a", "b"), names("y")),
			}, constant("c", tensor.Shape{2}, 0.1, 7)),
			o: with(func(o *Options) { o.BlockOps = []string{"Sin"} }),
			want: "x_float16 = Cast:float16(x)\na = Add(x_float16, c_float16)\nb = Sin(c)\nb_float16 = Cast:float16(b)\n" +
				"y_float16 = Mul(a, b_float16)\ny = Cast:float32(y_float16)\n",
			constants: []string{"c:float32", "c_float16:float16"},
			kept:      []string{"Sin: blocked operator"},
		},
		{
			name: "scales of Resize stay float32",
			m: build([]any{1, 1, 2, 2}, enginetest.Values(f32("y", 1, 1, 4, 4)), []*onnx.Node{
				node("Relu", names("x"), names("a")), node("Resize", names("a", "", "scales"), names("y")),
			}, constant("scales", nil, 1, 1, 2, 2)),
			want: "x_float16 = Cast:float16(x)\na = Relu(x_float16)\ny_float16 = Resize(a, , scales)\n" +
				"y = Cast:float32(y_float16)\n",
			constants: []string{"scales:float32"},
			in:        []tensor.Tensor{enginetest.Floats("x", tensor.Shape{1, 1, 2, 2}, 1, 2, 3, 4)},
		},
		{
			name: "a Cast to float32 inside makes float16",
			m: build(square, enginetest.Values(f32("y", 2, 2)), []*onnx.Node{
				node("Relu", names("x"), names("a")), node("Greater", names("a", "one"), names("b")),
				node("Cast", names("b"), names("m"), integer("to", 1)), node("Mul", names("a", "m"), names("y")),
			}, constant("one", nil, 1)),
			want: "x_float16 = Cast:float16(x)\na = Relu(x_float16)\nb = Greater(a, one)\nm = Cast:float16(b)\ny_float16 = Mul(a, m)\n" +
				"y = Cast:float32(y_float16)\n",
			constants: []string{"one:float16"},
		},
		{
			name: "a Cast of integers that both read is made twice, without a Cast of a Cast",
			m: build(square, enginetest.Values(f32("y", 2, 2)), []*onnx.Node{
				node("Cast", names("k"), names("m"), integer("to", 1)), node("Mul", names("x", "m"), names("a")),
				node("Sin", names("m"), names("b")), node("Add", names("a", "b"), names("y")),
			}, ints("k", nil, 3, 4)),
			o: with(func(o *Options) { o.BlockOps = []string{"Sin"} }),
			want: "m = Cast:float32(k)\nm_float16 = Cast:float16(k)\nx_float16 = Cast:float16(x)\na = Mul(x_float16, m_float16)\nb = Sin(m)\n" +
				"b_float16 = Cast:float16(b)\ny_float16 = Add(a, b_float16)\ny = Cast:float32(y_float16)\n",
			constants: []string{"k:int64"},
			kept:      []string{"Sin: blocked operator"},
		},
		{
			name: "CastLike becomes the Cast that it is",
			m: build(square, enginetest.Values(f32("y", 2, 2)), []*onnx.Node{
				node("Relu", names("x"), names("a")), node("CastLike", names("k", "a"), names("m")), node("Mul", names("a", "m"), names("y")),
			}, ints("k", nil, 3, 4)),
			want:      "x_float16 = Cast:float16(x)\na = Relu(x_float16)\nm = Cast:float16(k)\ny_float16 = Mul(a, m)\ny = Cast:float32(y_float16)\n",
			constants: []string{"k:int64"},
		},
		{
			name: "constants of nodes are rounded, shapes of constants keep their values",
			m: build(square, enginetest.Values(f32("y", 2, 2)), []*onnx.Node{
				node("Constant", nil, names("c"), &onnx.Attribute{Name: "value_float", Type: onnx.AttrFloat, F: 1.5}),
				node("Shape", names("x"), names("s")), node("ConstantOfShape", names("s"), names("z")),
				node("Add", names("x", "c"), names("a")), node("Max", names("a", "z"), names("y")),
			}),
			want: "c = Constant()\ns = Shape(x)\nz = ConstantOfShape(s)\nx_float16 = Cast:float16(x)\na = Add(x_float16, c)\n" +
				"y_float16 = Max(a, z)\ny = Cast:float32(y_float16)\n",
		},
		{
			name: "arithmetic on shapes stays float32: 2049 is no float16",
			m: build([]any{1, 2049}, enginetest.Values(f32("y", 1, 2049)), []*onnx.Node{
				node("Shape", names("x"), names("s")), node("Cast", names("s"), names("f"), integer("to", 1)),
				node("Mul", names("f", "one"), names("g")), node("Cast", names("g"), names("i"), integer("to", 7)),
				node("Relu", names("x"), names("r")), node("Reshape", names("r", "i"), names("y")),
			}, constant("one", nil, 1)),
			want: "s = Shape(x)\nf = Cast:float32(s)\ng = Mul(f, one)\ni = Cast:int64(g)\nx_float16 = Cast:float16(x)\nr = Relu(x_float16)\n" +
				"y_float16 = Reshape(r, i)\ny = Cast:float32(y_float16)\n",
			constants: []string{"one:float32"},
			kept:      []string{"Mul: computed from shapes"},
			in:        []tensor.Tensor{enginetest.Floats("x", tensor.Shape{1, 2049}, make([]float32, 2049)...)},
		},
		{
			name: "a mask is cut to the range",
			m: build(square, enginetest.Values(f32("y", 2, 2)), []*onnx.Node{
				node("Add", names("x", "mask"), names("a")), node("Softmax", names("a"), names("y")),
			}, constant("mask", nil, 0, -math.MaxFloat32)),
			want:      "x_float16 = Cast:float16(x)\na = Add(x_float16, mask)\ny_float16 = Softmax(a)\ny = Cast:float32(y_float16)\n",
			constants: []string{"mask:float16"},
		},
		{
			name: "a factor beyond float16 stays, and what it makes is cut before its Cast",
			m: build(square, enginetest.Values(f32("y", 2, 2)), []*onnx.Node{
				node("Mul", names("x", "big"), names("a")), node("Tanh", names("a"), names("y")),
			}, constant("big", nil, 1e6)),
			want: "a = Mul(x, big)\na_cut = Clip(a, a_cut_clip_min, a_cut_clip_max)\na_float16 = Cast:float16(a_cut)\n" +
				"y_float16 = Tanh(a_float16)\ny = Cast:float32(y_float16)\n",
			constants: []string{"big:float32", "a_cut_clip_min:float32", "a_cut_clip_max:float32"},
			kept:      []string{`Mul: constant "big" exceeds float16`},
		},
		{
			name: "squares stay float32 up to the root while their range is not known",
			m:    normalization(),
			want: "x_float16 = Cast:float16(x)\nmean = ReduceMean(x_float16, axis)\nd = Sub(x_float16, mean)\nd_float32 = Cast:float32(d)\n" +
				"sq = Pow(d_float32, two)\nvar = ReduceMean(sq, axis)\ne = Add(var, eps)\ndev = Sqrt(e)\ndev_float16 = Cast:float16(dev)\n" +
				"y_float16 = Div(d, dev_float16)\ny = Cast:float32(y_float16)\n",
			constants: []string{"axis:int64", "two:float32", "eps:float32"},
			kept: []string{"Pow: squares of unknown range", "ReduceMean: works on squares of unknown range",
				"Add: works on squares of unknown range", "Sqrt: works on squares of unknown range"},
		},
		{
			name: "squares that calibration found small are float16",
			m:    normalization(),
			o:    with(func(o *Options) { o.Range = map[string]float64{"sq": 9, "var": 4, "e": 4, "dev": 2} }),
			want: "x_float16 = Cast:float16(x)\nmean = ReduceMean(x_float16, axis)\nd = Sub(x_float16, mean)\nsq = Pow(d, two)\n" +
				"var = ReduceMean(sq, axis)\ne = Add(var, eps)\ndev = Sqrt(e)\ny_float16 = Div(d, dev)\ny = Cast:float32(y_float16)\n",
			constants: []string{"axis:int64", "two:float16", "eps:float16"},
		},
		{
			name: "what calibration found too large stays float32",
			m: build(square, enginetest.Values(f32("y", 2, 2)), []*onnx.Node{
				node("Relu", names("x"), names("a")), node("Exp", names("a"), names("b")), node("Tanh", names("b"), names("y")),
			}),
			o:    with(func(o *Options) { o.Range = map[string]float64{"a": 10, "b": 22026.5} }),
			want: "x_float16 = Cast:float16(x)\na = Relu(x_float16)\na_float32 = Cast:float32(a)\nb = Exp(a_float32)\ny = Tanh(b)\n",
			kept: []string{`Exp: "b" reaches 2.203e+04`, `Tanh: "b" reaches 2.203e+04`},
		},
		{
			name: "a long sum stays float32",
			m: build(square, enginetest.Values(f32("y", 2, 2)), []*onnx.Node{
				node("MatMul", names("x", "w"), names("h")), node("MatMul", names("h", "v"), names("y")),
			}, constant("w", tensor.Shape{2, 3}, 1, 2, 3, 4, 5, 6), constant("v", tensor.Shape{3, 2}, 1, 2, 3, 4, 5, 6)),
			o:         with(func(o *Options) { o.MaxReduction = 2 }),
			want:      "x_float16 = Cast:float16(x)\nh = MatMul(x_float16, w)\nh_float32 = Cast:float32(h)\ny = MatMul(h_float32, v)\n",
			constants: []string{"w:float16", "v:float32"},
			kept:      []string{"MatMul: sums over 3 terms"},
		},
		{
			name: "bodies are converted, and what crosses their boundary is float32",
			m: build(square, enginetest.Values(f32("y", 2, 2)), []*onnx.Node{
				node("Relu", names("x"), names("a")), node("ReduceMax", names("a"), names("top"), integer("keepdims", 0)),
				node("Greater", names("top", "one"), names("c")),
				node("If", names("c"), names("b"), body("then_branch", &onnx.Graph{
					Name: "then", Outputs: enginetest.Values(f32("out", 2, 2)), Initializers: []*onnx.Tensor{constant("w", nil, 0.5)},
					Nodes: []*onnx.Node{node("Mul", names("a", "w"), names("out"))},
				}), body("else_branch", &onnx.Graph{
					Name: "else", Outputs: enginetest.Values(f32("out", 2, 2)), Nodes: []*onnx.Node{node("Exp", names("a"), names("out"))},
				})),
				node("Neg", names("b"), names("y")),
			}, constant("one", tensor.Shape{}, 1)),
			want: "x_float16 = Cast:float16(x)\na = Relu(x_float16)\ntop = ReduceMax(a)\nc = Greater(top, one)\nb = If(c)\n" +
				"\tout_float16 = Mul(a, w)\n\tout = Cast:float32(out_float16)\n\tout_float16_1 = Exp(a)\n\tout = Cast:float32(out_float16_1)\n" +
				"b_float16 = Cast:float16(b)\ny_float16 = Neg(b_float16)\ny = Cast:float32(y_float16)\n",
			constants: []string{"one:float16"},
		},
		{
			name: "quantized islands stay as they are",
			m: build(square, enginetest.Values(f32("y", 2, 2)), []*onnx.Node{
				node("QuantizeLinear", names("x", "s", "z"), names("q")), node("DequantizeLinear", names("q", "s", "z"), names("d")),
				node("Relu", names("d"), names("r")), node("QuantizeLinear", names("r", "s", "z"), names("p")),
				node("DequantizeLinear", names("p", "s", "z"), names("o")), node("Identity", names("o"), names("y")),
			}, constant("s", tensor.Shape{}, 0.125), enginetest.Initializer(tensor.Tensor{Name: "z", DType: tensor.Uint8, Data: []byte{128}})),
			want: "q = QuantizeLinear(x, s, z)\nd = DequantizeLinear(q, s, z)\nr = Relu(d)\np = QuantizeLinear(r, s, z)\n" +
				"o = DequantizeLinear(p, s, z)\ny = Identity(o)\n",
			constants: []string{"s:float32", "z:uint8"},
			kept: []string{"QuantizeLinear: no float16 form that computes the same", "DequantizeLinear: no float16 form that computes the same",
				"Relu: quantized", "QuantizeLinear: no float16 form that computes the same",
				"DequantizeLinear: no float16 form that computes the same", "Identity: quantized"},
		},
		{
			name: "operators of other domains stay float32",
			m: otherDomain(build(square, enginetest.Values(f32("y", 2, 2)), []*onnx.Node{
				node("Relu", names("x"), names("a")), node("Gelu", names("a"), names("b")), node("Relu", names("b"), names("y")),
			})),
			want: "x_float16 = Cast:float16(x)\na = Relu(x_float16)\na_float32 = Cast:float32(a)\nb = Gelu(a_float32)\n" +
				"b_float16 = Cast:float16(b)\ny_float16 = Relu(b_float16)\ny = Cast:float32(y_float16)\n",
			kept: []string{"com.microsoft.Gelu: an operator of domain com.microsoft"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.o.DType == tensor.Undefined {
				c.o = DefaultOptions
			}
			converted, r := convertCopy(t, c.m, c.o)
			if got := text(converted.Graph); got != c.want {
				t.Errorf("got\n%swant\n%s", got, c.want)
			}
			if got := types(converted.Graph); !slices.Equal(got, c.constants) {
				t.Errorf("constants %v, want %v", got, c.constants)
			}
			var kept []string
			for _, k := range r.Kept {
				kept = append(kept, k.Op+": "+k.Why)
			}
			if !slices.Equal(kept, c.kept) {
				t.Errorf("kept\n%s\nwant\n%s", strings.Join(kept, "\n"), strings.Join(c.kept, "\n"))
			}
			in := c.in
			if in == nil {
				in = []tensor.Tensor{x}
			}
			got := outputs(t, open(t, model.New(converted)), in)
			if got[0].DType == tensor.Float16 {
				got[0], _ = tensor.Widen(got[0], tensor.Float32)
			}
			if in[0].DType == tensor.Float16 {
				in[0], _ = tensor.Widen(in[0], tensor.Float32)
			}
			// Few roundings of 2⁻¹¹ each.
			if d := distance(t, got, outputs(t, open(t, model.New(c.m)), in)); !(d < 0.003) {
				t.Errorf("outputs differ by %.5f of their norm", d)
			}
		})
	}
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
		node("Relu", names("x"), names("a")), node("Exp", names("a"), names("y")),
	})
	m.Graph.ValueInfo = enginetest.Values(f32("a", 2))
	kept, _ := convertCopy(t, m, DefaultOptions)
	if a := kept.Graph.ValueInfo[0].Type.DType; a != tensor.Float16 {
		t.Errorf("inner value is declared %s", a)
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
