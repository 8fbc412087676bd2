package optimize

import (
	"testing"

	"infer/model"
	"infer/model/onnx"
)

func TestFoldFactor(t *testing.T) {
	x := float("x", 2, 3, 4)
	out := values(untyped("y"))
	div := func(a, b string) *onnx.Node { return node("Div", names(a, b), names("y")) }
	of := func(nodes ...*onnx.Node) *model.Model {
		m := build(values(x), out, nodes, f32("w", 4, 6), f32("v", 6, 5), f32("b", 6), scalar("k", 8), scalar("huge", 1e9), i64("shape", 6, 6), f32("row", 6))
		if err := NewEditor(m.Proto, m.Proto.Graph).Finish(); err != nil {
			t.Fatal(err)
		}
		return m
	}
	product, add := node("MatMul", names("x", "w"), names("p")), node("Add", names("p", "b"), names("s"))
	tail := []*onnx.Node{node("Reshape", names("s", "shape"), names("r")), node("Transpose", names("r"), names("t")), node("MatMul", names("t", "v"), names("u"))}
	with := func(last *onnx.Node) []*onnx.Node {
		return append([]*onnx.Node{product.Clone(), add.Clone()}, append(tail, last)...)
	}
	read := of(product, add, div("s", "k"))
	read.Proto.Graph.Outputs = append(read.Proto.Graph.Outputs, untyped("p"))
	shared := build(values(x), values(untyped("y"), untyped("z")), []*onnx.Node{product.Clone(), div("p", "k"), node("MatMul", names("x", "w"), names("z"))}, f32("w", 4, 6), scalar("k", 8))
	check(t, foldFactor(), 1e-6, []passTest{
		{"product", of(product, div("p", "k")), 0, 1, "MatMul"},
		{"product and sum", of(product, add, div("s", "k")), 0, 1, "MatMul Add"},
		{"the product behind movements", of(with(node("Mul", names("k", "u"), names("y")))...), 0, 1, "MatMul Add Reshape Transpose MatMul"},
		{"of what was read", of(node("Neg", names("x"), names("n")), div("n", "k")), 0, 0, "Neg Div"},
		{"divided by it", of(product, div("k", "p")), 0, 0, "MatMul Div"},
		{"a row", of(product, div("p", "row")), 0, 0, "MatMul Div"},
		{"close to overflow", of(product, div("p", "huge")), 0, 0, "MatMul Div"},
		{"read elsewhere", read, 0, 0, "MatMul Add Div"},
		{"a constant of two", shared, 0, 0, "MatMul Div MatMul"},
	})
}

// TestFoldFactorQueries: of a product of two values one of them is scaled, through the bias of its projection too.
func TestFoldFactorQueries(t *testing.T) {
	m := build(values(float("x", 2, 3, 4)), values(untyped("y")), []*onnx.Node{
		node("MatMul", names("x", "wq"), names("q0")), node("Add", names("q0", "bq"), names("q")),
		node("MatMul", names("x", "wk"), names("k0")), node("Transpose", names("k0"), names("k"), intsAttr("perm", 0, 2, 1)),
		node("MatMul", names("q", "k"), names("s")), node("Div", names("s", "root"), names("y")),
	}, f32("wq", 4, 6), f32("bq", 6), f32("wk", 4, 6), scalar("root", 2.449489743))
	check(t, foldFactor(), 1e-6, []passTest{{"queries", m, 0, 1, "MatMul Add MatMul Transpose MatMul"}})
}
