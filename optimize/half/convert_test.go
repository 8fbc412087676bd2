package half

import (
	"math"
	"slices"
	"strings"
	"testing"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// conversion is a small model and what it is to become.
type conversion struct {
	name      string
	m         *onnx.Model
	o         Options         // the zero Options are the default ones
	want      string          // the nodes, as text writes them
	constants []string        // the initializers, as types writes them
	kept      []string        // operator: reason
	in        []tensor.Tensor // nil: matrix
}

// matrix is what the small models are given.
func matrix() tensor.Tensor { return enginetest.Floats("x", tensor.Shape{2, 2}, 0.5, -1, 3, 4) }

// check converts a model, compares the result word by word, and runs it beside the original.
func (c conversion) check(t *testing.T) {
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
		in = []tensor.Tensor{matrix()}
	}
	got := outputs(t, open(t, model.New(converted)), in)
	got[0], _ = tensor.Widen(got[0], tensor.Float32)
	in[0], _ = tensor.Widen(in[0], tensor.Float32)
	// Few roundings of 2⁻¹¹ each.
	if d := distance(t, got, outputs(t, open(t, model.New(c.m)), in)); !(d < 0.003) {
		t.Errorf("outputs differ by %.5f of their norm", d)
	}
}

// TestConvertCasts: where Casts stand.
func TestConvertCasts(t *testing.T) {
	square := []any{2, 2}
	for _, c := range []conversion{
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
			in:   []tensor.Tensor{halves(matrix())},
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
	} {
		t.Run(c.name, c.check)
	}
}

// TestConvertConstants: in which types constants are stored.
func TestConvertConstants(t *testing.T) {
	square := []any{2, 2}
	for _, c := range []conversion{
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
			name: "constants of nodes are rounded, shapes of constants keep their values",
			m: build(square, enginetest.Values(f32("y", 2, 2)), []*onnx.Node{
				node("Constant", nil, names("c"), &onnx.Attribute{Name: "value_float", Type: onnx.AttrFloat, F: 1.5}),
				node("Shape", names("x"), names("s")), node("ConstantOfShape", names("s"), names("z")),
				node("Add", names("x", "c"), names("a")), node("Max", names("a", "z"), names("y")),
			}),
			want: "c = Constant()\ns = Shape(x)\nz = ConstantOfShape(s)\nx_float16 = Cast:float16(x)\na = Add(x_float16, c)\n" +
				"y_float16 = Max(a, z)\ny = Cast:float32(y_float16)\n",
		},
	} {
		t.Run(c.name, c.check)
	}
}

// TestConvertRanges: what stays float32 for its size.
func TestConvertRanges(t *testing.T) {
	square := []any{2, 2}
	for _, c := range []conversion{
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
	} {
		t.Run(c.name, c.check)
	}
}

// TestConvertGraphs: subgraphs, quantized islands and other domains.
func TestConvertGraphs(t *testing.T) {
	square := []any{2, 2}
	for _, c := range []conversion{
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
		t.Run(c.name, c.check)
	}
}
