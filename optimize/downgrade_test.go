package optimize

import (
	"context"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// down brings a copy of m down to an opset.
func down(t *testing.T, m *onnx.Model, to int64) *model.Model {
	t.Helper()
	c := m.Clone()
	if _, err := Downgrade(context.Background(), c, to); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	c.IRVersion = max(IRVersion(to), 4)
	return model.New(c)
}

// typed gives the first output of m another type.
func typed(m *model.Model, d tensor.DType) *model.Model {
	m.Proto.Graph.Outputs[0].Type.DType = d
	return m
}

// downgrades are the operators that are rewritten on the way down; ops is what is left, "" for the same operators.
func downgrades() []struct {
	name  string
	model *model.Model
	to    int64
	ops   string
} {
	x4 := float("x", 1, 3, 4, 6)
	x6 := float("x", 2, 6, 4, 3)
	two := func(op string, b *onnx.Tensor) *model.Model { return one(op, float("x", 2, 3), nil, b) }
	outs := func(n int) []*onnx.ValueInfo {
		return values(untyped("y"), untyped("z"), untyped("w"))[:n]
	}
	return []struct {
		name  string
		model *model.Model
		to    int64
		ops   string
	}{
		{"squeeze", one("Squeeze", float("x", 2, 1, 3), nil, i64("a", -2)), 7, "Squeeze"},
		{"squeeze all", one("Squeeze", float("x", 2, 1, 3), nil), 7, "Squeeze"},
		{"unsqueeze", one("Unsqueeze", float("x", 2, 3), nil, i64("a", 0, -1)), 7, "Unsqueeze"},
		{"reduce sum", one("ReduceSum", x4, list(intAttr("keepdims", 0)), i64("a", -1)), 7, "ReduceSum"},
		{"reduce nothing", one("ReduceMean", x4, list(intAttr("noop_with_empty_axes", 1))), 13, "Identity"},
		{"reduce all", one("ReduceL2", x4, nil), 13, "ReduceL2"},
		{"reduce log-sum-exp", one("ReduceLogSumExp", x4, nil, i64("a", 1, 2)), 7, "ReduceLogSumExp"},
		{"split by sizes", build(values(float("x", 2, 6)), outs(2), []*onnx.Node{node("Split", names("x", "s"), names("y", "z"), intAttr("axis", -1))}, i64("s", 2, 4)), 7, "Split"},
		{"split in equal parts", build(values(float("x", 2, 6)), outs(2), []*onnx.Node{node("Split", names("x"), names("y", "z"), intAttr("axis", 1), intAttr("num_outputs", 2))}), 7, "Split"},
		{"split in unequal parts", build(values(float("x", 2, 7)), outs(3), []*onnx.Node{node("Split", names("x"), names("y", "z", "w"), intAttr("axis", 1), intAttr("num_outputs", 3))}), 7, "Split"},
		{"slice", one("Slice", x4, nil, i64("b", 1, -3), i64("e", 9, -1), i64("a", 2, -1)), 7, "Slice"},
		{"top k", build(values(float("x", 2, 6)), outs(1), []*onnx.Node{node("TopK", names("x", "k"), names("y", "i"))}, i64("k", 2)), 7, "TopK"},
		{"clip", one("Clip", x4, nil, scalar("lo", -0.25), scalar("hi", 0.5)), 7, "Clip"},
		{"clip from above", build(values(x4), outs(1), []*onnx.Node{node("Clip", names("x", "", "hi"), names("y"))}, scalar("hi", 0.5)), 7, "Clip"},
		{"clip by inputs", build(values(x4, float("lo"), float("hi")), outs(1), []*onnx.Node{node("Clip", names("x", "lo", "hi"), names("y"))}), 8, "Max Min"},
		{"pad", one("Pad", x4, nil, i64("p", 0, 0, 1, 2, 0, 0, 3, 0), scalar("v", 2)), 7, "Pad"},
		{"pad some axes", build(values(x4), outs(1), []*onnx.Node{node("Pad", names("x", "p", "", "a"), names("y"))}, i64("p", 1, 2, 3, 4), i64("a", -1, 2)), 7, "Pad"},
		{"dropout", build(values(x4), outs(1), []*onnx.Node{node("Dropout", names("x", "r"), names("y"))}, scalar("r", 0.3)), 7, "Dropout"},
		{"pow of two types", two("Pow", i64("e", 2)), 7, "Cast Pow"},
		{"gemm without c", one("Gemm", float("x", 2, 3), nil, f32("w", 3, 4)), 7, "Gemm"},
		{"greater or equal", typed(two("GreaterOrEqual", f32("b", 2, 3)), tensor.Bool), 11, "Greater Equal Or"},
		{"less or equal", typed(two("LessOrEqual", f32("b", 3)), tensor.Bool), 11, "Less Equal Or"},
		{"celu", one("Celu", x4, list(floatAttr("alpha", 0.7))), 7, "Div Elu Mul"},
		{"softmax of the last axis", one("Softmax", x4, nil), 7, "Softmax"},
		{"softmax of an axis between", one("Softmax", x4, list(intAttr("axis", 1))), 7, "Transpose Softmax Transpose"},
		{"log softmax of an axis with ones behind", one("LogSoftmax", float("x", 2, 5, 1, 1), list(intAttr("axis", -3))), 7, "LogSoftmax"},
		{"reshape", one("Reshape", x4, list(intAttr("allowzero", 1)), i64("s", 3, -1)), 7, "Reshape"},
		{"hard swish", one("HardSwish", x4, nil), 7, "HardSigmoid Mul"},
		{"upper triangle", one("Trilu", float("x", 3, 5), nil), 9, "Where"},
		{"lower triangle", one("Trilu", float("x", 2, 4, 4), list(intAttr("upper", 0)), enginetest.Initializer(enginetest.Int64s("k", tensor.Shape{}, -1))), 9, "Where"},
		{"part of a shape", typed(one("Shape", float("x", "n", 3, 5), list(intAttr("start", -2), intAttr("end", 3))), tensor.Int64), 7, "Shape Slice"},
		{"cast like", build(values(value("x", tensor.Int32, 3)), outs(1), []*onnx.Node{node("CastLike", names("x", "b"), names("y"))}, scalar("b", 1)), 7, "Cast"},
		{"layer normalization", build(values(float("x", 2, 3, 8)), outs(3), []*onnx.Node{node("LayerNormalization", names("x", "s", "b"), names("y", "z", "w"))}, f32("s", 8), f32("b", 8)), 7,
			"ReduceMean Sub Mul ReduceMean Add Sqrt Div Mul Add Identity Reciprocal"},
		{"layer normalization of two axes", build(values(float("x", 2, 3, 8)), outs(1), []*onnx.Node{node("LayerNormalization", names("x", "s"), names("y"), intAttr("axis", 1))}, f32("s", 3, 8)), 13,
			"ReduceMean Sub Mul ReduceMean Add Sqrt Div Mul"},
		{"rms normalization", at(23, one("RMSNormalization", float("x", 2, 3, 8), nil, f32("s", 8))), 13, "Mul ReduceMean Add Sqrt Div Mul"},
		{"group normalization", one("GroupNormalization", x6, list(intAttr("num_groups", 3)), f32("s", 6), f32("b", 6)), 17,
			"Reshape ReduceMean Sub Mul ReduceMean Add Sqrt Div Reshape Reshape Reshape Mul Add Shape Reshape"},
		{"mish", one("Mish", x4, nil), 7, "Softplus Tanh Mul"},
		{"swish", at(24, one("Swish", x4, list(floatAttr("alpha", 1.5)))), 7, "Mul Sigmoid Mul"},
		{"gelu", one("Gelu", x4, nil), 9, "Div Erf Add Mul Mul"},
		{"gelu by tanh", one("Gelu", x4, list(stringAttr("approximate", "tanh"))), 7, "Mul Mul Mul Add Mul Tanh Add Mul Mul"},
		{"dft", build(values(float("x", 1, 4, 6, 1)), outs(1), []*onnx.Node{node("DFT", names("x", "", "a"), names("y"))}, enginetest.Initializer(enginetest.Int64s("a", tensor.Shape{}, -2))), 17, "DFT"},
		{"grid sample", build(values(x4, float("g", 1, 2, 2, 2)), outs(1), []*onnx.Node{node("GridSample", names("x", "g"), names("y"), stringAttr("mode", "cubic"))}), 16, "GridSample"},
		{"scatter", build(values(float("x", 3, 3), float("u", 1, 3)), outs(1), []*onnx.Node{node("ScatterElements", names("x", "i", "u"), names("y"))},
			enginetest.Initializer(enginetest.Int64s("i", tensor.Shape{1, 3}, 2, 0, 1))), 9, "Scatter"},
		{"constant of a shape", build(values(float("x", 2, 3)), outs(1), []*onnx.Node{node("ConstantOfShape", names("s"), names("c")), node("Add", names("x", "c"), names("y"))}, i64("s", 2, 3)), 7, "Constant Add"},
		{"constant number", build(values(float("x", 2, 3)), outs(1), []*onnx.Node{{Name: "c", OpType: "Constant", Outputs: names("c"), Attrs: list(floatAttr("value_float", 2))}, node("Add", names("x", "c"), names("y"))}), 7, "Constant Add"},
		{"resize by whole scales", build(values(x4), outs(1), []*onnx.Node{node("Resize", names("x", "", "s"), names("y"))}, enginetest.Initializer(enginetest.Floats("s", nil, 1, 1, 2, 3))), 7, "Upsample"},
		{"resize to sizes", build(values(x4), outs(1), []*onnx.Node{node("Resize", names("x", "", "", "s"), names("y"))}, i64("s", 1, 3, 8, 18)), 10, "Resize"},
		{"resize some axes", build(values(x4), outs(1), []*onnx.Node{node("Resize", names("x", "", "", "s"), names("y"), stringAttr("mode", "cubic"), intsAttr("axes", 2, -1))}, i64("s", 3, 7)), 11, "Resize"},
		{"resize by lines", build(values(x4), outs(1), []*onnx.Node{node("Resize", names("x", "", "s"), names("y"), stringAttr("mode", "linear"), stringAttr("coordinate_transformation_mode", "asymmetric"))},
			enginetest.Initializer(enginetest.Floats("s", nil, 1, 1, 1.5, 2))), 9, "Upsample"},
		{"max pool", one("MaxPool", x4, list(intsAttr("kernel_shape", 2, 2), intAttr("ceil_mode", 0), intsAttr("dilations", 1, 1))), 7, "MaxPool"},
		{"batch normalization", one("BatchNormalization", x4, list(intAttr("training_mode", 0)),
			f32("scale", 3), f32("bias", 3), f32("mean", 3), enginetest.Initializer(enginetest.Floats("var", nil, 1, 2, 3))), 7, "BatchNormalization"},
		{"quantize", build(values(x4), outs(1), []*onnx.Node{node("QuantizeLinear", names("x", "s", "z"), names("q")), node("DequantizeLinear", names("q", "s", "z"), names("y"), intAttr("axis", 1))},
			scalar("s", 0.02), enginetest.Initializer(tensor.Tensor{Name: "z", DType: tensor.Uint8, Shape: tensor.Shape{}, Data: []byte{128}})), 10, "QuantizeLinear DequantizeLinear"},
		{"axes from behind", build(values(float("x", 2, 3, 4)), outs(1), []*onnx.Node{node("Concat", names("x", "x"), names("c"), intAttr("axis", -1)), node("Gather", names("c", "i"), names("y"), intAttr("axis", -2))}, i64("i", 1)), 7, "Concat Gather"},
	}
}

// TestDowngrade: each rewritten operator gives the same outputs in its old form, which the runtime still knows, and
// once more when it is brought up again.
func TestDowngrade(t *testing.T) {
	for _, c := range downgrades() {
		t.Run(c.name, func(t *testing.T) {
			before := encoded(t, c.model.Proto)
			after := down(t, c.model.Proto, c.to)
			if ops(after) != c.ops || after.Proto.Opset("") != c.to {
				t.Errorf("%q at opset %d, want %q at %d", ops(after), after.Proto.Opset(""), c.ops, c.to)
			}
			if string(encoded(t, c.model.Proto)) != string(before) {
				t.Error("the model that was copied changed")
			}
			alike(t, c.model, after, nil, 1e-5)
			up, _ := prepared(t, after.Proto, []Pass{upgradeOpset()}, c.model.Proto.Opset(""))
			alike(t, c.model, up, nil, 1e-5)
		})
	}
}

// TestDowngradeRefuses: what cannot be said in an older opset fails by node, operator and version, and leaves the model
// as it was.
func TestDowngradeRefuses(t *testing.T) {
	x4 := float("x", 1, 3, 4, 6)
	text := func(name, v string) []*onnx.Attribute { return list(stringAttr(name, v)) }
	resize := func(scales []float32, attrs ...*onnx.Attribute) *model.Model {
		return build(values(x4), values(untyped("y")), []*onnx.Node{node("Resize", names("x", "", "s"), names("y"), attrs...)}, enginetest.Initializer(enginetest.Floats("s", nil, scales...)))
	}
	for _, c := range []struct {
		name  string
		model *model.Model
		to    int64
		want  string
	}{
		{"too old", one("Relu", x4, nil), 6, "opset 6 is older than 7"},
		{"an operator that came later", one("Einsum", x4, text("equation", "abcd->dcba")), 11, `node "y" (Einsum, making "y") cannot be brought from opset 12 to 11: the operator came with that version`},
		{"axes at run time", build(values(x4, value("a", tensor.Int64, 1)), values(untyped("y")), []*onnx.Node{node("ReduceSum", names("x", "a"), names("y"))}), 12, `"a" is not constant`},
		{"steps", one("Slice", x4, nil, i64("b", 0), i64("e", 9), i64("a", 2), i64("s", 2)), 9, "steps are [2]"},
		{"the smallest", build(values(float("x", 6)), values(untyped("y")), []*onnx.Node{node("TopK", names("x", "k"), names("y", "i"), intAttr("largest", 0))}, i64("k", 2)), 10, "largest is 0"},
		{"a scale a channel", one("QuantizeLinear", x4, nil, f32("s", 3)), 12, `"s" is one for each channel`},
		{"integers", build(values(value("x", tensor.Int64, 2)), values(untyped("y")), []*onnx.Node{node("Max", names("x", "b"), names("y"))}, i64("b", 1)), 11, `"x" is int64, which it takes from that version on`},
		{"bfloat16", one("Relu", value("x", tensor.BFloat16, 2), nil), 12, "bfloat16"},
		{"a reduction", build(values(float("x", 3, 3), float("u", 1, 3)), values(untyped("y")), []*onnx.Node{node("ScatterElements", names("x", "i", "u"), names("y"), stringAttr("reduction", "max"))},
			enginetest.Initializer(enginetest.Int64s("i", tensor.Shape{1, 3}, 2, 0, 1))), 17, `reduction is "max"`},
		{"wrapped", one("Pad", x4, text("mode", "wrap"), i64("p", 0, 0, 1, 1, 0, 0, 1, 1)), 18, "wrap"},
		{"half a pixel", resize([]float32{1, 1, 1.5, 2}), 10, "coordinates half_pixel"},
		{"cubic", resize([]float32{1, 1, 2, 2}, stringAttr("mode", "cubic")), 10, "mode cubic"},
		{"antialias", resize([]float32{1, 1, .5, .5}, intAttr("antialias", 1), stringAttr("mode", "linear")), 17, "antialias is 1"},
		{"shrunk", resize([]float32{1, 1, .5, 2}, stringAttr("mode", "linear"), stringAttr("coordinate_transformation_mode", "asymmetric")), 9, "1 or more"},
		{"a rank that is not known", build(values(&onnx.ValueInfo{Name: "x", Type: &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32}}), values(untyped("y")), []*onnx.Node{node("Softmax", names("x"), names("y"), intAttr("axis", 1))}), 12, "rank"},
		{"columns first", one("MaxPool", x4, list(intsAttr("kernel_shape", 2, 2), intAttr("storage_order", 1))), 7, "storage_order is 1"},
		{"no inputs", build(values(x4), values(untyped("y")), []*onnx.Node{node("Softmax", nil, names("y"))}), 12, "lacks inputs"},
		{"newer than known", at(27, one("Relu", x4, nil)), 13, "opset 27, and infer knows"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := encoded(t, c.model.Proto)
			_, err := Downgrade(context.Background(), c.model.Proto, c.to)
			if fault.KindOf(err) != fault.Unsupported || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if string(encoded(t, c.model.Proto)) != string(before) {
				t.Error("the model changed")
			}
		})
	}
}

// TestDowngradeHalf: the statistics of a half-precision normalization stay in float32, as its definition says.
func TestDowngradeHalf(t *testing.T) {
	half := func(name string, n int) *onnx.Tensor {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(math.Sin(float64(i)))
		}
		x := tensor.Tensor{Name: name, DType: tensor.Float16, Shape: tensor.Shape{int64(n)}, Data: make([]byte, 2*n)}
		tensor.EncodeFloats(x.Data, tensor.Float16, v)
		return enginetest.Initializer(x)
	}
	m := typed(build(values(value("x", tensor.Float16, 2, 8)), values(untyped("y")), []*onnx.Node{node("LayerNormalization", names("x", "s", "b"), names("y"))}, half("s", 8), half("b", 8)), tensor.Float16)
	after := down(t, m.Proto, 13)
	if got := ops(after); strings.Count(got, "Cast") != 2 {
		t.Errorf("%s", got)
	}
	alike(t, m, after, nil, 2e-3)
}

// TestRoundTrips: every model of shared that can be brought to opset 21, to 13 and to 21 again gives the same outputs
// all the way.
func TestRoundTrips(t *testing.T) {
	paths, _ := filepath.Glob("../testdata/digits/*.onnx")
	shared, _ := filepath.Glob("../../shared/models/*/*.onnx")
	if len(shared) == 0 {
		t.Log("no folder shared/models beside the checkout: only testdata is tried")
	}
	for _, path := range append(paths, shared...) {
		folder := filepath.Base(filepath.Dir(path))
		if folder == "odd" {
			continue
		}
		t.Run(folder+"/"+filepath.Base(path), func(t *testing.T) {
			m, err := model.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			shapes := map[string]tensor.Shape{}
			if folder == "silero-vad" {
				shapes["input"] = tensor.Shape{1, 576}
			}
			new, _ := prepared(t, m.Proto, []Pass{dropInitializerInputs(), upgradeOpset()}, 21)
			for _, to := range []int64{13, 11, 9, 7} {
				c := new.Proto.Clone()
				lines, err := Downgrade(t.Context(), c, to)
				if err != nil {
					if to == 13 && folder != "micro-kws" {
						t.Error(err)
					}
					t.Logf("opset %d: %v", to, err)
					continue
				}
				t.Logf("opset %d: %s", to, strings.Join(lines, ", "))
				old := model.New(c)
				alike(t, m, old, shapes, 1e-5)
				up, _ := prepared(t, c, []Pass{upgradeOpset()}, 21)
				alike(t, m, up, shapes, 1e-5)
			}
		})
	}
}
