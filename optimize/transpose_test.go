package optimize

import (
	"testing"

	"infer/model/onnx"
)

func TestMergeTransposes(t *testing.T) {
	x := float("x", 2, 3, "n", 5)
	turn := func(perm ...int64) *onnx.Node { return then("Transpose", nil, intsAttr("perm", perm...)) }
	relu, k := func() *onnx.Node { return then("Relu", nil) }, f32("k", 5)
	check(t, mergeTransposes(), 0, []passTest{
		{"two", inRow(x, sequence(turn(1, 2, 3, 0), turn(0, 2, 1, 3))), 0, 1, "Neg Transpose Abs"},
		{"three", inRow(x, sequence(turn(1, 2, 3, 0), turn(0, 2, 1, 3), turn(3, 2, 1, 0))), 0, 2, "Neg Transpose Abs"},
		{"there and back", inRow(x, sequence(turn(0, 2, 3, 1), turn(0, 3, 1, 2))), 0, 1, "Neg Abs"},
		{"reversed twice", inRow(x, sequence(then("Transpose", nil), then("Transpose", nil))), 0, 1, "Neg Abs"},
		{"through a relu", inRow(x, sequence(turn(0, 2, 3, 1), relu(), turn(0, 3, 1, 2))), 0, 1, "Neg Relu Abs"},
		{"through a sum with one number", inRow(x, sequence(turn(0, 2, 3, 1), then("Add", names("k")), turn(0, 2, 1, 3)), scalar("k", 1)), 0, 1, "Neg Add Transpose Abs"},
		{"through a sum with a row", inRow(float("x", 2, 5, 3), sequence(turn(0, 2, 1), then("Add", names("k")), turn(0, 2, 1)), k), 0, 0, "Neg Transpose Add Transpose Abs"},
		{"one", inRow(x, sequence(turn(0, 2, 3, 1), relu())), 0, 0, "Neg Transpose Relu Abs"},
		{"with another reader", build(values(x), values(untyped("p"), untyped("q")), []*onnx.Node{node("Transpose", names("x"), names("a"), intsAttr("perm", 1, 2, 3, 0)),
			node("Transpose", names("a"), names("p"), intsAttr("perm", 0, 2, 1, 3)), node("Exp", names("a"), names("q"))}), 0, 0, "Transpose Transpose Exp"},
		{"back with another reader", build(values(x), values(untyped("y"), untyped("q")), []*onnx.Node{node("Transpose", names("x"), names("a"), intsAttr("perm", 0, 2, 3, 1)),
			node("Transpose", names("a"), names("p"), intsAttr("perm", 0, 3, 1, 2)), node("Exp", names("a"), names("q")), node("Neg", names("p"), names("y"))}), 0, 1, "Transpose Exp Neg"},
		{"through what is an output", build(values(x), values(untyped("b"), untyped("y")), []*onnx.Node{node("Transpose", names("x"), names("a"), intsAttr("perm", 0, 2, 3, 1)),
			node("Relu", names("a"), names("b")), node("Transpose", names("b"), names("y"), intsAttr("perm", 0, 3, 1, 2))}), 0, 0, "Transpose Relu Transpose"},
	})
}
