package arch

import (
	"fmt"
	"math"

	"infer/model/onnx"
	"infer/model/tensor"
)

// BERT is the size of an encoder in the architecture of that name. Every field is positive, and Heads divides Hidden.
type BERT struct {
	Layers    int
	Hidden    int64 // width of a token
	Heads     int64
	FFN       int64 // width inside a layer
	Vocab     int64 // rows of the embedding
	Positions int64 // tokens at most
	Classes   int64 // of the classifier on the first token; 0: none
}

// BERTBase returns the encoder of BERT-base: input "hidden_states" batch x tokens x 768 (WithEmbeddings: ids and a
// mask), output "last_hidden_state" of that shape.
// At 128 tokens it takes 11 173 625 856 multiply-accumulates a row:
// 12·128·(4·768² + 2·768·3072) = 10 871 635 968 in the linear layers, 12·2·128²·768 = 301 989 888 in attention.
// Ref: Devlin et al., BERT, 2018, section 3.
func BERTBase(tokens int64, opts ...Option) *onnx.Model {
	size := BERT{Layers: 12, Hidden: 768, Heads: 12, FFN: 3072, Vocab: 30522, Positions: 512}
	return Encoder("bert-base", size, tokens, opts...)
}

// Encoder returns a graph of a name and size as exporters write BERT: MatMul and Add, Gelu from Erf, heads split by
// Shape, Gather, Concat and Reshape. Input "hidden_states" batch x tokens x Hidden (WithEmbeddings: ids and a mask), output
// "last_hidden_state" of that shape, or "logits" batch x Classes. tokens <= 0 makes the second axis the dynamic axis
// "sequence".
func Encoder(name string, size BERT, tokens int64, opts ...Option) *onnx.Model {
	b := newBuilder(name, opts)
	seq := onnx.Fixed(tokens)
	if tokens <= 0 {
		seq = onnx.Symbol("sequence")
	}
	e := &bert{builder: b, BERT: size}
	e.constants()
	var x string
	if b.embed {
		x = e.embeddings(seq)
	} else {
		x = b.input("hidden_states", tensor.Float32, b.batch, seq, onnx.Fixed(size.Hidden))
	}
	for i := range size.Layers {
		x = e.layer(x, fmt.Sprintf("layer.%d", i))
	}
	out, dims := "last_hidden_state", []onnx.Dim{b.batch, seq, onnx.Fixed(size.Hidden)}
	if size.Classes > 0 {
		e.linear(e.node("Gather", []string{x, e.first}, intAttr("axis", 1)), "classifier", size.Hidden, size.Classes)
		out, dims = "logits", []onnx.Dim{b.batch, onnx.Fixed(size.Classes)}
	}
	b.graph.Nodes[len(b.graph.Nodes)-1].Outputs[0] = out
	b.output(out, tensor.Float32, dims...)
	return b.model()
}

// bert holds the names of the constants that all layers share.
type bert struct {
	*builder
	BERT
	eps, two, half, one, sqrt2, root        string
	first, second, axis, heads, head, width string
	mask                                    string // "" without WithEmbeddings
}

// constants adds the initializers that all layers share.
func (e *bert) constants() {
	if e.decomposed {
		e.eps, e.two = e.float("norm.epsilon", 1e-12), e.float("two", 2)
	}
	e.half, e.one, e.sqrt2 = e.float("half", 0.5), e.float("one", 1), e.float("sqrt2", math.Sqrt2)
	e.root = e.float("attention.scale", float32(math.Sqrt(float64(e.Hidden)/float64(e.Heads))))
	e.first, e.second, e.axis = e.ints("index0", nil, 0), e.ints("index1", nil, 1), e.ints("axis0", tensor.Shape{1}, 0)
	e.heads, e.head = e.ints("heads", tensor.Shape{1}, e.Heads), e.ints("head_size", tensor.Shape{1}, e.Hidden/e.Heads)
	e.width = e.ints("hidden_size", tensor.Shape{1}, e.Hidden)
}

func (e *bert) embeddings(seq onnx.Dim) string {
	ids := e.input("input_ids", tensor.Int64, e.batch, seq)
	mask := e.input("attention_mask", tensor.Int64, e.batch, seq)
	words := e.weight("embeddings.word", 0.5, e.Vocab, e.Hidden)
	positions := e.weight("embeddings.position", 0.5, e.Positions, e.Hidden)
	segment := e.weight("embeddings.segment", 0.5, e.Hidden)

	length := e.node("Gather", []string{e.node("Shape", []string{ids}), e.second}, intAttr("axis", 0))
	rows := e.node("Slice", []string{positions, e.axis, e.node("Unsqueeze", []string{length, e.axis}), e.axis})
	x := e.node("Add", []string{e.node("Gather", []string{words, ids}, intAttr("axis", 0)), rows})
	x = e.node("Add", []string{x, segment})

	wide := e.node("Unsqueeze", []string{mask, e.ints("mask.axes", tensor.Shape{2}, 1, 2)})
	wide = e.node("Cast", []string{wide}, intAttr("to", int64(tensor.Float32)))
	e.mask = e.node("Mul", []string{e.node("Sub", []string{e.one, wide}), e.float("mask.low", -10000)})
	return e.norm(x, "embeddings.norm")
}

// linear adds x·W + b.
func (e *bert) linear(x, name string, in, out int64) string {
	w := e.weight(name+".weight", math.Sqrt(1/float64(in)), in, out)
	return e.node("Add", []string{e.node("MatMul", []string{x, w}), e.weight(name+".bias", 0.02, out)})
}

func (e *bert) layer(x, name string) string {
	y := e.attention(x, name+".attention")
	x = e.norm(e.node("Add", []string{e.linear(y, name+".attention.output", e.Hidden, e.Hidden), x}), name+".attention.norm")
	y = e.linear(x, name+".intermediate", e.Hidden, e.FFN)
	erf := e.node("Add", []string{e.node("Erf", []string{e.node("Div", []string{y, e.sqrt2})}), e.one})
	y = e.node("Mul", []string{e.node("Mul", []string{y, erf}), e.half})
	return e.norm(e.node("Add", []string{e.linear(y, name+".output", e.FFN, e.Hidden), x}), name+".norm")
}

func (e *bert) attention(x, name string) string {
	q := e.split(x, name+".query", 0, 2, 1, 3)
	k := e.split(x, name+".key", 0, 2, 3, 1)
	v := e.split(x, name+".value", 0, 2, 1, 3)
	scores := e.node("Div", []string{e.node("MatMul", []string{q, k}), e.root})
	if e.mask != "" {
		scores = e.node("Add", []string{scores, e.mask})
	}
	y := e.node("MatMul", []string{e.node("Softmax", []string{scores}, intAttr("axis", -1)), v})
	y = e.node("Transpose", []string{y}, intsAttr("perm", 0, 2, 1, 3))
	return e.reshape(y, e.width)
}

// split adds a projection whose output is cut into heads and permuted.
func (e *bert) split(x, name string, perm ...int64) string {
	y := e.linear(x, name, e.Hidden, e.Hidden)
	return e.node("Transpose", []string{e.reshape(y, e.heads, e.head)}, intsAttr("perm", perm...))
}

// reshape adds a Reshape of x to the its first two axes and the sizes given, computed at run time.
func (e *bert) reshape(x string, tail ...string) string {
	var parts []string
	for _, index := range []string{e.first, e.second} {
		dim := e.node("Gather", []string{e.node("Shape", []string{x}), index}, intAttr("axis", 0))
		parts = append(parts, e.node("Unsqueeze", []string{dim, e.axis}))
	}
	shape := e.node("Concat", append(parts, tail...), intAttr("axis", 0))
	return e.node("Reshape", []string{x, shape})
}

// norm adds a layer normalization over the last axis.
func (e *bert) norm(x, name string) string {
	scale, bias := e.scale(name+".weight", e.Hidden), e.weight(name+".bias", 0.02, e.Hidden)
	if !e.decomposed {
		return e.node("LayerNormalization", []string{x, scale, bias}, intAttr("axis", -1), floatAttr("epsilon", 1e-12))
	}
	last := intsAttr("axes", -1)
	d := e.node("Sub", []string{x, e.node("ReduceMean", []string{x}, last)})
	variance := e.node("ReduceMean", []string{e.node("Pow", []string{d, e.two})}, last)
	std := e.node("Sqrt", []string{e.node("Add", []string{variance, e.eps})})
	return e.node("Add", []string{e.node("Mul", []string{e.node("Div", []string{d, std}), scale}), bias})
}
