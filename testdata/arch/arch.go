// Package arch owns generated models of well-known architectures with seeded weights, for tests and benchmarks that
// need a real graph and no real answer. The weights are scaled so that outputs stay finite.
package arch

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"strconv"

	"infer/model/onnx"
	"infer/model/tensor"
)

// Option changes how a model is generated.
type Option func(*builder)

// WithBatch fixes the first axis of every input; the default is 1.
func WithBatch(n int64) Option { return func(b *builder) { b.batch = onnx.Fixed(n) } }

// WithSymbolicBatch makes the first axis of every input the dynamic axis "batch".
func WithSymbolicBatch() Option { return func(b *builder) { b.batch = onnx.Symbol("batch") } }

// WithSeed sets the seed of the weights; the default is 1. Equal seeds give equal bytes.
func WithSeed(seed uint64) Option { return func(b *builder) { b.seed = seed } }

// WithEmbeddings puts token, position and segment embeddings and an attention mask in front of the BERT encoder, whose
// inputs then are int64 input_ids and attention_mask of shape batch x tokens. It adds 24 M parameters.
func WithEmbeddings() Option { return func(b *builder) { b.embed = true } }

// WithDecomposedNorm writes each layer normalization as the nine nodes that exporters used before opset 17.
func WithDecomposedNorm() Option { return func(b *builder) { b.decomposed = true } }

// weight is an initializer that is still to be drawn: uniform in [-limit, limit].
type weight struct {
	name  string
	shape tensor.Shape
	limit float32
	ones  bool // filled with 1: the scale of a normalization
}

// builder gathers the nodes of a graph in order and draws all weights at the end, in one allocation.
type builder struct {
	batch      onnx.Dim
	seed       uint64
	embed      bool
	decomposed bool

	graph   *onnx.Graph
	weights []weight
	consts  []*onnx.Tensor
	count   int
}

func newBuilder(name string, opts []Option) *builder {
	b := &builder{batch: onnx.Fixed(1), seed: 1, graph: &onnx.Graph{Name: name}}
	for _, o := range opts {
		o(b)
	}
	return b
}

// typed is the declared type of a tensor.
func typed(name string, d tensor.DType, dims ...onnx.Dim) *onnx.ValueInfo {
	return &onnx.ValueInfo{Name: name, Type: &onnx.Type{Kind: onnx.KindTensor, DType: d, HasShape: true, Dims: dims}}
}

func (b *builder) input(name string, d tensor.DType, dims ...onnx.Dim) string {
	b.graph.Inputs = append(b.graph.Inputs, typed(name, d, dims...))
	return name
}

func (b *builder) output(name string, d tensor.DType, dims ...onnx.Dim) {
	b.graph.Outputs = append(b.graph.Outputs, typed(name, d, dims...))
}

// node adds an operator with one output and returns the output's name.
func (b *builder) node(op string, inputs []string, attrs ...*onnx.Attribute) string {
	return b.named("", op, inputs, attrs...)
}

// named is node with a name for the output; "" makes one.
func (b *builder) named(out, op string, inputs []string, attrs ...*onnx.Attribute) string {
	name := op + "_" + strconv.Itoa(b.count)
	b.count++
	if out == "" {
		out = name + "_out"
	}
	b.graph.Nodes = append(b.graph.Nodes, &onnx.Node{Name: name, OpType: op, Inputs: inputs, Outputs: []string{out}, Attrs: attrs})
	return out
}

// weight adds an initializer with the standard deviation std, to be drawn later.
func (b *builder) weight(name string, std float64, shape ...int64) string {
	b.weights = append(b.weights, weight{name: name, shape: shape, limit: float32(std * math.Sqrt(3))})
	return name
}

// scale adds an initializer of ones.
func (b *builder) scale(name string, shape ...int64) string {
	b.weights = append(b.weights, weight{name: name, shape: shape, ones: true})
	return name
}

// ints adds an int64 initializer: a scalar without a shape, a vector with one.
func (b *builder) ints(name string, shape tensor.Shape, values ...int64) string {
	data := make([]byte, 0, 8*len(values))
	for _, v := range values {
		data = binary.LittleEndian.AppendUint64(data, uint64(v))
	}
	b.consts = append(b.consts, must(name, tensor.Tensor{DType: tensor.Int64, Shape: shape, Data: data}))
	return name
}

// float adds a scalar initializer.
func (b *builder) float(name string, v float32) string {
	data := binary.LittleEndian.AppendUint32(nil, math.Float32bits(v))
	b.consts = append(b.consts, must(name, tensor.Tensor{DType: tensor.Float32, Data: data}))
	return name
}

// must returns an initializer. The generators fit data to shapes, so an error is a fault of this package.
func must(name string, v tensor.Tensor) *onnx.Tensor {
	t, err := onnx.NewTensor(name, v)
	if err != nil {
		panic(err)
	}
	return t
}

// model draws the weights and returns the finished model.
func (b *builder) model() *onnx.Model {
	total := int64(0)
	for _, w := range b.weights {
		n, _ := w.shape.Elements()
		total += 4 * n
	}
	data := make([]byte, total)
	rng := rand.NewPCG(b.seed, 0x9e3779b97f4a7c15)
	for _, w := range b.weights {
		n, _ := w.shape.Elements()
		own := data[: 4*n : 4*n]
		data = data[4*n:]
		if w.ones {
			for i := 0; i < len(own); i += 4 {
				binary.LittleEndian.PutUint32(own[i:], math.Float32bits(1))
			}
		} else {
			uniform(own, rng, w.limit)
		}
		b.graph.Initializers = append(b.graph.Initializers, must(w.name, tensor.Tensor{DType: tensor.Float32, Shape: w.shape, Data: own}))
	}
	b.graph.Initializers = append(b.graph.Initializers, b.consts...)
	return &onnx.Model{
		IRVersion: 8, Producer: "infer testdata/arch", Graph: b.graph,
		Opsets: []onnx.Opset{{Version: 17}},
	}
}

// uniform fills dst with float32 values in [-limit, limit), two from each draw.
func uniform(dst []byte, rng *rand.PCG, limit float32) {
	const step = 1.0 / (1 << 31)
	for len(dst) >= 8 {
		u := rng.Uint64()
		lo, hi := float32(int32(u))*step*limit, float32(int32(u>>32))*step*limit
		binary.LittleEndian.PutUint64(dst, uint64(math.Float32bits(lo))|uint64(math.Float32bits(hi))<<32)
		dst = dst[8:]
	}
	if len(dst) == 4 {
		binary.LittleEndian.PutUint32(dst, math.Float32bits(float32(int32(rng.Uint64()))*step*limit))
	}
}

func intsAttr(name string, v ...int64) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrInts, Ints: v}
}

func intAttr(name string, v int64) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrInt, I: v}
}

func floatAttr(name string, v float32) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrFloat, F: v}
}
