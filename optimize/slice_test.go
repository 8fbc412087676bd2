package optimize

import (
	"testing"

	"infer/model"
	"infer/model/onnx"
)

// sliced is a node of a row: a Slice with its constants, whose names say what they hold.
func sliced(start, end, axis string, step ...string) *onnx.Node {
	return then("Slice", append(names(start, end, axis), step...))
}

// sliceBounds are the constants that the Slices of the tests read.
func sliceBounds() []*onnx.Tensor {
	return []*onnx.Tensor{i64("0", 0), i64("1", 1), i64("2", 2), i64("3", 3), i64("5", 5), i64("-1", -1), i64("-2", -2), i64("end", 1<<62), i64("0,1", 0, 1), i64("1,2", 1, 2), i64("2,3", 2, 3)}
}

func TestMergeSlices(t *testing.T) {
	x, dynamic := float("x", 6, 6), float("x", "n", 6)
	row := func(x *onnx.ValueInfo, n ...*onnx.Node) *model.Model { return inRow(x, n, sliceBounds()...) }
	check(t, mergeSlices(), 0, []passTest{
		{"two axes", row(x, sliced("1", "5", "0"), sliced("0", "3", "1")), 0, 1, "Neg Slice Abs"},
		{"two axes, one dynamic", row(dynamic, sliced("-1", "end", "0"), sliced("0", "end", "-1", "2")), 0, 1, "Neg Slice Abs"},
		{"the same axis", row(x, sliced("1", "end", "0"), sliced("1", "3", "0")), 0, 1, "Neg Slice Abs"},
		{"the same axis beyond its end", row(x, sliced("1", "3", "0"), sliced("1", "5", "0")), 0, 1, "Neg Slice Abs"},
		{"the same axis from the end", row(x, sliced("1", "-1", "0"), sliced("-2", "-1", "0")), 0, 1, "Neg Slice Abs"},
		{"the same dynamic axis", row(dynamic, sliced("0", "end", "0"), sliced("0", "5", "0")), 0, 1, "Neg Slice Abs"},
		{"the same dynamic axis from the end", row(dynamic, sliced("-2", "end", "0"), sliced("0", "1", "0")), 0, 0, "Neg Slice Slice Abs"},
		{"steps of a part", row(x, sliced("1", "end", "0"), sliced("0", "5", "0", "2")), 0, 1, "Neg Slice Abs"},
		{"a part of steps", row(x, sliced("0", "end", "0", "2"), sliced("1", "3", "0")), 0, 0, "Neg Slice Slice Abs"},
		{"backwards on another axis", row(x, sliced("-1", "-2", "0"), then("Slice", names("5", "0", "1", "-1"))), 0, 1, "Neg Slice Abs"},
		{"backwards on the same axis", row(x, sliced("1", "end", "0"), then("Slice", names("3", "0", "0", "-1"))), 0, 0, "Neg Slice Slice Abs"},
	})
	of := func(n ...*onnx.Node) *model.Model {
		return lean(build(values(x), values(untyped("p"), untyped("q")), append([]*onnx.Node{node("Slice", names("x", "1", "5", "0"), names("a"))}, n...), sliceBounds()...))
	}
	cut := node("Slice", names("a", "0", "3", "1"), names("p"))
	check(t, mergeSlices(), 0, []passTest{
		{"two of one", of(cut, node("Slice", names("a", "1", "5", "1"), names("q"))), 0, 2, "Slice Slice"},
		{"one that others read", of(cut, node("Exp", names("a"), names("q"))), 0, 0, "Slice Slice Exp"},
		{"one that cannot be merged", of(cut, node("Slice", names("a", "3", "0", "0", "-1"), names("q"))), 0, 0, "Slice Slice Slice"},
		{"attributes", at(9, build(values(x), values(untyped("y")), []*onnx.Node{
			node("Slice", names("x"), names("a"), intsAttr("starts", 1), intsAttr("ends", 5), intsAttr("axes", 0)),
			node("Slice", names("a"), names("y"), intsAttr("starts", 0, 1), intsAttr("ends", 2, 3))})), 9, 1, "Slice"},
		{"bounds that are not constant", build(values(x), values(untyped("y")), []*onnx.Node{node("Shape", names("x"), names("s")),
			node("Slice", names("x", "1", "5", "0"), names("a")), node("Slice", names("a", "0,1", "s"), names("y"))}, i64("0,1", 0, 1), i64("1", 1), i64("5", 5), i64("0", 0)), 0, 0, "Shape Slice Slice"},
	})
}

func TestSplitSlices(t *testing.T) {
	x, dynamic := float("x", 6, 4), float("x", "n", 6)
	of := func(x *onnx.ValueInfo, n ...*onnx.Node) *model.Model {
		var list []*onnx.Node
		var out []*onnx.ValueInfo
		for i, n := range n {
			n.Inputs, n.Outputs = append(names("v"), n.Inputs...), names(string(rune('a'+i)))
			list, out = append(list, n), append(out, untyped(n.Outputs[0]))
		}
		return lean(build(values(x), out, append([]*onnx.Node{node("Neg", names("x"), names("v"))}, list...), sliceBounds()...))
	}
	check(t, splitSlices(), 0, []passTest{
		{"two", of(x, sliced("0", "2", "0"), sliced("2", "end", "0")), 0, 1, "Neg Split"},
		{"three in another order", of(x, sliced("5", "end", "0"), sliced("0", "2", "0"), sliced("2", "-1", "0")), 0, 1, "Neg Split"},
		{"with another reader", of(x, sliced("0", "2", "0"), sliced("2", "end", "0"), then("Exp", nil)), 0, 1, "Neg Exp Split"},
		{"beside a dynamic axis", of(dynamic, sliced("0", "2", "1"), sliced("2", "end", "-1")), 0, 1, "Neg Split"},
		{"a dynamic axis", of(dynamic, sliced("0", "2", "0"), sliced("2", "end", "0")), 0, 0, "Neg Slice Slice"},
		{"not to the end", of(x, sliced("0", "2", "0"), sliced("2", "5", "0")), 0, 0, "Neg Slice Slice"},
		{"with a gap", of(x, sliced("0", "2", "0"), sliced("3", "end", "0")), 0, 0, "Neg Slice Slice"},
		{"with an overlap", of(x, sliced("0", "3", "0"), sliced("2", "end", "0")), 0, 0, "Neg Slice Slice"},
		{"of different axes", of(x, sliced("0", "2", "0"), sliced("2", "end", "1")), 0, 0, "Neg Slice Slice"},
		{"in steps", of(x, sliced("0", "2", "0"), sliced("2", "end", "0", "2")), 0, 0, "Neg Slice Slice"},
		{"of two axes", of(x, sliced("0,1", "2,3", "0,1"), sliced("2", "end", "0")), 0, 0, "Neg Slice Slice"},
		{"all of it", of(x, sliced("0", "end", "0")), 0, 0, "Neg Slice"},
	})
}
