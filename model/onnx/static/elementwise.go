package static

import (
	"infer/model/onnx"
	"infer/model/tensor"
)

// elementwiseRules are the operators whose output has the broadcast shape of their inputs.
func elementwiseRules() map[string]rule {
	m := map[string]rule{}
	for _, op := range []string{
		"Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Ceil", "Celu", "Clip", "Cos", "Cosh",
		"Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Hardmax", "Identity", "LRN", "LeakyRelu", "Log",
		"LogSoftmax", "LpNormalization", "MeanVarianceNormalization", "Mish", "Neg", "Not", "PRelu", "Reciprocal", "Relu",
		"Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softmax", "Softplus", "Softsign", "Sqrt", "Swish",
		"Tan", "Tanh", "ThresholdedRelu", "Trilu", "InstanceNormalization", "GroupNormalization", "Affine", "ImageScaler",
		"ParametricSoftplus", "Scale", "ScaledTanh", "CumSum", "CumProd", "ReverseSequence", "SwiGLU",
		"com.microsoft:QuickGelu", "com.microsoft:Gelu", "com.microsoft:FastGelu", "com.microsoft:BiasGelu",
		"com.microsoft:QLinearSigmoid", "com.microsoft:QLinearLeakyRelu", "com.microsoft:QLinearSoftmax",
		"com.microsoft:GroupNorm", "com.microsoft:Inverse", "com.microsoft:BiasDropout", "com.microsoft:BiasSoftmax",
		"com.microsoft:Trilu", "com.microsoft:BiasAdd",
	} {
		m[op] = same1
	}
	for _, op := range []string{"Add", "Sub", "Mul", "Div", "Pow", "Mod", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor"} {
		m[op] = func(c *call) { c.binary(c.dtype(0)) }
	}
	for _, op := range []string{"Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "And", "Or", "Xor"} {
		m[op] = func(c *call) { c.binary(tensor.Bool) }
	}
	for _, op := range []string{"Max", "Min", "Sum", "Mean"} {
		m[op] = variadic
	}
	m["IsNaN"] = func(c *call) { c.like(0, 0, tensor.Bool) }
	m["IsInf"] = m["IsNaN"]
	m["Where"] = where
	m["BitCast"] = func(c *call) { c.like(0, 0, c.attrDType("to", tensor.Undefined)) }
	m["Cast"] = func(c *call) { c.cast(tensor.DType(c.node.Int("to", 0))) }
	m["CastLike"] = func(c *call) { c.cast(c.dtype(1)) }
	m["Dropout"] = func(c *call) {
		c.like(0, 0, c.dtype(0))
		d := tensor.Bool
		if c.opset < 10 {
			d = c.dtype(0)
		}
		c.like(1, 0, d)
	}
	m["BatchNormalization"] = func(c *call) {
		c.like(0, 0, c.dtype(0))
		for i := 1; i < len(c.out); i++ {
			c.like(i, min(i+2, 4), c.dtype(0))
		}
	}
	m["LayerNormalization"] = layerNorm
	m["RMSNormalization"] = layerNorm
	m["SimplifiedLayerNormalization"] = layerNorm
	m["com.microsoft:SimplifiedLayerNormalization"] = layerNorm
	return m
}

// same1 gives output 0 shape and dtype of input 0, and its data where the operator passes or computes them.
func same1(c *call) {
	c.like(0, 0, c.dtype(0))
	if x := c.arg(0); x != nil && len(c.out) > 0 {
		if c.node.OpType == "Identity" {
			v := *x
			c.set(0, &v)
			return
		}
		unaryData(c.node.OpType, x, c.out[0])
	}
}

func (c *call) binary(d tensor.DType) {
	if c.node.Int("broadcast", 0) == 1 && c.opset < 7 { // the second operand fits into the first
		c.like(0, 0, d)
		return
	}
	c.broadcastAll(d, 0, 1)
	binaryData(c.node.OpType, c.arg(0), c.arg(1), c.out)
}

func variadic(c *call) {
	idx := make([]int, len(c.in))
	for i := range idx {
		idx[i] = i
	}
	c.broadcastAll(c.dtype(0), idx...)
	if len(c.in) == 2 {
		binaryData(c.node.OpType, c.arg(0), c.arg(1), c.out)
	}
}

func where(c *call) {
	c.broadcastAll(c.dtype(1), 0, 1, 2)
	cond, a, b := c.arg(0), c.arg(1), c.arg(2)
	if cond == nil || a == nil || b == nil || cond.ints == nil || a.ints == nil || b.ints == nil || len(c.out) == 0 {
		return
	}
	n := max(len(cond.ints), len(a.ints), len(b.ints))
	ints := make([]dim, n)
	for i := range ints {
		p, x, y := pick(cond.ints, i, n), pick(a.ints, i, n), pick(b.ints, i, n)
		switch k, ok := p.fixed(); {
		case same(x, y):
			ints[i] = x
		case ok && k != 0:
			ints[i] = x
		case ok:
			ints[i] = y
		}
	}
	c.out[0].setInts(ints)
}

func (c *call) cast(to tensor.DType) {
	if !to.Valid() {
		to = tensor.Undefined
	}
	c.like(0, 0, to)
	x := c.arg(0)
	if x == nil || len(c.out) == 0 {
		return
	}
	out := c.out[0]
	switch {
	case x.dtype == tensor.Bool && to.IsInt(), to == tensor.Int64 && x.dtype.IsInt(), to == tensor.Int32 && x.dtype.IsInt():
		out.ints = x.ints
	case to == tensor.Bool && x.ints != nil:
		out.ints = mapInts(x.ints, func(d dim) dim {
			if n, ok := d.fixed(); ok {
				return truth(n != 0)
			}
			return unknown
		})
	case to.IsFloat() && x.floats != nil && x.dtype != tensor.Float64:
		out.floats = x.floats
	case to.IsFloat() && x.ints != nil:
		for _, d := range x.ints {
			n, ok := d.fixed()
			if !ok || n > 1<<24 || n < -1<<24 {
				out.floats = nil
				return
			}
			out.floats = append(out.floats, float64(n))
		}
	case (to == tensor.Int64 || to == tensor.Int32) && x.floats != nil:
		for _, f := range x.floats {
			if !(f > -1<<31 && f < 1<<31) {
				out.ints = nil
				return
			}
			out.ints = append(out.ints, fixed(int64(f)))
		}
	}
}

// layerNorm sets the normalized output and the statistics, whose normalized axes have size 1.
func layerNorm(c *call) {
	c.like(0, 0, c.dtype(0))
	dims, ok := c.dims(0)
	if !ok {
		return
	}
	a, ok := axis(c.node.Int("axis", -1), len(dims))
	if !ok {
		c.invalid()
		return
	}
	stat := append([]dim(nil), dims[:a]...)
	for range dims[a:] {
		stat = append(stat, fixed(1))
	}
	for i := 1; i < len(c.out); i++ {
		c.put(i, tensor.Float32, stat...)
	}
}

// attrDType returns the dtype that an attribute names, def where it is absent.
func (c *call) attrDType(name string, def tensor.DType) tensor.DType {
	d := tensor.DType(c.node.Int(name, int64(def)))
	if a := c.node.Attr(name); a != nil && a.Type == onnx.AttrInt && !d.Valid() {
		return tensor.Undefined
	}
	return d
}
