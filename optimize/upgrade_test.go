package optimize

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// at gives a model another version of ai.onnx.
func at(opset int64, m *model.Model) *model.Model {
	m.Proto.Opsets[0].Version, m.Proto.IRVersion = opset, IRVersion(opset)
	return m
}

// one is a model of one node with the inputs "x" and, given constants, those; its output "y" is float32 of any shape.
func one(op string, x *onnx.ValueInfo, attrs []*onnx.Attribute, constants ...*onnx.Tensor) *model.Model {
	in := names(x.Name)
	for _, c := range constants {
		in = append(in, c.Name)
	}
	return build(values(x), values(untyped("y")), []*onnx.Node{node(op, in, names("y"), attrs...)}, constants...)
}

func list(a ...*onnx.Attribute) []*onnx.Attribute { return a }

func floatsAttr(name string, v ...float32) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrFloats, Floats: v}
}

// TestUpgrade: each rewritten operator gives the same outputs as in its old form, which the runtime still knows.
func TestUpgrade(t *testing.T) {
	x4 := float("x", 1, 3, 4, 6)
	for _, c := range []struct {
		name  string
		model *model.Model
		to    int64
		ops   string
	}{
		{"squeeze", at(11, one("Squeeze", float("x", 2, 1, 3), list(intsAttr("axes", 1)))), 13, "Squeeze"},
		{"squeeze all", at(11, one("Squeeze", float("x", 2, 1, 3), nil)), 21, "Squeeze"},
		{"unsqueeze", at(11, one("Unsqueeze", float("x", 2, 3), list(intsAttr("axes", 0, -1)))), 13, "Unsqueeze"},
		{"reduce sum", at(11, one("ReduceSum", x4, list(intsAttr("axes", -1), intAttr("keepdims", 0)))), 13, "ReduceSum"},
		{"reduce all", at(11, one("ReduceSum", x4, nil)), 13, "ReduceSum"},
		{"reduce mean", at(13, one("ReduceMean", x4, list(intsAttr("axes", 1, 2)))), 18, "ReduceMean"},
		{"reduce max, from 7", at(7, one("ReduceMax", x4, list(intsAttr("axes", 3)))), 21, "ReduceMax"},
		{"reduce l2", at(11, one("ReduceL2", x4, list(intsAttr("axes", 3)))), 18, "ReduceL2"},
		{"split by sizes", at(11, one("Split", float("x", 2, 6), list(intsAttr("split", 6), intAttr("axis", 1)))), 13, "Split"},
		{"split in equal parts", at(11, build(values(float("x", 2, 6)), values(untyped("y"), untyped("z")),
			[]*onnx.Node{node("Split", names("x"), names("y", "z"), intAttr("axis", 1))})), 18, "Split"},
		{"dft", at(17, one("DFT", float("x", 1, 4, 6, 1), list(intAttr("axis", 2)))), 20, "DFT"},
		{"slice", at(9, one("Slice", x4, list(intsAttr("starts", 1, -3), intsAttr("ends", 9, -1), intsAttr("axes", 2, 3)))), 13, "Slice"},
		{"slice without axes", at(7, one("Slice", x4, list(intsAttr("starts", 0, 1), intsAttr("ends", 1, 2)))), 10, "Slice"},
		{"top k", at(7, build(values(float("x", 2, 6)), values(untyped("y")),
			[]*onnx.Node{node("TopK", names("x"), names("y", "i"), intAttr("k", 2), intAttr("axis", 1))})), 11, "TopK"},
		{"clip", at(7, one("Clip", x4, list(floatAttr("min", -0.25), floatAttr("max", 0.5)))), 13, "Clip"},
		{"clip from below", at(7, one("Clip", x4, list(floatAttr("min", -0.25)))), 11, "Clip"},
		{"pad", at(7, one("Pad", x4, list(intsAttr("pads", 0, 0, 1, 2, 0, 0, 3, 0), floatAttr("value", 2)))), 18, "Pad"},
		{"pad by reflection", at(7, one("Pad", x4, list(intsAttr("pads", 0, 0, 1, 2, 0, 0, 3, 0), stringAttr("mode", "reflect")))), 11, "Pad"},
		{"dropout", at(7, one("Dropout", x4, list(floatAttr("ratio", 0.3)))), 13, "Dropout"},
		{"batch normalization", at(7, one("BatchNormalization", x4, list(intAttr("spatial", 1)),
			f32("scale", 3), f32("bias", 3), f32("mean", 3), enginetest.Initializer(enginetest.Floats("var", nil, 1, 2, 3)))), 15, "BatchNormalization"},
		{"softmax of the last axis", at(11, one("Softmax", float("x", 2, 5), nil)), 13, "Softmax"},
		{"softmax of one axis of many", at(11, one("Softmax", float("x", 2, 5, 1, 1), nil)), 13, "Softmax"},
		{"softmax of all axes", at(11, one("Softmax", x4, nil)), 13, "Flatten Softmax Shape Reshape"},
		{"softmax by a negative axis", at(11, one("Softmax", x4, list(intAttr("axis", -2)))), 13, "Flatten Softmax Shape Reshape"},
		{"log softmax from 7", at(7, one("LogSoftmax", float("x", "n", 3, 2), list(intAttr("axis", 1)))), 21, "Flatten LogSoftmax Shape Reshape"},
		{"hardmax", at(11, one("Hardmax", x4, nil)), 13, "Flatten Hardmax Shape Reshape"},
		{"upsample by attribute", at(7, one("Upsample", x4, list(floatsAttr("scales", 1, 1, 2, 3)))), 13, "Resize"},
		{"upsample to 10", at(7, one("Upsample", x4, list(floatsAttr("scales", 1, 1, 2, 3)))), 10, "Resize"},
		{"upsample linearly", at(9, one("Upsample", x4, list(stringAttr("mode", "linear")),
			enginetest.Initializer(enginetest.Floats("s", nil, 1, 1, 2, 1.5)))), 13, "Resize"},
		{"resize up", at(10, one("Resize", x4, nil, enginetest.Initializer(enginetest.Floats("s", nil, 1, 1, 1.5, 2.5)))), 11, "Resize"},
		{"resize down", at(10, one("Resize", x4, nil, enginetest.Initializer(enginetest.Floats("s", nil, 1, 1, 0.75, 0.4)))), 19, "Resize"},
		{"resize down linearly", at(10, one("Resize", x4, list(stringAttr("mode", "linear")),
			enginetest.Initializer(enginetest.Floats("s", nil, 1, 1, 0.75, 2)))), 13, "Resize"},
		{"resize by sizes", at(11, build(values(x4), values(untyped("y")), []*onnx.Node{node("Resize", names("x", "none", "none", "to"), names("y"))},
			enginetest.Initializer(enginetest.Floats("none", tensor.Shape{0})), i64("to", 1, 3, 8, 9))), 13, "Resize"},
		{"roi align", at(10, one("RoiAlign", x4, list(intAttr("output_height", 2), intAttr("output_width", 2)),
			enginetest.Initializer(enginetest.Floats("rois", tensor.Shape{1, 4}, 0.5, 0.5, 3, 3)), i64("batch", 0))), 16, "RoiAlign"},
		{"grid sample", at(16, one("GridSample", float("x", 1, 1, 4, 4), list(stringAttr("mode", "bicubic")), f32("grid", 1, 2, 2, 2))), 20, "GridSample"},
		{"scatter", at(9, one("Scatter", float("x", 3, 2), nil, enginetest.Initializer(enginetest.Int64s("at", tensor.Shape{1, 2}, 2, 0)), f32("to", 1, 2))), 11, "ScatterElements"},
		{"affine", at(9, one("Affine", x4, list(floatAttr("alpha", 3), floatAttr("beta", -1)))), 13, "Mul Add"},
		{"image scaler", at(7, one("ImageScaler", x4, list(floatAttr("scale", 2), floatsAttr("bias", 1, 2, 3)))), 10, "Mul Add"},
		{"crop", at(7, one("Crop", x4, list(intsAttr("border", 1, 0, 2, 3)))), 13, "Slice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := encoded(t, c.model.Proto)
			after, results := prepared(t, c.model.Proto, []Pass{upgradeOpset()}, c.to)
			if results[0].Changed == 0 || ops(after) != c.ops || after.Proto.Opset("") != c.to {
				t.Errorf("%d changes to %q at opset %d, want %q at %d", results[0].Changed, ops(after), after.Proto.Opset(""), c.ops, c.to)
			}
			if string(encoded(t, c.model.Proto)) != string(before) {
				t.Error("the pass wrote to what it shares with another model")
			}
			alike(t, c.model, after, nil, 1e-6)
		})
	}
}

// TestUpgradeRefuses: what has no rewrite fails by name and leaves the model as it was.
func TestUpgradeRefuses(t *testing.T) {
	x := float("x", 1, 3, 4, 6)
	dynamic := at(10, build(values(x, float("s", 4)), values(untyped("y")), []*onnx.Node{node("Resize", names("x", "s"), names("y"))}))
	mask := at(7, build(values(x), values(float("y", 1, 3, 4, 6), float("m", 1, 3, 4, 6)), []*onnx.Node{node("Dropout", names("x"), names("y", "m"))}))
	for _, c := range []struct {
		name  string
		model *model.Model
		to    int64
		want  string
	}{
		{"older than 7", at(6, one("Add", x, list(intAttr("broadcast", 1)), scalar("b", 1))), 13, `node "y" (Add, making "y") cannot be brought from opset 6 to 7: infer has no rule for operators older than opset 7`},
		{"a mask", mask, 13, `output "m" has another meaning`},
		{"per-element statistics", at(7, one("BatchNormalization", x, list(intAttr("spatial", 0)), f32("a", 3), f32("b", 3), f32("c", 3), f32("d", 3))), 13, "spatial"},
		{"scales at run time", dynamic, 11, "not constant"},
		{"mixed rounding", at(10, one("Resize", x, nil, enginetest.Initializer(enginetest.Floats("s", nil, 1, 1, 0.5, 2)))), 11, "round differently"},
		{"groups", at(18, one("GroupNormalization", x, list(intAttr("num_groups", 3)), f32("a", 3), f32("b", 3))), 21, "from opset 20 to 21"},
		{"integers", at(9, build(values(value("x", tensor.Int32, 2)), values(value("y", tensor.Int32, 2)), []*onnx.Node{node("Erf", names("x"), names("y"))})), 13, "integers"},
		{"old coordinates", at(11, one("Resize", x, list(stringAttr("coordinate_transformation_mode", "tf_half_pixel_for_nn")), f32("roi", 8), f32("s", 4))), 13, "tf_half_pixel_for_nn"},
		{"an experiment", at(7, one("ScaledTanh", x, nil)), 13, "ScaledTanh"},
		{"an unknown type", at(10, build(values(&onnx.ValueInfo{Name: "x"}), values(untyped("y")), []*onnx.Node{node("Clip", names("x"), names("y"), floatAttr("min", 0))})), 13, "element type"},
		{"too new", at(7, one("Relu", x, nil)), MaxOpset + 1, "opset 26 is newer than 25"},
		{"no inputs", at(7, build(values(x), values(untyped("y")), []*onnx.Node{node("Softmax", nil, names("y"))})), 13, "lacks inputs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := encoded(t, c.model.Proto)
			_, err := Run(context.Background(), &Work{Model: c.model.Proto, Opset: c.to}, []Pass{upgradeOpset()})
			if fault.KindOf(err) != fault.Unsupported || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if string(encoded(t, c.model.Proto)) != string(before) {
				t.Error("the model changed")
			}
		})
	}
}

// TestUpgradeInside: bodies of control flow and functions are brought up too, and the file format goes with the opset
// but never down.
func TestUpgradeInside(t *testing.T) {
	m := subgraphModel()
	m.Proto.Opsets[0].Version, m.Proto.IRVersion = 11, 6
	after, _ := prepared(t, m.Proto, []Pass{upgradeOpset()}, 13)
	then := after.Proto.Graph.Nodes[0].Attrs[0].G
	if n := then.Nodes[0]; n.OpType != "Squeeze" || len(n.Inputs) != 2 || len(then.Initializers) != 1 {
		t.Errorf("the branch has %s%v and %d initializers", n.OpType, n.Inputs, len(then.Initializers))
	}
	if after.Proto.IRVersion != 7 {
		t.Errorf("IR version %d, want 7, that of opset 13", after.Proto.IRVersion)
	}
	alike(t, m, after, nil, 0)

	m.Proto.IRVersion = 10
	m.Proto.Functions = []*onnx.Function{{Name: "f", Domain: "own", Inputs: names("a"), Outputs: names("b"), Opsets: []onnx.Opset{{Version: 11}},
		Nodes: []*onnx.Node{node("Unsqueeze", names("a"), names("b"), intsAttr("axes", 0))}}}
	m.Proto.Opsets = append(m.Proto.Opsets, onnx.Opset{Domain: "own", Version: 1})
	after, _ = prepared(t, m.Proto, []Pass{upgradeOpset()}, 17)
	f := after.Proto.Functions[0]
	if f.Opsets[0].Version != 17 || len(f.Nodes) != 2 || f.Nodes[0].OpType != "Constant" || len(f.Nodes[1].Inputs) != 2 || after.Proto.IRVersion != 10 {
		t.Errorf("function %+v, IR version %d", f.Nodes[0], after.Proto.IRVersion)
	}
}

// subgraphModel is an If whose branches squeeze or sum the outer value "x".
func subgraphModel() *model.Model {
	branch := func(n *onnx.Node) *onnx.Attribute {
		return &onnx.Attribute{Name: n.Outputs[0], Type: onnx.AttrGraph, G: &onnx.Graph{Name: n.Outputs[0], Nodes: []*onnx.Node{n}, Outputs: values(untyped(n.Outputs[0]))}}
	}
	return build(values(value("c", tensor.Bool), float("x", 2, 1)), values(untyped("y")), []*onnx.Node{node("If", names("c"), names("y"),
		branch(node("Squeeze", names("x"), names("then_branch"), intsAttr("axes", 1))),
		branch(node("ReduceSum", names("x"), names("else_branch"), intsAttr("axes", 1), intAttr("keepdims", 0))))})
}

// TestIRVersion holds the table to ONNX's list of releases: IR 3 with opset 7, 4 with 9, 8 with 15 to 18, 10 with 21.
func TestIRVersion(t *testing.T) {
	for opset, want := range map[int64]int64{1: 3, 7: 3, 8: 3, 9: 4, 10: 5, 11: 6, 12: 7, 14: 7, 15: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11, 24: 12, 25: 13} {
		if got := IRVersion(opset); got != want {
			t.Errorf("opset %d goes with IR version %d, want %d", opset, got, want)
		}
	}
}

// schemaChange is a version of an operator in the onnx package. Breaks says how a use of the version before may be wrong
// or mean something else now, Adds what a use of it may hold that the version before does not know, Widens which types
// its first input or output takes now.
type schemaChange struct {
	Op      string   `json:"op"`
	Version int64    `json:"version"`
	First   bool     `json:"first"`
	Breaks  []string `json:"breaks"`
	Adds    []string `json:"adds"`
	Widens  []string `json:"widens"`
}

// schemaChanges asks the onnx package for all changes; scripts/onnx-check.sh says which one.
func schemaChanges(t *testing.T) []schemaChange {
	t.Helper()
	python := os.Getenv("INFER_TEST_ONNX_PYTHON")
	if python == "" {
		t.Skip("INFER_TEST_ONNX_PYTHON names no Python with the onnx package (scripts/onnx-check.sh sets it)")
	}
	out, err := exec.Command(python, filepath.Join("testdata", "schemas.py")).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Log(string(exit.Stderr))
		}
		t.Fatal(err)
	}
	var changes []schemaChange
	if err := json.Unmarshal(out, &changes); err != nil {
		t.Fatal(err)
	}
	if len(changes) < 500 {
		t.Fatalf("the package has only %d versions of operators", len(changes))
	}
	return changes
}

// TestOfficialPackage holds the tables to the schemas of the onnx package: every change of an operator up to MaxOpset
// is in versions, and every one after opset 7 that breaks something has a step.
func TestOfficialPackage(t *testing.T) {
	changes := schemaChanges(t)
	table, rewritten, breaking := versions(), steps(), 0
	for _, c := range changes {
		if c.Version > MaxOpset || c.First {
			continue
		}
		if !slices.Contains(table[c.Op], c.Version) {
			t.Errorf("%s changed in opset %d, which the table does not know", c.Op, c.Version)
		}
		if len(c.Breaks) > 0 && c.Version > 7 {
			breaking++
			if rewritten[step{c.Op, c.Version}] == nil {
				t.Errorf("%s of opset %d needs a step: %s", c.Op, c.Version, strings.Join(c.Breaks, ", "))
			}
		}
	}
	for s := range rewritten {
		if !slices.Contains(table[s.op], s.version) {
			t.Errorf("the step of %s at opset %d is never taken", s.op, s.version)
		}
	}
	t.Logf("%d versions of operators, %d of them breaking after opset 7", len(changes), breaking)
}
