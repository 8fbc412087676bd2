package optimize

import (
	"math"
	"testing"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// boolean is a bool constant of a shape.
func boolean(name string, shape tensor.Shape, v ...byte) *onnx.Tensor {
	return enginetest.Initializer(tensor.Tensor{Name: name, DType: tensor.Bool, Shape: shape, Data: v})
}

// filled is a float32 constant whose elements are all v.
func filled(name string, v float32, shape ...int64) *onnx.Tensor {
	n, _ := tensor.Shape(shape).Elements()
	list := make([]float32, n)
	for i := range list {
		list[i] = v
	}
	return enginetest.Initializer(enginetest.Floats(name, shape, list...))
}

func TestEliminateNeutral(t *testing.T) {
	x := float("x", 2, 3)
	inf := float32(math.Inf(1))
	flipped := func(op string, c *onnx.Tensor) *model.Model {
		return build(values(x), values(untyped("y")), []*onnx.Node{node("Neg", names("x"), names("b")), node(op, names(c.Name, "b"), names("c")), node("Abs", names("c"), names("y"))}, c)
	}
	where := func(c *onnx.Tensor, other ...int64) *model.Model {
		return build(values(x), values(untyped("y")), []*onnx.Node{node("Neg", names("x"), names("b")), node("Where", names("c", "b", "k"), names("d")), node("Abs", names("d"), names("y"))}, c, f32("k", other...))
	}
	check(t, eliminateNeutral(), 0, []passTest{
		{"times one", between(x, "Mul", nil, scalar("k", 1)), 0, 1, "Neg Abs"},
		{"one times", flipped("Mul", scalar("k", 1)), 0, 1, "Neg Abs"},
		{"times ones", between(x, "Mul", nil, filled("k", 1, 2, 3)), 0, 1, "Neg Abs"},
		{"times ones for each column", between(float("x", "n", 3), "Mul", nil, filled("k", 1, 3)), 0, 1, "Neg Abs"},
		{"times ones that make it larger", between(float("x", 1, 3), "Mul", nil, filled("k", 1, 2, 1)), 0, 0, "Neg Mul Abs"},
		{"times ones that may make it larger", between(float("x", "n", 3), "Mul", nil, filled("k", 1, 2, 1)), 0, 0, "Neg Mul Abs"},
		{"times a one of more axes", between(x, "Mul", nil, filled("k", 1, 1, 1, 1)), 0, 0, "Neg Mul Abs"},
		{"times two", between(x, "Mul", nil, scalar("k", 2)), 0, 0, "Neg Mul Abs"},
		{"times one and two", between(x, "Mul", nil, enginetest.Initializer(enginetest.Floats("k", nil, 1, 1, 2))), 0, 0, "Neg Mul Abs"},
		{"divided by one", between(x, "Div", nil, scalar("k", 1)), 0, 1, "Neg Abs"},
		{"one divided by", flipped("Div", scalar("k", 1)), 0, 0, "Neg Div Abs"},
		{"plus zero", between(x, "Add", nil, scalar("k", 0)), 0, 1, "Neg Abs"},
		{"zero plus", flipped("Add", filled("k", 0, 3)), 0, 1, "Neg Abs"},
		{"plus one", between(x, "Add", nil, scalar("k", 1)), 0, 0, "Neg Add Abs"},
		{"minus zero", between(x, "Sub", nil, scalar("k", 0)), 0, 1, "Neg Abs"},
		{"zero minus", flipped("Sub", scalar("k", 0)), 0, 0, "Neg Sub Abs"},
		{"to the power of one", between(x, "Pow", nil, scalar("k", 1)), 0, 1, "Neg Abs"},
		{"one to the power", flipped("Pow", scalar("k", 1)), 0, 0, "Neg Pow Abs"},
		{"at least minus infinity", between(x, "Max", nil, scalar("k", -inf)), 0, 1, "Neg Abs"},
		{"at least zero", between(x, "Max", nil, scalar("k", 0)), 0, 0, "Neg Max Abs"},
		{"at most infinity", between(x, "Min", nil, scalar("k", inf)), 0, 1, "Neg Abs"},
		{"where true", where(boolean("c", tensor.Shape{}, 1), 3), 0, 1, "Neg Abs"},
		{"where false", where(boolean("c", tensor.Shape{1}, 0), 2, 3), 0, 1, "Abs"},
		{"where true of less", where(boolean("c", tensor.Shape{2, 1, 1}, 1, 1), 3), 0, 0, "Neg Where Abs"},
		{"where both", where(boolean("c", tensor.Shape{3}, 0, 1, 0), 3), 0, 0, "Neg Where Abs"},
		{"a default that a caller may replace", build(values(x, float("k")), values(untyped("y")), []*onnx.Node{node("Mul", names("x", "k"), names("y"))}, scalar("k", 1)), 0, 0, "Mul"},
		{"an input as output", build(values(x), values(untyped("y")), []*onnx.Node{node("Mul", names("x", "k"), names("y"))}, scalar("k", 1)), 0, 0, "Mul"},
	})
}

// TestNeutralOfOtherTypes: integers, half precision and truth values have neutral elements too.
func TestNeutralOfOtherTypes(t *testing.T) {
	of := func(op string, d tensor.DType, data ...byte) *model.Model {
		c := enginetest.Initializer(tensor.Tensor{Name: "k", DType: d, Shape: tensor.Shape{}, Data: data})
		return build(values(value("x", d, 4)), values(value("y", d)), []*onnx.Node{
			node("Identity", names("x"), names("b")), node(op, names("b", "k"), names("c")), node("Identity", names("c"), names("y")),
		}, c)
	}
	check(t, eliminateNeutral(), 0, []passTest{
		{"int64", of("Mul", tensor.Int64, 1, 0, 0, 0, 0, 0, 0, 0), 0, 1, "Identity Identity"},
		{"int32", of("Add", tensor.Int32, 0, 0, 0, 0), 0, 1, "Identity Identity"},
		{"float16", of("Mul", tensor.Float16, 0, 0x3c), 0, 1, "Identity Identity"},
		{"float64", of("Sub", tensor.Float64, 0, 0, 0, 0, 0, 0, 0, 0x80), 0, 1, "Identity Identity"},
		{"and true", of("And", tensor.Bool, 1), 0, 1, "Identity Identity"},
		{"or true", of("Or", tensor.Bool, 1), 0, 0, "Identity Or Identity"},
		{"int64 beyond float64", of("Mul", tensor.Int64, 1, 0, 0, 0, 0, 0, 0, 0x40), 0, 0, "Identity Mul Identity"},
	})
}
