package optimize

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"infer/model/onnx"
)

// undos returns what must be rewritten where an operator's definition changed or where it came.
func undos() map[step]undo {
	all := map[step]undo{
		{"MaxPool", 8}: inTurn(plain("storage_order", 0), alone), {"Scan", 9}: cannot("its first input went away with that version, and its axes moved"),
		{"Upsample", 9}: upsample8, {"Resize", 10}: resize9, {"Resize", 11}: resize10, {"Resize", 13}: resize12, {"Resize", 18}: resize17, {"Resize", 19}: resize18,
		{"AveragePool", 10}: plain("ceil_mode", 0), {"MaxPool", 10}: inTurn(plain("ceil_mode", 0), ones("dilations")),
		{"Slice", 10}: slice9, {"TopK", 10}: topK9, {"TopK", 11}: inTurn(gone("sorted"), plain("largest", 1)),
		{"DepthToSpace", 11}: words("mode", "DCR"), {"Clip", 11}: clip10, {"Pad", 11}: pad10, {"Pad", 18}: pad17, {"Pad", 19}: pad18,
		{"Gemm", 11}: gemm10, {"ScatterElements", 11}: scatterElements10, {"Constant", 9}: constant8, {"Constant", 11}: constant10, {"Constant", 12}: constant11,
		{"ArgMax", 12}: plain("select_last_index", 0), {"ArgMin", 12}: plain("select_last_index", 0), {"GatherND", 12}: plain("batch_dims", 0),
		{"Dropout", 12}: dropout11, {"Dropout", 10}: alone, {"Pow", 12}: pow11,
		{"GreaterOrEqual", 12}: orEqual("Greater"), {"LessOrEqual", 12}: orEqual("Less"), {"Celu", 12}: celu,
		{"Softmax", 13}: softmax12, {"LogSoftmax", 13}: softmax12, {"Hardmax", 13}: softmax12,
		{"Split", 13}: toInts("split", 1), {"Split", 18}: split17, {"Squeeze", 13}: toInts("axes", 1), {"Unsqueeze", 13}: toInts("axes", 1),
		{"ReduceSum", 13}: reduceAxes, {"QuantizeLinear", 13}: tensorScale, {"DequantizeLinear", 13}: tensorScale,
		{"BatchNormalization", 14}: plain("training_mode", 0), {"RNN", 14}: plain("layout", 0), {"GRU", 14}: plain("layout", 0), {"LSTM", 14}: plain("layout", 0),
		{"Reshape", 14}: reshape13, {"HardSwish", 14}: hardSwish, {"Trilu", 14}: trilu, {"Shape", 15}: shape14, {"CastLike", 15}: castLike,
		{"RoiAlign", 16}: roiAlign15, {"ScatterElements", 16}: words("reduction", "none"), {"ScatterND", 16}: words("reduction", "none"),
		{"ScatterElements", 18}: words("reduction", "none", "add", "mul"), {"ScatterND", 18}: words("reduction", "none", "add", "mul"),
		{"LayerNormalization", 17}: layerNorm, {"Mish", 18}: mish, {"LpPool", 18}: inTurn(plain("ceil_mode", 0), ones("dilations")),
		{"GroupNormalization", 18}: groupNorm, {"GroupNormalization", 21}: groupNorm, {"AveragePool", 19}: ones("dilations"),
		{"Cast", 19}: gone("saturate"), {"CastLike", 19}: gone("saturate"), {"QuantizeLinear", 19}: gone("saturate"),
		{"Gelu", 20}: gelu, {"GridSample", 20}: gridSample19, {"DFT", 20}: dft19,
		{"QuantizeLinear", 21}: inTurn(plain("block_size", 0), plain("output_dtype", 0)), {"DequantizeLinear", 21}: plain("block_size", 0),
		{"QuantizeLinear", 23}: plain("precision", 0), {"DequantizeLinear", 23}: plain("output_dtype", 0),
		{"RMSNormalization", 23}: rmsNorm, {"Swish", 24}: swish, {"Cast", 24}: gone("round_mode"), {"CastLike", 24}: gone("round_mode"),
		{"Attention", 24}: atMost(6), {"Attention", 25}: inTurn(plain("left_window_size", -1), plain("right_window_size", -1)),
		{"ConstantOfShape", 9}: constantOfShape, {"BatchNormalization", 9}: asBefore, // its statistics were those of channels by default
		{"Loop", 11}: atLeast(3), {"OptionalHasElement", 18}: atLeast(1),
	}
	for op := range strings.FieldsSeq("Max Min Mean Prod L1 L2 LogSum LogSumExp SumSquare") {
		all[step{"Reduce" + op, 18}] = reduceAxes
	}
	for op := range strings.FieldsSeq("Max Min Mean Sum") {
		all[step{op, 8}] = sameShapes
	}
	return all
}

// cannot is the step of a change that has no way back.
func cannot(why string) undo {
	return func(*downgrade, *onnx.Node) error { return errors.New(why) }
}

// inTurn does several steps.
func inTurn(list ...undo) undo {
	return func(d *downgrade, n *onnx.Node) error {
		for _, u := range list {
			if err := u(d, n); err != nil {
				return err
			}
		}
		return nil
	}
}

// gone takes an attribute away that meant nothing for the older types.
func gone(name string) undo {
	return func(_ *downgrade, n *onnx.Node) error {
		dropAttr(n, name)
		return nil
	}
}

// plain takes an integer attribute away that has the meaning of the version before.
func plain(name string, means int64) undo {
	return func(_ *downgrade, n *onnx.Node) error {
		if x := n.Int(name, means); x != means {
			return fmt.Errorf("its attribute %s is %d", name, x)
		}
		dropAttr(n, name)
		return nil
	}
}

// ones takes a list away that is all ones.
func ones(name string) undo {
	return func(_ *downgrade, n *onnx.Node) error {
		if list := n.Ints(name); slices.ContainsFunc(list, func(x int64) bool { return x != 1 }) {
			return fmt.Errorf("its attribute %s is %d", name, list)
		}
		dropAttr(n, name)
		return nil
	}
}

// words refuses a text attribute that has a newer value, and takes it away where the attribute is new: where there is
// one value alone.
func words(name string, old ...string) undo {
	return func(_ *downgrade, n *onnx.Node) error {
		if x := n.Str(name, old[0]); !slices.Contains(old, x) {
			return fmt.Errorf("its attribute %s is %q", name, x)
		}
		if len(old) == 1 {
			dropAttr(n, name)
		}
		return nil
	}
}

// alone takes outputs beside the first away, which nobody may read.
func alone(d *downgrade, n *onnx.Node) error { return d.soleOutput(n) }

// atMost refuses inputs from a place on.
func atMost(count int) undo {
	return func(_ *downgrade, n *onnx.Node) error {
		for _, v := range n.Inputs[min(count, len(n.Inputs)):] {
			if v != "" {
				return fmt.Errorf("its input %q is new", v)
			}
		}
		n.Inputs = n.Inputs[:min(count, len(n.Inputs))]
		return nil
	}
}

// asBefore: what changed was not there by default.
func asBefore(*downgrade, *onnx.Node) error { return nil }

// atLeast refuses nodes with too few inputs.
func atLeast(count int) undo {
	return func(_ *downgrade, n *onnx.Node) error { return missing(n, count) }
}

// sameShapes: operands had to have one shape.
func sameShapes(d *downgrade, n *onnx.Node) error {
	first := d.of(n.Inputs[0])
	for _, v := range n.Inputs[1:] {
		if !sameDims(first, d.of(v)) {
			return fmt.Errorf("%q and %q are not known to have one shape, and broadcasting came with that version", n.Inputs[0], v)
		}
	}
	return nil
}
