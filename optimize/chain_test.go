package optimize

import (
	"testing"

	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

func TestFuseChains(t *testing.T) {
	x := float("x", 3, 4)
	two := func(op, a, b, y string) *onnx.Node { return node(op, names(a, b), names(y)) }
	one := func(op, a, y string, attrs ...*onnx.Attribute) *onnx.Node {
		return node(op, names(a), names(y), attrs...)
	}
	of := func(nodes ...*onnx.Node) *model.Model {
		m := build(values(x), values(untyped("y")), nodes, scalar("1", 1), scalar("2", 2), scalar("3", 3), scalar("-2", -2), scalar("tiny", 1e-9),
			f32("row", 4), f32("column", 3, 1), f32("cube", 2, 3, 4))
		if err := NewEditor(m.Proto, m.Proto.Graph).Finish(); err != nil {
			t.Fatal(err)
		}
		return m
	}
	read := of(two("Add", "x", "1", "a"), two("Add", "a", "2", "y"))
	read.Proto.Graph.Outputs = append(read.Proto.Graph.Outputs, untyped("a"))
	choice := of(one("Cast", "x", "c", intAttr("to", int64(tensor.Bool))), one("Not", "c", "n"), node("Where", names("n", "x", "1"), names("y")))
	check(t, fuseChains(), 1e-6, []passTest{
		{"sums", of(two("Add", "x", "1", "a"), two("Add", "2", "a", "y")), 0, 1, "Add"},
		{"three sums", of(two("Add", "x", "1", "a"), two("Add", "2", "a", "b"), two("Add", "b", "3", "y")), 0, 2, "Add"},
		{"differences", of(two("Sub", "x", "1", "a"), two("Sub", "a", "2", "y")), 0, 1, "Add"},
		{"subtracted from", of(two("Add", "x", "1", "a"), two("Sub", "3", "a", "y")), 0, 1, "Sub"},
		{"subtracted from twice", of(two("Sub", "-2", "x", "a"), two("Sub", "3", "a", "y")), 0, 1, "Add"},
		{"a row and a number", of(two("Mul", "x", "row", "a"), two("Mul", "a", "2", "y")), 0, 1, "Mul"},
		{"quotients", of(two("Div", "x", "3", "a"), two("Div", "a", "2", "y")), 0, 1, "Mul"},
		{"a row and a column", of(two("Add", "x", "row", "a"), two("Add", "a", "column", "y")), 0, 0, "Add Add"},
		{"of more axes", of(two("Mul", "x", "cube", "a"), two("Mul", "a", "2", "y")), 0, 0, "Mul Mul"},
		{"sums that cancel", of(two("Add", "x", "2", "a"), two("Add", "a", "-2", "y")), 0, 0, "Add Add"},
		{"products close to underflow", of(two("Mul", "x", "tiny", "a"), two("Mul", "a", "2", "y")), 0, 0, "Mul Mul"},
		{"a sum and a product", of(two("Add", "x", "1", "a"), two("Mul", "a", "2", "y")), 0, 0, "Add Mul"},
		{"divided by x", of(two("Mul", "x", "2", "a"), two("Div", "3", "a", "y")), 0, 0, "Mul Div"},
		{"read elsewhere", read, 0, 0, "Add Add"},
		{"maxima", of(two("Max", "x", "1", "a"), two("Max", "2", "a", "y")), 0, 1, "Max"},
		{"minima", of(two("Min", "x", "1", "a"), two("Min", "a", "2", "y")), 0, 1, "Min"},
		{"maximum of a minimum", of(two("Min", "x", "1", "a"), two("Max", "a", "-2", "y")), 0, 0, "Min Max"},
		{"negated twice", of(one("Neg", "x", "a"), one("Neg", "a", "b"), one("Abs", "b", "y")), 0, 1, "Abs"},
		{"an input negated twice", of(one("Neg", "x", "a"), one("Neg", "a", "y")), 0, 0, "Neg Neg"},
		{"absolute twice", of(one("Abs", "x", "a"), one("Abs", "a", "y")), 0, 1, "Abs"},
		{"plus a negative", of(one("Exp", "x", "e"), one("Neg", "x", "a"), two("Add", "a", "e", "y")), 0, 1, "Exp Sub"},
		{"minus a negative", of(one("Exp", "x", "e"), one("Neg", "x", "a"), two("Sub", "e", "a", "y")), 0, 1, "Exp Add"},
		{"negative minus", of(one("Exp", "x", "e"), one("Neg", "x", "a"), two("Sub", "a", "e", "y")), 0, 0, "Exp Neg Sub"},
		{"choice by not", choice, 0, 1, "Cast Where"},
	})
}
