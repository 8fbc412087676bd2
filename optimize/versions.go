package optimize

import (
	"strings"
)

// versions returns the versions of ai.onnx at which each operator's definition changed after the first, up to MaxOpset.
// TestOfficialPackage holds it to the onnx package. A step that is not in the list of steps widens an operator: new
// element types, new optional inputs and attributes whose default is what was meant before.
func versions() map[string][]int64 {
	all := map[string][]int64{}
	for _, row := range []struct {
		versions []int64
		ops      string
	}{
		{[]int64{2, 11, 13, 18}, "Split"},
		{[]int64{2, 11, 13, 18, 19, 21, 23, 24, 25}, "Pad"},
		{[]int64{2, 11, 18, 22}, "LpPool"},
		{[]int64{2, 22}, "GlobalLpPool"},
		{[]int64{3, 7, 14, 22}, "GRU"},
		{[]int64{4, 11, 13}, "Concat"},
		{[]int64{5, 13, 14, 19, 21, 23, 24, 25}, "Reshape"},
		{[]int64{6, 7, 9, 11, 13}, "Gemm"},
		{[]int64{6, 7, 9, 14, 15}, "BatchNormalization"},
		{[]int64{6, 7, 9, 16}, "PRelu"},
		{[]int64{6, 7, 10, 12, 13, 22}, "Dropout"},
		{[]int64{6, 7, 13, 14}, "Add Div Mul Sub"},
		{[]int64{6, 8, 12, 13}, "Max Min"},
		{[]int64{6, 8, 13}, "Mean Sum"},
		{[]int64{6, 9, 13, 19, 21, 23, 24, 25}, "Cast"},
		{[]int64{6, 11, 12, 13}, "Clip"},
		{[]int64{6, 13}, "Abs Ceil Exp Floor Log Neg Reciprocal Sigmoid Sqrt Tanh Tile"},
		{[]int64{6, 13, 14}, "Relu"},
		{[]int64{6, 16}, "LeakyRelu"},
		{[]int64{6, 22}, "Elu HardSigmoid InstanceNormalization Selu"},
		{[]int64{7}, "And Or Xor"},
		{[]int64{7, 9, 10}, "Upsample"},
		{[]int64{7, 9, 13}, "Greater Less"},
		{[]int64{7, 10, 11, 19, 22}, "AveragePool"},
		{[]int64{7, 11, 13, 19}, "Equal"},
		{[]int64{7, 12, 13, 15}, "Pow"},
		{[]int64{7, 14, 22}, "LSTM RNN"},
		{[]int64{8, 10, 11, 12, 22}, "MaxPool"},
		{[]int64{9, 11, 12, 13, 19, 21, 23, 24, 25}, "Constant"},
		{[]int64{9, 11, 13, 21, 23, 24, 25}, "Flatten"},
		{[]int64{9, 11, 16, 19, 21, 23, 24, 25}, "Scan"},
		{[]int64{9, 13}, "MatMul"},
		{[]int64{10, 11, 13}, "Slice"},
		{[]int64{10, 11, 24}, "TopK"},
		{[]int64{11}, "Compress NonMaxSuppression OneHot Scatter"},
		{[]int64{11, 12, 13}, "ArgMax ArgMin"},
		{[]int64{11, 12, 13, 18, 20}, "ReduceMax ReduceMin"},
		{[]int64{11, 13}, "DepthToSpace Gather Hardmax LogSoftmax ReduceSum Softmax"},
		{[]int64{11, 13, 16, 19, 21, 23, 24, 25}, "If Loop"},
		{[]int64{11, 13, 18}, "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMean ReduceProd ReduceSumSquare"},
		{[]int64{11, 13, 18, 19}, "Resize"},
		{[]int64{11, 13, 21, 23, 24, 25}, "Squeeze Unsqueeze"},
		{[]int64{11, 22}, "Conv ConvTranspose MaxUnpool"},
		{[]int64{12, 13}, "GatherND"},
		{[]int64{13}, "Erf Expand GatherElements LRN Mod NonZero Sign SoftmaxCrossEntropyLoss SpaceToDepth"},
		{[]int64{13, 14, 16, 19, 21, 23, 24, 25}, "Identity"},
		{[]int64{13, 15, 19, 21, 23, 24, 25}, "Shape"},
		{[]int64{13, 16, 18}, "ScatterElements ScatterND"},
		{[]int64{13, 19, 21, 23, 24, 25}, "DequantizeLinear QuantizeLinear Size"},
		{[]int64{13, 20}, "IsNaN"},
		{[]int64{13, 21, 23, 24, 25}, "Transpose"},
		{[]int64{13, 22}, "NegativeLogLikelihoodLoss"},
		{[]int64{14}, "CumSum"},
		{[]int64{16}, "GreaterOrEqual LessOrEqual Where"},
		{[]int64{16, 22}, "RoiAlign"},
		{[]int64{18}, "OptionalGetElement OptionalHasElement"},
		{[]int64{19, 21, 23, 24, 25}, "CastLike"},
		{[]int64{20}, "DFT IsInf"},
		{[]int64{20, 21, 23, 24, 25}, "ConstantOfShape"},
		{[]int64{20, 22}, "GridSample"},
		{[]int64{21}, "GroupNormalization QLinearMatMul"},
		{[]int64{22}, "Acos Acosh Asin Asinh Atan Atanh Bernoulli Cos Cosh DeformConv Det EyeLike GlobalAveragePool " +
			"GlobalMaxPool HardSwish LpNormalization MaxRoiPool Mish Multinomial RandomNormal RandomNormalLike " +
			"RandomUniform RandomUniformLike Round Sin Sinh Softplus Softsign Tan ThresholdedRelu"},
		{[]int64{24}, "SplitToSequence"},
		{[]int64{24, 25}, "Attention"},
		// Operators that were never more than experiments: the runtime knows them up to opset 9 alone. Its own
		// MeanVarianceNormalization and ThresholdedRelu gave way to those of ONNX.
		{[]int64{9, 13}, "MeanVarianceNormalization"},
		{[]int64{10}, "Affine Crop DynamicSlice GivenTensorFill GRUUnit ImageScaler ParametricSoftplus Scale ScaledTanh"},
	} {
		for op := range strings.FieldsSeq(row.ops) {
			all[op] = row.versions
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
		{"Scatter", 11}: scatter11, {"RoiAlign", 16}: roiAlign16, {"GridSample", 20}: gridSample20, {"DFT", 20}: dft20,
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
