package optimize

import (
	"testing"

	"infer/model"
	"infer/model/onnx"
)

func TestMergeConcats(t *testing.T) {
	x := float("x", 2, 3)
	of := func(n ...*onnx.Node) *model.Model {
		return lean(build(values(x), values(untyped("y")), append([]*onnx.Node{node("Neg", names("x"), names("v"))}, n...), f32("k", 2, 3), f32("none", 2, 0), f32("row", 0, 3), i64("3,3", 3, 3), i64("1,2", 1, 2)))
	}
	concat := func(out string, axis int64, in ...string) *onnx.Node {
		return node("Concat", in, names(out), intAttr("axis", axis))
	}
	split := func() *onnx.Node { return node("Split", names("v", "1,2"), names("p", "q"), intAttr("axis", 1)) }
	check(t, mergeConcats(), 0, []passTest{
		{"nested", of(concat("a", 1, "v", "x"), concat("y", 1, "k", "a", "x")), 0, 1, "Neg Concat"},
		{"nested twice", of(concat("a", 1, "v", "x"), concat("b", -1, "a", "k"), concat("y", 1, "b", "x")), 0, 2, "Neg Concat"},
		{"nested in both", of(concat("a", 0, "v", "x"), concat("b", 0, "k", "x"), concat("y", -2, "b", "a")), 0, 1, "Neg Concat"},
		{"another axis", of(concat("a", 0, "v", "x"), concat("b", 0, "k", "x"), concat("y", 1, "b", "a")), 0, 0, "Neg Concat Concat Concat"},
		{"read twice", of(concat("a", 1, "v", "x"), concat("y", 1, "a", "a")), 0, 0, "Neg Concat Concat"},
		{"read by another too", of(concat("a", 1, "v", "x"), concat("b", 1, "a", "k"), node("Exp", names("a"), names("c")), concat("y", 1, "b", "c")), 0, 1, "Neg Concat Exp Concat"},
		{"an empty part", of(concat("y", 1, "v", "none", "x")), 0, 1, "Neg Concat"},
		{"nothing but one part", of(concat("y", 0, "row", "v")), 0, 1, "Neg Concat"},
		{"no empty part", of(concat("y", 1, "v", "k")), 0, 0, "Neg Concat"},
		{"apart and together", of(split(), concat("c", 1, "p", "q"), node("Abs", names("c"), names("y"))), 0, 1, "Neg Abs"},
		{"apart and together, from the end", of(split(), concat("c", -1, "p", "q"), node("Abs", names("c"), names("y"))), 0, 1, "Neg Abs"},
		{"turned around", of(split(), concat("c", 1, "q", "p"), node("Abs", names("c"), names("y"))), 0, 0, "Neg Split Concat Abs"},
		{"one part", of(split(), concat("c", 1, "p", "k"), node("Abs", names("c"), names("y"))), 0, 0, "Neg Split Concat Abs"},
		{"together along another axis", build(values(float("x", 2, 2)), values(untyped("y")), []*onnx.Node{node("Split", names("x"), names("p", "q"), intAttr("axis", 0), intAttr("num_outputs", 2)),
			concat("c", 1, "p", "q"), node("Abs", names("c"), names("y"))}), 0, 0, "Split Concat Abs"},
	})
}
