package roofline

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"

	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

// graph is a model under construction: nodes in a row from the input "x", each on what the one before it gave.
type graph struct {
	g    onnx.Graph
	last string
	draw *rand.Rand
}

func newGraph(d tensor.DType, dims ...int64) *graph {
	b := &graph{last: "x", draw: rand.New(rand.NewPCG(1, 2))}
	b.g.Name = "probe"
	b.g.Inputs = []*onnx.ValueInfo{value("x", d, dims)}
	return b
}

func value(name string, d tensor.DType, dims []int64) *onnx.ValueInfo {
	t := &onnx.Type{Kind: onnx.KindTensor, DType: d, HasShape: true}
	for _, n := range dims {
		t.Dims = append(t.Dims, onnx.Fixed(n))
	}
	return &onnx.ValueInfo{Name: name, Type: t}
}

// then adds a node on what the last one gave and the constants behind it.
func (b *graph) then(n onnx.Node, constants ...string) {
	n.Inputs = append([]string{b.last}, constants...)
	b.last = fmt.Sprintf("y%d", len(b.g.Nodes))
	n.Name, n.Outputs = b.last, []string{b.last}
	b.g.Nodes = append(b.g.Nodes, &n)
}

// floats adds a constant of random values within ±bound, and returns its name.
func (b *graph) floats(name string, bound float64, dims ...int64) string {
	raw := make([]byte, 4*elements(dims))
	for i := 0; i < min(len(raw), drawn); i += 4 {
		binary.LittleEndian.PutUint32(raw[i:], math.Float32bits(float32(bound*(2*b.draw.Float64()-1))))
	}
	repeat(raw)
	return b.constant(name, tensor.Float32, raw, dims)
}

// int8s adds a constant of random values within ±63: the products of two bytes of which one is in that range cannot
// overflow the 16 bits in which some processors add pairs of them.
func (b *graph) int8s(name string, dims ...int64) string {
	raw := make([]byte, elements(dims))
	for i := range min(len(raw), drawn) {
		raw[i] = byte(int8(b.draw.IntN(127) - 63))
	}
	repeat(raw)
	return b.constant(name, tensor.Int8, raw, dims)
}

// drawn is how many bytes of a constant are drawn; the rest repeats them, since drawing takes longer than a probe does.
// It is no multiple of a row, so that neighbouring rows differ.
const drawn = 4 * 16411

// repeat fills raw with what it begins with.
func repeat(raw []byte) {
	for done := drawn; done < len(raw); done *= 2 {
		copy(raw[done:], raw[:done])
	}
}

// one adds the constant 1, a scale.
func (b *graph) one(name string) string {
	return b.constant(name, tensor.Float32, binary.LittleEndian.AppendUint32(nil, math.Float32bits(1)), tensor.Shape{})
}

func (b *graph) constant(name string, d tensor.DType, raw []byte, dims tensor.Shape) string {
	b.g.Initializers = append(b.g.Initializers, onnx.NewTensorIn(name, d, dims, raw, false))
	return name
}

func elements(dims []int64) int64 {
	n := int64(1)
	for _, d := range dims {
		n *= d
	}
	return n
}

// model ends the graph: its output is what the last node gave. The opset is an old one that every runtime knows.
func (b *graph) model(d tensor.DType, dims ...int64) *model.Model {
	b.g.Outputs = []*onnx.ValueInfo{value(b.last, d, dims)}
	return model.New(&onnx.Model{IRVersion: 8, Producer: "infer", Opsets: []onnx.Opset{{Version: 17}}, Graph: &b.g})
}

// keepingScale is the bound of random weights by which a sum of n products is about as large as its terms, so that a
// long chain neither overflows nor ends in subnormal numbers, which are slow.
func keepingScale(n int64) float64 { return math.Sqrt(3 / float64(n)) }

// matMul is a chain of k products of n by n matrices, float32.
func matMul(n int64, k int) *model.Model {
	b := newGraph(tensor.Float32, n, n)
	b.floats("w", keepingScale(n), n, n)
	for range k {
		b.then(onnx.Node{OpType: "MatMul"}, "w")
	}
	return b.model(tensor.Float32, n, n)
}

// matMulResident is matMul with one number for its input and one for its output: a device has all the rest in its own
// memory, and copies nothing that counts.
func matMulResident(n int64, k int) *model.Model {
	b := newGraph(tensor.Float32, 1)
	b.floats("a", 1, n, n)
	b.floats("w", keepingScale(n), n, n)
	b.then(onnx.Node{OpType: "Add"}, "a")
	for range k {
		b.then(onnx.Node{OpType: "MatMul"}, "w")
	}
	b.then(onnx.Node{OpType: "ReduceMax", Attrs: []*onnx.Attribute{{Name: "keepdims", Type: onnx.AttrInt, I: 0}}})
	return b.model(tensor.Float32)
}

// conv is a chain of k 3×3 convolutions of c channels on a square of the given side, float32.
func conv(c, side int64, k int) *model.Model {
	b := newGraph(tensor.Float32, 1, c, side, side)
	b.floats("w", keepingScale(9*c), c, c, 3, 3)
	for range k {
		b.then(onnx.Node{OpType: "Conv", Attrs: []*onnx.Attribute{{Name: "pads", Type: onnx.AttrInts, Ints: []int64{1, 1, 1, 1}}}}, "w")
	}
	return b.model(tensor.Float32, 1, c, side, side)
}

// matMulInteger is one product of n by n matrices, uint8 × int8 to int32.
func matMulInteger(n int64) *model.Model {
	b := newGraph(tensor.Uint8, n, n)
	b.then(onnx.Node{OpType: "MatMulInteger"}, b.int8s("w", n, n))
	return b.model(tensor.Int32, n, n)
}

// qLinearMatMul is a chain of k products of n by n matrices, uint8 × int8 to uint8.
func qLinearMatMul(n int64, k int) *model.Model {
	b := newGraph(tensor.Uint8, n, n)
	b.int8s("w", n, n)
	b.one("s")
	b.constant("zx", tensor.Uint8, []byte{128}, tensor.Shape{})
	b.constant("zw", tensor.Int8, []byte{0}, tensor.Shape{})
	for range k {
		b.then(onnx.Node{OpType: "QLinearMatMul"}, "s", "zx", "w", "s", "zw", "s", "zx")
	}
	return b.model(tensor.Uint8, n, n)
}

// add is a chain of k sums of float32 vectors of n elements.
func add(n int64, k int) *model.Model {
	b := newGraph(tensor.Float32, n)
	b.floats("w", 1, n)
	for range k {
		b.then(onnx.Node{OpType: "Add"}, "w")
	}
	return b.model(tensor.Float32, n)
}
