package arch

import (
	"math"
	"math/rand/v2"
	"slices"
	"strconv"

	"infer/model/onnx"
	"infer/model/tensor"
)

// LSTM returns a forward LSTM: input "input" steps x batch x in, output "output" steps x 1 x batch x hidden, and
// steps·batch·4·hidden·(in+hidden) multiply-accumulates.
func LSTM(steps, in, hidden int64, opts ...Option) *onnx.Model {
	b := newBuilder("lstm", opts)
	x := b.input("input", tensor.Float32, onnx.Fixed(steps), b.batch, onnx.Fixed(in))
	std := math.Sqrt(1 / float64(hidden))
	w, r := b.weight("W", std, 1, 4*hidden, in), b.weight("R", std, 1, 4*hidden, hidden)
	b.named("output", "LSTM", []string{x, w, r, b.weight("B", std, 1, 8*hidden)}, intAttr("hidden_size", hidden))
	b.output("output", tensor.Float32, onnx.Fixed(steps), onnx.Fixed(1), b.batch, onnx.Fixed(hidden))
	return b.model()
}

// Chain returns n nodes of an elementwise operator in a row, each on the output of the one before: input "input" and
// output "output", float32 of shape elems. An operator of two operands takes a constant 1 as its second.
func Chain(op string, n, elems int, opts ...Option) *onnx.Model {
	b := newBuilder("chain", opts)
	dim := onnx.Fixed(int64(elems))
	x := b.input("input", tensor.Float32, dim)
	var second []string
	if slices.Contains([]string{"Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Mod", "PRelu"}, op) {
		second = []string{b.float("one", 1)}
	}
	for i := range n {
		out := ""
		if i == n-1 {
			out = "output"
		}
		x = b.named(out, op, append([]string{x}, second...))
	}
	b.output(x, tensor.Float32, dim)
	return b.model()
}

// MatMulOne returns a single MatMul of the input "input" (m x k) with a weight (k x n), output "output".
func MatMulOne(m, k, n int64, opts ...Option) *onnx.Model {
	b := newBuilder("matmul", opts)
	x := b.input("input", tensor.Float32, onnx.Fixed(m), onnx.Fixed(k))
	b.named("output", "MatMul", []string{x, b.weight("weight", math.Sqrt(1/float64(k)), k, n)})
	b.output("output", tensor.Float32, onnx.Fixed(m), onnx.Fixed(n))
	return b.model()
}

// Sized returns a row of MatMuls whose weights take about size bytes in the file (never more, at least one element)
// and only 4 MiB in memory: all of them share the same bytes. Input "input" and output "output" are batch x width,
// width being 1024 from 4 MiB on.
func Sized(size int64, opts ...Option) *onnx.Model {
	b := newBuilder("sized", opts)
	width := int64(1024)
	if size < 4*width*width {
		width = max(1, int64(math.Sqrt(float64(size)/4)))
	}
	data := make([]byte, 4*width*width)
	uniform(data, rand.NewPCG(b.seed, 0), float32(math.Sqrt(3/float64(width))))
	count := max(1, size/int64(len(data)))
	x := b.input("input", tensor.Float32, b.batch, onnx.Fixed(width))
	for i := range count {
		out, name := "", "weight."+strconv.FormatInt(i, 10)
		if i == count-1 {
			out = "output"
		}
		b.consts = append(b.consts, must(name, tensor.Tensor{DType: tensor.Float32, Shape: tensor.Shape{width, width}, Data: data}))
		x = b.named(out, "MatMul", []string{x, name})
	}
	b.output(x, tensor.Float32, b.batch, onnx.Fixed(width))
	return b.model()
}
