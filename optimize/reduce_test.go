package optimize

import (
	"testing"

	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

func TestMergeReductions(t *testing.T) {
	x := float("x", "n", 3, 4)
	mean := func(axes string, keep int64) *onnx.Node {
		return then("ReduceMean", names(axes), intAttr("keepdims", keep))
	}
	row := func(x *onnx.ValueInfo, n ...*onnx.Node) *model.Model {
		return inRow(x, n, i64("1", 1), i64("2", 2), i64("-1", -1), i64("1,2", 1, 2), i64("0,1", 0, 1), i64("shape", -1, 3), i64("0", 0))
	}
	squeeze, unsqueeze := func(axes string) *onnx.Node { return then("Squeeze", names(axes)) }, func(axes string) *onnx.Node { return then("Unsqueeze", names(axes)) }
	check(t, mergeReductions(), 0, []passTest{
		{"squeeze", row(x, mean("2", 1), squeeze("-1")), 0, 1, "Neg ReduceMean Abs"},
		{"squeeze of two", row(x, mean("1,2", 1), squeeze("1,2")), 0, 1, "Neg ReduceMean Abs"},
		{"squeeze of one of two", row(x, mean("1,2", 1), squeeze("1")), 0, 0, "Neg ReduceMean Squeeze Abs"},
		{"unsqueeze", row(x, mean("1", 0), unsqueeze("1")), 0, 1, "Neg ReduceMean Abs"},
		{"unsqueeze elsewhere", row(x, mean("1", 0), unsqueeze("2")), 0, 0, "Neg ReduceMean Unsqueeze Abs"},
		{"unsqueeze of what was kept", row(x, mean("1", 1), unsqueeze("1")), 0, 0, "Neg ReduceMean Unsqueeze Abs"},
		{"a reshape", row(x, mean("2", 1), then("Reshape", names("shape"))), 0, 1, "Neg ReduceMean Abs"},
		{"a flatten", row(x, mean("1,2", 1), then("Flatten", nil)), 0, 0, "Neg ReduceMean Flatten Abs"},
		{"all axes", row(x, then("ReduceSum", nil, intAttr("keepdims", 0)), unsqueeze("0")), 0, 0, "Neg ReduceSum Unsqueeze Abs"},
		{"nothing", row(x, then("ReduceSum", nil, intAttr("noop_with_empty_axes", 1)), unsqueeze("0")), 0, 0, "Neg ReduceSum Unsqueeze Abs"},
		{"read by another too", build(values(x), values(untyped("p"), untyped("q")), []*onnx.Node{node("ReduceMax", names("x", "1"), names("a")),
			node("Squeeze", names("a", "1"), names("p")), node("Exp", names("a"), names("q"))}, i64("1", 1)), 0, 0, "ReduceMax Squeeze Exp"},
		{"the largest", build(values(x), values(value("y", tensor.Int64)), []*onnx.Node{node("ArgMax", names("x"), names("a"), intAttr("axis", -1)), node("Squeeze", names("a", "2"), names("y"))}, i64("2", 2)), 0, 1, "ArgMax"},
	})
	unranked := &onnx.ValueInfo{Name: "x", Type: &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32}}
	for axes, changed := range map[string]int{"1": 1, "-1": 0} {
		if _, results := prepared(t, row(unranked, mean("1", 0), unsqueeze(axes)).Proto, []Pass{mergeReductions()}, 0); results[0].Changed != changed {
			t.Errorf("of an unknown rank, axes %s: changed %d times", axes, results[0].Changed)
		}
	}
}
