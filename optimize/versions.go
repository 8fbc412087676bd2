package optimize

import "strings"

// versionTable lists the versions of ai.onnx at which operators' definitions changed after the first, up to MaxOpset.
// TestOfficialPackage holds it to the onnx package. A change that is not in steps widens an operator: new element
// types, new optional inputs and attributes whose default is what was meant before.
const versionTable = `
2,11,13,18: Split
2,11,13,18,19,21,23,24,25: Pad
2,11,18,22: LpPool
2,22: GlobalLpPool
3,7,14,22: GRU
4,11,13: Concat
5,13,14,19,21,23,24,25: Reshape
6,7,9,11,13: Gemm
6,7,9,14,15: BatchNormalization
6,7,9,16: PRelu
6,7,10,12,13,22: Dropout
6,7,13,14: Add Div Mul Sub
6,8,12,13: Max Min
6,8,13: Mean Sum
6,9,13,19,21,23,24,25: Cast
6,11,12,13: Clip
6,13: Abs Ceil Exp Floor Log Neg Reciprocal Sigmoid Sqrt Tanh Tile
6,13,14: Relu
6,16: LeakyRelu
6,22: Elu HardSigmoid InstanceNormalization Selu
7: And Or Xor
7,9,10: Upsample
7,9,13: Greater Less
7,10,11,19,22: AveragePool
7,11,13,19: Equal
7,12,13,15: Pow
7,14,22: LSTM RNN
8,10,11,12,22: MaxPool
9,11,12,13,19,21,23,24,25: Constant
9,11,13,21,23,24,25: Flatten
9,11,16,19,21,23,24,25: Scan
9,13: MatMul
10,11,13: Slice
10,11,24: TopK
11: Compress NonMaxSuppression OneHot Scatter
11,12,13: ArgMax ArgMin
11,12,13,18,20: ReduceMax ReduceMin
11,13: DepthToSpace Gather Hardmax LogSoftmax ReduceSum Softmax
11,13,16,19,21,23,24,25: If Loop
11,13,18: ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMean ReduceProd ReduceSumSquare
11,13,18,19: Resize
11,13,21,23,24,25: Squeeze Unsqueeze
11,22: Conv ConvTranspose MaxUnpool
12,13: GatherND
13: Erf Expand GatherElements LRN Mod NonZero Sign SoftmaxCrossEntropyLoss SpaceToDepth
13,14,16,19,21,23,24,25: Identity
13,15,19,21,23,24,25: Shape
13,16,18: ScatterElements ScatterND
13,19,21,23,24,25: DequantizeLinear QuantizeLinear Size
13,20: IsNaN
13,21,23,24,25: Transpose
13,22: NegativeLogLikelihoodLoss
14: CumSum
16: GreaterOrEqual LessOrEqual Where
16,22: RoiAlign
18: OptionalGetElement OptionalHasElement
19,21,23,24,25: CastLike
20: DFT IsInf
20,21,23,24,25: ConstantOfShape
20,22: GridSample
21: GroupNormalization QLinearMatMul
22: Acos Acosh Asin Asinh Atan Atanh Bernoulli Cos Cosh DeformConv Det EyeLike GlobalAveragePool
22: GlobalMaxPool HardSwish LpNormalization MaxRoiPool Mish Multinomial RandomNormal RandomNormalLike
22: RandomUniform RandomUniformLike Round Sin Sinh Softplus Softsign Tan ThresholdedRelu
24: SplitToSequence
24,25: Attention
`

// experiments are operators that were never part of a release of ONNX: the runtime knows them up to the opset before.
// MeanVarianceNormalization gave way to the one of ONNX.
const experiments = `
9,13: MeanVarianceNormalization
10: Affine Crop DynamicSlice GivenTensorFill GRUUnit ImageScaler ParametricSoftplus Scale ScaledTanh
`

// versions returns the tables above by operator.
func versions() map[string][]int64 {
	all := map[string][]int64{}
	for row := range strings.Lines(versionTable + experiments) {
		list, ops, _ := strings.Cut(row, ":")
		for op := range strings.FieldsSeq(ops) {
			for v := range strings.SplitSeq(list, ",") {
				all[op] = append(all[op], versionNumber(v))
			}
		}
	}
	return all
}

// steps returns what must be rewritten where an operator's definition changed.
func steps() map[step]convert {
	all := map[step]convert{
		{"Upsample", 9}: upsample9, {"Upsample", 10}: upsample10,
		{"Resize", 11}: resize11, {"Resize", 13}: resize13,
		{"Slice", 10}: slice10, {"TopK", 10}: topK10,
		{"Clip", 11}: clip11, {"Pad", 11}: pad11,
		{"Dropout", 10}: dropout10, {"Dropout", 12}: dropout12,
		{"BatchNormalization", 9}: batchNormalization9, {"BatchNormalization", 14}: batchNormalization14,
		{"Softmax", 13}: softmax13, {"LogSoftmax", 13}: softmax13, {"Hardmax", 13}: softmax13,
		{"Split", 13}: moveInts("split", 1), {"Split", 18}: split18,
		{"Squeeze", 13}: moveInts("axes", 1), {"Unsqueeze", 13}: moveInts("axes", 1), {"ReduceSum", 13}: moveInts("axes", 1),
		{"Erf", 13}: erf13, {"Scatter", 11}: scatter11, {"RoiAlign", 16}: roiAlign16, {"GridSample", 20}: gridSample20, {"DFT", 20}: dft20,
		{"Affine", 10}: affine10, {"ImageScaler", 10}: imageScaler10, {"Crop", 10}: crop10,
		{"Scan", 9}:                      refuse("its first input went away and its axes moved"),
		{"GroupNormalization", 21}:       refuse("scale and bias are one for each channel now, not for each group"),
		{"MeanVarianceNormalization", 9}: refuse("its attributes were replaced"),
	}
	for op := range strings.FieldsSeq("Max Min Mean Prod L1 L2 LogSum LogSumExp SumSquare") {
		all[step{"Reduce" + op, 18}] = moveInts("axes", 1)
	}
	for op := range strings.FieldsSeq("DynamicSlice GivenTensorFill GRUUnit ParametricSoftplus Scale ScaledTanh") {
		all[step{op, 10}] = refuse("the operator was an experiment and is gone")
	}
	return all
}
