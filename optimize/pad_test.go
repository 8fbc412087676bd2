package optimize

import (
	"math"
	"testing"

	"infer/model"
	"infer/model/onnx"
)

func TestFoldPad(t *testing.T) {
	x := float("x", 2, 3, 7, 7)
	conv := func(attrs ...*onnx.Attribute) *onnx.Node { return node("Conv", names("p", "w"), names("y"), attrs...) }
	pool := func(op string, attrs ...*onnx.Attribute) *onnx.Node {
		return node(op, names("p"), names("y"), append(attrs, intsAttr("kernel_shape", 3, 3))...)
	}
	pad := func(in string, more ...string) *onnx.Node {
		return node("Pad", append(names(in, "pads"), more...), names("p"))
	}
	of := func(pads *onnx.Tensor, nodes ...*onnx.Node) *model.Model {
		m := build(values(x), values(untyped("y")), nodes, pads, f32("w", 4, 3, 3, 3), scalar("zero", 0), scalar("one", 1), scalar("-inf", float32(math.Inf(-1))), i64("axes", 2, -1))
		if err := NewEditor(m.Proto, m.Proto.Graph).Finish(); err != nil {
			t.Fatal(err)
		}
		return m
	}
	around := i64("pads", 0, 0, 1, 2, 0, 0, 2, 1)
	channels := i64("pads", 0, 1, 1, 1, 0, 0, 1, 1)
	two := of(around, pad("x"), conv())
	two.Proto.Graph.Outputs = append(two.Proto.Graph.Outputs, untyped("z"))
	two.Proto.Graph.Nodes = append(two.Proto.Graph.Nodes, node("Neg", names("p"), names("z")))
	relu := node("Relu", names("x"), names("r"))
	attrs := at(10, of(around, node("Pad", names("x"), names("p"), intsAttr("pads", 0, 0, 1, 2, 0, 0, 2, 1)), conv()))
	check(t, foldPad(), 1e-6, []passTest{
		{"conv", of(around, pad("x"), conv()), 0, 1, "Conv"},
		{"zero by name", of(around, pad("x", "zero"), conv()), 0, 1, "Conv"},
		{"conv that pads", of(around, pad("x"), conv(intsAttr("pads", 1, 0, 0, 1), intsAttr("strides", 2, 1))), 0, 1, "Conv"},
		{"conv that says that it does not", of(around, pad("x"), conv(stringAttr("auto_pad", "VALID"))), 0, 1, "Conv"},
		{"axes", at(18, of(i64("pads", 1, 2, 2, 1), pad("x", "", "axes"), conv())), 0, 1, "Conv"},
		{"attributes", attrs, 0, 1, "Conv"},
		{"average that counts", of(around, pad("x"), pool("AveragePool", intAttr("count_include_pad", 1))), 0, 1, "AveragePool"},
		{"average of the padded", of(around, pad("x"), pool("AveragePool")), 0, 1, "AveragePool"},
		{"maximum", of(around, pad("x", "-inf"), pool("MaxPool", intsAttr("strides", 2, 2))), 0, 1, "MaxPool"},
		{"maximum of what is not negative", of(around, relu, pad("r"), pool("MaxPool")), 0, 1, "Relu MaxPool"},
		{"maximum of anything and zeros", of(around, pad("x"), pool("MaxPool")), 0, 0, "Pad MaxPool"},
		{"average that pads without counting", of(around, pad("x"), pool("AveragePool", intsAttr("pads", 1, 1, 1, 1))), 0, 0, "Pad AveragePool"},
		{"pads as large as the window", of(i64("pads", 0, 0, 3, 0, 0, 0, 0, 0), pad("x"), pool("AveragePool")), 0, 0, "Pad AveragePool"},
		{"windows over the end", of(around, pad("x"), pool("AveragePool", intAttr("ceil_mode", 1), intsAttr("strides", 2, 2))), 0, 0, "Pad AveragePool"},
		{"ones", of(around, pad("x", "one"), conv()), 0, 0, "Pad Conv"},
		{"reflected", of(around, node("Pad", names("x", "pads"), names("p"), stringAttr("mode", "reflect")), conv()), 0, 0, "Pad Conv"},
		{"cut off", of(i64("pads", 0, 0, -1, 0, 0, 0, 0, 0), pad("x"), conv()), 0, 0, "Pad Conv"},
		{"channels", of(channels, pad("x"), pool("MaxPool")), 0, 0, "Pad MaxPool"},
		{"as much as the size asks for", of(around, pad("x"), conv(stringAttr("auto_pad", "SAME_UPPER"))), 0, 0, "Pad Conv"},
		{"two readers", two, 0, 0, "Pad Conv Neg"},
	})
}
