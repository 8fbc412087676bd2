package optimize

import (
	"strconv"
	"strings"
)

// firstTable lists the versions of ai.onnx at which operators came, after MinOpset and up to MaxOpset.
// TestOfficialPackage holds it and widenedTable to the onnx package.
const firstTable = `
8: Expand Scan
9: Acosh Asinh Atanh Compress ConstantOfShape Cosh Erf EyeLike IsNaN MaxUnpool MeanVarianceNormalization NonZero
9: OneHot Scatter Shrink Sign Sinh TfIdfVectorizer Where
10: ConvInteger DequantizeLinear IsInf MatMulInteger Mod NonMaxSuppression QLinearConv QLinearMatMul QuantizeLinear
10: Resize ReverseSequence RoiAlign StringNormalizer ThresholdedRelu
11: BitShift ConcatFromSequence CumSum Det DynamicQuantizeLinear GatherElements GatherND Range Round ScatterElements
11: ScatterND SequenceAt SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength SplitToSequence
11: Unique
12: Celu Einsum GreaterOrEqual LessOrEqual NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss
14: HardSwish Trilu
15: Bernoulli CastLike Optional OptionalGetElement OptionalHasElement
16: GridSample
17: BlackmanWindow DFT HammingWindow HannWindow LayerNormalization MelWeightMatrix STFT SequenceMap
18: BitwiseAnd BitwiseNot BitwiseOr BitwiseXor CenterCropPad Col2Im GroupNormalization Mish
19: DeformConv
20: AffineGrid Gelu ImageDecoder RegexFullMatch StringConcat StringSplit
23: Attention RMSNormalization RotaryEmbedding
24: Swish TensorScatter
`

// widenedTable lists the types that a version added to the first input or output of operators. float8 and four are
// several types each.
const widenedTable = `
9 bool complex128 complex64 float16 float32 float64 int16 int32 int8 string uint16 uint32 uint64 uint8: Scan
9 bool complex128 complex64 int16 int32 int64 int8 string uint16 uint32 uint64 uint8: Constant Flatten
9 int16 int32 int64 int8 uint16 uint32 uint64 uint8: Greater Less
9 int32 int64 uint32 uint64: Gemm MatMul PRelu
9 string: Cast
11 float16 float32 float64 int16 int8 uint16 uint32 uint64 uint8: Equal
11 int16 int32 int64 int8 uint16 uint32 uint64 uint8: Pad TopK
12 int16 int32 int64 int8 uint16 uint32 uint64 uint8: Clip Max Min
12 int32 int64: Pow
12 int8 uint8: MaxPool ReduceMax ReduceMin
13 bfloat16: Abs Add ArgMax ArgMin Cast Ceil Clip Concat Constant DepthToSpace Div Dropout Equal Erf Exp Expand Flatten
13 bfloat16: Floor Gather GatherElements GatherND Gemm Greater Hardmax Identity IsNaN LRN Less Log LogSoftmax MatMul Max
13 bfloat16: Mean MeanVarianceNormalization Min Mod Mul Neg NonZero Pow Reciprocal ReduceL1 ReduceL2 ReduceLogSum
13 bfloat16: ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize
13 bfloat16: ScatterElements ScatterND Shape Sigmoid Sign Size Slice Softmax SoftmaxCrossEntropyLoss SpaceToDepth Split
13 bfloat16: Sqrt Squeeze Sub Sum Tanh Tile Transpose Unsqueeze
13 bfloat16 bool complex128 complex64 string: Pad
13 sequence: If Loop
14 bfloat16: BatchNormalization
14 bfloat16 float16: CumSum
14 int16 int32 int64 int8: Relu
14 int16 int8 uint16 uint8: Add Div Mul Sub
14 sequence: Identity
16 bfloat16: GreaterOrEqual LeakyRelu LessOrEqual PRelu Scan Where
16 bfloat16 optional: If Loop
16 optional: Identity
18 bool complex128 complex64 float16 float32 float64 int16 int32 int64 int8 sequence string uint16 uint32 uint64 uint8: OptionalGetElement OptionalHasElement
19 bfloat16 float16 float8: DequantizeLinear QuantizeLinear
19 float8: Cast CastLike Constant Identity If Loop Reshape Scan Shape Size
19 string: Equal
20 bfloat16 float16 float8: IsInf
20 bfloat16 float8: ConstantOfShape
20 bool: ReduceMax ReduceMin
20 float8: IsNaN
21 float8: QLinearMatMul
21 float8 int4 uint4: Flatten Pad Squeeze Transpose Unsqueeze
21 int16 int4 uint16 uint4: DequantizeLinear QuantizeLinear
21 int4 uint4: Cast CastLike Constant ConstantOfShape Identity If Loop Reshape Scan Shape Size
22 bfloat16: Acos Acosh Asin Asinh Atan Atanh AveragePool Bernoulli Conv ConvTranspose Cos Cosh DeformConv Det Elu EyeLike
22 bfloat16: GRU GlobalAveragePool GlobalLpPool GlobalMaxPool GridSample HardSigmoid HardSwish InstanceNormalization LSTM
22 bfloat16: LpNormalization LpPool MaxPool MaxRoiPool MaxUnpool Mish Multinomial NegativeLogLikelihoodLoss RNN
22 bfloat16: RandomNormal RandomNormalLike RandomUniform RandomUniformLike RoiAlign Round Selu Sin Sinh Softplus Softsign
22 bfloat16: Tan ThresholdedRelu
22 float8: Dropout
23 float4e2m1: Cast CastLike Constant ConstantOfShape DequantizeLinear Flatten Identity If Loop Pad QuantizeLinear Reshape
23 float4e2m1: Scan Shape Size Squeeze Transpose Unsqueeze
24 bfloat16: SplitToSequence TopK
24 float8e8m0: Cast CastLike Constant ConstantOfShape Flatten Identity If Loop Pad Reshape Scan Shape Size Squeeze
24 float8e8m0: Transpose Unsqueeze
25 int2 uint2: Cast CastLike Constant ConstantOfShape DequantizeLinear Flatten Identity If Loop Pad QuantizeLinear Reshape
25 int2 uint2: Scan Shape Size Squeeze Transpose Unsqueeze
`

// firsts returns firstTable by operator.
func firsts() map[string]int64 {
	all := map[string]int64{}
	for row := range strings.Lines(firstTable) {
		version, ops, _ := strings.Cut(row, ":")
		for op := range strings.FieldsSeq(ops) {
			all[op] = versionNumber(version)
		}
	}
	return all
}

// widened returns widenedTable by operator and version.
func widened() map[step][]string {
	all := map[step][]string{}
	for row := range strings.Lines(widenedTable) {
		head, ops, _ := strings.Cut(row, ":")
		words := strings.Fields(head)
		if len(words) == 0 {
			continue
		}
		var types []string
		for _, t := range words[1:] {
			if t == "float8" {
				types = append(types, "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz")
			} else {
				types = append(types, t)
			}
		}
		for op := range strings.FieldsSeq(ops) {
			s := step{op, versionNumber(words[0])}
			all[s] = append(all[s], types...)
		}
	}
	return all
}

// versionNumber reads a version in a table of this package.
func versionNumber(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic("optimize: a table of versions: " + err.Error())
	}
	return n
}
