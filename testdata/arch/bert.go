package arch

import (
	"fmt"
	"math"

	"infer/model/onnx"
	"infer/model/tensor"
)

// The sizes of BERT-base. Ref: Devlin et al., BERT, 2018, section 3.
const (
	bertLayers = 12
	bertHidden = 768
	bertHeads  = 12
	bertFFN    = 3072
	bertVocab  = 30522
	bertMax    = 512 // positions
)

// BERTBase returns the encoder of BERT-base as exporters write it: MatMul and Add, Gelu from Erf, heads split by
// Shape, Gather, Concat and Reshape. Input "hidden_states" batch x tokens x 768 (WithEmbeddings: ids and a mask),
// output "last_hidden_state" of that shape. tokens <= 0 makes the second axis the dynamic axis "sequence".
// At 128 tokens it takes 11 173 625 856 multiply-accumulates a row:
// 12·128·(4·768² + 2·768·3072) = 10 871 635 968 in the linear layers, 12·2·128²·768 = 301 989 888 in attention.
func BERTBase(tokens int64, opts ...Option) *onnx.Model {
	b := newBuilder("bert-base", opts)
	seq := onnx.Fixed(tokens)
	if tokens <= 0 {
		seq = onnx.Symbol("sequence")
	}
	e := &bert{builder: b}
	if b.decomposed {
		e.eps, e.two = b.float("norm.epsilon", 1e-12), b.float("two", 2)
	}
	e.half, e.one, e.sqrt2 = b.float("half", 0.5), b.float("one", 1), b.float("sqrt2", math.Sqrt2)
	e.scale = b.float("attention.scale", float32(math.Sqrt(bertHidden/bertHeads)))
	e.first, e.second, e.axis = b.ints("index0", nil, 0), b.ints("index1", nil, 1), b.ints("axis0", tensor.Shape{1}, 0)
	e.heads, e.size = b.ints("heads", tensor.Shape{1}, bertHeads), b.ints("head_size", tensor.Shape{1}, bertHidden/bertHeads)
	e.width = b.ints("hidden_size", tensor.Shape{1}, bertHidden)
	var x string
	if b.embed {
		x = e.embeddings(seq)
	} else {
		x = b.input("hidden_states", tensor.Float32, b.batch, seq, onnx.Fixed(bertHidden))
	}
	for i := range bertLayers {
		x = e.layer(x, fmt.Sprintf("layer.%d", i))
	}
	b.graph.Nodes[len(b.graph.Nodes)-1].Outputs[0] = "last_hidden_state"
	b.output("last_hidden_state", tensor.Float32, b.batch, seq, onnx.Fixed(bertHidden))
	return b.model()
}

// bert holds the names of the constants that all layers share.
type bert struct {
	*builder
	eps, two, half, one, sqrt2, scale       string
	first, second, axis, heads, size, width string
	mask                                    string // "" without WithEmbeddings
}

func (e *bert) embeddings(seq onnx.Dim) string {
	ids := e.input("input_ids", tensor.Int64, e.batch, seq)
	mask := e.input("attention_mask", tensor.Int64, e.batch, seq)
	words := e.weight("embeddings.word", 0.5, bertVocab, bertHidden)
	positions := e.weight("embeddings.position", 0.5, bertMax, bertHidden)
	segment := e.weight("embeddings.segment", 0.5, bertHidden)

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
	x = e.norm(e.node("Add", []string{e.linear(y, name+".attention.output", bertHidden, bertHidden), x}), name+".attention.norm")
	y = e.linear(x, name+".intermediate", bertHidden, bertFFN)
	erf := e.node("Add", []string{e.node("Erf", []string{e.node("Div", []string{y, e.sqrt2})}), e.one})
	y = e.node("Mul", []string{e.node("Mul", []string{y, erf}), e.half})
	return e.norm(e.node("Add", []string{e.linear(y, name+".output", bertFFN, bertHidden), x}), name+".norm")
}

func (e *bert) attention(x, name string) string {
	q := e.split(x, name+".query", 0, 2, 1, 3)
	k := e.split(x, name+".key", 0, 2, 3, 1)
	v := e.split(x, name+".value", 0, 2, 1, 3)
	scores := e.node("Div", []string{e.node("MatMul", []string{q, k}), e.scale})
	if e.mask != "" {
		scores = e.node("Add", []string{scores, e.mask})
	}
	y := e.node("MatMul", []string{e.node("Softmax", []string{scores}, intAttr("axis", -1)), v})
	y = e.node("Transpose", []string{y}, intsAttr("perm", 0, 2, 1, 3))
	return e.reshape(y, e.width)
}

// split adds a projection whose output is cut into heads and permuted.
func (e *bert) split(x, name string, perm ...int64) string {
	y := e.linear(x, name, bertHidden, bertHidden)
	return e.node("Transpose", []string{e.reshape(y, e.heads, e.size)}, intsAttr("perm", perm...))
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
	scale, bias := e.builder.scale(name+".weight", bertHidden), e.weight(name+".bias", 0.02, bertHidden)
	if !e.decomposed {
		return e.node("LayerNormalization", []string{x, scale, bias}, intAttr("axis", -1), floatAttr("epsilon", 1e-12))
	}
	last := intsAttr("axes", -1)
	d := e.node("Sub", []string{x, e.node("ReduceMean", []string{x}, last)})
	variance := e.node("ReduceMean", []string{e.node("Pow", []string{d, e.two})}, last)
	std := e.node("Sqrt", []string{e.node("Add", []string{variance, e.eps})})
	return e.node("Add", []string{e.node("Mul", []string{e.node("Div", []string{d, std}), scale}), bias})
}
