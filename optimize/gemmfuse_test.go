package optimize

import (
	"testing"

	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

func TestFuseGemm(t *testing.T) {
	x, batch := float("x", 3, 4), float("x", "batch", 4)
	out := values(untyped("y"))
	product := node("MatMul", names("x", "w"), names("p"))
	add := func(a, b string) *onnx.Node { return node("Add", names(a, b), names("y")) }
	of := func(x *onnx.ValueInfo, nodes []*onnx.Node, constants ...*onnx.Tensor) *model.Model {
		return build(values(x), out, nodes, constants...)
	}
	nodes := func(n ...*onnx.Node) []*onnx.Node {
		var list []*onnx.Node
		for _, x := range n {
			list = append(list, x.Clone())
		}
		return list
	}
	w := f32("w", 4, 5)
	transposed := func(in, out string, attrs ...*onnx.Attribute) *onnx.Node {
		return node("Transpose", names(in), names(out), attrs...)
	}
	read := of(x, nodes(product, add("p", "b")), w, f32("b", 5))
	read.Proto.Graph.Outputs = append(read.Proto.Graph.Outputs, untyped("p"))
	run := build(values(batch, float("c", "batch", 5)), out, nodes(product, add("c", "p")), w)
	twoTransposed := build(values(float("x", 4, 3)), values(untyped("y"), untyped("z")), nodes(transposed("x", "t"),
		node("MatMul", names("t", "w"), names("y")), node("Gemm", names("w2", "t"), names("z"), intAttr("transB", 1))), w, f32("w2", 2, 4))
	mixed := build(values(float("x", 4, 3)), values(untyped("y"), untyped("z")), nodes(transposed("x", "t"),
		node("MatMul", names("t", "w"), names("y")), node("Neg", names("t"), names("z"))), w)
	check(t, fuseGemm(), 1e-6, []passTest{
		{"row", of(x, nodes(product, add("p", "b")), w, f32("b", 5)), 0, 1, "Gemm"},
		{"row on the left", of(x, nodes(product, add("b", "p")), w, f32("b", 5)), 0, 1, "Gemm"},
		{"column", of(x, nodes(product, add("p", "b")), w, f32("b", 3, 1)), 0, 1, "Gemm"},
		{"scalar", of(x, nodes(product, add("p", "b")), w, scalar("b", 2)), 0, 1, "Gemm"},
		{"dynamic batch", of(batch, nodes(product, add("p", "b")), w, f32("b", 1, 5)), 0, 1, "Gemm"},
		{"addend of a run", run, 0, 1, "Gemm"},
		{"a matrix that the batch may not have", of(batch, nodes(product, add("p", "b")), w, f32("b", 2, 5)), 0, 0, "MatMul Add"},
		{"more axes", of(x, nodes(product, add("p", "b")), w, f32("b", 1, 3, 5)), 0, 0, "MatMul Add"},
		{"of one row to three", of(float("x", 1, 4), nodes(product, add("p", "b")), w, f32("b", 3, 5)), 0, 0, "MatMul Add"},
		{"three axes", of(float("x", 2, 3, 4), nodes(product, add("p", "b")), w, f32("b", 5)), 0, 0, "MatMul Add"},
		{"a vector", of(float("x", 4), nodes(product, add("p", "b")), w, f32("b", 5)), 0, 0, "MatMul Add"},
		{"read elsewhere", read, 0, 0, "MatMul Add"},
		{"gemm without addend", of(x, nodes(node("Gemm", names("x", "w"), names("p"), floatAttr("alpha", 2), floatAttr("beta", 3)), add("p", "b")), w, f32("b", 5)), 0, 1, "Gemm"},
		{"gemm with one", of(x, nodes(node("Gemm", names("x", "w", "b"), names("p")), add("p", "b")), w, f32("b", 5)), 0, 0, "Gemm Add"},
		{"transposed left", of(float("x", 4, 3), nodes(transposed("x", "t"), node("MatMul", names("t", "w"), names("y"))), w), 0, 1, "Gemm"},
		{"transposed right", of(float("x", 5, 4), nodes(transposed("x", "t", intsAttr("perm", 1, 0)), node("MatMul", names("m", "t"), names("y"))), f32("m", 3, 4)), 0, 1, "Gemm"},
		{"transposed back", of(x, nodes(transposed("x", "t"), node("Gemm", names("t", "w"), names("y"), intAttr("transA", 1))), w), 0, 1, "Gemm"},
		{"not swapped", of(x, nodes(transposed("x", "t", intsAttr("perm", 0, 1)), node("MatMul", names("t", "w"), names("y"))), w), 0, 0, "Transpose MatMul"},
		{"transposed for two products", twoTransposed, 0, 2, "Gemm Gemm"},
		{"transposed for others", mixed, 0, 0, "Transpose MatMul Neg"},
	})
}

// TestFuseGemmAxes: two dynamic axes may have two sizes, or one of them 1.
func TestFuseGemmAxes(t *testing.T) {
	m := build(values(float("x", "batch", 4), float("c", "rows", 5)), values(untyped("y")), []*onnx.Node{node("MatMul", names("x", "w"), names("p")),
		node("Add", names("p", "c"), names("y"))}, f32("w", 4, 5))
	if after, r := prepared(t, m.Proto, []Pass{fuseGemm()}, 0); r[0].Changed != 0 {
		t.Errorf("became %s", ops(after))
	}
}

// TestFuseGemmOpset: before opset 7 an Add said along which axis it broadcasts.
func TestFuseGemmOpset(t *testing.T) {
	m := at(6, build(values(float("x", 3, 4)), values(untyped("y")), []*onnx.Node{node("MatMul", names("x", "w"), names("p")),
		node("Add", names("p", "b"), names("y"), intAttr("broadcast", 1))}, f32("w", 4, 5), f32("b", 5)))
	if after, r := prepared(t, m.Proto, []Pass{fuseGemm()}, 0); r[0].Changed != 0 {
		t.Errorf("became %s", ops(after))
	}
}

// TestFuseGemmTypes: integers have a MatMul, and no Gemm that every runtime knows.
func TestFuseGemmTypes(t *testing.T) {
	x := value("x", tensor.Int32, 3, 4)
	y := &onnx.ValueInfo{Name: "y", Type: &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Int32}}
	m := build(values(x, value("w", tensor.Int32, 4, 5), value("b", tensor.Int32, 5)), values(y),
		[]*onnx.Node{node("MatMul", names("x", "w"), names("p")), node("Add", names("p", "b"), names("y"))})
	check(t, fuseGemm(), 0, []passTest{{"integers", m, 0, 0, "MatMul Add"}})
}
