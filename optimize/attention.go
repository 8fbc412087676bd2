package optimize

import (
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// FuseAttention makes one Attention of com.microsoft of self-attention without a mask: the projections of one value to
// queries, keys and values by constants, their split into heads, Softmax(q·k)·v and the heads put together again.
func FuseAttention() Pass {
	return local("fuse-attention", "makes one Attention of ONNX Runtime of self-attention without a mask",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			a, ok := e.matchAttention(w, n)
			if !ok || !e.private(a.parts) {
				return false
			}
			weights, err := e.AddInitializer(a.heads[0].product.Inputs[1]+"_attention", joinColumns([]tensor.Tensor{a.heads[0].weights, a.heads[1].weights, a.heads[2].weights}))
			if err != nil {
				return false
			}
			bias, err := e.attentionBias(a)
			if err != nil {
				return false
			}
			last := a.parts[len(a.parts)-1]
			out := last.Outputs[0]
			e.Remove(last)
			w.importDomain("com.microsoft")
			e.Insert(&onnx.Node{Name: e.Unique(out + "_Attention"), OpType: "Attention", Domain: "com.microsoft",
				Inputs: []string{a.x, weights, bias}, Outputs: []string{out},
				Attrs: []*onnx.Attribute{intAttr("num_heads", a.count), floatAttr("scale", float32(a.scale))}})
			return true
		})
}

// attention is self-attention that was found in parts.
type attention struct {
	x     string
	count int64         // heads
	scale float64       // of q·k
	heads [3]projection // queries, keys, values
	parts []*onnx.Node  // that which makes the result last
}

// matchAttention finds the self-attention whose Softmax is n.
func (e *Editor) matchAttention(w *Work, n *onnx.Node) (a attention, ok bool) {
	axis := n.Int("axis", -1)
	if !is(n, "Softmax") || axis != -1 && axis != 3 || n.Attr("axis") == nil && w.Model.Opset("") < 13 {
		return a, false
	}
	mix := e.OnlyReader(output(n, 0))
	if !is(mix, "MatMul") || input(mix, 0) != n.Outputs[0] {
		return a, false
	}
	together := e.OnlyReader(output(mix, 0))
	reshape := e.OnlyReader(output(together, 0))
	if !is(together, "Transpose") || !is(reshape, "Reshape") || only(reshape) == "" || !slices.Equal(together.Ints("perm"), []int64{0, 2, 1, 3}) {
		return a, false
	}
	scores, scale, ok := e.scores(input(n, 0))
	if !ok {
		return a, false
	}
	a.scale = scale
	a.parts = append(scores, n, mix, together, reshape)
	product := scores[0]
	for i, side := range []struct {
		value string
		perm  []int64
	}{{product.Inputs[0], []int64{0, 2, 1, 3}}, {product.Inputs[1], []int64{0, 2, 3, 1}}, {input(mix, 1), []int64{0, 2, 1, 3}}} {
		if ok := e.matchHeads(w, &a, i, side.value, side.perm); !ok {
			return a, false
		}
	}
	a.parts = append(a.parts[len(scores)+4:], a.parts[:len(scores)+4]...) // the result stays last
	x, y := w.known(e, a.x), w.known(e, reshape.Outputs[0])
	hidden := a.heads[0].weights.Shape[1]
	return a, len(y.Dims) == 3 && sameDim(x.Dims[0], y.Dims[0]) && sameDim(x.Dims[1], y.Dims[1]) && y.Dims[2].Known && y.Dims[2].Size == hidden
}

// scores returns the nodes that make the scores of attention, their product of two values first, and what they are
// scaled by.
func (e *Editor) scores(value string) (nodes []*onnx.Node, scale float64, ok bool) {
	p, scale := e.Producer(value), 1.0
	if is(p, "Mul", "Div") && len(p.Inputs) == 2 {
		k, of := 0.0, p.Inputs[0]
		if k, ok = e.number(p.Inputs[1]); !ok && p.OpType == "Mul" {
			k, ok = e.number(p.Inputs[0])
			of = p.Inputs[1]
		}
		if !ok || k == 0 {
			return nil, 0, false
		}
		if scale = k; p.OpType == "Div" {
			scale = 1 / k
		}
		nodes = []*onnx.Node{p}
		p = e.Producer(of)
	}
	if !is(p, "MatMul") || len(p.Inputs) != 2 {
		return nil, 0, false
	}
	return append([]*onnx.Node{p}, nodes...), scale, true
}

// matchHeads finds the projection of a.x that value is the heads of, and adds its nodes to the parts.
func (e *Editor) matchHeads(w *Work, a *attention, i int, value string, perm []int64) bool {
	transpose := e.maker(value, "Transpose")
	if transpose == nil || !slices.Equal(transpose.Ints("perm"), perm) {
		return false
	}
	reshape := e.maker(input(transpose, 0), "Reshape")
	if reshape == nil {
		return false
	}
	p, ok := e.projectionOf(input(reshape, 0))
	if !ok || i > 0 && (p.product.Inputs[0] != a.x || !p.weights.Shape.Equal(a.heads[0].weights.Shape) || p.weights.DType != a.heads[0].weights.DType) {
		return false
	}
	a.x, a.heads[i] = p.product.Inputs[0], p
	x, y := w.known(e, a.x), w.known(e, reshape.Outputs[0])
	if len(x.Dims) != 3 || len(y.Dims) != 4 || !sameDim(x.Dims[0], y.Dims[0]) || !sameDim(x.Dims[1], y.Dims[1]) ||
		!y.Dims[2].Known || !y.Dims[3].Known || y.Dims[2].Size*y.Dims[3].Size != p.weights.Shape[1] || i > 0 && a.count != y.Dims[2].Size {
		return false
	}
	a.count = y.Dims[2].Size
	a.parts = append(a.parts, p.product)
	if p.add != nil {
		a.parts = append(a.parts, p.add)
	}
	a.parts = append(a.parts, reshape, transpose)
	return true
}

// projectionOf returns the product with a constant matrix, and the constant row that is added to it, that make value.
func (e *Editor) projectionOf(value string) (p projection, ok bool) {
	n := e.Producer(value)
	if is(n, "Add") && len(n.Inputs) == 2 {
		for i, v := range n.Inputs {
			if row, constant := e.ConstantValue(v); constant && len(row.Shape) == 1 {
				p.add, p.bias = n, row
				n = e.maker(n.Inputs[1-i], "MatMul")
				break
			}
		}
	}
	if !is(n, "MatMul") || len(n.Inputs) != 2 || n.Inputs[0] == "" {
		return p, false
	}
	weights, ok := e.ConstantValue(n.Inputs[1])
	p.product, p.weights = n, weights
	if !ok || len(weights.Shape) != 2 || weights.DType != tensor.Float32 && weights.DType != tensor.Float16 || len(e.Consumers(n.Inputs[1])) != 1 {
		return p, false
	}
	return p, p.add == nil || p.bias.DType == weights.DType && p.bias.Shape.Equal(weights.Shape[1:])
}

// attentionBias adds the biases of queries, keys and values in a row, zeros where there is none.
func (e *Editor) attentionBias(a attention) (string, error) {
	var list []tensor.Tensor
	for _, p := range a.heads {
		b := p.bias
		if p.add == nil {
			zeros, err := tensor.New("", p.weights.DType, p.weights.Shape[1:])
			if err != nil {
				return "", err
			}
			b = zeros
		}
		list = append(list, b)
	}
	joined, err := tensor.Concat(list...)
	if err != nil {
		return "", err
	}
	return e.AddInitializer(a.heads[0].product.Inputs[1]+"_attention_bias", joined)
}
