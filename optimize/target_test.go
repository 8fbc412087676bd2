package optimize

import (
	"testing"

	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

// shaped is x, whose axes the nodes compute a shape from under the name "s", and an operator that takes v = -x to it.
func shaped(x *onnx.ValueInfo, op string, attrs []*onnx.Attribute, n ...*onnx.Node) *model.Model {
	list := append([]*onnx.Node{node("Neg", names("x"), names("v")), node("Shape", names("v"), names("sizes"))}, n...)
	list = append(list, node(op, names("v", "s"), names("c"), attrs...), node("Abs", names("c"), names("y")))
	consts := []*onnx.Tensor{i64("0", 0), i64("1", 1), i64("2", 2), i64("3", 3), i64("4", 4), i64("12", 12), i64("-1", -1), i64("ends", 2), number64("at0", 0)}
	return lean(build(values(x), values(untyped("y")), list, consts...))
}

// size is a node that gives one size of "sizes" as a vector.
func size(out, at string) *onnx.Node { return node("Gather", names("sizes", at), names(out)) }

// joined is a node that makes the shape "s" of vectors.
func joined(parts ...string) *onnx.Node { return node("Concat", parts, names("s"), intAttr("axis", 0)) }

func TestFoldTargets(t *testing.T) {
	x := float("x", "n", "m", 12)
	const reshaped, kept = "Neg Reshape Abs", "Neg Shape Gather Gather Concat Reshape Abs"
	product := func(out, a, b string) *onnx.Node { return node("Mul", names(a, b), names(out)) }
	check(t, foldTargets(), 0, []passTest{
		{"two sizes that stay", shaped(x, "Reshape", nil, size("a", "0"), size("b", "1"), joined("a", "b", "3", "4")), 0, 1, reshaped},
		{"one size that moves", shaped(float("x", "n", 12), "Reshape", nil, size("a", "0"), joined("3", "a", "4")), 0, 1, reshaped},
		{"one size that stays, one that moves", shaped(x, "Reshape", nil, size("a", "0"), size("b", "1"), joined("a", "12", "b")), 0, 1, reshaped},
		{"a product of sizes", shaped(x, "Reshape", nil, size("a", "0"), size("b", "1"), product("p", "a", "b"), joined("p", "12")), 0, 1, reshaped},
		{"two sizes that move", shaped(x, "Reshape", nil, size("a", "0"), size("b", "1"), joined("12", "a", "b")), 0, 0, kept},
		{"an axis of its size", shaped(float("x", "n", 12), "Reshape", list(intAttr("allowzero", 1)), size("a", "0"), joined("a", "12")), 0, 0, "Neg Shape Gather Concat Reshape Abs"},
		{"an axis of nothing", shaped(float("x", "n", 0, 12), "Reshape", nil, size("a", "0"), size("b", "1"), joined("a", "b", "12")), 0, 0, "Neg Shape Gather Gather Concat Reshape Abs"},
		{"a constant", shaped(x, "Reshape", nil, joined("-1", "12")), 0, 1, reshaped},
		{"expand that adds an axis", shaped(x, "Expand", nil, size("a", "0"), size("b", "1"), joined("2", "a", "b", "12")), 0, 1, "Neg Expand Abs"},
		{"expand of one element", shaped(float("x", "n", 1), "Expand", nil, size("a", "0"), joined("a", "4")), 0, 1, "Neg Expand Abs"},
		{"expand to a dynamic size", shaped(float("x", "n", 1), "Expand", nil, size("a", "0"), joined("1", "a")), 0, 0, "Neg Shape Gather Concat Expand Abs"},
	})
	given := build(values(float("x", "n", 12), value("s", tensor.Int64, 2)), values(untyped("y")), []*onnx.Node{node("Reshape", names("x", "s"), names("y"))})
	if _, results := prepared(t, given.Proto, []Pass{foldTargets()}, 0); results[0].Changed != 0 {
		t.Error("a shape that the caller gives is not known")
	}
}
