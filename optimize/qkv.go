package optimize

import (
	"context"
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// FuseQKV makes one MatMul of those that multiply one value by constant matrices, such as the query, key and value
// projections of attention, and splits its result; where every product has a constant bias, the biases are joined too.
// Whether it pays is for a measurement to say.
func FuseQKV() Pass {
	return Pass{
		Name: "fuse-qkv",
		Doc:  "makes one MatMul and a Split of the MatMuls that read the same value",
		Run: func(ctx context.Context, w *Work) (int, error) {
			return w.edit(func(e *Editor) (int, error) {
				changed := 0
				seen := map[string]bool{}
				for _, n := range e.Graph.Nodes {
					if x := input(n, 0); is(n, "MatMul") && x != "" && !seen[x] {
						seen[x] = true
						if e.fuseProjections(w, e.projections(x)) {
							changed++
						}
					}
				}
				return changed, ctx.Err()
			})
		},
	}
}

// projection is a product with a constant matrix, and the Add of its bias where there is one.
type projection struct {
	product, add *onnx.Node
	weights      tensor.Tensor
	bias         tensor.Tensor
}

// projections returns the products of x with constant matrices that have as many rows and the dtype of the first.
func (e *Editor) projections(x string) []projection {
	var list []projection
	for _, n := range e.Consumers(x) {
		weights, ok := e.ConstantValue(input(n, 1))
		if !is(n, "MatMul") || input(n, 0) != x || only(n) == "" || !ok || len(weights.Shape) != 2 || !wholeBytes(weights.DType) {
			continue
		}
		p := projection{product: n, weights: weights}
		if add := e.OnlyReader(output(n, 0)); is(add, "Add") && only(add) != "" {
			bias, ok := e.ConstantValue(other(add, n.Outputs[0]))
			if ok && bias.DType == weights.DType && bias.Shape.Equal(weights.Shape[1:]) {
				p.add, p.bias = add, bias
			}
		}
		if len(list) == 0 || list[0].weights.DType == weights.DType && list[0].weights.Shape[0] == weights.Shape[0] {
			list = append(list, p)
		}
	}
	return list
}

// wholeBytes reports whether elements can be copied byte by byte.
func wholeBytes(d tensor.DType) bool { return d.Bits() >= 8 }

// fuseProjections replaces the products of one value by one and a Split.
func (e *Editor) fuseProjections(w *Work, list []projection) bool {
	if len(list) < 2 {
		return false
	}
	biased := !slices.ContainsFunc(list, func(p projection) bool { return p.add == nil })
	var weights, biases []tensor.Tensor
	var sizes []int64
	var outputs []string
	for _, p := range list {
		last := p.product
		if biased {
			last = p.add
			biases = append(biases, p.bias)
		}
		weights, sizes, outputs = append(weights, p.weights), append(sizes, p.weights.Shape[1]), append(outputs, last.Outputs[0])
	}
	first := list[0].product
	value, err := e.AddInitializer(first.Inputs[1]+"_fused", joinColumns(weights))
	if err != nil {
		return false
	}
	bias := ""
	if biased {
		joined, err := tensor.Concat(biases...)
		if err != nil {
			return false
		}
		if bias, err = e.AddInitializer(other(list[0].add, first.Outputs[0])+"_fused", joined); err != nil {
			return false
		}
	}
	split := &onnx.Node{OpType: "Split", Outputs: outputs, Attrs: []*onnx.Attribute{intAttr("axis", -1)}}
	cuts := ""
	if w.Model.Opset("") < 13 {
		split.Attrs = append(split.Attrs, &onnx.Attribute{Name: "split", Type: onnx.AttrInts, Ints: sizes})
	} else if cuts, err = e.addInts(first.Outputs[0]+"_sizes", sizes...); err != nil {
		return false
	}
	for _, p := range list {
		e.Remove(p.product)
		if biased {
			e.Remove(p.add)
		}
	}
	y := e.node("MatMul", first.Outputs[0]+"_fused", []string{first.Inputs[0], value})
	if biased {
		y = e.node("Add", y+"_biased", []string{y, bias})
	}
	split.Name, split.Inputs = e.Unique(y+"_Split"), []string{y}
	if cuts != "" {
		split.Inputs = append(split.Inputs, cuts)
	}
	e.Insert(split)
	return true
}

// joinColumns puts matrices of as many rows side by side.
func joinColumns(list []tensor.Tensor) tensor.Tensor {
	rows, columns := list[0].Shape[0], int64(0)
	for _, t := range list {
		columns += t.Shape[1]
	}
	joined := tensor.Tensor{DType: list[0].DType, Shape: tensor.Shape{rows, columns}}
	width := int64(list[0].DType.Bits() / 8)
	for r := range rows {
		for _, t := range list {
			stride := t.Shape[1] * width
			joined.Data = append(joined.Data, t.Data[r*stride:(r+1)*stride]...)
		}
	}
	return joined
}
