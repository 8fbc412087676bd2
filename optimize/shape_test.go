package optimize

import (
	"testing"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// number64 is an int64 constant of rank 0.
func number64(name string, v int64) *onnx.Tensor {
	return enginetest.Initializer(enginetest.Int64s(name, tensor.Shape{}, v))
}

func TestMoveShapes(t *testing.T) {
	x := float("x", "n", 3, "m")
	ints := value("y", tensor.Int64)
	of := func(n ...*onnx.Node) *model.Model {
		for i := range n {
			n[i] = n[i].Clone()
		}
		return lean(build(values(x), values(ints), n, i64("0", 0), i64("1", 1), i64("2", 2), i64("-1", -1), i64("-2", -2), i64("end", 1<<62), i64("0,2", 0, 2), number64("at0", 0), number64("at-1", -1)))
	}
	shape, last := node("Shape", names("x"), names("s")), node("Neg", names("c"), names("y"))
	cut := func(bounds ...string) *onnx.Node { return node("Slice", append(names("s"), bounds...), names("c")) }
	gather := func(at string) *onnx.Node { return node("Gather", names("s", at), names("c")) }
	check(t, moveShapes(), 0, []passTest{
		{"the first two", of(shape, cut("0", "2"), last), 0, 1, "Shape Neg"},
		{"all but the first", of(shape, cut("1", "end", "0"), last), 0, 1, "Shape Neg"},
		{"the last two", of(shape, cut("-2", "end", "0", "1"), last), 0, 1, "Shape Neg"},
		{"without the last", of(shape, cut("0", "-1"), last), 0, 1, "Shape Neg"},
		{"none", of(shape, cut("1", "0"), last), 0, 0, "Shape Slice Neg"},
		{"every second", of(shape, cut("0", "end", "0", "2"), last), 0, 0, "Shape Slice Neg"},
		{"one", of(shape, gather("1"), last), 0, 1, "Shape Neg"},
		{"the last one", of(shape, gather("-1"), last), 0, 1, "Shape Neg"},
		{"one number", of(shape, gather("at0"), last), 0, 0, "Shape Gather Neg"},
		{"one number as a vector", of(shape, node("Gather", names("s", "at-1"), names("g")), node("Unsqueeze", names("g", "0"), names("c")), last), 0, 1, "Shape Neg"},
		{"two", of(shape, gather("0,2"), last), 0, 0, "Shape Gather Neg"},
		{"of what is no shape", build(values(value("s", tensor.Int64, "n")), values(ints), []*onnx.Node{gather("1"), last.Clone()}, i64("1", 0)), 0, 0, "Gather Neg"},
		{"before there was a start", at(14, of(shape, cut("0", "2"), last)), 14, 0, "Shape Slice Neg"},
		{"of a part", of(node("Shape", names("x"), names("s"), intAttr("start", 1)), cut("0", "1"), last), 0, 0, "Shape Slice Neg"},
	})
	relu := func(out string) *onnx.Node { return node("Relu", names("x"), names(out)) }
	check(t, moveShapes(), 0, []passTest{
		{"of a later value", build(values(x), values(value("s", tensor.Int64)), []*onnx.Node{relu("a"), node("Exp", names("a"), names("b")), node("Shape", names("b"), names("s"))}), 0, 1, "Shape"},
		{"of another shape", build(values(x), values(value("s", tensor.Int64)), []*onnx.Node{node("Transpose", names("x"), names("b")), node("Shape", names("b"), names("s"))}), 0, 0, "Transpose Shape"},
		{"of a larger one", build(values(x, float("z", 4, "n", 1, 1)), values(value("s", tensor.Int64)), []*onnx.Node{node("Add", names("x", "z"), names("b")), node("Shape", names("b"), names("s"))}), 0, 0, "Add Shape"},
	})
}
