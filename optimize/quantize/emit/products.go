package emit

import (
	"fmt"
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// seed makes a unit of a node that multiplies by a weight, or notes why it is none.
func (p *Plan) seed(n *onnx.Node) {
	var plan func(*onnx.Node, *Unit, tensor.Shape) string
	switch {
	case is(n, "Conv"):
		plan = p.conv
	case is(n, "ConvTranspose"):
		plan = p.convTranspose
	case is(n, "Gemm"):
		plan = p.gemm
	case is(n, "MatMul"):
		plan = p.matMul
	default:
		return
	}
	why := p.refuse(n)
	if why == "" {
		why = p.product(n, plan)
	}
	if why != "" {
		p.leave(n, why)
	}
}

// product makes a unit of n as plan says, or says why it cannot be one. plan gets the shape of the weight, nil where
// that is no constant.
func (p *Plan) product(n *onnx.Node, plan func(*onnx.Node, *Unit, tensor.Shape) string) string {
	u := &Unit{Seed: true, In: []string{n.Inputs[0]}, At: []int{0}, WeightAt: 1, Weight: n.Inputs[1]}
	var dims tensor.Shape
	w, constant := p.editor.Constant(n.Inputs[1])
	_, fixed := p.editor.Constant(n.Inputs[0])
	switch {
	case fixed:
		return "its input is a constant"
	case p.known(n.Inputs[0]) != tensor.Float32:
		return fmt.Sprintf("its input is %s, not float32", p.known(n.Inputs[0]))
	case !constant && (n.OpType != "MatMul" || p.Target.Outputs):
		return "its weight is no constant"
	case p.known(n.Inputs[1]) != tensor.Float32:
		return fmt.Sprintf("its weight is %s, not float32", p.known(n.Inputs[1]))
	case p.Target.Outputs && p.pooledApart(n.Inputs[0]):
		return "the runtime has no integer kernel for the AveragePool with dilations before it, but would take one"
	case constant:
		if dims = w.Dims; slices.Contains(dims, 0) {
			return "its weight is empty"
		}
	default:
		u.In, u.At, u.Weight = n.Inputs[:2:2], []int{0, 1}, ""
	}
	why := plan(n, u, dims)
	if why == "" {
		p.add(n, u)
	}
	return why
}

// pooledApart reports whether a value is what an AveragePool with dilations gives, moved or not. Where pairs lie around
// that, ONNX Runtime 1.30 puts QLinearAveragePool in its place, which has no dilations, and opens no such model.
func (p *Plan) pooledApart(value string) bool {
	n := p.editor.Producer(value)
	for n != nil && moves(n) {
		n = p.editor.Producer(n.Inputs[0])
	}
	return n != nil && is(n, "AveragePool") && n.Attr("dilations") != nil
}

func (p *Plan) conv(n *onnx.Node, u *Unit, dims tensor.Shape) string {
	u.Axis, u.Kernel, u.Ints = 0, "QLinearConv", p.Target.Outputs
	if why := p.biasInput(n, u, dims[0]); why != "" {
		return why
	}
	if u.Raw = n.Outputs[0]; u.Ints {
		p.absorbRelu(u)
	}
	return ""
}

func (p *Plan) convTranspose(n *onnx.Node, u *Unit, _ tensor.Shape) string {
	if p.Target.Outputs {
		return "the runtime has no integer kernel for ConvTranspose"
	}
	u.Axis = 1 // [in, out / groups, …]
	if n.Int("group", 1) != 1 {
		u.Axis = -1
	}
	return ""
}

func (p *Plan) gemm(n *onnx.Node, u *Unit, dims tensor.Shape) string {
	u.Axis, u.Kernel = 1, "QGemm"
	if n.Int("transB", 0) != 0 {
		u.Axis = 0
	}
	switch {
	case n.Int("transA", 0) != 0:
		return "its input is transposed"
	case n.Float("alpha", 1) != 1 || n.Float("beta", 1) != 1:
		return "its alpha or beta is not 1"
	case len(dims) != 2:
		return "its weight is no matrix"
	}
	return p.biasInput(n, u, dims[u.Axis])
}

// biasInput takes the bias of n, an optional input, along: one element for each of the channels.
func (p *Plan) biasInput(n *onnx.Node, u *Unit, channels int64) string {
	name := input(n, 2)
	if name == "" || !p.Target.IntBias {
		return ""
	}
	b, ok := p.editor.Constant(name)
	if !ok || b.DType != tensor.Float32 {
		return "its bias is no float32 constant"
	}
	if !isRow(b.Dims, channels) {
		return fmt.Sprintf("its bias has shape %s, not one element a channel", b.Dims)
	}
	u.Bias = name
	return ""
}

// isRow reports whether dims are those of n elements along the last axis.
func isRow(dims tensor.Shape, n int64) bool {
	elements, err := dims.Elements()
	return err == nil && len(dims) > 0 && elements == n && dims[len(dims)-1] == n
}

// matMul takes the constant that is added to the product along: as int32 where the runtime makes a Gemm of both, which
// it does for a matrix, and for a fixed shape. Elsewhere the bias stays float, and fuses with what comes after it.
func (p *Plan) matMul(n *onnx.Node, u *Unit, dims tensor.Shape) string {
	u.Axis, u.Kernel = 1, "MatMulIntegerToFloat"
	if dims == nil {
		return ""
	}
	if len(dims) != 2 {
		return "its weight is no matrix"
	}
	u.Raw = n.Outputs[0]
	add := p.editor.OnlyReader(u.Raw)
	rank, fixed := p.rank(n.Inputs[0])
	if !p.Target.Outputs || add == nil || !is(add, "Add") || rank < 2 || rank > 2 && !fixed {
		return ""
	}
	other := add.Inputs[0]
	if other == u.Raw {
		other = add.Inputs[1]
	}
	c, constant := p.editor.Constant(other)
	otherRank, _ := p.rank(other)
	switch {
	case p.Target.IntBias && constant && c.DType == tensor.Float32 && isRow(c.Dims, dims[1]) && len(c.Dims) <= rank && p.refuse(add) == "":
		u.Bias, u.BiasNode, u.Raw, u.Kernel = other, add.Name, add.Outputs[0], "QGemm"
		u.Absorbed = append(u.Absorbed, add.Name)
		p.unitOf[add] = u
	case otherRank == 1 || otherRank == 2 && rank == 2:
		// The runtime would make a float Gemm of the product and what is added, and of its integers floats: it must
		// find a QuantizeLinear in between.
		u.Kernel, u.Ints = "QLinearMatMul", true
	}
	return ""
}
