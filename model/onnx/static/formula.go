package static

import (
	"math"
	"slices"

	"infer/model/onnx"
)

// formula adds the arithmetic of one operator to a costCall's work. vol is the number of elements.
//
//	Conv and its kin           MACs vol(Y)·vol(W)/C_out, + vol(Y) for a bias, + vol(Y) for a fused addition
//	ConvTranspose              MACs vol(X)·vol(W)/C_in
//	Gemm, MatMul and kin       MACs vol(Y)·K, + vol(Y) for C
//	Einsum                     MACs: the product of all distinct label extents
//	LSTM, GRU, RNN             MACs T·B·(vol(W)+vol(R)), FLOPs 9, 7, 2 and transcendentals 5, 3, 1 a cell
//	Attention, ONNX            MACs B·S·T·(Dq+Dv), T = S + past, Softmax on B·H·S·T; all T also where causal
//	  com.microsoft            as ONNX: MultiHeadAttention, GroupQueryAttention; Attention + B·S·D·(Dq+Dk+Dv)
//	RotaryEmbedding            3·vol
//	DFT, STFT                  5·N·log2 N a transform
//	elementwise                vol(Y) an operand operation; Clip 2, HardSwish 4, Gelu 5
//	normalizations             8 (Skip 9, RMS 4, Batch 2) · vol, Softmax 4·vol + vol transcendentals
//	Reduce                     vol(X), + vol(Y) for a mean or root, L2 2·vol(X)
//	pools                      vol(Y)·∏k; global vol(X)+vol(Y)
//	Quantize, Dequantize       3, 2 · vol; DynamicQuantizeLinear 5 · vol
//	data movement              bytes only; views (Reshape, …) nothing
type formula func(c *costCall)

// viewOps are the operators whose output shares the bytes of input 0.
func viewOps(op string) bool {
	switch op {
	case "Reshape", "Squeeze", "Unsqueeze", "Identity", "Flatten":
		return true
	}
	return false
}

// moves reports whether a node moves bytes: a view, a constant or a look at a shape does not.
func moves(n *onnx.Node) bool {
	if domain(n.Domain) != "" {
		return true
	}
	return !viewOps(n.OpType) && n.OpType != "Constant" && n.OpType != "Shape" && n.OpType != "Size"
}

// costCall is one node while its formula runs.
type costCall struct {
	*costing
	graph   *onnx.Graph
	node    *onnx.Node
	work    Work
	missing string // what the formula lacked first
}

func (c *costCall) lack(reason string) {
	if c.missing == "" {
		c.missing = reason
	}
}

// shape returns the shape of input i (i >= 0) or output -i-1; nil, with the reason noted, where it is not known.
func (c *costCall) shape(i int) []int64 {
	name := ""
	switch {
	case i >= 0 && i < len(c.node.Inputs):
		name = c.node.Inputs[i]
	case i < 0 && -i-1 < len(c.node.Outputs):
		name = c.node.Outputs[-i-1]
	}
	if name == "" {
		c.lack("a value that the formula needs is omitted")
		return nil
	}
	v, _ := c.shapes.Of(c.graph, name)
	s, ok := v.Shape()
	if !ok {
		c.lack("the shape of " + name + " is not known in full")
		return nil
	}
	return s
}

// vol returns the number of elements of a value, indexed like shape.
func (c *costCall) vol(i int) int64 { return times(c.shape(i)...) }

// at returns size j of a value, counted from the end where negative; 0, with the reason noted, where there is none.
func (c *costCall) at(i, j int) int64 {
	s := c.shape(i)
	if j < 0 {
		j += len(s)
	}
	if j < 0 || j >= len(s) {
		c.lack("a shape has too few axes")
		return 0
	}
	return s[j]
}

func (c *costCall) has(i int) bool { return i < len(c.node.Inputs) && c.node.Inputs[i] != "" }

// per adds f·vol operations and t·vol transcendentals over a value.
func (c *costCall) per(i int, f, t int64) {
	v := c.vol(i)
	c.work.FLOPs = plus(c.work.FLOPs, times(f, v))
	c.work.Transcendentals = plus(c.work.Transcendentals, times(t, v))
}

func (c *costCall) macs(list ...int64) { c.work.MACs = plus(c.work.MACs, times(list...)) }

// y is the index of output 0 for shape and vol.
const y = -1

// formulas returns the table, keyed like rules.
func formulas() map[string]formula {
	m := map[string]formula{}
	simple := func(f, t int64, ops ...string) {
		for _, op := range ops {
			m[op] = func(c *costCall) { c.per(y, f, t) }
		}
	}
	const ms = "com.microsoft:"
	simple(0, 0, "Reshape", "Squeeze", "Unsqueeze", "Identity", "Flatten", "Transpose", "Gather", "GatherElements",
		"GatherND", "Concat", "Slice", "Split", "Pad", "Expand", "Tile", "Cast", "CastLike", "BitCast", "DepthToSpace", "SpaceToDepth",
		"Constant", "ConstantOfShape", "Shape", "Size", "Range", "Dropout", "Crop", "EyeLike", "OneHot", "Trilu",
		"ReverseSequence", "Col2Im", "CenterCropPad", ms+"QLinearConcat", "com.microsoft.nchwc:ReorderInput", "com.microsoft.nchwc:ReorderOutput",
		"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "MemcpyFromHost", "MemcpyToHost")
	simple(1, 0, "Add", "Sub", "Mul", "Div", "Mod", "Neg", "Abs", "Relu", "Ceil", "Floor", "Round", "Sign", "Not", "And",
		"Or", "Xor", "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Where", "Reciprocal", "IsNaN", "IsInf",
		"BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot", "Max", "Min", "Sum", "Mean", ms+"QLinearAdd",
		ms+"QLinearMul", ms+"QLinearWhere", ms+"BiasAdd")
	simple(2, 0, "Clip", "LeakyRelu", "PRelu", "ThresholdedRelu", "Affine", "ImageScaler", "Shrink", ms+"QLinearLeakyRelu")
	simple(3, 0, "HardSigmoid", "Softsign")
	simple(4, 0, "HardSwish")
	simple(0, 1, "Exp", "Log", "Erf", "Tanh", "Sigmoid", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh",
		"Acosh", "Atanh", "Pow", "Sqrt", ms+"QLinearSigmoid")
	simple(1, 1, "Softplus", "Elu", "Celu", "Swish", ms+"QuickGelu")
	simple(2, 1, "Selu", "Mish")
	simple(5, 1, "Gelu", ms+"Gelu", ms+"FastGelu")
	simple(6, 1, ms+"BiasGelu")
	simple(4, 1, "Softmax", "LogSoftmax", ms+"QLinearSoftmax")
	simple(5, 1, ms+"BiasSoftmax")
	simple(8, 0, "LayerNormalization", "InstanceNormalization", "GroupNormalization", ms+"GroupNorm", "LRN",
		"MeanVarianceNormalization", "LpNormalization", ms+"EmbedLayerNormalization", ms+"QEmbedLayerNormalization")
	simple(9, 0, ms+"SkipLayerNormalization", ms+"SkipGroupNorm")
	simple(4, 0, "RMSNormalization", "SimplifiedLayerNormalization", ms+"SimplifiedLayerNormalization")
	simple(5, 0, ms+"SkipSimplifiedLayerNormalization")
	simple(2, 0, "BatchNormalization", "DequantizeLinear", ms+"DequantizeLinear")
	simple(3, 0, "QuantizeLinear", ms+"QuantizeLinear")
	simple(5, 0, "DynamicQuantizeLinear")
	matrixFormulas(m)
	windowFormulas(m)
	reduceFormulas(m)
	return m
}

func matrixFormulas(m map[string]formula) {
	const ms = "com.microsoft:"
	mm := func(extra int64) formula {
		return func(c *costCall) {
			c.macs(c.vol(y), c.contracted())
			c.per(y, extra, 0)
		}
	}
	m["MatMul"], m[ms+"FusedMatMul"], m["MatMulInteger"], m["QLinearMatMul"] = mm(0), mm(0), mm(0), mm(0)
	m[ms+"DynamicQuantizeMatMul"], m[ms+"MatMulIntegerToFloat"] = mm(2), mm(2)
	m["Gemm"] = func(c *costCall) {
		mm(0)(c)
		if c.has(2) {
			c.per(y, 1, 0)
		}
		for _, name := range []string{"alpha", "beta"} {
			if c.node.Float(name, 1) != 1 && (name == "alpha" || c.has(2)) {
				c.per(y, 1, 0)
			}
		}
		if c.node.Str("activation", "") != "" {
			c.per(y, 1, 0)
		}
	}
	m[ms+"FusedGemm"] = m["Gemm"]
	m[ms+"MatMulNBits"] = func(c *costCall) {
		k, n := c.node.Int("K", 0), c.node.Int("N", 0)
		c.macs(c.vol(y), k)
		c.work.FLOPs = plus(c.work.FLOPs, times(2, n, k))
	}
	m["Einsum"] = einsumFormula
	m["LSTM"], m["GRU"], m["RNN"] = cells(9, 5), cells(7, 3), cells(2, 1)
	m[ms+"DynamicQuantizeLSTM"] = m["LSTM"]
	m[ms+"QGemm"] = func(c *costCall) {
		mm(0)(c)
		if c.has(6) {
			c.per(y, 1, 0)
		}
	}
	m[ms+"TransposeMatMul"], m[ms+"FusedMatMulActivation"], m[ms+"MatMulBnb4"] = mm(0), mm(1), m[ms+"MatMulNBits"]
	attentionFormulas(m)
}

func einsumFormula(c *costCall) {
	var shapes [][]dim
	for i := range c.node.Inputs {
		shapes = append(shapes, fixedList(c.shape(i)))
	}
	terms, _, ok := einsumTerms(c.node.Str("equation", ""), shapes)
	sizes, okS := einsumSizes(terms, shapes)
	if !ok || !okS {
		c.lack("the equation has a form without a formula")
		return
	}
	p := fixed(1)
	for _, d := range sizes {
		p = mul(p, d)
	}
	n, known := p.fixed()
	if !known {
		n = math.MaxInt64
	}
	c.macs(n)
}

// contracted returns the axis of input 0 over which a product sums.
func (c *costCall) contracted() int64 {
	switch n := len(c.shape(0)); {
	case n < 2 || c.node.Int("transA", 0) == 0:
		return c.at(0, -1)
	case n > 2 && c.node.Int("transBatchA", 0) != 0: // (M, b0 …, K) is (b0 …, M, K) first, see transposed
		return c.at(0, 0)
	}
	return c.at(0, -2)
}

// cells is T·B·(vol(W)+vol(R)) and the elementwise work of a cell.
func cells(flops, trans int64) formula {
	return func(c *costCall) {
		steps := times(c.at(0, 0), c.at(0, 1))
		c.macs(steps, plus(c.vol(1), c.vol(2)))
		w := c.shape(1)
		if len(w) != 3 {
			return
		}
		hidden := c.node.Int("hidden_size", 0)
		c.work.FLOPs = plus(c.work.FLOPs, times(w[0], steps, hidden, flops))
		c.work.Transcendentals = plus(c.work.Transcendentals, times(w[0], steps, hidden, trans))
	}
}

func windowFormulas(m map[string]formula) {
	const ms, nchwc = "com.microsoft:", "com.microsoft.nchwc:"
	conv := func(iw, bias, fused int) formula {
		return func(c *costCall) {
			w := c.shape(iw)
			if len(w) < 2 || w[0] == 0 {
				c.lack("the weight has no shape")
				return
			}
			c.macs(c.vol(y), times(w[1:]...))
			if c.has(bias) {
				c.per(y, 1, 0)
			}
			if fused > 0 && c.has(fused) {
				c.per(y, 1, 0)
			}
			if c.node.Str("activation", "") != "" {
				c.per(y, 1, 0)
			}
		}
	}
	m[ms+"NhwcConv"] = conv(1, 2, 0)
	m["Conv"], m[ms+"FusedConv"], m[ms+"NhwcFusedConv"], m[nchwc+"Conv"] = conv(1, 2, 0), conv(1, 2, 3), conv(1, 2, 3), conv(1, 2, 3)
	m["ConvInteger"], m["QLinearConv"], m[ms+"QLinearConv"] = conv(1, 99, 0), conv(3, 8, 0), conv(3, 8, 0)
	m["ConvTranspose"] = func(c *costCall) {
		w := c.shape(1)
		if len(w) < 2 {
			c.lack("the weight has no shape")
			return
		}
		c.macs(c.vol(0), times(w[1:]...))
		if c.has(2) {
			c.per(y, 1, 0)
		}
	}
	pool := func(c *costCall) { c.per(y, times(c.node.Ints("kernel_shape")...), 0) }
	for _, op := range []string{"MaxPool", "AveragePool", "LpPool", nchwc + "MaxPool", nchwc + "AveragePool", ms + "QLinearAveragePool", ms + "NhwcMaxPool"} {
		m[op] = pool
	}
	global := func(c *costCall) { c.per(0, 1, 0); c.per(y, 1, 0) }
	for _, op := range []string{"GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool", nchwc + "GlobalMaxPool", nchwc + "GlobalAveragePool", ms + "QLinearGlobalAveragePool"} {
		m[op] = global
	}
	m["Resize"] = resizeFormula
	m["Upsample"], m[nchwc+"Upsample"] = resizeFormula, resizeFormula
	m["STFT"], m["DFT"] = stftFormula, dftFormula
}

// stftFormula is a transform for each frame. The window is as long as a frame.
func stftFormula(c *costCall) {
	n := int64(0)
	if c.has(2) {
		n = c.at(2, 0)
	} else {
		n = c.told(3)
	}
	c.fourier(times(c.at(y, 0), c.at(y, 1)), n)
}

// dftFormula is a transform for each line of Y along the axis.
func dftFormula(c *costCall) {
	out, a, n := c.shape(y), c.node.Int("axis", 1), int64(0)
	if c.node.Attr("axis") == nil && opsets(c.shapes.model.Opsets)[""] >= 20 {
		a = -2
		if c.has(2) {
			list := c.ints(2)
			if len(list) != 1 {
				c.lack("the axis of the transform is a value of the run")
				return
			}
			a = list[0]
		}
	}
	at, ok := axis(a, len(out))
	if !ok || len(out) < 2 || at == len(out)-1 {
		c.lack("the axis of the transform is none of the signal")
		return
	}
	switch inverse := c.node.Int("inverse", 0) == 1; {
	case c.node.Int("onesided", 0) == 0 || inverse:
		n = out[at]
	case c.has(1):
		n = c.told(1)
	default:
		n = c.at(0, at)
	}
	lines := slices.Delete(slices.Clone(out[:len(out)-1]), at, at+1)
	c.fourier(times(lines...), n)
}

// fourier adds 5·N·log2 N for each transform of n points.
func (c *costCall) fourier(count, n int64) {
	if n > 0 {
		c.work.FLOPs = plus(c.work.FLOPs, times(count, int64(5*float64(n)*math.Log2(float64(n)))))
	}
}

func resizeFormula(c *costCall) {
	x, out := c.shape(0), c.shape(y)
	d := 0
	for i := range min(len(x), len(out)) {
		if x[i] != out[i] {
			d++
		}
	}
	switch c.node.Str("mode", "nearest") {
	case "linear":
		c.per(y, 3*(int64(1)<<min(d, 10)-1), 0)
	case "cubic":
		c.per(y, 35, 0)
	default:
		c.per(y, 0, 0)
	}
}

func reduceFormulas(m map[string]formula) {
	for op, f := range map[string][3]int64{ // per element of X, per element of Y, transcendentals per element of X
		"ReduceSum": {1, 0, 0}, "ReduceMax": {1, 0, 0}, "ReduceMin": {1, 0, 0}, "ReduceProd": {1, 0, 0}, "ReduceL1": {1, 0, 0},
		"ReduceMean": {1, 1, 0}, "ReduceL2": {2, 1, 0}, "ReduceSumSquare": {2, 0, 0}, "ReduceLogSum": {1, 1, 0},
		"ReduceLogSumExp": {1, 1, 1}, "ArgMax": {1, 0, 0}, "ArgMin": {1, 0, 0}, "CumSum": {1, 0, 0}, "CumProd": {1, 0, 0},
		"com.microsoft:QLinearReduceMean": {1, 1, 0},
	} {
		m[op] = func(c *costCall) {
			c.per(0, f[0], f[2])
			c.per(y, f[1], 0)
		}
	}
}
