package optimize

import (
	"math"
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// perChannel is y = scale·x + shift with one of each for every channel.
type perChannel struct {
	scale, shift []float64
}

// foldBatchNorm folds a BatchNormalization into the Conv, ConvTranspose, Gemm, MatMul or BatchNormalization before it,
// when nothing else reads what that makes: with k = gamma/√(var+epsilon) the weights become W·k and the bias
// (b-mean)·k + beta, computed in float64. Ref: Jacob et al., Quantization and Training of Neural Networks, 2018,
// section 3.2.
func foldBatchNorm() Pass {
	return local("fold-batch-norm", "folds BatchNormalization into the Conv, ConvTranspose, Gemm, MatMul or BatchNormalization before it",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			a, ok := e.normalization(n)
			return ok && e.foldAffine(w, n, input(n, 0), a)
		})
}

// foldScale folds a Mul, Div, Add or Sub with a constant for each channel into what makes the channels: a Conv,
// ConvTranspose, Gemm, BatchNormalization or InstanceNormalization, or a MatMul where it is only scaled.
func foldScale() Pass {
	return local("fold-scale", "folds Mul, Div, Add and Sub with a constant for each channel into the convolution, product or normalization before them",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			if !is(n, "Mul", "Add", "Sub", "Div") || len(n.Inputs) != 2 || only(n) == "" {
				return false
			}
			for i, x := range n.Inputs {
				p := e.Producer(x)
				if n.OpType == "Div" && i == 1 || !is(p, "Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization", "InstanceNormalization") {
					continue
				}
				if a, ok := e.operand(w, n, p, i); ok && e.foldAffine(w, n, x, a) {
					return true
				}
			}
			return false
		})
}

// normalization returns what a BatchNormalization does to each channel; false where n is none that always does the same.
func (e *Editor) normalization(n *onnx.Node) (perChannel, bool) {
	if !is(n, "BatchNormalization") || only(n) == "" || n.Int("training_mode", 0) != 0 || n.Int("spatial", 1) != 1 {
		return perChannel{}, false
	}
	var p [4][]float32 // gamma, beta, mean, variance
	for i := range p {
		v, _, _, ok := e.floats(input(n, i+1))
		if !ok || len(v) != len(p[max(i-1, 0)]) && i > 0 {
			return perChannel{}, false
		}
		p[i] = v
	}
	a := perChannel{make([]float64, len(p[0])), make([]float64, len(p[0]))}
	for c := range p[0] {
		a.scale[c] = float64(p[0][c]) / math.Sqrt(float64(p[3][c])+float64(n.Float("epsilon", 1e-5)))
		a.shift[c] = float64(p[1][c]) - float64(p[2][c])*a.scale[c]
	}
	return a, a.finite()
}

func (a perChannel) finite() bool {
	for c := range a.scale {
		if x := a.scale[c] + a.shift[c]; math.IsNaN(x) || math.IsInf(x, 0) {
			return false
		}
	}
	return true
}

// operand returns what n does to each channel of its i-th operand, which p makes: the other one is a constant of shape
// [C,1,…] or [1,C,1,…], of the columns of a product, or of one element.
func (e *Editor) operand(w *Work, n, p *onnx.Node, i int) (perChannel, bool) {
	rank, axis := len(w.known(e, output(p, 0)).Dims), 1
	if p.OpType == "MatMul" {
		axis = rank - 1
	}
	if rank == 0 { // unknown, or no channels
		return perChannel{}, false
	}
	return e.constantOperand(n, i, rank, axis, e.channels(p))
}

// constantOperand returns what a Mul, Div, Add or Sub does to each channel of its i-th operand, of a rank and with the
// channels along an axis: the other operand is a constant of one element for each of them, or of one for all.
func (e *Editor) constantOperand(n *onnx.Node, i, rank, axis, channels int) (perChannel, bool) {
	v, shape, _, ok := e.floats(n.Inputs[1-i])
	if !ok || len(v) == 0 || len(shape) > rank || channels == 0 {
		return perChannel{}, false
	}
	for j, d := range shape {
		if at := rank - len(shape) + j; d != 1 && (at != axis || d != int64(channels)) {
			return perChannel{}, false
		}
	}
	a := perChannel{make([]float64, channels), make([]float64, channels)}
	for c := range channels {
		x := float64(v[c%len(v)])
		a.scale[c] = 1
		switch n.OpType {
		case "Mul":
			a.scale[c] = x
		case "Div":
			a.scale[c] = 1 / x
		case "Add":
			a.shift[c] = x
		case "Sub":
			a.shift[c] = -x
			if i == 1 { // x minus the channel
				a.scale[c], a.shift[c] = -1, x
			}
		}
	}
	return a, a.finite()
}

// channels returns how many channels a node makes out of constants, 0 where that is not known.
func (e *Editor) channels(n *onnx.Node) int {
	c, ok := e.Constant(input(n, 1))
	if !ok {
		return 0
	}
	elements, err := c.Dims.Elements()
	if err != nil || elements == 0 {
		return 0
	}
	switch {
	case is(n, "BatchNormalization", "InstanceNormalization"):
		return int(elements)
	case is(n, "Gemm", "MatMul"):
		if len(c.Dims) != 2 {
			return 0
		}
		if n.Int("transB", 0) != 0 {
			return int(c.Dims[0])
		}
		return int(c.Dims[1])
	}
	group := n.Int("group", 1)
	if len(c.Dims) < 3 || group < 1 || c.Dims[0]%group != 0 {
		return 0
	}
	if n.OpType == "Conv" {
		return int(c.Dims[0])
	}
	return int(c.Dims[1] * group)
}

// foldAffine gives the node that makes value weights and a bias with which it makes what n makes of value, and takes n
// out.
func (e *Editor) foldAffine(w *Work, n *onnx.Node, value string, a perChannel) bool {
	p := e.Producer(value)
	if e.OnlyReader(value) != n || p == nil || p.Domain != "" || only(p) != value {
		return false
	}
	var folded bool
	switch p.OpType {
	case "Conv", "ConvTranspose":
		folded = e.scaleConv(p, a)
	case "Gemm":
		folded = e.scaleGemm(p, a)
	case "BatchNormalization", "InstanceNormalization":
		folded = e.scaleNorm(p, a)
	case "MatMul":
		if is(n, "Mul", "Div") {
			folded = e.scaleProduct(p, a)
			break
		}
		return is(n, "BatchNormalization") && e.scaleMatMul(w, p, n, a)
	}
	if folded {
		y := n.Outputs[0]
		e.Remove(n)
		e.Replace(y, value)
	}
	return folded
}

// scaleConv folds a into a convolution. Its weights are [M, C/group, …]; those of a ConvTranspose [C, M/group, …].
func (e *Editor) scaleConv(p *onnx.Node, a perChannel) bool {
	v, shape, d, ok := e.floats(input(p, 1))
	bias, okBias := e.bias(input(p, 2), len(a.scale))
	if !ok || !okBias || e.channels(p) == 0 || e.channels(p) != len(a.scale) {
		return false
	}
	rows, columns := int(shape[0]), int(shape[1])
	kernel := len(v) / (rows * columns)
	channel := func(row, _ int) int { return row }
	if p.OpType == "ConvTranspose" {
		inGroup := rows / int(p.Int("group", 1))
		channel = func(row, column int) int { return row/inGroup*columns + column }
	}
	scaled := make([]float32, len(v))
	for i, x := range v {
		at := i / kernel
		scaled[i] = float32(float64(x) * a.scale[channel(at/columns, at%columns)])
	}
	return e.setWeights(p, d, shape, scaled, a.apply(bias))
}

// bias returns the n elements of a bias, zeros where value is "".
func (e *Editor) bias(value string, n int) ([]float64, bool) {
	b := make([]float64, n)
	if value == "" {
		return b, true
	}
	v, _, _, ok := e.floats(value)
	if !ok || len(v) != n {
		return nil, false
	}
	for i := range b {
		b[i] = float64(v[i])
	}
	return b, true
}

// apply returns scale·b + shift.
func (a perChannel) apply(b []float64) []float32 {
	out := make([]float32, len(b))
	for c := range out {
		out[c] = float32(a.scale[c]*b[c] + a.shift[c])
	}
	return out
}

// setWeights gives p new weights and a new bias of dtype d.
func (e *Editor) setWeights(p *onnx.Node, d tensor.DType, s tensor.Shape, w, bias []float32) bool {
	if !representable(d, w) || !representable(d, bias) {
		return false
	}
	weights, err := e.addFloats(p.Inputs[1], d, s, w)
	if err != nil {
		return false
	}
	base := input(p, 2)
	if base == "" {
		base = p.Inputs[1] + "_bias"
	}
	b, err := e.addFloats(base, d, tensor.Shape{int64(len(bias))}, bias)
	if err != nil {
		return false
	}
	e.SetInput(p, 1, weights)
	e.setLastInput(p, 2, b)
	return true
}

// scaleGemm folds a into alpha·A·B + beta·C, whose columns are the channels.
func (e *Editor) scaleGemm(p *onnx.Node, a perChannel) bool {
	v, shape, d, ok := e.floats(input(p, 1))
	if !ok || len(shape) != 2 {
		return false
	}
	trans := p.Int("transB", 0) != 0
	scaled, ok := scaleColumns(v, shape, trans, a.scale)
	bias, okBias := e.gemmBias(p, len(a.scale))
	if !ok || !okBias || !e.setWeights(p, d, shape, scaled, a.apply(bias)) {
		return false
	}
	setAttr(p, floatAttr("beta", 1))
	return true
}

// gemmBias returns beta·C as one element a column.
func (e *Editor) gemmBias(p *onnx.Node, columns int) ([]float64, bool) {
	b := make([]float64, columns)
	if input(p, 2) == "" {
		return b, true
	}
	v, shape, _, ok := e.floats(p.Inputs[2])
	if !ok || len(v) != 1 && len(v) != columns || len(v) == columns && columns > 1 && shape[len(shape)-1] != int64(columns) {
		return nil, false
	}
	for c := range b {
		b[c] = float64(v[c%len(v)]) * float64(p.Float("beta", 1))
	}
	return b, true
}

// scaleNorm folds a into the scale and bias of a normalization.
func (e *Editor) scaleNorm(p *onnx.Node, a perChannel) bool {
	v, shape, d, ok := e.floats(input(p, 1))
	bias, okBias := e.bias(input(p, 2), len(a.scale))
	if !ok || !okBias || len(v) != len(a.scale) || p.Int("training_mode", 0) != 0 || p.Int("spatial", 1) != 1 {
		return false
	}
	scaled := make([]float32, len(v))
	for c := range v {
		scaled[c] = float32(float64(v[c]) * a.scale[c])
	}
	return e.setWeights(p, d, shape, scaled, a.apply(bias))
}

// scaleProduct folds a scale of the columns into a MatMul by a constant matrix, whatever rank it has.
func (e *Editor) scaleProduct(p *onnx.Node, a perChannel) bool {
	v, shape, d, ok := e.floats(input(p, 1))
	if !ok || len(shape) != 2 || len(e.Consumers(p.Inputs[1])) > 1 { // a second copy of what several read is no gain
		return false
	}
	scaled, ok := scaleColumns(v, shape, false, a.scale)
	if !ok || !representable(d, scaled) {
		return false
	}
	weights, err := e.addFloats(p.Inputs[1], d, shape, scaled)
	if err != nil {
		return false
	}
	e.SetInput(p, 1, weights)
	return true
}

// representable reports whether finite numbers stay finite in a dtype.
func representable(d tensor.DType, v []float32) bool {
	limit := math.Inf(1)
	if d == tensor.Float16 {
		limit = 65520 // what rounds to more than the largest float16
	}
	return !slices.ContainsFunc(v, func(x float32) bool { return math.Abs(float64(x)) >= limit })
}

// scaleColumns multiplies the columns of a matrix, or the rows of one that is transposed.
func scaleColumns(v []float32, s tensor.Shape, trans bool, scale []float64) ([]float32, bool) {
	rows, columns := int(s[0]), int(s[1])
	if trans {
		rows, columns = columns, rows
	}
	if columns != len(scale) {
		return nil, false
	}
	out := make([]float32, len(v))
	for i, x := range v {
		c := i % columns
		if trans {
			c = i / rows
		}
		out[i] = float32(float64(x) * scale[c])
	}
	return out, true
}

// scaleMatMul folds a into a MatMul and makes n the Add of what is left. Only where the product has two axes is the
// last one the channels.
func (e *Editor) scaleMatMul(w *Work, p, n *onnx.Node, a perChannel) bool {
	v, shape, d, ok := e.floats(input(p, 1))
	y, _ := w.Declared().Of(e.Graph, output(p, 0))
	if !ok || len(shape) != 2 || !y.HasShape || len(y.Dims) != 2 {
		return false
	}
	scaled, ok := scaleColumns(v, shape, false, a.scale)
	if !ok {
		return false
	}
	weights, err := e.addFloats(p.Inputs[1], d, shape, scaled)
	if err != nil {
		return false
	}
	shift, err := e.addFloats(p.Inputs[1]+"_bias", d, tensor.Shape{int64(len(a.shift))}, a.apply(make([]float64, len(a.shift))))
	if err != nil {
		return false
	}
	e.SetInput(p, 1, weights)
	e.Remove(n)
	e.Insert(&onnx.Node{Name: n.Name, OpType: "Add", Inputs: []string{output(p, 0), shift}, Outputs: []string{n.Outputs[0]}})
	return true
}
