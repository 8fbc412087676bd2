package optimize

import (
	"testing"

	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

func TestMergeCasts(t *testing.T) {
	// to casts x through some dtypes; what comes out is cast to float32 by an operator that is no Cast.
	to := func(x tensor.DType, by ...tensor.DType) *model.Model {
		list, last := []*onnx.Node{node("Identity", names("x"), names("v"))}, "v"
		for i, d := range by {
			out := string(rune('a' + i))
			list, last = append(list, node("Cast", names(last), names(out), intAttr("to", int64(d)))), out
		}
		list = append(list, node("CastLike", names(last, "k"), names("y")))
		return build(values(value("x", x, 3, 5)), values(untyped("y")), list, scalar("k", 1))
	}
	const one, two, none = "Identity Cast CastLike", "Identity Cast Cast CastLike", "Identity CastLike"
	check(t, mergeCasts(), 0, []passTest{
		{"wider and back", to(tensor.Float16, tensor.Float32, tensor.Float16), 0, 1, none},
		{"wider and wider", to(tensor.Float16, tensor.Float32, tensor.Float64), 0, 1, one},
		{"narrower and back", to(tensor.Float32, tensor.Float16, tensor.Float32), 0, 0, two},
		{"bfloat16 is no float16", to(tensor.BFloat16, tensor.Float16, tensor.Float32), 0, 0, two},
		{"integers", to(tensor.Int32, tensor.Int64, tensor.Int32), 0, 1, none},
		{"integers that wrap around", to(tensor.Int32, tensor.Int64, tensor.Uint8), 0, 1, one},
		{"negative integers", to(tensor.Int8, tensor.Uint32, tensor.Int32), 0, 0, two},
		{"a small integer and back", to(tensor.Int16, tensor.Float32, tensor.Int16), 0, 1, none},
		{"a large integer and back", to(tensor.Int32, tensor.Float32, tensor.Int32), 0, 0, two},
		{"an integer by a float to a type that lacks it", to(tensor.Int16, tensor.Float32, tensor.Uint8), 0, 0, two},
		{"a float to an integer", to(tensor.Float32, tensor.Int64, tensor.Float32), 0, 0, two},
		{"truth and back", to(tensor.Bool, tensor.Float32, tensor.Bool), 0, 1, none},
		{"a number to truth and back", to(tensor.Int64, tensor.Bool, tensor.Int64), 0, 0, two},
		{"a number to truth", to(tensor.Int32, tensor.Int64, tensor.Bool), 0, 1, one},
		{"three", to(tensor.Bool, tensor.Int32, tensor.Float32, tensor.Float64), 0, 2, one},
		{"text", to(tensor.Int32, tensor.Int64, tensor.String), 0, 0, two},
	})
}
