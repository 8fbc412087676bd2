package emit

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize"
)

// pattern is a small float graph from x to y, and what the runtime makes of its quantized form.
type pattern struct {
	name   string
	x      []any // the shape of x; nil: image
	nodes  []*onnx.Node
	also   []string // outputs beside y
	target string   // "": cpu:avx2
	want   string   // the operators of the optimized graph, by name: "Conv 2, Relu"
}

// image is the shape of the images in the patterns, 8 channels of 8 by 8.
var image = []any{1, 8, 8, 8}

// op is a node from a list of inputs, in words, to outputs; "-" is an input that is omitted.
func op(name, in, out string, attrs ...*onnx.Attribute) *onnx.Node {
	inputs := strings.Fields(in)
	for i, v := range inputs {
		if v == "-" {
			inputs[i] = ""
		}
	}
	return enginetest.Node(name, inputs, strings.Fields(out), attrs...)
}

func ints(name string, v ...int64) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrInts, Ints: v}
}

func word(name, v string) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrString, S: []byte(v)}
}

func number(name string, v float32) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrFloat, F: v}
}

// pads keeps the size of an image under a 3 by 3 kernel.
var pads = ints("pads", 1, 1, 1, 1)

// conv is a convolution of 8 channels that keeps them.
func conv(in, out string) *onnx.Node { return op("Conv", in+" w b", out, pads) }

// between puts nodes between two convolutions of images: from a to z.
func between(nodes ...*onnx.Node) []*onnx.Node {
	return append(append([]*onnx.Node{conv("x", "a")}, nodes...), conv("z", "y"))
}

// constants are what the nodes of patterns may read.
func constants() []*onnx.Tensor {
	list := []*onnx.Tensor{
		weight("w", 1, 8, 8, 3, 3), weight("depthwise", 2, 8, 1, 3, 3), weight("deep", 3, 8, 32, 3, 3), weight("w1", 4, 8, 8, 3),
		weight("m", 5, 64, 64), weight("flat", 6, 8*64, 64), weight("wide", 7, 32, 8, 3, 3), weight("two", 13, 64, 2),
	}
	for _, v := range []tensor.Tensor{
		normal("b", 8, 1, 8), normal("b64", 9, 1, 64), normal("row", 10, 1, 1, 64), normal("b32", 11, 1, 32), normal("scale", 12, 1, 8, 1, 1),
		enginetest.Floats("zero", tensor.Shape{}, 0), enginetest.Floats("three", tensor.Shape{}, 3), enginetest.Floats("six", tensor.Shape{}, 6),
		enginetest.Floats("minus", tensor.Shape{}, -1), enginetest.Floats("sixth", tensor.Shape{}, 1./6), enginetest.Floats("huge", nil, -2e4),
		enginetest.Floats("twice", nil, 1, 1, 2, 2),
		enginetest.Int64s("halved", nil, 1, 8, 4, 16), enginetest.Int64s("double", nil, 2, 8, 8, 8), enginetest.Int64s("starts", nil, 0, 0), enginetest.Int64s("ends", nil, 6, 6), enginetest.Int64s("axes", nil, 2, 3),
		enginetest.Int64s("shape", nil, 1, 8, 4, 8), enginetest.Int64s("first", nil, 0), enginetest.Int64s("halves", nil, 4, 4), enginetest.Int64s("ones", nil, 1, 1, 1, 2), enginetest.Int64s("order", nil, 7, 6, 5, 4, 3, 2, 1, 0),
	} {
		list = append(list, enginetest.Initializer(v))
	}
	return list
}

func (p pattern) model() *onnx.Model { return p.modelWith(constants()) }

func (p pattern) modelWith(constants []*onnx.Tensor) *onnx.Model {
	if p.x == nil {
		p.x = image
	}
	m := graph([]*onnx.ValueInfo{enginetest.Value("x", tensor.Float32, p.x...)}, append([]string{"y"}, p.also...), p.nodes, constants...)
	if err := optimize.NewEditor(m, m.Graph).Finish(); err != nil { // drops what the pattern does not read
		panic(err)
	}
	return m
}

// input returns normal numbers for x, 2 for a dynamic axis.
func (p pattern) input() tensor.Tensor {
	if p.x == nil {
		p.x = image
	}
	var dims []int64
	for _, d := range p.x {
		n, fixed := d.(int)
		if !fixed {
			n = 2
		}
		dims = append(dims, int64(n))
	}
	return normal("x", 1, 1, dims...)
}

// counts reads "Conv 2, Relu".
func counts(t *testing.T, text string) map[string]int {
	t.Helper()
	c := map[string]int{}
	for part := range strings.SplitSeq(text, ", ") {
		op, n, several := strings.Cut(part, " ")
		c[op] = 1
		if several {
			var err error
			if c[op], err = strconv.Atoi(n); err != nil {
				t.Fatal(err)
			}
		}
	}
	return c
}

// plain leaves out what only changes the layout of images in memory.
func plain(operators map[string]int) map[string]int {
	list := map[string]int{}
	for op, n := range operators {
		if op != "Transpose" {
			list[strings.TrimPrefix(op, "Nhwc")] += n
		}
	}
	return list
}

const ends = "QuantizeLinear, DequantizeLinear, "

// patterns is the fusion table of ONNX Runtime 1.30 on CPUs of x64.
var patterns = []pattern{
	// Conv: an integer kernel where its output is quantized, with or without bias, Relu and Clip.
	{name: "Conv", nodes: []*onnx.Node{op("Conv", "x w", "y")}, want: ends + "QLinearConv"},
	{name: "Conv, bias", nodes: []*onnx.Node{conv("x", "y")}, want: ends + "QLinearConv"},
	{name: "Conv, Relu", nodes: []*onnx.Node{conv("x", "c"), op("Relu", "c", "y")}, want: ends + "QLinearConv"},
	{name: "Conv, Clip to 6", nodes: []*onnx.Node{conv("x", "c"), op("Clip", "c zero six", "y")}, want: ends + "QLinearConv"},
	{name: "Conv, Clip from -1", nodes: []*onnx.Node{conv("x", "c"), op("Clip", "c minus six", "y")}, want: ends + "QLinearConv, Clip"},
	{name: "Conv, Relu, both outputs", nodes: []*onnx.Node{conv("x", "c"), op("Relu", "c", "y")}, also: []string{"c"}, want: "QuantizeLinear, DequantizeLinear 2, QLinearConv, Relu"},
	{name: "Conv, depthwise", nodes: []*onnx.Node{op("Conv", "x depthwise b", "y", pads, enginetest.Int("group", 8))}, want: ends + "QLinearConv"},
	{name: "Conv, one axis", x: []any{1, 8, 16}, nodes: []*onnx.Node{op("Conv", "x w1 b", "y")}, want: ends + "QLinearConv"},
	{name: "Conv, dynamic batch", x: []any{"n", 8, 8, 8}, nodes: []*onnx.Node{conv("x", "y")}, want: ends + "QLinearConv"},
	{name: "two Conv of one weight", nodes: between(op("Relu", "a", "z")), want: ends + "QLinearConv 2"},
	// Without integers behind it a Conv stays float, and its weights are turned to floats in every run.
	{name: "Conv, no output", target: "openvino", nodes: []*onnx.Node{conv("x", "c"), op("Relu", "c", "y")}, want: "QuantizeLinear, DequantizeLinear 2, FusedConv"},

	// Products: the integer kernel gives floats.
	{name: "Gemm", x: []any{4, 64}, nodes: []*onnx.Node{op("Gemm", "x m", "y")}, want: "QuantizeLinear, QGemm"},
	{name: "Gemm, bias", x: []any{4, 64}, nodes: []*onnx.Node{op("Gemm", "x m b64", "y")}, want: "QuantizeLinear, QGemm"},
	{name: "Gemm, bias a row", x: []any{4, 64}, nodes: []*onnx.Node{op("Gemm", "x m row", "y")}, want: "QuantizeLinear, QGemm"},
	{name: "Gemm, transposed", x: []any{"n", 64}, nodes: []*onnx.Node{op("Gemm", "x m b64", "y", enginetest.Int("transB", 1))}, want: "QuantizeLinear, QGemm"},
	{name: "Gemm, float bias", target: "openvino", x: []any{4, 64}, nodes: []*onnx.Node{op("Gemm", "x m b64", "y")}, want: "QuantizeLinear, DequantizeLinear 2, Gemm"},
	{name: "Gemm, Relu, Gemm", x: []any{4, 64}, nodes: []*onnx.Node{op("Gemm", "x m b64", "g"), op("Relu", "g", "r"), op("Gemm", "r m b64", "y")}, want: "QuantizeLinear, QGemm 2"},
	{name: "Gemm, Tanh, Gemm", x: []any{4, 64}, nodes: []*onnx.Node{op("Gemm", "x m b64", "g"), op("Tanh", "g", "r"), op("Gemm", "r m b64", "y")}, want: "QuantizeLinear 2, QGemm 2, Tanh"},
	{name: "MatMul", x: []any{4, 64}, nodes: []*onnx.Node{op("MatMul", "x m", "y")}, want: "QuantizeLinear, MatMulIntegerToFloat"},
	{name: "MatMul, three axes", x: []any{2, 4, 64}, nodes: []*onnx.Node{op("MatMul", "x m", "y")}, want: "QuantizeLinear, MatMulIntegerToFloat"},
	{name: "MatMul, Add", x: []any{"n", 64}, nodes: []*onnx.Node{op("MatMul", "x m", "p"), op("Add", "b64 p", "y")}, want: "QuantizeLinear, QGemm"},
	{name: "MatMul, Add a row", x: []any{"n", 64}, nodes: []*onnx.Node{op("MatMul", "x m", "p"), op("Add", "p row", "y")}, want: "QuantizeLinear, QGemm"},
	{name: "MatMul, Add, three axes", x: []any{2, 4, 64}, nodes: []*onnx.Node{op("MatMul", "x m", "p"), op("Add", "p b64", "y")}, want: "QuantizeLinear, QGemm, Reshape 2"},
	{name: "MatMul, Add, dynamic", x: []any{"n", 4, 64}, nodes: []*onnx.Node{op("MatMul", "x m", "p"), op("Add", "p b64", "y")}, want: "QuantizeLinear, MatMulIntegerToFloat, Add"},
	{name: "MatMul, Add, float", target: "openvino", x: []any{4, 64}, nodes: []*onnx.Node{op("MatMul", "x m", "p"), op("Add", "p b64", "y")}, want: "QuantizeLinear, DequantizeLinear 2, Gemm"},
	{name: "MatMul, Add a matrix", x: []any{4, 64}, nodes: []*onnx.Node{op("MatMul", "x m", "p"), op("Add", "p x", "y")}, want: ends + "QLinearMatMul, Add"},
	{name: "MatMul, Add a tensor", x: []any{2, 4, 64}, nodes: []*onnx.Node{op("MatMul", "x m", "p"), op("Add", "p x", "y")}, want: "QuantizeLinear, MatMulIntegerToFloat, Add"},

	// What follows integers and computes.
	{name: "Add", nodes: between(conv("a", "c"), op("Add", "a c", "z")), want: ends + "QLinearConv 3, QLinearAdd"},
	{name: "Add to itself", nodes: between(op("Add", "a a", "z")), want: ends + "QLinearConv 2, QLinearAdd"},
	{name: "Add, Relu", nodes: between(conv("a", "c"), op("Add", "a c", "s"), op("Relu", "s", "z")), want: ends + "QLinearConv 3, QLinearAdd"},
	{name: "Add, Relu, at the end", nodes: []*onnx.Node{conv("x", "a"), conv("a", "c"), op("Add", "a c", "s"), op("Relu", "s", "y")}, want: ends + "QLinearConv 2, QLinearAdd"},
	// Where it turns the layout back behind a Conv, the runtime adds a pair for nothing.
	{name: "Add floats", nodes: between(op("Add", "a x", "z")), want: "QuantizeLinear 3, DequantizeLinear 3, QLinearConv 2, Add"},
	{name: "Mul", nodes: between(conv("a", "c"), op("Mul", "a c", "z")), want: ends + "QLinearConv 3, QLinearMul"},
	{name: "Mul by a number", nodes: between(op("Mul", "sixth a", "z")), want: ends + "QLinearConv 2, QLinearMul"},
	{name: "Mul by channel", nodes: between(op("Mul", "scale a", "z")), want: "QuantizeLinear 2, DequantizeLinear 2, QLinearConv 2, Mul"},
	{name: "HardSwish", nodes: between(op("Add", "a three", "s"), op("Clip", "s zero six", "r"), op("Mul", "a r", "p"), op("Mul", "p sixth", "z")),
		want: ends + "QLinearConv 2, QLinearAdd, QLinearMul 2"},
	{name: "SiLU", nodes: between(op("Sigmoid", "a", "s"), op("Mul", "a s", "z")), want: ends + "QLinearConv 2, QLinearSigmoid, QLinearMul"},
	{name: "SiLU at the end", nodes: []*onnx.Node{conv("x", "a"), op("Sigmoid", "a", "s"), op("Mul", "a s", "y")}, want: "QuantizeLinear, DequantizeLinear 2, QLinearConv, Sigmoid, Mul"},
	{name: "LeakyRelu", nodes: between(op("LeakyRelu", "a", "z")), want: ends + "QLinearConv 2, QLinearLeakyRelu"},
	{name: "AveragePool", nodes: between(op("AveragePool", "a", "z", ints("kernel_shape", 2, 2))), want: ends + "QLinearConv 2, QLinearAveragePool"},
	{name: "GlobalAveragePool", nodes: between(op("GlobalAveragePool", "a", "z")), want: ends + "QLinearConv 2, QLinearGlobalAveragePool"},
	// At the edge it averages the rounding away.
	{name: "GlobalAveragePool at the edge", nodes: []*onnx.Node{conv("x", "a"), op("GlobalAveragePool", "a", "y")}, want: ends + "QLinearConv, GlobalAveragePool"},
	{name: "Concat", nodes: []*onnx.Node{conv("x", "a"), conv("a", "b1"), op("Concat", "a b1 a b1", "z", enginetest.Int("axis", 1)), op("Conv", "z deep", "y")},
		want: ends + "QLinearConv 3, QLinearConcat"},
	{name: "Concat, Relu", nodes: []*onnx.Node{conv("x", "a"), op("Concat", "a a a a", "c", enginetest.Int("axis", 1)), op("Relu", "c", "z"), op("Conv", "z deep", "y")},
		want: ends + "QLinearConv 2, QLinearConcat"},

	// What moves integers.
	{name: "Reshape", nodes: between(op("Reshape", "a halved", "z")), want: ends + "QLinearConv 2, Reshape"},
	{name: "Transpose", nodes: between(op("Transpose", "a", "z", ints("perm", 0, 1, 3, 2))), want: ends + "QLinearConv 2"},
	{name: "MaxPool", nodes: between(op("MaxPool", "a", "z", ints("kernel_shape", 2, 2))), want: ends + "QLinearConv 2, MaxPool"},
	{name: "Resize", nodes: between(op("Resize", "a - twice", "z", word("mode", "nearest"))), want: ends + "QLinearConv 2, Resize"},
	{name: "Slice", nodes: between(op("Slice", "a starts ends axes", "z")), want: ends + "QLinearConv 2, Slice"},
	{name: "Squeeze, Unsqueeze", nodes: between(op("Squeeze", "a first", "s"), op("Unsqueeze", "s first", "z")), want: ends + "QLinearConv 2, Squeeze, Unsqueeze"},
	{name: "Gather", nodes: between(op("Gather", "a order", "z", enginetest.Int("axis", 1))), want: ends + "QLinearConv 2, Gather"},
	{name: "Expand", nodes: between(op("Expand", "a double", "z")), want: ends + "QLinearConv 2, Expand"},
	{name: "Tile", nodes: between(op("Tile", "a ones", "z")), want: ends + "QLinearConv 2, Tile"},
	{name: "Split", nodes: between(op("Split", "a halves", "s1 s2", enginetest.Int("axis", 2)), op("Add", "s1 s2", "z")), want: ends + "QLinearConv 2, Split, QLinearAdd"},
	{name: "Flatten", nodes: []*onnx.Node{conv("x", "a"), op("Flatten", "a", "f"), op("Gemm", "f flat b64", "y")}, want: "QuantizeLinear, QLinearConv, Flatten, QGemm"},
	{name: "DepthToSpace", nodes: []*onnx.Node{op("Conv", "x wide b32", "a"), op("DepthToSpace", "a", "z", enginetest.Int("blocksize", 2)), conv("z", "y")}, want: ends + "QLinearConv 2, DepthToSpace"},
	{name: "SpaceToDepth", nodes: []*onnx.Node{op("SpaceToDepth", "x", "z", enginetest.Int("blocksize", 2)), op("Conv", "z deep b", "y")}, want: ends + "SpaceToDepth, QLinearConv"},
	{name: "SpaceToDepth between", nodes: []*onnx.Node{conv("x", "a"), op("SpaceToDepth", "a", "z", enginetest.Int("blocksize", 2)), op("Conv", "z deep b", "y", pads)}, want: ends + "SpaceToDepth, QLinearConv 2"},
	// What the runtime computes in float stays outside.
	{name: "Tanh", nodes: between(op("Tanh", "a", "z")), want: "QuantizeLinear 2, DequantizeLinear 2, QLinearConv 2, Tanh"},
	{name: "Mul by a huge number", nodes: between(op("Mul", "a huge", "z")), want: "QuantizeLinear 2, DequantizeLinear 2, QLinearConv 2, Mul"},
}

// pair quantizes a value and reads it as float again, by scale and zero point: "s u" for uint8, "t u" for uint8 at
// another scale, "s i" for int8.
func pair(from, to, by string) []*onnx.Node {
	return []*onnx.Node{op("QuantizeLinear", from+" "+by, from+"_q"), op("DequantizeLinear", from+"_q "+by, to)}
}

// weights8 are the weights of a Conv and of a product, and the bias of the Conv, as int8 and int32 and as uint8.
func weights8() []*onnx.Node {
	return []*onnx.Node{
		op("DequantizeLinear", "w8 s i", "w"), op("DequantizeLinear", "wu s u", "wide"), op("DequantizeLinear", "b32 ss", "b"),
		op("DequantizeLinear", "m8 s i", "m"),
	}
}

// constants8 are what the nodes of handmade patterns may read.
func constants8() []*onnx.Tensor {
	bytes := func(name string, d tensor.DType, dims ...int64) tensor.Tensor {
		n, _ := tensor.Shape(dims).Elements()
		v := tensor.Tensor{Name: name, DType: d, Shape: dims, Data: make([]byte, n)}
		for i := range v.Data {
			v.Data[i] = byte(i * 37 % 64)
		}
		return v
	}
	u, _ := tensor.FromInts("u", tensor.Uint8, nil, []int64{128})
	i, _ := tensor.FromInts("i", tensor.Int8, nil, []int64{0})
	yes, _ := tensor.New("yes", tensor.Bool, tensor.Shape{8})
	b, _ := tensor.New("b32", tensor.Int32, tensor.Shape{8})
	var list []*onnx.Tensor
	for _, v := range []tensor.Tensor{
		u, i, yes, b, bytes("w8", tensor.Int8, 8, 8, 3, 3), bytes("wu", tensor.Uint8, 8, 8, 3, 3), bytes("m8", tensor.Int8, 64, 64),
		enginetest.Floats("s", tensor.Shape{}, 0.05), enginetest.Floats("t", tensor.Shape{}, 0.1), enginetest.Floats("ss", tensor.Shape{}, 0.0025),
		normal("floats", 1, 1, 8), normal("more", 2, 1, 64),
	} {
		list = append(list, enginetest.Initializer(v))
	}
	return list
}

// all joins lists of nodes.
func all(lists ...[]*onnx.Node) []*onnx.Node { return slices.Concat(lists...) }

func one(n *onnx.Node) []*onnx.Node { return []*onnx.Node{n} }

// handmade is the part of the table that the emitter does not write, and why.
var handmade = []pattern{
	// Alike, but the runtime chooses the scale of the bias and the zero point.
	{name: "Conv, float bias", nodes: all(pair("x", "d", "s u"), one(op("Conv", "d w floats", "c")), pair("c", "y", "s u")), want: ends + "QLinearConv"},
	{name: "Conv, int8", nodes: all(pair("x", "d", "s i"), one(op("Conv", "d w b", "c")), pair("c", "y", "s i")), want: ends + "QLinearConv"},
	// On processors with VNNI this kernel is several times slower than with int8 weights.
	{name: "Conv, uint8 weight", nodes: all(pair("x", "d", "s u"), one(op("Conv", "d wide b", "c")), pair("c", "y", "s u")), want: ends + "QLinearConv"},
	{name: "Conv, other dtype", nodes: all(pair("x", "d", "s u"), one(op("Conv", "d w b", "c")), pair("c", "y", "s i")), want: ends + "QLinearConv"},
	// What a kernel makes must be quantized, once, and be no output of the graph.
	{name: "Conv, also float", also: []string{"c"}, nodes: all(pair("x", "d", "s u"), one(op("Conv", "d w b", "c")), pair("c", "y", "s u")), want: "QuantizeLinear 2, DequantizeLinear 4, Conv"},
	{name: "Conv, two scales", also: []string{"z"}, nodes: all(pair("x", "d", "s u"), one(op("Conv", "d w b", "c")), pair("c", "y", "s u"),
		[]*onnx.Node{op("QuantizeLinear", "c t u", "c_t"), op("DequantizeLinear", "c_t t u", "z")}), want: "QuantizeLinear 3, DequantizeLinear 5, Conv"},
	// A Relu whose range goes below 0 stays.
	{name: "Conv, Relu, zero in the middle", nodes: all(pair("x", "d", "s u"), []*onnx.Node{op("Conv", "d w b", "c"), op("Relu", "c", "r")}, pair("r", "y", "s u")), want: "QuantizeLinear 2, DequantizeLinear 4, FusedConv"},
	{name: "MatMul, quantized", x: []any{4, 64}, nodes: all(pair("x", "d", "s u"), one(op("MatMul", "d m", "p")), pair("p", "y", "s u")), want: ends + "QLinearMatMul"},
	{name: "MatMul, Add, quantized", x: []any{4, 64}, nodes: all(pair("x", "d", "s u"), []*onnx.Node{op("MatMul", "d m", "p"), op("Add", "p more", "a")}, pair("a", "y", "s u")), want: ends + "QGemm"},
	// Their inputs are floats where products give floats: pairs in front of them would only cost.
	{name: "Softmax", nodes: all(pair("x", "d", "s u"), one(op("Softmax", "d", "p")), pair("p", "y", "s u")), want: ends + "QLinearSoftmax"},
	{name: "Where", nodes: all(pair("x", "d", "s u"), one(op("Where", "yes d d", "p")), pair("p", "y", "s u")), want: ends + "QLinearWhere"},
	{name: "ArgMax", nodes: all(pair("x", "d", "s u"), []*onnx.Node{op("ArgMax", "d", "p"), op("Cast", "p", "y", enginetest.Int("to", 1))}), want: "QuantizeLinear, ArgMax, Cast"},
	// Two scales around what moves: it moves floats.
	{name: "MaxPool, two scales", nodes: all(pair("x", "d", "s u"), one(op("MaxPool", "d", "p", ints("kernel_shape", 2, 2))), pair("p", "y", "t u")), want: "QuantizeLinear 2, DequantizeLinear 2, MaxPool, ReorderInput, ReorderOutput"},
	// The emitter lets SpaceToDepth run on integers itself.
	{name: "SpaceToDepth", nodes: all(pair("x", "d", "s u"), one(op("SpaceToDepth", "d", "p", enginetest.Int("blocksize", 2))), pair("p", "y", "s u")), want: "QuantizeLinear 2, DequantizeLinear 2, SpaceToDepth"},
	// No integer kernel: pairs stay on both sides.
	{name: "HardSwish", nodes: all(pair("x", "d", "s u"), one(op("HardSwish", "d", "p")), pair("p", "y", "s u")), want: "QuantizeLinear 2, DequantizeLinear 2, HardSigmoid, Mul"},
	{name: "Tanh", nodes: all(pair("x", "d", "s u"), one(op("Tanh", "d", "p")), pair("p", "y", "s u")), want: "QuantizeLinear 2, DequantizeLinear 2, Tanh"},
	{name: "Sub", nodes: all(pair("x", "d", "s u"), one(op("Sub", "d d", "p")), pair("p", "y", "s u")), want: "QuantizeLinear 2, DequantizeLinear 3, Sub"},
	{name: "ReduceMean", nodes: all(pair("x", "d", "s u"), one(op("ReduceMean", "d", "p")), pair("p", "y", "s u")), want: "QuantizeLinear 2, DequantizeLinear 2, ReduceMean"},
	{name: "Relu", nodes: all(pair("x", "d", "s u"), one(op("Relu", "d", "p")), pair("p", "y", "s u")), want: "QuantizeLinear 2, DequantizeLinear 2, Relu"},
}

// TestHandmade: what the runtime makes of layouts that the emitter avoids.
func TestHandmade(t *testing.T) {
	for _, c := range handmade {
		t.Run(c.name, func(t *testing.T) {
			c.nodes = all(weights8(), c.nodes)
			_, operators := runModel(t, c.modelWith(constants8()), []tensor.Tensor{c.input()})
			if !maps.Equal(plain(operators), counts(t, c.want)) {
				t.Errorf("the runtime made %v, not %s", operators, c.want)
			}
		})
	}
}

// TestFusion: the runtime makes of every pattern what the table says and what was predicted.
func TestFusion(t *testing.T) {
	p := enginetest.CPU(t)
	for _, c := range patterns {
		t.Run(c.name, func(t *testing.T) {
			if c.target == "" {
				c.target = "cpu:avx2"
			}
			m, in := c.model(), []tensor.Tensor{c.input()}
			q, _, e := quantize(t, p, m, target(t, c.target), in)
			want, _ := runModel(t, m, in)
			got, operators := runModel(t, q, in)
			if !maps.Equal(plain(operators), counts(t, c.want)) {
				t.Errorf("the runtime made %v, not %s", operators, c.want)
			}
			if db := sqnr(t, want, got); math.IsNaN(db) || db < 20 {
				t.Errorf("%.1f dB are kept", db)
			}
			l, err := Check(t.Context(), p, engine.Config{Threads: 1}, model.New(q), e.Decisions)
			if err != nil {
				t.Fatal(err)
			}
			if l.Fused != l.Predicted {
				t.Errorf("%d of %d predictions came true: %v", l.Fused, l.Predicted, l.Mismatches)
			}
		})
	}
}
