package half

import "infer/model/tensor"

// operator is what the definition of an ai.onnx operator says of half precision.
type operator struct {
	float16  int64 // the first opset whose definition takes it
	bfloat16 int64
	moves    bool  // copies elements: as exact in any type
	floatIn  []int // inputs that stay float32: by definition, or since indices and counts in half precision are wrong
	floatOut []int // outputs that stay float32 by definition
	asIs     []int // inputs of which the type does not matter
}

// since returns the first opset at which the operator takes d.
func (o operator) since(d tensor.DType) int64 {
	if d == tensor.BFloat16 {
		return o.bfloat16
	}
	return o.float16
}

// never is an opset that no model has.
const never = 1 << 30

// operators returns every ai.onnx operator that can compute in half precision, by name. What is not in it stays
// float32: Constant, ConstantOfShape and operators with subgraphs, which are treated apart; random numbers,
// windows and EyeLike, whose type is an attribute; what works on positions, counts or integers in float (CumSum, Range,
// TopK, OneHot's indices, GridSample, RoiAlign, NonMaxSuppression, DFT, STFT); losses; and quantization.
//
// Ref: the type constraints of all versions in onnx.defs 1.23.
func operators() map[string]operator {
	ops := map[string]operator{}
	add := func(o operator, names ...string) {
		for _, n := range names {
			ops[n] = o
		}
	}
	add(operator{bfloat16: 13, moves: true}, "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements",
		"GatherND", "Identity", "Pad", "Reshape", "ScatterElements", "ScatterND", "Slice", "SpaceToDepth", "Split",
		"Squeeze", "Tile", "Transpose", "Trilu", "Unsqueeze")
	add(operator{bfloat16: 18, moves: true}, "CenterCropPad")
	add(operator{bfloat16: 28, moves: true}, "Compress", "ReverseSequence")
	add(operator{bfloat16: never, moves: true}, "Scatter")
	add(operator{bfloat16: 13}, "Abs", "Add", "ArgMax", "ArgMin", "Ceil", "Clip", "Div", "Equal", "Erf", "Exp", "Floor",
		"Gemm", "Greater", "Hardmax", "IsNaN", "LRN", "Less", "Log", "LogSoftmax", "MatMul", "Max", "Mean",
		"Min", "Mod", "Mul", "Neg", "NonZero", "Reciprocal", "ReduceL1", "ReduceL2",
		"ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
		"ReduceSumSquare", "Relu", "Sigmoid", "Sign", "Softmax", "Sqrt", "Sub", "Sum", "Tanh")
	add(operator{bfloat16: 14}, "BatchNormalization")
	add(operator{bfloat16: 15}, "Pow")
	add(operator{bfloat16: 16}, "GreaterOrEqual", "LeakyRelu", "LessOrEqual", "PRelu", "Where")
	add(operator{bfloat16: 18}, "Col2Im", "GroupNormalization")
	add(operator{bfloat16: 20}, "Gelu")
	add(operator{bfloat16: 22}, "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "AveragePool", "Conv",
		"ConvTranspose", "Cos", "Cosh", "DeformConv", "Det", "Elu", "GRU", "GlobalAveragePool", "GlobalLpPool",
		"GlobalMaxPool", "HardSigmoid", "HardSwish", "InstanceNormalization", "LSTM", "LpNormalization", "LpPool",
		"MaxPool", "MaxUnpool", "Mish", "RNN", "Round", "Selu", "Sin", "Sinh", "Softplus", "Softsign", "Tan",
		"ThresholdedRelu")
	add(operator{bfloat16: 23}, "Attention", "RMSNormalization", "RotaryEmbedding")
	add(operator{bfloat16: 24}, "Swish")
	add(operator{bfloat16: 28}, "Einsum")
	add(operator{float16: 20, bfloat16: 20}, "IsInf")
	add(operator{float16: 28, bfloat16: 28}, "Celu")
	add(operator{bfloat16: never}, "Shrink")
	add(operator{bfloat16: 13, floatIn: []int{1}}, "Dropout")                // the ratio
	add(operator{bfloat16: 28, floatIn: []int{0, 1}}, "OneHot")              // indices and depth
	add(operator{bfloat16: 13, floatIn: []int{1, 2}}, "Resize")              // opset 10: scales; from 11 on: roi and scales
	add(operator{bfloat16: 17, floatOut: []int{1, 2}}, "LayerNormalization") // mean and 1/deviation have the stash type
	add(operator{bfloat16: 13, asIs: []int{0}}, "Shape", "Size")
	add(operator{bfloat16: 13, asIs: []int{0}, moves: true}, "Cast") // what is no twin
	return ops
}
